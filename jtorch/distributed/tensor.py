"""``DTensor``, for programs that ask whether a tensor is one."""

from typing import Any

__all__ = ["DTensor"]


class DTensor:
    """A class without instances: making one raises NotImplementedError, since one process runs a program."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("torch.distributed.tensor.DTensor; one process runs a program, see JAX's sharding")
