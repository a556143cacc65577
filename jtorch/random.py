"""``torch.random``: the CPU generator's seed and state, and ``fork_rng`` (https://docs.pytorch.org/docs/stable/random.html)."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from jtorch.engine.devices import devices as _devices
from jtorch.tensor.device import device as _device_class
from jtorch.tensor.device import engine_name
from jtorch.tensor.generator import Generator, default_generator, generator_of, key_scope
from jtorch.tensor.random import get_rng_state, initial_seed, manual_seed, seed, set_rng_state

__all__ = [
    "fork_rng", "get_rng_state", "initial_seed", "key_scope", "manual_seed", "seed", "set_rng_state",
    "thread_safe_generator",
]  # fmt: skip


@contextmanager
def fork_rng(
    devices: Iterable[Any] | None = None, enabled: bool = True, _caller: str = "fork_rng", _devices_kw: str = "devices",
    device_type: str | None = None,
) -> Iterator[None]:  # fmt: skip
    """Within the block draws do not count: afterwards the generators of the CPU and of ``devices`` are as before.

    Without ``devices``, all devices of ``device_type`` (``"cuda"``), with a warning where there are several.
    """
    kind = _device_class(device_type or "cuda").type
    if kind == "meta" or not enabled:
        yield
        return
    if devices is not None:
        chosen = [engine_name(_device_class(kind, d) if isinstance(d, int) else d) for d in devices]
    else:
        chosen = [] if kind == "cpu" else [f"{kind}:{i}" for i in range(len(_devices(kind)))]
        if len(chosen) > 1:
            warnings.warn(
                f"{kind.upper()} reports that you have {len(chosen)} available devices, and you have used {_caller} "
                "without explicitly specifying which devices are being used: the generators of all of them are kept. "
                f"Name those you use by the '{_devices_kw}' keyword argument of {_caller}.",
                UserWarning,
                stacklevel=3,
            )
    generators: list[Generator] = [default_generator, *(generator_of(d) for d in chosen)]
    kept = [g.clone_state() for g in generators]
    try:
        yield
    finally:
        for g, before in zip(generators, kept, strict=True):
            g.assume(before)


def thread_safe_generator() -> Generator | None:
    """The generator of a DataLoader's worker thread: None, as workers here are processes."""
    return None
