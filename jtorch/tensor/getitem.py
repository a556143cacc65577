"""``x[...]`` and ``x[...] = y`` on Tensors, by the plan that :mod:`jtorch.tensor.indexing` makes of an index."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jtorch.engine import record, trace
from jtorch.engine.aval import Aval, aval
from jtorch.engine.op import LIST, NUMBERS, T
from jtorch.engine.value import Value, from_array
from jtorch.ops import indexing as ops
from jtorch.ops.scalars import checked
from jtorch.ops.table import TABLE
from jtorch.tensor import call, dtype, methods, overlap
from jtorch.tensor.indexing import Plan, plan, without_leading_ones
from jtorch.tensor.storage import Alias, RowAlias, Step
from jtorch.tensor.tensor import Tensor, tensor_from

_STEPS = {name: TABLE[name] for name in ("select", "slice", "unsqueeze", "permute", "alias")}
_local = trace._local
_new = object.__new__
_ndarray = np.ndarray


def _plan(self: Tensor, index: Any) -> Plan:
    return plan(index, self._v.aval.shape, Tensor, lambda t: t._v.aval.dtype)


def _viewed(self: Tensor, steps: Sequence[tuple[str, tuple]]) -> Tensor:
    """The view of ``self`` that the steps lead to; one Tensor, however many steps."""
    v = self._value
    st = _local.state
    alias = self._alias or self._shared()
    chain = list(alias.steps)
    on_host = type(v.array) is np.ndarray and not (v.requires_grad and st.grad)
    on_host = on_host and not (record.eager or st.recording or st.dual)
    array: Any = v.array
    source = alias.storage.value
    for name, static in steps:
        op, spec = _STEPS[name], (T, *static)
        chain.append(Step(op, spec, st.grad))
        if on_host:
            array = op.host(array, *static)  # type: ignore[misc]
        else:
            v = record.record(op, spec, (v,))
            v.source = source
    if on_host:
        frozen = v.requires_grad and False  # an inference tensor's view is one too
        v = from_array(array, "cpu")
        v.requires_grad, v.source = frozen, source
    out = _new(Tensor)
    out._v = v
    out._alias = Alias(alias.storage, tuple(chain), alias.quiet)
    return out


def getitem(self: Tensor, index: Any) -> Tensor:
    """``self[index]``: a view for integers, slices, None and Ellipsis; a copy where tensors, arrays or lists index.

    An entry of data that is there and needs no gradient is the step of every loop over a data set: the objects that
    such a view consists of are filled in here, without a call for each.
    """
    alias = self._alias
    v = self._v if alias is None or alias.seen == alias.storage.version else self._value
    array = v.array
    if type(index) is not int or type(array) is not _ndarray or v.requires_grad is not False:
        return _getitem(self, index)
    st = _local.state
    if record.eager or st.recording or st.dual:
        return _getitem(self, index)
    try:
        part = array[index, ...]
    except IndexError:
        return _getitem(self, index)
    if alias is None:
        alias = self._shared()
    view = _new(RowAlias)
    view.storage = storage = alias.storage
    view.before = alias.steps
    view.index = index
    view.grad = st.grad
    view.seen = storage.version
    view.quiet = alias.quiet
    seen = _new(Value)
    seen.array = part
    seen.aval = v.aval.row or _row(v.aval)
    seen.trace = None
    seen.index = -1
    seen.requires_grad = False
    seen._source = storage.value._fate or storage.value.fate
    out = _new(Tensor)
    out._v = seen
    out._alias = view
    return out


def _getitem(self: Tensor, index: Any) -> Tensor:
    steps, advanced = _plan(self, index)
    if advanced is None:
        return _viewed(self, steps or (("alias", ()),))
    base = _viewed(self, steps) if steps else self
    entry, values = index_values(base, advanced)
    return call.run(ops.index, (T, entry), (base._value, *values))


def _row(whole: Aval) -> Aval:
    """The aval of an entry along the first dimension."""
    made = whole.row = aval(whole.shape[1:], whole.dtype, whole.device)
    return made


def index_values(base: Tensor, advanced: list) -> tuple[tuple, list[Value]]:
    """The advanced part of an index as a spec entry and integer values; masks are computed to find their true
    places.
    """
    device = base._v.aval.device
    entry: list[Any] = [LIST]
    values: list[Value] = []
    for x in advanced:
        if x is None:
            entry.append(None)
            continue
        for each in _places(x):
            v = each._value
            values.append(v if v.aval.device == device or device == "meta" else methods.move(v, device))
            entry.append(T)
    return tuple(entry), values


def _places(x: Any) -> list[Tensor]:
    """An index tensor or array as integer tensors, one a dimension it stands for."""
    t = x if isinstance(x, Tensor) else tensor_from(x, "cpu")
    kind = t._v.aval.dtype
    if kind != np.bool_ and kind != np.uint8:
        return [t]
    if kind == np.uint8:
        warnings.warn(
            "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.",
            UserWarning,
            stacklevel=5,
        )
    mask = t._host("an index that is a mask")
    return [tensor_from(places, "cpu") for places in np.nonzero(mask if mask.ndim else mask.reshape(1))]


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """``self[index] = value``: writes ``value``, broadcast and cast, through the storage."""
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise ValueError("Overflow when unpacking long long")
    if type(value) is float and self._v.aval.dtype.kind in "iu":
        checked(value, self._v.aval.dtype)
    steps, advanced = _plan(self, index)
    target = _viewed(self, steps) if steps else self
    if advanced is None:
        _write(target, value)
        return
    if _fills(target, advanced, value):
        call.check_inplace(target)
        mask = advanced[0]
        mask = mask if isinstance(mask, Tensor) else tensor_from(mask, target._v.aval.device)
        extra = target.ndim - mask.ndim
        if extra:
            mask = mask.reshape(*mask.shape, *[1] * extra)  # type: ignore[attr-defined]
        if isinstance(value, Tensor) and value.ndim:
            value = value.reshape(())  # type: ignore[attr-defined]
        target.masked_fill_(mask, value)  # type: ignore[attr-defined]
        return
    call.check_inplace(target)
    new = _as_tensor(target, value)
    if new._v.aval.dtype != target._v.aval.dtype:
        if not isinstance(value, NUMBERS):
            raise RuntimeError(
                "Index put requires the source and destination dtypes match, got "
                f"{dtype.SCALAR_NAMES[target.dtype.name]} for the destination and "
                f"{dtype.SCALAR_NAMES[new.dtype.name]} for the source."
            )
        new = new.to(target.dtype)  # type: ignore[attr-defined]
    if new._v.aval.device != target._v.aval.device:
        if new.ndim:
            raise RuntimeError(
                "expected all tensors to be on the same device, but found at least two devices, "
                f"{target.device} and {new.device}!"
            )
        new = new.to(target.device)  # type: ignore[attr-defined]
    shape = without_leading_ones(new.shape, 0)
    if len(shape) != new.ndim:
        new = new.reshape(shape)  # type: ignore[attr-defined]
    entry, values = index_values(target, advanced)
    made = call.run(ops.index_put, (T, entry, T, False), (target._value, *values, new._value))
    target._write(made._value)


def _fills(target: Tensor, advanced: list, value: Any) -> bool:
    """Whether one number goes where a mask is true: that needs no look at the mask (and torch takes no byte masks)."""
    if len(advanced) != 1 or advanced[0] is None or not len(advanced[0].shape):
        return False
    mask = advanced[0]
    kind = mask._v.aval.dtype if isinstance(mask, Tensor) else mask.dtype
    if kind not in (np.bool_, np.uint8) or (isinstance(mask, Tensor) and mask._v.aval.device != target._v.aval.device):
        return False
    if isinstance(value, Tensor):
        return value.numel() == 1 and value._v.aval.device in (target._v.aval.device, "cpu")
    return isinstance(value, NUMBERS)


def _write(target: Tensor, value: Any) -> None:
    """The elements of a view become ``value``."""
    if type(value) in NUMBERS:
        overlap.check(target, (), "copy_")
        target.fill_(value)  # type: ignore[attr-defined]
        return
    new = _as_tensor(target, value)
    shape = without_leading_ones(new.shape, target.ndim)
    if shape != tuple(new.shape):
        new = new.reshape(shape)  # type: ignore[attr-defined]
    if shape != tuple(target.shape):
        new = new.expand(target.shape)  # type: ignore[attr-defined]
    target.copy_(new)  # type: ignore[attr-defined]


def _as_tensor(target: Tensor, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (np.ndarray, np.generic)) and not isinstance(value, NUMBERS):
        return tensor_from(np.array(value), "cpu").to(target.device)  # type: ignore[attr-defined]
    if isinstance(value, NUMBERS):
        number = value.item() if isinstance(value, np.generic) else value
        return tensor_from(checked(number, target._v.aval.dtype), target._v.aval.device)
    if hasattr(value, "__jax_array__") or hasattr(value, "aval"):
        return tensor_from(value)
    raise TypeError(f"can't assign a {type(value).__name__} to a {methods.type_(target)}")


METHODS: dict[str, Callable] = {"__getitem__": getitem, "__setitem__": setitem}
