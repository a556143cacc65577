"""The GPUs' generators (``torch.cuda.random``). A state is 16 bytes: seed and offset.

Without a GPU seeding does nothing, and a state cannot be asked for (RuntimeError).
"""

import secrets
from collections.abc import Iterable
from typing import Any

from jtorch.engine.devices import devices
from jtorch.tensor.device import current_cuda, engine_name
from jtorch.tensor.device import device as _device_class
from jtorch.tensor.generator import Generator, generator_of, seed_accelerator
from jtorch.tensor.tensor import Tensor

__all__ = [
    "get_rng_state", "get_rng_state_all", "initial_seed", "manual_seed", "manual_seed_all", "seed", "seed_all",
    "set_rng_state", "set_rng_state_all",
]  # fmt: skip


def _generator(device: Any) -> Generator:
    return generator_of(engine_name(_device_class("cuda", device) if isinstance(device, int) else device))


def get_rng_state(device: Any = "cuda") -> Tensor:
    """The state of a GPU's generator, a ByteTensor."""
    return _generator(device).get_state()


def get_rng_state_all() -> list[Tensor]:
    """The states of all GPUs' generators."""
    return [get_rng_state(i) for i in range(len(devices("cuda")))]


def set_rng_state(new_state: Tensor, device: Any = "cuda") -> None:
    """Set the state of a GPU's generator."""
    _generator(device).set_state(new_state)


def set_rng_state_all(new_states: Iterable[Tensor]) -> None:
    """Set the states of all GPUs' generators."""
    for i, state in enumerate(new_states):
        set_rng_state(state, i)


def manual_seed(seed: int) -> None:
    """Seed the current GPU's generator."""
    if devices("cuda"):
        seed_accelerator(int(seed), current_cuda())


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all GPUs."""
    seed_accelerator(int(seed), None)


def seed() -> None:
    """Seed the current GPU's generator with a number nobody can predict."""
    manual_seed(secrets.randbits(63))


def seed_all() -> None:
    """Seed the generators of all GPUs with a number nobody can predict."""
    manual_seed_all(secrets.randbits(63))


def initial_seed() -> int:
    """The seed that the current GPU's generator began with."""
    return _generator("cuda").initial_seed()
