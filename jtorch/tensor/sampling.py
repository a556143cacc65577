"""Drawing values: on the host for the CPU, inside the program for an accelerator; and what torch checks before."""

import warnings
from collections.abc import Callable
from math import prod
from typing import Any

import ml_dtypes
import numpy as np

from jtorch.engine import capture, trace
from jtorch.engine.aval import aval
from jtorch.engine.op import Primitive, T, number
from jtorch.engine.record import record
from jtorch.engine.value import Value, from_array
from jtorch.ops import random as ops
from jtorch.ops.errors import c_type, scalar_type
from jtorch.ops.promotion import COMPLEX, FLOAT, category
from jtorch.ops.random import DIGITS, largest
from jtorch.tensor import call, draws, strides
from jtorch.tensor.bind import float_arg
from jtorch.tensor.device import engine_name
from jtorch.tensor.dtype import to_numpy_dtype
from jtorch.tensor.generator import Generator, chosen, scopes
from jtorch.tensor.tensor import Tensor, wrap


def draw(
    kind: str, shape: tuple, dtype: np.dtype, device: str, generator: Any, *numbers: Any, order: Any = None
) -> Value:
    """A value of random numbers of one kind, a function of :mod:`jtorch.tensor.draws`, with that function's numbers.

    ``order`` are the dimensions from the outermost in memory to the innermost, where that is not their own order.
    """
    if device == "meta":
        return Value(None, aval(shape, dtype, "meta"), None, -1, False)
    inside = capture.draw(shape, lambda full: draw(kind, full, dtype, device, generator, *numbers))
    if inside is not None:
        return inside
    if scopes.state is not None or device != "cpu":
        return in_program(kind, (), (shape, dtype, *numbers), device, generator)
    make = getattr(draws, kind)

    def on_host() -> Value:
        flat = make(chosen(generator, "cpu").mt, prod(shape), dtype, *numbers)
        if order is None:
            return from_array(flat.reshape(shape), "cpu")
        laid = flat.reshape([shape[d] for d in order]).transpose(np.argsort(order))
        return from_array(np.ascontiguousarray(laid), "cpu")

    return _noted(on_host)


def _noted(make: Callable[[], Value]) -> Value:
    """What ``make`` draws; a function that is being compiled keeps how to draw it again."""
    seen = trace.state().recording
    value = make()
    if seen is not None:
        seen.drew(value, make)
    return value


def permutation(n: int, dtype: np.dtype, device: str, generator: Any) -> Value:
    """0 to n - 1 in random order."""
    if device == "meta":
        return Value(None, aval((n,), dtype, "meta"), None, -1, False)
    inside = capture.draw((n,), lambda full: _permutations(full, dtype, device, generator))
    if inside is not None:
        return inside
    if scopes.state is not None or device != "cpu":
        return in_program("permutation", (), (n, dtype), device, generator)
    return _noted(lambda: from_array(draws.permutation(chosen(generator, "cpu").mt, n, dtype), "cpu"))  # type: ignore[arg-type]


def _permutations(shape: tuple, dtype: np.dtype, device: str, generator: Any) -> Value:
    """A permutation for each place of a batch."""
    import jtorch

    rows = [wrap(permutation(shape[-1], dtype, device, generator)) for _ in range(prod(shape[:-1]))]
    stack: Any = jtorch.stack  # type: ignore[attr-defined]
    return stack(rows).reshape(shape)._value


def in_program(kind: str, inputs: tuple[Value, ...], statics: tuple, device: str, generator: Any) -> Value:
    """Record a draw; the generator goes on from the state that it returns."""
    op = ops.DRAWS[kind]
    rest = zip(op.schema.params[1 + len(inputs) :], statics, strict=True)
    spec = (T,) * (1 + len(inputs)) + tuple(number(x) if p.kind == "Scalar" else x for p, x in rest)
    if scopes.state is not None:
        made: Any = record(op, spec, (from_array(scopes.state, device), *inputs))
        scopes.state = wrap(made[0])._array()
        return made[1]
    g = chosen(generator, device)
    seen = trace.state().recording
    if seen is not None and generator is not None:
        seen.touched += 1
    g.words, drawn = record(op, spec, (g.words, *inputs))
    return drawn


def memory_order(x: Tensor) -> tuple[int, ...] | None:
    """The dimensions of a view from the outermost in memory to the innermost; None where that is their own order.

    Dimensions that were expanded have no place there; the sort, torch's own, leaves them where it can.
    """
    if x._alias is None or not x._alias.steps or not x._aval().size:
        return None
    steps = strides.of(x)[0]
    inward = list(reversed(range(len(steps))))
    for i in range(1, len(steps)):
        for j in reversed(range(i)):
            inner, outer = steps[inward[j]], steps[inward[i]]
            if inner and outer:
                if inner < outer:
                    break
                if inner > outer:
                    inward[i], inward[j] = inward[j], inward[i]
                    i = j
    order = tuple(reversed(inward))
    return None if order == tuple(range(len(steps))) else order


# -- what torch demands of a dtype and of the numbers


def _kernel(name: str, dtype: np.dtype) -> NotImplementedError:
    return NotImplementedError(f"\"{name}\" not implemented for '{scalar_type(dtype)}'")


def _continuous(name: str, shown: str) -> RuntimeError:
    return RuntimeError(
        f"{name} distribution is a continuous probability distribution. dtype must be a floating point but you "
        f"specified {shown}"
    )


def _no_wide_unsigned(name: str, dtype: np.dtype) -> None:
    if category(dtype) == COMPLEX or (dtype.kind == "u" and dtype.itemsize > 1) or dtype.name.startswith("float8"):
        raise _kernel(name, dtype)


def _floating(dtype: np.dtype, categories: tuple, error: Exception) -> None:
    if category(dtype) not in categories or dtype.name.startswith("float8"):
        raise error


def _uniform(dtype: np.dtype, low: float, high: float) -> None:
    _floating(dtype, (FLOAT, COMPLEX), _kernel("check_uniform_bounds", dtype))
    part = np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype
    most = float(ml_dtypes.finfo(part).max)
    for name, x in (("from", low), ("to", high)):
        if not -most <= x <= most:
            raise RuntimeError(f"{name} is out of bounds for {c_type(part)}")
    if low > high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}")
    if high - low > most:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{scalar_type(part)}>::max(), but found to={high:g} and "
            f"from={low:g} which result in to-from to exceed the limit"
        )


def _normal(dtype: np.dtype, mean: float, std: float) -> None:
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    _floating(dtype, (FLOAT, COMPLEX), _kernel("normal_kernel_cpu", dtype))


def _bernoulli(dtype: np.dtype, p: float) -> None:
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
    _no_wide_unsigned("bernoulli_scalar_cpu_", dtype)


def _exponential(dtype: np.dtype, rate: float) -> None:
    _floating(dtype, (FLOAT,), _continuous("Exponential", scalar_type(dtype)))
    if not rate > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={rate:g}")


def _geometric(dtype: np.dtype, p: float) -> None:
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    if dtype.kind == "b":
        raise _kernel("geometric_cpu", dtype)
    _no_wide_unsigned("geometric_cpu", dtype)


def _cauchy(dtype: np.dtype, median: float, sigma: float) -> None:
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    _floating(dtype, (FLOAT,), _continuous("Cauchy", c_type(dtype)))


def _log_normal(dtype: np.dtype, mean: float, std: float) -> None:
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    _floating(dtype, (FLOAT,), _kernel("log_normal_cpu", dtype))


def _integers(dtype: np.dtype, low: int, last: int) -> None:
    if category(dtype) == COMPLEX:
        raise RuntimeError("check_random_bounds handles only integral, floating-point and boolean types")
    whole = category(dtype) != FLOAT
    info: Any = None if dtype.kind == "b" else np.iinfo(dtype) if whole else ml_dtypes.finfo(dtype)
    least, most = (0, 1) if info is None else (info.min, info.max)
    for name, x in (("from", low), ("to - 1", last)):
        if not least <= x <= most:
            raise RuntimeError(f"{name} is out of bounds for {c_type(dtype)}")
        if not whole and abs(x) > largest(dtype):
            digits = DIGITS[dtype]
            warnings.warn(
                f"{name} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision limitations {c_type(dtype)} "
                "can support discrete uniform distribution only within this range. This warning will become an error "
                "in version 1.7 release, please fix the code in advance",
                UserWarning,
                stacklevel=5,
            )


_CHECKS: dict[str, Callable] = {
    "uniform": _uniform, "normal": _normal, "normal_scattered": _normal, "bernoulli": _bernoulli,
    "exponential": _exponential, "cauchy": _cauchy,
    "geometric": _geometric, "log_normal": _log_normal, "integers": _integers,
    "random": lambda dtype: _no_wide_unsigned("random_kernel_cpu", dtype),
}  # fmt: skip


def sample(kind: str, shape: tuple, dtype: np.dtype, device: str, generator: Any, *numbers: Any, **how: Any) -> Value:
    """:func:`draw`, after torch's checks."""
    _CHECKS[kind](dtype, *numbers)
    return draw(kind, shape, dtype, device, generator, *numbers, **how)


def bounds(low: int, high: int) -> tuple[int, int]:
    """The first and the last of the integers in [low, high); raises RuntimeError where there is none."""
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    return low, high - 1


# -- arguments


def mismatch(name: str, args: tuple, kwargs: dict, *forms: str) -> TypeError:
    shown = ", ".join([type(a).__name__ for a in args] + [f"{k}={type(v).__name__}" for k, v in kwargs.items()])
    listed = "".join(f"\n * ({form}, *, ...)" for form in forms)
    return TypeError(
        f"{name}() received an invalid combination of arguments - got ({shown}), but expected one of:{listed}"
    )


def checked_generator(name: str, generator: Any) -> Any:
    if generator is not None and not isinstance(generator, Generator):
        raise mismatch(name, (), {"generator": generator}, "..., torch.Generator generator = None")
    return generator


def floats(name: str, defaults: dict[str, float], args: tuple, kwargs: dict) -> list[float]:
    """Float arguments by position or by name."""
    if len(args) > len(defaults):
        raise TypeError(f"{name}() takes from 0 to {len(defaults)} positional arguments but {len(args)} were given")
    given = dict(zip(defaults, args, strict=False))
    for key, value in kwargs.items():
        if key not in defaults or key in given:
            raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")
        given[key] = value
    missing = [key for key, value in defaults.items() if value is None and key not in given]
    if missing:
        raise TypeError(f'{name}() missing 1 required positional arguments: "{missing[0]}"')
    return [float_arg(given[key], key, name) if key in given else value for key, value in defaults.items()]


def made(
    name: str, kind: str, shape: tuple, numbers: tuple, default: Any, *, generator: Any = None, out: Any = None,
    dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
    **unknown: Any,
) -> Tensor:  # fmt: skip
    """A tensor of draws with the options of torch's factory functions; ``default`` is the dtype where none is given."""
    if unknown:
        raise mismatch(name, (), unknown, "..., torch.Generator generator = None, Tensor out = None, torch.dtype dtype")
    checked_generator(name, generator)
    np_dtype = default if dtype is None else to_numpy_dtype(dtype)
    if requires_grad and category(np_dtype) < FLOAT:
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    if out is None:
        drawn = wrap(sample(kind, shape, np_dtype, engine_name(device), generator, *numbers))
        return drawn.requires_grad_(requires_grad) if requires_grad else drawn
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    have = out._aval()
    if dtype is not None and np_dtype != have.dtype:
        raise RuntimeError(
            f"dtype {scalar_type(np_dtype)} does not match dtype of out parameter ({scalar_type(have.dtype)})"
        )
    return call.write_out(out, wrap(sample(kind, shape, have.dtype, have.device, generator, *numbers)), name)


def made_like(
    name: str, kind: str, x: Any, numbers: tuple, generator: Any, dtype: Any, device: Any, requires_grad: bool = False
) -> Tensor:
    """Draws in a tensor's shape, and in its dtype and on its device where no other is given."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(x).__name__}")
    a = x._aval()
    np_dtype = a.dtype if dtype is None else to_numpy_dtype(dtype)
    place = a.device if device is None else engine_name(device)
    order = memory_order(x)
    if order is not None and kind == "normal":
        kind = "normal_scattered"
    drawn = wrap(sample(kind, a.shape, np_dtype, place, checked_generator(name, generator), *numbers, order=order))
    return drawn.requires_grad_(requires_grad) if requires_grad else drawn


def fill(x: Tensor, kind: str, generator: Any, *numbers: Any) -> Tensor:
    """Write draws into a tensor, in the order in which its elements lie in memory."""
    call.check_inplace(x)
    a = x._aval()
    checked_generator(kind + "_", generator)
    if kind == "normal" and not strides.is_contiguous(x):
        kind = "normal_scattered"
    drawn = sample(kind, a.shape, a.dtype, a.device, generator, *numbers, order=memory_order(x))
    if x.requires_grad and trace.state().grad:
        drawn = record(REDRAWN, (kind,), (x._value, drawn))
    return x._write(drawn)


_OVERLOADS = {"normal_scattered": "Normal0", "log_normal": "LogNormal0", "bernoulli": "Bernoulli2", "random": "Random2",
              "integers": "Random0"}  # fmt: skip
REDRAWN: Any = Primitive(
    "redrawn",
    lambda kind: lambda x, drawn: drawn,
    infer=lambda spec, inputs: [inputs[1].aval.struct()],
    grad_name=lambda spec: "{0[0]}Backward{0[1]}".format(_split(_OVERLOADS.get(spec[0], spec[0].title() + "0"))),
)
"""A tensor that requires a gradient, filled with draws: it still does, and its former elements get zeros."""


def _split(name: str) -> tuple[str, str]:
    return name[:-1], name[-1]
