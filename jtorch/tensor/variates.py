"""Draws whose parameters are tensors: bernoulli, normal, multinomial, poisson, binomial, gamma and Dirichlet.

On the CPU the numbers behind bernoulli and normal are drawn at once, and the parameters join in the program, which need
not wait for them. How much the others take from the generator depends on their parameters: they wait.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from jtorch.engine import config
from jtorch.engine.op import T
from jtorch.engine.value import Value, from_array
from jtorch.ops.errors import scalar_type, unsupported
from jtorch.ops.gamma_draws import before_one, smallest, standard_gamma_of
from jtorch.ops.matmul import broadcast_batch
from jtorch.ops.promotion import FLOAT, category
from jtorch.ops.random import bernoulli_of, normal_of
from jtorch.tensor import call, rejection
from jtorch.tensor.bind import float_arg, int_arg
from jtorch.tensor.draws import narrowed
from jtorch.tensor.generator import chosen, scopes
from jtorch.tensor.sampling import checked_generator, draw, fill, in_program, made, made_like, memory_order, mismatch
from jtorch.tensor.tensor import Tensor, wrap

_f32, _f64 = np.dtype(np.float32), np.dtype(np.float64)


def _tensor(x: Any, label: str, name: str, position: int = 1) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}(): argument '{label}' (position {position}) must be Tensor, not {type(x).__name__}")
    return x


# -- bernoulli


def _trials(p: Tensor, like: Tensor, generator: Any, order: Any = None) -> Tensor:
    """Ones with probabilities ``p``, in the shape and dtype of ``like``, drawn in the dimensions' ``order``."""
    a = like._aval()
    if category(p._aval().dtype) != FLOAT:
        raise unsupported("bernoulli_tensor_cpu_p_", p._aval().dtype)
    unit = _f64 if p._aval().dtype == _f64 else _f32
    u = draw("uniform", a.shape, unit, a.device, generator, 0.0, 1.0, order=order)
    if p._aval().shape != a.shape:
        p = p.expand(a.shape)  # type: ignore[attr-defined]
    return call.run(bernoulli_of, (T, T, a.dtype), (u, p._value))


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Ones with probability ``p``, a number or a tensor, in place (torch.Tensor.bernoulli_)."""
    if not isinstance(p, Tensor):
        if isinstance(p, str) or not hasattr(p, "__float__"):
            raise mismatch("bernoulli_", (p,), {}, "Tensor p", "float p = 0.5")
        return fill(self, "bernoulli", generator, float_arg(p, "p", "bernoulli_"))
    call.check_inplace(self)
    trials = _trials(p.detach(), self, checked_generator("bernoulli_", generator), memory_order(self))
    return self._write(trials._value)


def bernoulli(input: Tensor, p: Any = None, *, generator: Any = None, out: Any = None) -> Tensor:
    """Ones with the probabilities in ``input``, or all with probability ``p`` (torch.bernoulli)."""
    x = _tensor(input, "input", "bernoulli")
    if p is not None:
        numbers = (float_arg(p, "p", "bernoulli"),)
        a = x._aval()
        drawn = made("bernoulli", "bernoulli", a.shape, numbers, a.dtype, generator=generator, device=x.device)
    else:
        drawn = _trials(x, x, checked_generator("bernoulli", generator))
    return drawn if out is None else call.write_out(out, drawn, "bernoulli", casts=True)


# -- normal


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float, np.number)) and not isinstance(x, bool)


def normal(
    mean: Any, std: Any = 1.0, size: Any = None, *, generator: Any = None, out: Any = None, **options: Any
) -> Tensor:
    """Normal numbers: ``normal(mean, std)`` with one or two tensors, in their broadcast shape, or ``normal(mean, std,
    size, *, dtype=None, ...)`` with numbers (torch.normal). Raises RuntimeError for negative deviations.
    """
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    if not all(isinstance(x, Tensor) or _is_number(x) for x in (mean, std)) or (size is None) != bool(tensors):
        given = (mean, std) if size is None else (mean, std, size)
        raise mismatch("normal", given, {}, "Tensor mean, Tensor std", "Tensor mean, float std = 1",
                       "float mean, Tensor std", "float mean, float std, tuple of ints size")  # fmt: skip
    if not tensors:
        if isinstance(size, int):
            raise mismatch("normal", (mean, std, size), {}, "float mean, float std, tuple of ints size")
        numbers = float(mean), float(std)
        return made(
            "normal", "normal", tuple(size), numbers, config.default_dtype, generator=generator, out=out, **options
        )
    if options:
        raise TypeError(f"normal() got an unexpected keyword argument '{next(iter(options))}'")
    drawn = _shifted(mean, std, checked_generator("normal", generator))
    return drawn if out is None else call.write_out(out, drawn, "normal", casts=True)


def _shifted(mean: Any, std: Any, generator: Any) -> Tensor:
    both = isinstance(mean, Tensor) and isinstance(std, Tensor)
    first = mean if isinstance(mean, Tensor) else std
    if not isinstance(std, Tensor):
        noise = made_like("normal", "normal", first, (0.0, float(std)), generator, None, None)
        return call.run(normal_of, (T, T, (float, 1.0)), (noise._value, mean._value))
    a = first._aval()
    shape = broadcast_batch(mean.shape, std.shape) if both else a.shape
    noise = (
        wrap(draw("normal", tuple(shape), a.dtype, a.device, generator, 0.0, 1.0))
        if both
        else made_like("normal", "normal", first, (0.0, 1.0), generator, None, None)
    )
    if both:
        return call.run(normal_of, (T, T, T), (noise._value, mean._value, std._value))
    return call.run(normal_of, (T, (float, float(mean)), T), (noise._value, std._value))


# -- counts


def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Poisson numbers with the rates in ``input``, in its dtype (torch.poisson). RuntimeError for negative rates."""
    x = _tensor(input, "input", "poisson")
    if category(x._aval().dtype) != FLOAT:
        raise unsupported("poisson_cpu", x._aval().dtype)
    return _counts("poisson", (x,), checked_generator("poisson", generator))


def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """Successes among ``count`` trials of probability ``prob``, in the dtype of ``count`` (torch.binomial)."""
    n, p = _tensor(count, "count", "binomial"), _tensor(prob, "prob", "binomial", 2)
    kinds = n._aval().dtype, p._aval().dtype
    for label, dtype in zip(("count", "prob"), kinds, strict=True):
        if category(dtype) != FLOAT:
            raise ValueError(f"binomial only supports floating-point dtypes for {label}, got: {scalar_type(dtype)}")
    if kinds[0] != kinds[1]:
        raise RuntimeError(f"Found dtype {scalar_type(kinds[1])} but expected {scalar_type(kinds[0])}")
    shape = broadcast_batch(n.shape, p.shape)
    return _counts("binomial", (n.expand(shape), p.expand(shape)), checked_generator("binomial", generator))  # type: ignore[attr-defined]


_LEAST = ("gamma", "dirichlet")


def _counts(kind: str, parameters: tuple[Tensor, ...], generator: Any) -> Tensor:
    a = parameters[0]._aval()
    if a.device == "meta":
        return parameters[0].new_empty(a.shape)  # type: ignore[attr-defined]
    if a.device != "cpu" or scopes.state is not None:
        return wrap(in_program(kind, tuple(x._value for x in parameters), (), a.device, generator))
    given = a.dtype if kind == "gamma" else _f64
    flat = [x._host(kind).reshape(-1).astype(given) for x in parameters]
    drawn = getattr(rejection, "gamma" if kind == "dirichlet" else kind)(chosen(generator, "cpu").mt, *flat)
    drawn = drawn.reshape(a.shape)
    if kind == "dirichlet":
        drawn = drawn / drawn.sum(-1, keepdims=True)
    drawn = narrowed(drawn, a.dtype)
    if kind in _LEAST:  # never 0, where the logarithm is infinite
        most = before_one(a.dtype) if kind == "dirichlet" else None
        drawn = np.clip(drawn, smallest(a.dtype), most).astype(a.dtype, copy=False)
    return wrap(from_array(drawn, "cpu"))


def standard_gamma(input: Tensor, generator: Any = None) -> Tensor:
    """Gamma numbers of rate 1 with the shapes in ``input``, in its dtype, that carry its gradient."""
    x = _tensor(input, "input", "_standard_gamma")
    if category(x._aval().dtype) != FLOAT:
        raise unsupported("gamma_cpu", x._aval().dtype)
    drawn = _counts("gamma", (x.detach(),), checked_generator("_standard_gamma", generator))  # type: ignore[attr-defined]
    return call.run(standard_gamma_of, (T, T), (drawn._value, x._value))


def sample_dirichlet(input: Tensor, generator: Any = None) -> Tensor:
    """Points of the simplex, of Dirichlet's distribution with the concentrations in ``input`` ([..., categories])."""
    x = _tensor(input, "input", "_sample_dirichlet")
    if category(x._aval().dtype) != FLOAT:
        raise unsupported("dirichlet", x._aval().dtype)
    return _counts("dirichlet", (x.detach(),), checked_generator("_sample_dirichlet", generator))  # type: ignore[attr-defined]


# -- multinomial


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None, out: Any = None
) -> Tensor:
    """Indices drawn by the weights in ``input`` ([categories] or [rows, categories]), int64 [..., num_samples].

    Raises RuntimeError for weights that are negative, infinite or sum to zero (torch.multinomial).
    """
    x, n = _tensor(input, "input", "multinomial"), int_arg(num_samples, "num_samples", "multinomial")
    dtype, shape = x._aval().dtype, x._aval().shape
    if out is not None and out._aval().dtype != np.int64:
        raise RuntimeError(f"multinomial expects Long tensor out, got: {scalar_type(out._aval().dtype)}")
    if len(shape) not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if category(dtype) != FLOAT:
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {scalar_type(dtype)}")
    if n <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and n > shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if shape[-1] > 1 << 24:
        raise RuntimeError("number of categories cannot exceed 2^24")
    drawn = wrap(_picked(x, n, bool(replacement), checked_generator("multinomial", generator)))
    return drawn if out is None else call.write_out(out, drawn, "multinomial")


def _picked(x: Tensor, n: int, replacement: bool, generator: Any) -> Value:
    a = x._aval()
    shape = (*a.shape[:-1], n)
    if a.device == "meta" or not a.size:
        return x.new_empty(shape, dtype=np.dtype(np.int64))._value  # type: ignore[attr-defined]
    if a.device != "cpu" or scopes.state is not None:
        return in_program("multinomial", (x._value,), (n, replacement), a.device, generator)
    rows = x._host("multinomial").reshape(-1, a.shape[-1])
    if replacement and n > 1:
        return from_array(_with_replacement(rows, n, generator).reshape(shape), "cpu")
    if not ((rows >= 0) & (rows < np.inf)).all():
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if (rows.sum(-1) == 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    noise = draw("exponential", a.shape, a.dtype, "cpu", generator, 1.0, order=memory_order(x)).array
    ratio = rows / noise.reshape(rows.shape)
    if n == 1:
        return from_array(ratio.argmax(-1).reshape(shape), "cpu")
    return from_array(np.argsort(-ratio, axis=-1, kind="stable")[:, :n].reshape(shape), "cpu")


def _with_replacement(rows: np.ndarray, n: int, generator: Any) -> np.ndarray:
    wide = rows if rows.dtype == _f64 else rows.astype(_f32)
    out = np.empty((len(rows), n), np.int64)
    for weights, picks in zip(wide, out, strict=True):
        problem = None
        if (weights < 0).any():
            problem = "encountering probability entry < 0"
        elif not np.isfinite(weights).all():
            problem = "encountering probability entry = infinity or NaN"
        running = np.cumsum(weights)
        if problem is None and not running[-1] > 0:
            problem = "sum of probabilities <= 0"
        if problem is not None:
            raise RuntimeError(f"invalid multinomial distribution ({problem})")
        running /= running[-1]
        u = draw("uniform", (n,), _f64, "cpu", generator, 0.0, 1.0).array
        picks[:] = np.searchsorted(running, u)
    return out


FUNCTIONS: dict[str, Callable] = {f.__name__: f for f in (bernoulli, normal, poisson, binomial, multinomial)} | {
    "_standard_gamma": standard_gamma,
    "_sample_dirichlet": sample_dirichlet,
}
METHODS: dict[str, Callable] = {f.__name__: f for f in (bernoulli, bernoulli_, multinomial)}
