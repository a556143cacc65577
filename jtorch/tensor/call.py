"""Running an operator on Tensors: the three ways, views, in-place and ``out=``, and the wrapping of results."""

import warnings
from collections import namedtuple
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import numpy as np

from jtorch.engine import checks, record, trace
from jtorch.engine.aval import aval as aval_of
from jtorch.engine.op import T
from jtorch.engine.value import DIRECT, Value, from_array, modes
from jtorch.ops.errors import c_type
from jtorch.ops.table import OpDef
from jtorch.tensor import dtype as dtypes
from jtorch.tensor import strides
from jtorch.tensor.storage import Cut, Step
from jtorch.tensor.tensor import HOST_LIMIT, Alias, Tensor, wrap

_local = trace._local
_record = record.record
_ndarray = np.ndarray
_new = object.__new__


def run(op: OpDef, spec: tuple, inputs: tuple[Value, ...]) -> Any:
    """Run ``op`` and return a Tensor, or what its schema says of several results."""
    st = _local.state
    if st.autocast is not None and op.autocast is not None:
        inputs = st.autocast.cast(op.autocast, inputs)
    if op.host is not None:
        for v in inputs:
            if v.array is None:
                break
        else:
            made = _on_host(st, op, spec, inputs)
            if made is not None:
                return made
    if op.plain:
        out = _new(Tensor)
        out._v = _record(op, spec, inputs)
        return out
    if op.dynamic:
        return pack(op, _dynamic(op, spec, inputs))
    return pack(op, _record(op, spec, inputs))


def uncast(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """Call a function with autocast off, as it is for what writes into a tensor that the user gives."""
    st = _local.state
    before, st.autocast = st.autocast, None
    try:
        return function(*args, **kwargs)
    finally:
        st.autocast = before


def fast(op: OpDef, spec: tuple, slow: Callable) -> Callable:
    """The function of a one- or two-tensor operator: when its inputs are pending in the current trace and the step is
    known, it moves the cursor here and now; anything else goes to ``slow``. This is where a training loop spends its
    time.
    """

    def one(self: Any = _missing, *args: Any, **kwargs: Any) -> Any:
        if not args and not kwargs and isinstance(self, Tensor) and self._alias is None:
            a = self._v
            st = _local.state
            tr = st.trace
            if tr is not None and a.trace is tr and a.array is None and st.autocast is None:
                node = tr.cursor.children[st.grad].get((op, spec, a.index))
                if node is not None:
                    tr.cursor = node
                    v = _new(Value)
                    v.array = None
                    v.aval = node.aval
                    v.trace = tr
                    v.index = node.start
                    v.requires_grad = node.grad
                    tr.values.append(v)
                    out = _new(Tensor)
                    out._v = v
                    return out
        return slow(**kwargs) if self is _missing else slow(self, *args, **kwargs)

    def two(self: Any = _missing, other: Any = _missing, *args: Any, **kwargs: Any) -> Any:
        if not args and not kwargs and isinstance(other, Tensor) and isinstance(self, Tensor):
            if self._alias is None and other._alias is None:
                a = self._v
                b = other._v
                st = _local.state
                tr = st.trace
                if (
                    tr is not None
                    and a.trace is tr
                    and b.trace is tr
                    and (a.array is None or b.array is None)
                    and st.autocast is None
                ):
                    node = tr.cursor.children[st.grad].get((op, spec, a.index, b.index))
                    if node is not None:
                        tr.cursor = node
                        v = _new(Value)
                        v.array = None
                        v.aval = node.aval
                        v.trace = tr
                        v.index = node.start
                        v.requires_grad = node.grad
                        tr.values.append(v)
                        out = _new(Tensor)
                        out._v = v
                        return out
            return slow(self, other)
        if other is not _missing:
            return slow(other=other, **kwargs) if self is _missing else slow(self, other, *args, **kwargs)
        return slow(**kwargs) if self is _missing else slow(self, **kwargs)

    made: Any = two if sum(p.is_tensor for p in op.schema.params) == 2 else one
    made.quick = (op, spec)
    return made


_missing: Any = object()


def straight(op: OpDef, spec: tuple, *tensors: Any) -> Tensor | None:
    """What ``op`` of Tensors alone gives when the first one is pending in the current trace; None where it is not.

    There no other way but the trace's is open, so that nothing else has to be asked.
    """
    st = _local.state
    tr = st.trace
    if tr is None or st.autocast is not None:
        return None
    values = []
    for t in tensors:
        if not isinstance(t, Tensor):
            return None
        values.append(t._v if t._alias is None else t._value)
    if values[0].trace is not tr or values[0].array is not None:
        return None
    out = _new(Tensor)
    out._v = _record(op, spec, tuple(values))
    return out


def run_view(op: OpDef, spec: tuple, base: Tensor) -> Tensor:
    """Run a view operator: the result shares ``base``'s storage."""
    v = base._value
    if op.name in _MAY_BE_ITSELF and _is_itself(op.name, spec, v.aval):
        return base
    made = None
    if v.array is not None and op.host is not None:
        made = _host_values(_local.state, op, spec, (v,))
    if made is None:
        value = _record(op, spec, (v,))
    else:
        value = made[0]
        value.requires_grad = v.requires_grad and False  # an inference tensor's view is one too
    out = _new(Tensor)
    out._v = value
    alias = base._alias
    if alias is None:
        alias = base._shared()
    elif alias.steps and strides.copies(op, base, value):
        return out
    value.source = alias.storage.value
    out._alias = Alias(
        alias.storage,
        (*alias.steps, Step(op, spec, _local.state.grad) if op.differentiable else Cut(op, spec)),
        alias.quiet,
    )
    return out


_MAY_BE_ITSELF = frozenset({"real", "conj", "resolve_conj", "resolve_neg", "positive", "flatten"})


def _is_itself(name: str, spec: tuple, aval: Any) -> bool:
    """Whether a view operator returns the tensor that it gets: of a real one, or where there is nothing to flatten."""
    if name == "flatten":
        n = aval.ndim
        return n > 0 and -n <= spec[1] < n and -n <= spec[2] < n and spec[1] % n == spec[2] % n
    return aval.dtype.kind != "c" and (aval.dtype.kind != "b" or name != "positive")


def pack(op: OpDef, made: Any) -> Any:
    """Values as the schema's results: a Tensor, a list, or a named tuple of ``torch.return_types``."""
    if type(made) is Value:
        return wrap(made)
    tensors = [wrap(v) for v in made]
    if op.schema.returns_list:
        return tensors
    kind = return_type(op.schema.name.split(".")[0], op.schema.returns)
    return kind(*tensors) if kind is not None else tuple(tensors)


@cache
def return_type(name: str, fields: tuple[str, ...]) -> Any:
    """The named tuple class of ``torch.return_types`` for an operator; None where the results have no names."""
    if not all(fields):
        return None
    kind: Any = namedtuple(name, fields)  # type: ignore[misc]

    def shown(self: tuple) -> str:
        rows = [f"{f}={v!r}" for f, v in zip(fields, self, strict=True)]
        return f"torch.return_types.{name}(\n" + ",\n".join(rows) + ")"

    kind.__module__ = "torch.return_types"
    kind.__repr__ = shown  # type: ignore[method-assign, assignment]
    return kind


# -- the host way


def _on_host(st: Any, op: OpDef, spec: tuple, inputs: tuple[Value, ...]) -> Any:
    made = _host_values(st, op, spec, inputs)
    if made is None:
        return None
    if not op.multi:
        return wrap(made[0])
    return pack(op, made)


def _host_values(st: Any, op: OpDef, spec: tuple, inputs: tuple[Value, ...]) -> list[Value] | None:
    """Run small CPU data in NumPy at once; None where that is not the way (or NumPy declines: the trace then says
    why).
    """
    if record.eager or st.dual or st.recording is not None:
        return None
    total = 0
    arrays = []
    for v in inputs:
        aval = v.aval
        total += aval.size
        if aval.device != "cpu" or total > HOST_LIMIT or v.trace is DIRECT or (v.requires_grad and st.grad):
            return None
        array = v.array
        if type(array) is not _ndarray:
            if not isinstance(array, jax.Array):
                return None
            array = np.asarray(array)
        arrays.append(array)
    try:
        with np.errstate(all="ignore"):
            out = op.on_host(spec)(*arrays)
            if op.check is not None:
                checks.host(op, spec, arrays)
    except (ValueError, TypeError, AttributeError, np.exceptions.AxisError):
        return None
    except (IndexError, RuntimeError, NotImplementedError, AssertionError):
        raise
    return [_host_value(a) for a in out] if isinstance(out, (tuple, list)) else [_host_value(out)]


def _host_value(a: Any) -> Value:
    array = a if type(a) is _ndarray else np.asarray(a)
    return Value(array, aval_of(array.shape, array.dtype, "cpu"), None, -1, modes.fresh)


def _dynamic(op: OpDef, spec: tuple, inputs: tuple[Value, ...]) -> Any:
    """An operator whose result's shape depends on the data: the inputs are computed, then it runs in NumPy."""
    device = next((v.aval.device for v in inputs), "cpu")
    arrays = [wrap(v)._host(op.name) for v in inputs]
    out = op.bind(spec)(*arrays)
    several = isinstance(out, (tuple, list))
    values = [from_array(np.asarray(a), device) for a in (out if several else (out,))]
    return values if several else values[0]


# -- writing results


def check_inplace(x: Tensor) -> None:
    """Raise torch's error where autograd forbids writing to ``x`` in place."""
    st = _local.state
    if x._v.requires_grad is None and not st.inference:
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a "
            "normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
        )
    if not st.grad:
        return
    if x._ref is not None and x._v.requires_grad:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    alias = x._alias
    if alias is None or not alias.own:
        return
    root = alias.root_value
    if root is None or not root.requires_grad:
        return
    alias.check_tracked()
    if root.owner is not None:
        raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")


def write_result(x: Tensor, made: Tensor, name: str) -> Tensor:
    """Write an operator's result into ``x`` (in-place variants): same shape, cast to ``x``'s dtype where torch
    allows.
    """
    x._value.successor = made._v.place
    have, new = x._v.aval, made._v.aval
    if have is not new:
        if have.shape != new.shape:
            raise RuntimeError(
                f"output with shape {list(have.shape)} doesn't match the broadcast shape {list(new.shape)}"
            )
        if have.dtype != new.dtype:
            mine, theirs = x.dtype, made.dtype
            if not dtypes.can_cast(theirs, mine):
                raise RuntimeError(
                    f"result type {dtypes.SCALAR_NAMES[theirs.name]} can't be cast to the desired output type "
                    f"{dtypes.SCALAR_NAMES[mine.name]}"
                )
            made = made.to(mine)  # type: ignore[attr-defined]
    return x._write(made._value)


def write_out(out: Any, made: Any, name: str, operands: tuple[Value, ...] = (), casts: bool = False) -> Any:
    """Write results into ``out=`` tensors, resizing as torch does; returns ``out``. One of the operands, which the
    results were computed from, is not resized. Without ``casts`` the dtype has to be the result's.
    """
    if isinstance(out, (tuple, list)):
        for o, m in zip(out, made, strict=True):
            _write_one(o, m, name, operands, casts)
        return type(made)(*out) if hasattr(made, "_fields") else out
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    return _write_one(out, made, name, operands, casts)


def _write_one(out: Tensor, made: Tensor, name: str, operands: tuple[Value, ...], casts: bool) -> Tensor:
    if _local.state.grad and (out.requires_grad or made.requires_grad):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments "
            "requires grad."
        )
    if out._v.aval.device != made._v.aval.device:
        raise RuntimeError(f"Expected out tensor to have device {made.device}, but got {out.device} instead")
    if out.dtype is not made.dtype and not casts:
        raise RuntimeError(
            f"Expected out tensor to have dtype {c_type(made.dtype.np)}, but got {c_type(out.dtype.np)} instead"
        )
    if out.dtype is not made.dtype and not dtypes.can_cast(made.dtype, out.dtype):
        raise RuntimeError(
            f"result type {dtypes.SCALAR_NAMES[made.dtype.name]} can't be cast to the desired output type "
            f"{dtypes.SCALAR_NAMES[out.dtype.name]}"
        )
    value = (made if out.dtype is made.dtype else made.to(out.dtype))._value  # type: ignore[attr-defined]
    if out._v.aval.shape == made._v.aval.shape:
        return out._write(value)
    if any(v is out._v for v in operands):
        raise RuntimeError(f"output with shape {list(out.shape)} doesn't match the broadcast shape {list(made.shape)}")
    if out.numel():
        warnings.warn(
            f"An output with one or more elements was resized since it had shape {list(out.shape)}, which does not "
            "match the "
            f"required output shape {list(made.shape)}. This behavior is deprecated, and in a future PyTorch release "
            "outputs "
            "will not be resized unless they have zero elements.",
            UserWarning,
            stacklevel=4,
        )
    out._alias = None
    out._v = value
    out._count += 1
    return out


__all__ = ["T", "check_inplace", "pack", "run", "run_view", "uncast", "write_out", "write_result"]
