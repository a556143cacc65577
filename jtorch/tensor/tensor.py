"""The Tensor: a handle on a value, with torch's attributes. Operators are added to the class from the op table."""

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jtorch.engine import autograd, checks, trace
from jtorch.engine.aval import Aval
from jtorch.engine.record import materialise, record
from jtorch.engine.value import DIRECT, Value, from_array
from jtorch.ops.errors import c_type
from jtorch.tensor import device as devices
from jtorch.tensor import dtype as dtypes
from jtorch.tensor.history import alias_of, mark_overwritten, rooted, with_history
from jtorch.tensor.size import Size
from jtorch.tensor.storage import HOST_LIMIT, Alias, Cut, Storage

_local = trace._local


class TensorMeta(type):
    """Lets ``isinstance(t, torch.FloatTensor)`` and friends be answered by dtype (see legacy.py)."""


class Tensor(metaclass=TensorMeta):
    """A multi-dimensional array of one dtype (https://docs.pytorch.org/docs/stable/tensors.html).

    ``_v`` is the value it shows. A tensor that shares its storage with views of it has an ``_alias`` too, and then
    ``_v`` holds only as long as the storage's version is the one seen.
    """

    _v: Value
    _alias: Alias | None = None
    _grad: "Tensor | None" = None
    _ref: autograd.LeafRef | None = None  # made when it becomes a leaf: what backward accumulates into
    _hooks: dict | None = None  # functions of the gradient, for a leaf
    _count: int = 0  # in-place writes so far
    _retain: Any = False  # the handle of the hook that keeps the gradient
    is_sparse = is_sparse_csr = is_quantized = is_mkldnn = is_nested = is_vulkan = is_xpu = is_mps = False
    _is_param = False
    names: tuple | None = None
    layout = devices.strided
    __array_priority__ = 1000

    if TYPE_CHECKING:  # operators and indexing are put on the class by install.py

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> "Tensor": ...
        def __setitem__(self, index: Any, value: Any) -> None: ...

    # -- values

    @property
    def _value(self) -> Value:
        """The value at the present version of the storage."""
        alias = self._alias
        if alias is not None and alias.seen != alias.storage.version:
            self._v = alias.read()
            alias.seen = alias.storage.version
            if self._ref is not None and self._v.owner is not self._ref:
                self._v = rooted(self._v, self._ref)
        return self._v

    def _aval(self) -> Aval:
        return self._v.aval

    def _shared(self) -> Alias:
        """The tensor's place in its storage; made when the first view of it is taken."""
        if self._alias is None:
            self._alias = Alias(Storage(self._v, self._count), ())
        return self._alias

    def _write(self, new: Value, *, keep_history: bool = False) -> "Tensor":
        """Make ``new`` (same shape and dtype) the tensor's elements, for all who share the storage; bumps the version.

        Under ``no_grad``, through ``detach()``, or with ``keep_history`` its place in the backward graph stays.
        """
        if self._retain:
            self._retain.remove()  # the gradient to keep is that of the new elements
            self._retain = False
            self._write(new, keep_history=keep_history)
            self.retain_grad()  # type: ignore[attr-defined]
            return self
        old = self._value
        st = _local.state
        alias = self._alias
        if st.capture is not None and new.trace is DIRECT:
            owner, name = (self, "_v") if alias is None else (alias.storage, "value")
            if getattr(owner, name).trace is not DIRECT:
                st.capture.wrote(owner, name)
        keep = keep_history or not st.grad
        if new is old or new.owner is not None or new.trace is None and new.requires_grad:
            new = alias_of(new)
        if alias is None:
            mark_overwritten(old, self._count + 1)
            if keep or self._ref is not None:
                new = with_history(new, old)
            self._v = new
            self._count += 1
            return self
        storage = alias.storage
        base = storage.value
        if new.requires_grad and not keep:
            alias.check_tracked()
        made = alias.write(new, keep)
        if alias.quiet is None:
            mark_overwritten(base, storage.version)
        if not alias.steps:
            self._v = made
            alias.seen = storage.version
        elif keep and not old.requires_grad:
            new.source = made
            self._v = new
            alias.seen = storage.version
        return self

    @property
    def _version(self) -> int:
        if self._v.requires_grad is None:
            raise RuntimeError("Inference tensors do not track version counter.")
        return self._count if self._alias is None else self._alias.version

    # -- attributes

    @property
    def shape(self) -> Size:
        """Sizes of the dimensions."""
        return Size(self._v.aval.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        """The dtype of the elements."""
        return dtypes.OF_NUMPY[self._v.aval.dtype]

    @property
    def device(self) -> devices.device:
        """Where the elements live."""
        return devices.of_engine(self._v.aval.device)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._v.aval.ndim

    @property
    def itemsize(self) -> int:
        """Bytes an element."""
        return self._v.aval.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._v.aval.size * self._v.aval.dtype.itemsize

    def element_size(self) -> int:
        """Bytes an element."""
        return self._v.aval.dtype.itemsize

    def dim(self) -> int:
        """The number of dimensions."""
        return self._v.aval.ndim

    ndimension = dim

    def size(self, dim: int | None = None) -> Any:
        """The sizes, or that of one dimension; raises IndexError where there is no such dimension."""
        shape = self._v.aval.shape
        if dim is None:
            return Size(shape)
        n = len(shape)
        if not -max(n, 1) <= dim < max(n, 1) or not n:
            low, high = -max(n, 1), max(n, 1) - 1
            if n:
                raise IndexError(f"Dimension out of range (expected to be in range of [{low}, {high}], but got {dim})")
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        return shape[dim]

    def numel(self) -> int:
        """The number of elements."""
        return self._v.aval.size

    nelement = numel

    @property
    def is_cuda(self) -> bool:
        """Whether it is on a GPU."""
        return self._v.aval.device.startswith("cuda")

    @property
    def is_cpu(self) -> bool:
        """Whether it is on the CPU."""
        return self._v.aval.device == "cpu"

    @property
    def is_meta(self) -> bool:
        """Whether it has no data."""
        return self._v.aval.device == "meta"

    def get_device(self) -> int:
        """The index of its GPU, -1 on the CPU."""
        return self.device.index if self.device.index is not None else -1

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating one."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the dtype is complex."""
        return self.dtype.is_complex

    def is_signed(self) -> bool:
        """Whether the dtype has a sign."""
        return self.dtype.is_signed

    # -- autograd

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded for backward."""
        return bool(self._value.requires_grad)

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        v = self._value
        if bool(on) == bool(v.requires_grad):
            return
        if v.requires_grad is None and not _local.state.inference:
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        if not on:
            if v.owner is None:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to use a computed "
                    "variable in a "
                    "subgraph that doesn't require differentiation use var_no_grad = var.detach()."
                )
            self._ref = None
            self._rebind(alias_of(v))
            return
        if not v.aval.inexact:
            raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
        self._ref = autograd.LeafRef(self)
        self._rebind(rooted(v, self._ref))

    def _rebind(self, v: Value) -> None:
        """Show ``v``, which has the same elements but another place in the graph."""
        self._v = v
        if self._alias is not None:
            self._alias.rebind(v)

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Set ``requires_grad`` in place."""
        if requires_grad and not self._v.aval.inexact:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user, or needs no gradient."""
        v = self._value
        return not v.requires_grad or v.owner is not None

    @property
    def retains_grad(self) -> bool:
        """Whether backward keeps the gradient of this computed tensor."""
        return bool(self._retain)

    @property
    def grad_fn(self) -> Any:
        """The backward node that made it, None for a leaf."""
        v = self._value
        return None if not v.requires_grad or v.owner is not None else autograd.node_of(v)

    @property
    def output_nr(self) -> int:
        """Which output of its ``grad_fn`` it is."""
        v = self._value
        return 0 if v.owner is not None or not v.requires_grad else autograd.node_output(v, autograd.node_of(v))

    @property
    def grad(self) -> "Tensor | None":
        """The gradient accumulated so far."""
        return self._grad

    @grad.setter
    def grad(self, new: "Tensor | None") -> None:
        if new is not None:
            if not isinstance(new, Tensor):
                kind = type(new).__name__
                raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {kind}")
            if new is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if new._aval().shape != self._aval().shape:
                raise RuntimeError(
                    f"attempting to assign a gradient of size '{list(new.shape)}' to a tensor of size "
                    f"'{list(self.shape)}'. Please ensure that the gradient and the tensor are the same size"
                )
            if new._aval().device != self._aval().device:
                raise RuntimeError(
                    f"attempting to assign a gradient with device type '{new.device.type}' to a tensor with device "
                    f"type '{self.device.type}'. Please ensure that the gradient and the tensor are on the same device"
                )
            if new.dtype is not self.dtype:
                raise RuntimeError(
                    f"attempting to assign a gradient with dtype '{c_type(new.dtype.np)}' to a tensor with grad_dtype "
                    f"'{dtypes.SCALAR_NAMES[self.dtype.name]}'. The gradient must match the tensor's grad_dtype "
                    "(defaults to the tensor's dtype). You can set the tensor's grad_dtype attribute with a specific "
                    "dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor "
                    "and its gradient may break downstream systems that assume they match."
                )
        self._grad = new

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def _accumulate(self, value: Value) -> None:
        """Add to the gradient (called by backward)."""
        if self._grad is None:
            self._grad = wrap(value)
        elif value.requires_grad or self._grad.requires_grad:
            self._grad = wrap(record(autograd.ADD, (), (self._grad._value, value)))
        else:
            self._grad._write(record(autograd.ADD, (), (self._grad._value, value)))
        if "_post_accumulate" in self.__dict__:
            for hook in list(self.__dict__["_post_accumulate"].values()):
                hook(self)

    def detach(self) -> "Tensor":
        """The same elements, sharing storage, without history."""
        made = wrap(alias_of(self._value))
        shared = self._shared()
        made._v.source = shared.storage.value
        made._alias = Alias(shared.storage, (*shared.steps, Cut()), shared.quiet)
        return made

    @property
    def data(self) -> "Tensor":
        """The same elements, sharing storage, without history; writes to it go unnoticed by backward."""
        out = self.detach()
        out._alias.quiet = out._alias.storage.unseen  # type: ignore[union-attr]
        return out

    @data.setter
    def data(self, new: "Tensor") -> None:
        if not isinstance(new, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(new).__name__}")
        if self._ref is not None and not new._v.aval.inexact:
            raise RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype")
        shared = new.detach()
        old = self._value if "_v" in self.__dict__ else shared._value  # a lazy module's parameter has none yet
        self._alias = shared._alias
        self._rebind(with_history(shared._value, old))

    def detach_(self) -> "Tensor":
        """Cut it off from its history, in place."""
        if self._is_view():
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        self._ref = None
        self._rebind(alias_of(self._value))
        return self

    @property
    def _base(self) -> "Tensor | None":
        alias = self._alias
        if alias is None or not alias.own:
            return None
        root = alias.root()
        base = wrap(root.read())
        base._alias = root
        return base

    def _is_view(self) -> bool:
        return self._alias is not None and bool(self._alias.own)

    # -- data

    def _array(self) -> Any:
        """The JAX array, tracer or NumPy array behind it; runs what is pending."""
        v = self._value
        return v.array if v.array is not None else materialise(v, "array")

    def _host(self, why: str) -> np.ndarray:
        """The elements as a NumPy array, not to be written to; raises what the programs so far found wrong."""
        v = self._value
        array = v.array
        if array is None:
            array = materialise(v, why)
        elif _local.state.recording is not None:
            _local.state.recording.looked(why)
        if type(array) is np.ndarray:
            return array
        if v.trace is DIRECT:
            if v.aval.size == 1 and v.aval.dtype.kind in _KINDS:  # what only jax.grad looks at has a value
                one = jax.lax.stop_gradient(array).reshape(())
                return np.asarray(_KINDS[v.aval.dtype.kind](one), v.aval.dtype).reshape(v.aval.shape)
            return np.asarray(array)  # JAX's own error for a tracer
        checks.raise_pending(v.aval.device)
        out = np.asarray(array)
        if v.aval.device == "cpu" and v.aval.size <= HOST_LIMIT:
            v.array = out
        return out

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """A NumPy copy of the elements (torch shares memory; XLA's arrays are immutable).

        Raises TypeError on an accelerator and RuntimeError where a gradient is required, unless ``force``.
        """
        if not force:
            if self.requires_grad:
                raise RuntimeError(
                    "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
                )
            if not self.is_cpu:
                raise TypeError(
                    f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to "
                    "host "
                    "memory first."
                )
        if self._v.aval.dtype.kind == "V" or self.dtype.name.startswith(("bfloat16", "float8")):
            raise TypeError(f"Got unsupported ScalarType {dtypes.SCALAR_NAMES.get(self.dtype.name, self.dtype.name)}")
        return np.array(self._host("numpy()"))

    def item(self) -> Any:
        """The one element as a Python number; raises RuntimeError where there are more."""
        if self._v.aval.size != 1:
            raise RuntimeError(f"a Tensor with {self._v.aval.size} elements cannot be converted to Scalar")
        return self._host("item()").item()

    def tolist(self) -> Any:
        """The elements as nested lists."""
        out = self._host("tolist()")
        return out.tolist() if out.dtype.kind != "V" and not self.dtype.name.startswith(("bf", "float8")) else (
            out.astype(np.float32).tolist()
        )  # fmt: skip

    def __bool__(self) -> bool:
        if self._v.aval.size != 1:
            if not self._v.aval.size:
                raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
        return bool(self._host("bool()").reshape(()))

    def _number(self, kind: Callable, name: str) -> Any:
        if self._v.aval.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return kind(self._host(name).reshape(()).item())

    def __float__(self) -> float:
        return self._number(float, "float()")

    def __int__(self) -> int:
        return self._number(int, "int()")

    def __complex__(self) -> complex:
        return self._number(complex, "complex()")

    def __index__(self) -> int:
        if self._v.aval.dtype.kind not in "iub" or self._v.aval.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._host("index").reshape(()))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        out = self.numpy()
        return out if dtype is None else out.astype(dtype, copy=False)

    def __jax_array__(self) -> Any:
        return jax.numpy.asarray(self._array())

    def __len__(self) -> int:
        if not self._v.aval.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self._v.aval.shape[0]

    def __iter__(self) -> Iterator["Tensor"]:
        if not self._v.aval.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))  # type: ignore[attr-defined]

    def __contains__(self, element: Any) -> bool:
        if not isinstance(element, (Tensor, bool, int, float, complex)):
            raise RuntimeError(
                f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
            )
        return bool((self == element).any())  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return id(self)

    def __format__(self, spec: str) -> str:
        if not self._v.aval.ndim and not self.is_meta and type(self) is Tensor:
            return self.item().__format__(spec)
        return object.__format__(self, spec)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        from jtorch.tensor.show import show

        return show(self, tensor_contents)

    def __dir__(self) -> list[str]:
        return sorted({*dir(type(self)), *self.__dict__})

    def __deepcopy__(self, memo: dict) -> "Tensor":
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
                "moment. If "
                "you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage."
            )
        if id(self) in memo:
            return memo[id(self)]
        out = object.__new__(type(self))
        memo[id(self)] = out
        out._v = alias_of(self._value)
        if (alias := self._alias) is not None:  # views that are copied together go on sharing
            storage = memo.get(id(alias.storage))
            if storage is None:
                storage = memo[id(alias.storage)] = Storage(alias_of(alias.storage.value), 0)
            out._v.source = storage.value
            steps = [memo.setdefault(id(s), Cut(s.op, s.spec)) if type(s) is Cut else s for s in alias.steps]
            out._alias = Alias(storage, tuple(steps))
        for key, value in self._user_state().items():
            out.__dict__[key] = copy.deepcopy(value, memo)
        if self.requires_grad:
            out.requires_grad = True
        if self._grad is not None:
            out._grad = self._grad.__deepcopy__(memo)
        return out

    def __copy__(self) -> "Tensor":
        out = Tensor._make_subclass(type(self), self, self.requires_grad)
        out.__dict__.update(self._user_state())
        return out

    def _user_state(self) -> dict[str, Any]:
        """The attributes that the user gave it."""
        return {name: value for name, value in self.__dict__.items() if name not in _INTERNAL}

    def __reduce_ex__(self, protocol: Any) -> tuple:
        from jtorch.serialization.pickler import reduce_tensor

        return reduce_tensor(self)

    @staticmethod
    def _make_subclass(cls: type, data: "Tensor", require_grad: bool = False) -> Any:
        """A tensor of a subclass that shares ``data``'s storage, as a new leaf."""
        out: Any = object.__new__(cls)
        shared = data.detach()
        out._v, out._alias = shared._v, shared._alias
        if require_grad:
            if not out._v.aval.inexact:
                raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
            out.requires_grad = True
        return out


_INTERNAL = frozenset(Tensor.__annotations__) | {"_post_accumulate"}


# -- helpers on values


def wrap(v: Value) -> Tensor:
    """A plain Tensor that shows a value."""
    out = _new(Tensor)
    out._v = v
    return out


_new = object.__new__
_KINDS: dict[str, Callable] = {"b": bool, "i": int, "u": int, "f": float, "c": complex}


def tensor_from(array: Any, device: str | None = None) -> Tensor:
    """A Tensor around a NumPy or JAX array, taken as it is."""
    return wrap(from_array(array, device))
