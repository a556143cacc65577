"""Torch's random functions and the Tensor methods that draw (docs.pytorch.org/docs/stable/torch.html#random-sampling).

On the CPU numbers are drawn at once, as torch draws them, and enter a program as data. On an accelerator they are drawn
inside the program.
"""

import secrets
from collections.abc import Callable
from typing import Any

import numpy as np

from jtorch.engine import config
from jtorch.ops.errors import scalar_type, unsupported
from jtorch.ops.promotion import COMPLEX, FLOAT, category
from jtorch.ops.random import largest
from jtorch.tensor import call, variates
from jtorch.tensor.bind import int_arg
from jtorch.tensor.device import engine_name
from jtorch.tensor.dtype import to_numpy_dtype
from jtorch.tensor.factories import sizes
from jtorch.tensor.generator import (
    Generator,
    _bytes,
    default_generator,
    seed_accelerator,
)  # fmt: skip
from jtorch.tensor.sampling import (
    bounds,
    checked_generator,
    fill,
    floats,
    made,
    made_like,
    mismatch,
    permutation,
)
from jtorch.tensor.tensor import Tensor, wrap

# -- seeds and states


def manual_seed(seed: Any) -> Generator:
    """Seed the generators of all devices; returns the CPU's (torch.manual_seed)."""
    start = int(seed)
    default_generator.manual_seed(start)
    seed_accelerator(start, None)
    return default_generator


def seed() -> int:
    """Seed the generators of all devices with a number nobody can predict, and return it (torch.seed)."""
    start = secrets.randbits(63)
    manual_seed(start)
    return start


def initial_seed() -> int:
    """The seed that the CPU's generator began with (torch.initial_seed)."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the CPU's generator, a ByteTensor (torch.get_rng_state)."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Set the state of the CPU's generator (torch.set_rng_state)."""
    _bytes(new_state, "RNG state must be a torch.ByteTensor")
    default_generator.set_state(new_state)


# -- factory functions


def _shape(name: str, size: tuple) -> tuple[int, ...]:
    """``f(2, 3)`` or ``f((2, 3))`` as a shape."""
    given = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list, Tensor, np.ndarray)) else size
    for i, x in enumerate(given):
        if isinstance(x, float) or not hasattr(x, "__index__"):
            if given is size:
                raise TypeError(f"{name}(): argument 'size' (position 1) must be tuple of ints, not {type(x).__name__}")
            raise TypeError(
                f"{name}(): argument 'size' failed to unpack the object at pos {i + 1} with error "
                f'"type must be tuple of ints,but got {type(x).__name__}"'
            )
    return sizes((given,))


def _factory(name: str, kind: str, doc: str) -> Callable:
    def make(*size: Any, **options: Any) -> Tensor:
        if "size" in options:
            if size:
                raise mismatch(name, size, options, "tuple of ints size")
            size = (options.pop("size"),)
        elif not size:
            raise mismatch(name, size, options, "tuple of ints size")
        numbers = (0.0, 1.0)  # bounds, or mean and standard deviation
        return made(name, kind, _shape(name, size), numbers, config.default_dtype, **options)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = doc
    return make


_OPTIONS = (
    "*, generator=None, out=None, dtype=None, layout=torch.strided, device=None, pin_memory=False, requires_grad=False"
)

rand = _factory("rand", "uniform", f"``rand(*size, {_OPTIONS})``: uniform numbers in [0, 1) (torch.rand).")
randn = _factory("randn", "normal", f"``randn(*size, {_OPTIONS})``: standard normal numbers (torch.randn).")


def randint(*args: Any, **options: Any) -> Tensor:
    """``randint(low=0, high, size, *, generator=None, out=None, dtype=torch.int64, ...)``: integers in [low, high).

    Raises RuntimeError for an empty range or one that the dtype cannot hold (torch.randint).
    """
    given: dict[str, Any] = {k: options.pop(k) for k in ("low", "high", "size") if k in options}
    rest = [k for k in ("low", "high", "size") if k not in given]
    if len(args) < len(rest) and rest[0] == "low":
        rest = rest[1:]
    if len(args) != len(rest):
        raise mismatch("randint", args, given, "int high, tuple of ints size", "int low, int high, tuple of ints size")
    given.update(zip(rest, args, strict=True))
    if not isinstance(given["size"], (tuple, list, Tensor, np.ndarray)):
        raise TypeError(
            f"randint(): argument 'size' (position 2) must be tuple of ints, not {type(given['size']).__name__}"
        )
    low, high = (int_arg(given.get(k, 0), k, "randint") for k in ("low", "high"))
    shape = _shape("randint", (given["size"],))
    return made("randint", "integers", shape, bounds(low, high), np.dtype(np.int64), **options)


def randperm(
    n: int, *, generator: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The integers from 0 to ``n - 1`` in random order (torch.randperm)."""
    n = int_arg(n, "n", "randperm")
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    checked_generator("randperm", generator)
    np_dtype = np.dtype(np.int64) if dtype is None else to_numpy_dtype(dtype)
    device_name = engine_name(device)
    if out is not None:
        np_dtype, device_name = out._aval().dtype, out._aval().device
    if category(np_dtype) == COMPLEX or np_dtype.kind == "b":
        raise unsupported("randperm", np_dtype)
    top = largest(np_dtype)
    if n > top + (category(np_dtype) == FLOAT):
        if category(np_dtype) == FLOAT:
            raise RuntimeError(f"n cannot be greater than {top + 1} for {scalar_type(np_dtype)} type.")
        raise RuntimeError(f"value cannot be converted to type {np_dtype.name}_t without overflow")
    drawn = wrap(permutation(n, np_dtype, device_name, generator))
    if out is not None:
        return call.write_out(out, drawn, "randperm")
    return drawn.requires_grad_(requires_grad) if requires_grad else drawn


def _like(name: str, kind: str, doc: str) -> Callable:
    def make(
        input: Tensor, *, generator: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
        pin_memory: bool = False, requires_grad: bool = False, memory_format: Any = None,
    ) -> Tensor:  # fmt: skip
        return made_like(name, kind, input, (0.0, 1.0), generator, dtype, device, requires_grad)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = doc
    return make


rand_like = _like("rand_like", "uniform", "Uniform numbers in [0, 1) of a tensor's shape, dtype and device.")
randn_like = _like("randn_like", "normal", "Standard normal numbers of a tensor's shape, dtype and device.")


def randint_like(
    input: Tensor, *args: Any, generator: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, memory_format: Any = None, **named: Any,
) -> Tensor:  # fmt: skip
    """``randint_like(input, low=0, high, *, ...)``: integers in [low, high) of a tensor's shape."""
    rest = [k for k in ("low", "high") if k not in named]
    if len(args) < len(rest) and rest[0] == "low":
        rest = rest[1:]
    if len(args) != len(rest):
        raise mismatch(
            "randint_like", (input, *args), named, "Tensor input, int high", "Tensor input, int low, int high"
        )
    named.update(zip(rest, args, strict=True))
    low, high = (int_arg(named.get(k, 0), k, "randint_like") for k in ("low", "high"))
    return made_like("randint_like", "integers", input, bounds(low, high), generator, dtype, device, requires_grad)


# -- filling in place


def _filler(kind: str, doc: str, **defaults: Any) -> Callable:
    """The method that fills a tensor with draws of a kind, whose numbers have these names and defaults."""
    name = kind + "_"

    def method(self: Tensor, *args: Any, generator: Any = None, **kwargs: Any) -> Tensor:
        return fill(self, kind, generator, *floats(name, defaults, args, kwargs))

    method.__name__ = name
    method.__qualname__ = f"Tensor.{name}"
    method.__doc__ = doc
    return method


def random_(self: Tensor, *args: Any, generator: Any = None, **named: Any) -> Tensor:
    """Integers: ``random_()`` all that the dtype holds from 0, ``random_(to)`` in [0, to), ``random_(from, to)`` in
    [from, to), to the top where ``to`` is None (torch.Tensor.random_).
    """
    if len(args) == 1 and not named:
        named, args = {"to": args[0]}, ()
    named.update(zip(("from", "to"), args, strict=False))
    fractions = any(isinstance(x, float) for x in named.values())
    if len(args) > 2 or set(named) - {"from", "to"} or fractions:
        raise mismatch("random_", args, named, "", "int from, int to", "int to")
    if not named:
        return fill(self, "random", generator)
    low, to = int_arg(named.get("from", 0), "from", "random_"), named["to"]
    if to is not None:
        return fill(self, "integers", generator, *bounds(low, int_arg(to, "to", "random_")))
    if low == -(1 << 63):
        dtype = self._aval().dtype
        if dtype.name not in ("int64", "float64", "float32", "bfloat16"):
            raise RuntimeError("random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16")
        return fill(self, "integers", generator, low, (1 << 63) - 1)
    return fill(self, "integers", generator, low, largest(self._aval().dtype))


FUNCTIONS: dict[str, Any] = {
    f.__name__: f
    for f in (
        manual_seed, seed, initial_seed, get_rng_state, set_rng_state, rand, randn, randint, randperm, rand_like,
        randn_like, randint_like,
    )
} | {"Generator": Generator, "default_generator": default_generator, **variates.FUNCTIONS}  # fmt: skip

METHODS: dict[str, Callable] = {
    f.__name__: f
    for f in (
        _filler("uniform", "``uniform_(from=0, to=1)``: uniform numbers in [from, to).", **{"from": 0.0, "to": 1.0}),
        _filler("normal", "``normal_(mean=0, std=1)``: normal numbers.", mean=0.0, std=1.0),
        _filler("exponential", "``exponential_(lambd=1)``: exponential numbers of rate ``lambd``.", lambd=1.0),
        _filler("geometric", "``geometric_(p)``: trials up to the first success, of probability ``p``.", p=None),
        _filler("cauchy", "``cauchy_(median=0, sigma=1)``: Cauchy numbers.", median=0.0, sigma=1.0),
        _filler("log_normal", "``log_normal_(mean=1, std=2)``: exponentials of normal numbers.", mean=1.0, std=2.0),
        random_,
    )
} | variates.METHODS
