"""Tensors from numbers alone: arange, linspace, logspace, eye and the indices of triangles, with torch's signatures.

The operators in ``ops/creation.py`` compute them; here they are placed. On the CPU, and where they are small, they are
made in NumPy, to the bit as torch's CPU kernels do, and enter a program as data: so new bounds compile nothing new.
"""

import warnings
from functools import cache
from typing import Any

import jax

import jtorch
from jtorch.composite.table import composite
from jtorch.engine import config
from jtorch.engine.devices import jax_device
from jtorch.engine.value import from_array
from jtorch.ops import creation, shape
from jtorch.ops.errors import scalar_type
from jtorch.ops.matmul import broadcast_batch
from jtorch.ops.table import OpDef
from jtorch.tensor import bind, call, factories
from jtorch.tensor.device import engine_name
from jtorch.tensor.dtype import to_numpy_dtype
from jtorch.tensor.tensor import wrap

SMALL = 1024  # elements up to which a tensor for an accelerator is made on the host


@cache
def _result(op: OpDef, spec: tuple, default: Any) -> Any:
    """The shape and dtype of what a call gives; ``default`` is the default dtype, on which it may depend."""
    return jax.eval_shape(op.bind(spec))


def _made(op: OpDef, spec: tuple, device: str, requires_grad: bool) -> Any:
    if device != "cpu":
        struct = _result(op, spec, config.default_dtype)
        if device == "meta":
            return factories._full(struct.shape, 0, struct.dtype, device, requires_grad)
        if struct.size > SMALL:
            with jax.default_device(jax_device(device)):
                return wrap(from_array(op.bind(spec)(), device)).requires_grad_(requires_grad)
    return factories.place(op.bind(spec, "host")(), device, requires_grad)


def create(
    op: OpDef, *args: Any, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """What ``op`` makes of numbers, as a tensor with the options of torch's factory functions."""
    if layout not in (None, jtorch.strided):
        raise NotImplementedError(f"jtorch: {op.name} with layout {layout}")
    spec = (*args, None if dtype is None else to_numpy_dtype(dtype))
    if out is None:
        return _made(op, spec, engine_name(device), requires_grad)
    if not isinstance(out, jtorch.Tensor):
        raise TypeError(f"{op.name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if dtype is not None and spec[-1] != out._aval().dtype:
        names = scalar_type(spec[-1]), scalar_type(out._aval().dtype)
        raise RuntimeError("dtype {} does not match dtype of out parameter ({})".format(*names))
    return call.write_out(out, _made(op, (*args, out._aval().dtype), out._aval().device, False), op.name)


def _ints(name: str, **sizes: Any) -> list[int]:
    return [bind.int_arg(size, label, name) for label, size in sizes.items()]


# -- ranges


def _bounds(name: str, args: tuple, given: dict) -> list:
    """``(end)``, ``(start, end)`` or ``(start, end, step)``, by position or by name, as numbers."""
    names = ("start", "end", "step")
    alone = len(args) == 1 and "end" not in given
    bounds = {"start": 0, "step": 1, **dict(zip(("end",) if alone else names, args, strict=False)), **given}
    if len(args) > 3 or set(bounds) != set(names):
        shown = ", ".join([type(a).__name__ for a in args] + [f"{k}={type(v).__name__}" for k, v in given.items()])
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({shown}), but expected one of:\n"
            " * (Number end, *, ...)\n * (Number start, Number end, Number step = 1, *, ...)"
        )
    return [bind.scalar_arg(bounds[k], k, name) for k in names]


def _split_options(kwargs: dict) -> tuple[dict, dict]:
    bounds = {k: kwargs[k] for k in ("start", "end", "step") if k in kwargs}
    return bounds, {k: v for k, v in kwargs.items() if k not in bounds}


@composite("torch")
def arange(*args: Any, **options: Any) -> Any:
    """``arange([start=0,] end, step=1, *, out, dtype, layout, device, pin_memory, requires_grad)``: numbers from
    ``start`` up to but not including ``end``.

    Integers give int64, else the default dtype. Raises RuntimeError for a zero step or one of the wrong sign.
    https://docs.pytorch.org/docs/stable/generated/torch.arange.html
    """
    bounds, rest = _split_options(options)
    return create(creation.arange, *_bounds("arange", args, bounds), **rest)


@composite("torch", name="range")
def range_(start: Any, end: Any, step: Any = 1, **options: Any) -> Any:
    """``range(start, end, step=1, *, out, dtype, ...)``: as :func:`arange` with ``end`` included, in the default dtype.

    Deprecated in torch, with its warning. https://docs.pytorch.org/docs/stable/generated/torch.range.html
    """
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with "
        "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
        UserWarning,
        stacklevel=2,
    )
    return create(creation.range_, *_bounds("range", (start, end, step), {}), **options)


def _end(x: Any, label: str, name: str) -> tuple:
    if isinstance(x, jtorch.Tensor) and x.ndim:
        raise RuntimeError(
            f"{name} only supports 0-dimensional start and end tensors, but got {label} with {x.ndim} dimension(s)."
        )
    return bind.scalar_arg(x, label, name)


@composite("torch")
def linspace(start: Any, end: Any, steps: Any, **options: Any) -> Any:
    """``linspace(start, end, steps, *, out, dtype, layout, device, pin_memory, requires_grad)``: evenly spaced numbers,
    both ends included. https://docs.pytorch.org/docs/stable/generated/torch.linspace.html
    """
    ends = _end(start, "start", "linspace"), _end(end, "end", "linspace")
    return create(creation.linspace, *ends, *_ints("linspace", steps=steps), **options)


@composite("torch")
def logspace(start: Any, end: Any, steps: Any, base: float = 10.0, **options: Any) -> Any:
    """``logspace(start, end, steps, base=10.0, *, out, dtype, ...)``: powers of ``base`` with evenly spaced exponents.

    https://docs.pytorch.org/docs/stable/generated/torch.logspace.html
    """
    ends = _end(start, "start", "logspace"), _end(end, "end", "logspace")
    base = bind.float_arg(base, "base", "logspace")
    return create(creation.logspace, *ends, *_ints("logspace", steps=steps), base, **options)


# -- matrices


@composite("torch")
def eye(n: Any, m: Any = None, **options: Any) -> Any:
    """``eye(n, m=n, *, out, dtype, layout, device, pin_memory, requires_grad)``: ones on the diagonal, zeros elsewhere.

    https://docs.pytorch.org/docs/stable/generated/torch.eye.html
    """
    return create(creation.eye, *_ints("eye", n=n, m=n if m is None else m), **options)


@composite("torch")
def tril_indices(row: Any, col: Any, offset: Any = 0, **options: Any) -> Any:
    """``tril_indices(row, col, offset=0, *, dtype=torch.long, device, layout)``: the places of the lower triangle of a
    matrix, as (2, count). https://docs.pytorch.org/docs/stable/generated/torch.tril_indices.html
    """
    return create(creation.tril_indices, *_ints("tril_indices", row=row, col=col, offset=offset), **options)


@composite("torch")
def triu_indices(row: Any, col: Any, offset: Any = 0, **options: Any) -> Any:
    """``triu_indices(row, col, offset=0, *, dtype=torch.long, device, layout)``: the same of the upper triangle.

    https://docs.pytorch.org/docs/stable/generated/torch.triu_indices.html
    """
    return create(creation.triu_indices, *_ints("triu_indices", row=row, col=col, offset=offset), **options)


# -- grids of given coordinates


def _listed(tensors: tuple) -> list:
    """``f(a, b)`` or ``f([a, b])``."""
    return list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else list(tensors)


@composite("torch")
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple:
    """The coordinates of a grid: for each 0-d or 1-d tensor a view of it in the shape of all.

    ``indexing`` is ``"ij"`` (the default, with a warning) or ``"xy"``, which swaps the first two dimensions.
    https://docs.pytorch.org/docs/stable/generated/torch.meshgrid.html
    """
    vectors = _listed(tensors)
    if indexing is None:
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.",
            UserWarning,
            stacklevel=2,
        )
    if not vectors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for i, v in enumerate(vectors):
        if v.dtype != vectors[0].dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
        if v.device != vectors[0].device:
            raise RuntimeError("meshgrid expects all tensors to have the same device")
        if v.ndim > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {i}")
    swap = indexing == "xy" and len(vectors) > 1
    if swap:
        vectors[:2] = vectors[1::-1]
    sizes = [v.numel() for v in vectors]
    n = len(sizes)
    grids = [v.view([sizes[i] if k == i else 1 for k in range(n)]).expand(sizes) for i, v in enumerate(vectors)]
    return (grids[1], grids[0], *grids[2:]) if swap else tuple(grids)


@composite("torch")
def cartesian_prod(*tensors: Any) -> Any:
    """All combinations of one element of each vector, as rows; a single vector is returned as it is.

    https://docs.pytorch.org/docs/stable/generated/torch.cartesian_prod.html
    """
    vectors = _listed(tensors)
    for v in vectors:
        if v.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(v.shape)}")
    if len(vectors) == 1:
        return vectors[0]
    return jtorch.stack([g.reshape(-1) for g in meshgrid(*vectors, indexing="ij")], 1)


_block_diag = bind.generate(shape.block_diag, function=True)


@composite("torch")
def block_diag(*tensors: Any) -> Any:
    """Matrices (or vectors, as rows) along the diagonal of one matrix of their common dtype.

    https://docs.pytorch.org/docs/stable/generated/torch.block_diag.html
    """
    return _block_diag(tensors) if tensors else jtorch.empty(1, 0)


@composite("torch")
def broadcast_tensors(*tensors: Any) -> tuple:
    """Each tensor expanded to the shape that all broadcast to; RuntimeError where they do not.

    https://docs.pytorch.org/docs/stable/generated/torch.broadcast_tensors.html
    """
    listed = _listed(tensors)
    common: tuple = ()
    for t in listed:
        common = broadcast_batch(common, t.shape)
    return tuple(t if t.shape == common else t.expand(common) for t in listed)
