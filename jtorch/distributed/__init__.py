"""torch.distributed: not available; one program is spread over devices by JAX, not over processes by jtorch.

What programs ask before they decide for one process is answered as torch does where there is no process group.
"""

from typing import Any, NoReturn

from jtorch.absent import Absent

__all__ = [
    "barrier", "destroy_process_group", "get_backend", "get_rank", "get_world_size", "init_process_group",
    "is_available", "is_gloo_available", "is_initialized", "is_mpi_available", "is_nccl_available",
    "is_torchelastic_launched",
]  # fmt: skip


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False: there is no process group."""
    return False


def is_nccl_available() -> bool:
    """False."""
    return False


def is_gloo_available() -> bool:
    """False."""
    return False


def is_mpi_available() -> bool:
    """False."""
    return False


def is_torchelastic_launched() -> bool:
    """False."""
    return False


def _no_group() -> NoReturn:
    raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")


def get_rank(group: Any = None) -> int:
    """Raises ValueError: there is no process group."""
    _no_group()


def get_world_size(group: Any = None) -> int:
    """Raises ValueError: there is no process group."""
    _no_group()


def get_backend(group: Any = None) -> str:
    """Raises ValueError: there is no process group."""
    _no_group()


def barrier(group: Any = None, async_op: bool = False, device_ids: Any = None, timeout: Any = None) -> None:
    """Raises ValueError: there is no process group."""
    _no_group()


init_process_group = Absent("distributed.init_process_group()", "one process runs a program; see JAX's sharding")
destroy_process_group = Absent("distributed.destroy_process_group()", "there is no process group")
