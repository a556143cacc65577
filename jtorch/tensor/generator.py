"""Random number generators (torch.Generator) and their seeds.

On the CPU a generator is torch's Mersenne Twister, bit for bit. Torch's own build leaves ``bernoulli_(p)`` and
``exponential_`` to Intel's MKL on Intel's processors; jtorch draws everywhere what torch draws on the others. On an
accelerator a generator is a seed and an offset, which programs take and return (``ops/random.py``).
"""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

from jtorch.engine import trace
from jtorch.engine.devices import jax_device
from jtorch.engine.segment import spoil
from jtorch.engine.value import Value, from_array
from jtorch.ops.random import STRIDE, state_of
from jtorch.tensor.device import device as device_class
from jtorch.tensor.device import engine_name, of_engine
from jtorch.tensor.mt19937 import DEFAULT_SEED, Mt19937
from jtorch.tensor.tensor import Tensor, tensor_from, wrap


class Generator:
    """A stream of random numbers (https://docs.pytorch.org/docs/stable/generated/torch.Generator.html).

    ``mt`` is the engine of a CPU generator; ``words`` is the state of another one, uint32 [4], which a program may have
    yet to compute.
    """

    mt: Mt19937 | None = None
    words: Value

    def __init__(self, device: Any = "cpu") -> None:
        name = engine_name(device)
        if name == "meta":
            raise RuntimeError("META device type not an accelerator.")
        self._device = name
        if name == "cpu":
            self.mt = Mt19937()
        else:
            self._start(DEFAULT_SEED)

    def _start(self, seed: int, offset: int = 0) -> None:
        self._seed = seed
        words = jax.device_put(state_of(seed, offset), jax_device(self._device))  # placed as those that follow it are
        self.words = from_array(words, self._device)

    @property
    def device(self) -> device_class:
        """The device of the tensors it draws for."""
        return of_engine(self._device)

    def manual_seed(self, seed: int) -> "Generator":
        """Start the stream that ``seed`` stands for; returns itself. Negative seeds count from the top of 64 bits."""
        spoil("a seed")
        if isinstance(seed, (bool, float)) or not hasattr(seed, "__index__"):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        start = seed.__index__()
        if not -(1 << 63) <= start < 1 << 64:
            raise ValueError("Overflow when unpacking long long")
        start %= 1 << 64
        if self.mt is not None:
            self.mt.seed(start)
        else:
            self._start(start)
        return self

    def seed(self) -> int:
        """Start a stream that nobody can predict; returns its seed."""
        seed = secrets.randbits(63)
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed that the stream began with."""
        return self.mt.initial_seed if self.mt is not None else self._seed

    def get_state(self) -> Tensor:
        """The state as a ByteTensor: 5056 bytes on the CPU, in torch's layout; else 16, seed and offset."""
        if self.mt is not None:
            return tensor_from(self.mt.state(), "cpu")
        return tensor_from(np.frombuffer(wrap(self.words)._host("get_state()").tobytes(), np.uint8).copy(), "cpu")

    def set_state(self, new_state: Tensor) -> None:
        """Go on from a state that :meth:`get_state` gave; raises for anything else."""
        spoil("a generator's state")
        data = _bytes(new_state, "expected a torch.ByteTensor, but got {}")
        if self.mt is not None:
            self.mt.set_state(data)
            return
        if data.size != 16:
            raise RuntimeError("RNG state is wrong size")
        self._start(*(int(x) for x in data.view("<u8")))

    def get_offset(self) -> int:
        """How far along an accelerator's stream is; raises RuntimeError on the CPU."""
        self._needs_offset()
        return int(wrap(self.words)._host("get_offset()").view("<u8")[1])

    def set_offset(self, offset: int) -> None:
        """Go to an offset, a multiple of four, of an accelerator's stream; raises RuntimeError on the CPU."""
        self._needs_offset()
        if offset % STRIDE:
            raise RuntimeError("offset must be a multiple of 4")
        self._start(self._seed, offset)

    def _needs_offset(self) -> None:
        if self.mt is not None:
            raise RuntimeError("CPU Generator does not use offset")

    def clone_state(self) -> "Generator":
        """A new generator that will draw the same numbers."""
        other = Generator.__new__(Generator)
        other._device = self._device
        if self.mt is not None:
            other.mt = self.mt.clone()
        else:
            other._seed, other.words = self._seed, self.words
        return other

    def graphsafe_get_state(self) -> "Generator":
        """On an accelerator, a generator with this one's state, which reads nothing back from the device."""
        if self.mt is not None:
            raise NotImplementedError("graphsafe_get_state is not supported in this Generator")
        return self.clone_state()

    def graphsafe_set_state(self, state: "Generator") -> None:
        """On an accelerator, go on from the state of another generator, without reading it."""
        if self.mt is not None:
            raise NotImplementedError("graphsafe_set_state is not supported in this Generator")
        self._seed, self.words = state._seed, state.words

    def assume(self, other: "Generator") -> None:
        """Go on from the state of another generator of the device (jtorch's own; for :func:`torch.random.fork_rng`)."""
        spoil("a generator's state")
        if self.mt is not None:
            self.mt = other.mt
        else:
            self.graphsafe_set_state(other)

    def __reduce__(self) -> tuple:
        return _restored, (str(self.device), self.get_state()._host("pickle").tobytes())

    def __deepcopy__(self, memo: dict) -> "Generator":
        return self.clone_state()


Generator.__module__ = "torch"


def _restored(device: str, state: bytes) -> Generator:
    made = Generator(device)
    made.set_state(tensor_from(np.frombuffer(state, np.uint8), "cpu"))
    return made


def _bytes(state: Any, complaint: str) -> np.ndarray:
    if not isinstance(state, Tensor) or state._aval().dtype != np.uint8:
        raise TypeError(complaint.format(type(state).__name__))
    return state._host("set_state()").reshape(-1)


# -- the generators used where none is given

default_generator = Generator()

_accelerators: dict[str, Generator] = {}  # made when first asked for, with the seed that was set last for all
_accelerator_seed = DEFAULT_SEED


def generator_of(device: str) -> Generator:
    """The default generator of an engine's device."""
    if device == "cpu":
        return default_generator
    found = _accelerators.get(device)
    if found is None:
        found = _accelerators[device] = Generator(device).manual_seed(_accelerator_seed)
    return found


def seed_accelerator(seed: int, index: int | None) -> None:
    """Seed the default generator of GPU ``index``, or (None) those of all accelerators, there or not."""
    global _accelerator_seed
    if index is not None:
        generator_of(f"cuda:{index}").manual_seed(seed)
        return
    _accelerator_seed = int(seed) % (1 << 64)
    for each in _accelerators.values():
        each.manual_seed(seed)


def chosen(generator: Any, device: str) -> Generator:
    """The generator to draw from on ``device``; raises RuntimeError where the given one belongs to another kind."""
    seen = trace.state().recording
    if seen is not None and device == "cpu":
        seen.touched += 1
    if generator is None:
        return generator_of(device)
    if generator._device.partition(":")[0] != device.partition(":")[0]:
        raise RuntimeError(
            f"Expected a '{device.partition(':')[0]}' device type for generator but found '{generator.device.type}'"
        )
    return generator


# -- a JAX key in place of the generators


class _Scopes(threading.local):
    state: Any = None  # uint32 [4], an array or a tracer, while a key is in force


scopes = _Scopes()


@contextmanager
def key_scope(key: Any) -> Iterator[None]:
    """jtorch's own: within the block this thread draws from a JAX key, on any device and without touching a generator.

    Under ``jax.jit`` the key may be a tracer; then draws are part of the traced function, where a generator would give
    constants. The same key gives the same draws.
    """
    data = jax.random.key_data(key) if jax.numpy.issubdtype(key.dtype, jax.dtypes.prng_key) else key
    before, scopes.state = scopes.state, jax.numpy.concatenate([data[::-1], jax.numpy.zeros(2, np.uint32)])
    try:
        yield
    finally:
        scopes.state = before
