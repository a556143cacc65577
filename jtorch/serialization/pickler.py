"""Pickles as torch writes them: jtorch's names as torch's, and the numbers of tensors left to the archive.

The pure-Python pickler of the standard library is used, since the C one has no say over the names it writes.
"""

import copyreg
import pickle
from collections import OrderedDict
from functools import cache
from types import FunctionType
from typing import Any

from jtorch import _tensor, _utils
from jtorch.serialization.names import torch_name
from jtorch.serialization.packages import location_tag
from jtorch.serialization.storage import OF_DTYPE, UNTYPED, StorageType
from jtorch.storage import TypedStorage, UntypedStorage
from jtorch.tensor import storage_io
from jtorch.tensor.device import layout
from jtorch.tensor.dtype import BY_NAME
from jtorch.tensor.tensor import Tensor


class Storages:
    """The storages met while pickling, numbered in order; tensors that share one get the same number."""

    def __init__(self) -> None:
        self.found: dict[Any, tuple[str, TypedStorage]] = {}

    def number(self, storage: TypedStorage) -> str:
        """The name of a storage in the file."""
        key = storage.key if storage.key is not None else storage.untyped()._alive()
        known = self.found.get(key)
        if known is None:
            self.found[key] = known = (str(len(self.found)), storage)
        elif known[1].dtype is not storage.dtype:
            raise RuntimeError("Cannot save multiple tensors or storages that view the same data as different types")
        return known[0]

    def persistent_id(self, obj: Any) -> tuple | None:
        """The persistent id of a storage, None for anything else."""
        if isinstance(obj, UntypedStorage):
            number = self.number(TypedStorage(obj, BY_NAME["uint8"]))
            return ("storage", UNTYPED, number, location_tag(obj), obj.nbytes())
        if not isinstance(obj, TypedStorage):
            return None
        kind = OF_DTYPE.get(obj.dtype.name, UNTYPED)
        count = obj.nbytes() if kind is UNTYPED else obj.size()
        return ("storage", kind, self.number(obj), location_tag(obj), count)


class _TorchNames:
    """What torch files need of a pickler, over one written in Python (pickle's own, dill's)."""

    proto: int
    write: Any
    save: Any
    memoize: Any
    storages: Storages

    def persistent_id(self, obj: Any) -> Any:
        """As pickle asks for it."""
        return self.storages.persistent_id(obj)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Write a class, function or singleton as a global, under torch's name where it is jtorch's."""
        known = (obj.module, obj.name) if isinstance(obj, StorageType) else torch_name(obj, name)
        if known is None:
            super().save_global(obj, name)  # type: ignore[misc]
            return
        if self.proto >= 4:
            for part in known:
                self.save(part)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + "{}\n{}\n".format(*known).encode())
        self.memoize(obj)


@cache
def pickler_class(base: type) -> type:
    """The pickler of a ``pickle_module`` with torch's names and storages. NotImplementedError for one written in C."""
    if base is pickle.Pickler:
        base = pickle._Pickler  # type: ignore[attr-defined]
    if not issubclass(base, pickle._Pickler):  # type: ignore[attr-defined]
        raise NotImplementedError(
            f"torch.save with {base.__module__}.{base.__name__}: only picklers in Python can be used"
        )
    made = type("TorchPickler", (_TorchNames, base), {})
    save_global = _TorchNames.save_global
    made.dispatch = {**base.dispatch, FunctionType: save_global, StorageType: save_global}  # type: ignore[attr-defined]
    made.dispatch_table = {**copyreg.dispatch_table, layout: reduce_layout}  # type: ignore[attr-defined]
    return made


def dump(obj: Any, file: Any, storages: Storages, protocol: int, pickle_module: Any = pickle) -> None:
    """Pickle ``obj`` into ``file``; the storages of its tensors are only numbered."""
    pickler = pickler_class(pickle_module.Pickler)(file, protocol)
    pickler.storages = storages
    pickler.dump(obj)


def reduce_tensor(t: Any, protocol: int = 2) -> tuple:
    """What ``Tensor.__reduce_ex__`` returns: the tensor as a layout over a storage, rebuilt by torch's functions."""
    if t.is_meta:
        return _utils._rebuild_meta_tensor_no_storage, (t.dtype, tuple(t.shape), tuple(t.stride()), t.requires_grad)
    key, flat, offset, size, stride, requires_grad, device = storage_io.describe(t)
    storage = TypedStorage(UntypedStorage(flat.reshape(-1).view("u1"), device), t.dtype, key)
    hooks: OrderedDict = OrderedDict()
    args: tuple = (storage, offset, tuple(size), tuple(stride), requires_grad, hooks)
    rebuild: Any = _utils._rebuild_tensor_v2
    if t.dtype.name not in OF_DTYPE:
        rebuild, args = _utils._rebuild_tensor_v3, (*args, t.dtype)
    state = t._user_state()
    if state or type(t) is not Tensor:
        return _tensor._rebuild_from_type_v2, (rebuild, type(t), args, state)
    return rebuild, args


def reduce_parameter(p: Any, protocol: int = 2) -> tuple:
    """What ``Parameter.__reduce_ex__`` returns."""
    state = p._user_state()
    args: tuple = (p.data, p.requires_grad, OrderedDict())
    if state:
        return _utils._rebuild_parameter_with_state, (*args, state)
    return _utils._rebuild_parameter, args


def reduce_layout(x: layout) -> tuple:
    """How torch files hold a layout."""
    from jtorch.serialization import _get_layout

    return _get_layout, (repr(x),)
