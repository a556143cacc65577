"""``as_strided`` on a tensor's storage, and in-place changes of shape and layout: ``t_``, ``squeeze_``, ``resize_`` ...

A changed tensor goes on sharing its storage: it becomes one more view of it. Only ``resize_`` beyond the storage's end
makes a storage of its own, for XLA's arrays cannot grow.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import jtorch
from jtorch.composite.table import composite
from jtorch.ops import views
from jtorch.tensor import bind, call, strides
from jtorch.tensor.factories import sizes as shape_of
from jtorch.tensor.history import rooted
from jtorch.tensor.tensor import wrap

_strided_view = bind.generate(views.as_strided, function=True)
_alias_view = bind.generate(views.alias, function=True)


def _storage_of(x: Any) -> Any:
    """The whole storage that ``x`` looks at, detached where ``x`` is."""
    alias = x._alias
    if alias is None or not alias.steps or alias.storage.value.aval.dtype != x._aval().dtype:
        return x
    root = alias.root()
    base = wrap(root.read())
    base._alias = root
    return base


@composite("torch Tensor")
def as_strided(input: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """A view of ``size`` of the storage: elements at ``storage_offset`` (``input``'s own) plus multiples of ``stride``.

    https://docs.pytorch.org/docs/stable/generated/torch.as_strided.html
    """
    storage = _storage_of(input)
    if storage_offset is None:
        storage_offset = 0 if storage is input else input.storage_offset()
    return _strided_view(storage, size, stride, storage_offset)


def _become(x: Any, view: Any) -> Any:
    """Let ``x`` show what ``view``, of the same storage, shows."""
    storage = view._alias.storage
    storage.version += 1
    x._alias = view._alias
    x._alias.seen = storage.version
    x._v = view._v if x._ref is None else rooted(view._v, x._ref)
    return x


def _changer(name: str, change: Callable) -> None:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        call.check_inplace(self)
        return _become(self, change(self, *args, **kwargs))

    method.__name__ = method.__qualname__ = name + "_"
    method.__doc__ = f"``x.{name}(...)``, in place: the tensor shows its storage that way from now on."
    composite("torch Tensor" if name == "as_strided" else "Tensor", name=method.__name__)(method)


def _by_name(name: str) -> Callable:
    return lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs)


def _t(x: Any) -> Any:
    if x.ndim > 2:
        raise RuntimeError(f"t_() expects a tensor with <= 2 dimensions, but self is {x.ndim}D")
    return x.t()


for _name in ("transpose", "swapaxes", "swapdims", "squeeze", "unsqueeze"):
    _changer(_name, _by_name(_name))
_changer("t", _t)
_changer("as_strided", as_strided)


@composite("Tensor")
def resize_(self: Any, *sizes: Any, memory_format: Any = None) -> Any:
    """Change the shape in place: the elements are those of the storage from the first one on, then zeros.

    Beyond the end of the storage the tensor gets one of its own, which its views do not see. Raises RuntimeError where
    it requires a gradient (torch.Tensor.resize_).
    """
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    shape = shape_of(sizes)
    if shape == self.shape:
        return self
    storage = _storage_of(self)
    offset = 0 if storage is self else self.storage_offset()
    missing = offset + prod(shape) - storage.numel()
    if missing <= 0:
        return _become(self, _strided_view(storage, shape, strides.contiguous_strides(shape), offset))
    grown = jtorch.cat([storage.reshape(-1)[offset:], self.new_zeros(missing)])
    self._alias, self._v = None, grown.view(shape)._v
    self._count += 1
    return self


@composite("torch Tensor")
def resize_as_(input: Any, the_template: Any, *, memory_format: Any = None) -> Any:
    """``input.resize_(the_template.shape)`` (torch.Tensor.resize_as_)."""
    if not isinstance(the_template, jtorch.Tensor):
        kind = type(the_template).__name__
        raise TypeError(f"resize_as_(): argument 'the_template' (position 1) must be Tensor, not {kind}")
    return input.resize_(the_template.shape)


@composite("Tensor")
def dim_order(self: Any, ambiguity_check: Any = False) -> tuple:
    """The dimensions from the outermost to the innermost in memory (torch.Tensor.dim_order)."""
    steps = self.stride()
    return tuple(sorted(range(self.ndim), key=lambda d: -steps[d]))


@composite("Tensor")
def as_subclass(self: Any, cls: type) -> Any:
    """The same elements as an instance of a subclass of Tensor, sharing storage (torch.Tensor.as_subclass)."""
    if not (isinstance(cls, type) and issubclass(cls, jtorch.Tensor)):
        raise TypeError(
            "Creating a Tensor subclass from a class that does not inherit from Tensor is not possible. Make sure your "
            "class inherits from Tensor."
        )
    view = _alias_view(self)
    out: Any = object.__new__(cls)
    out._v, out._alias = view._v, view._alias
    return out


def _copy_of(name: str) -> None:
    def copied(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        made = getattr(jtorch, name)(*args, **kwargs).clone()
        return made if out is None else call.write_out(out, made, copied.__name__)

    copied.__name__ = copied.__qualname__ = f"{name}_copy"
    copied.__doc__ = f"What ``torch.{name}`` shows, as a tensor of its own."
    composite("torch")(copied)


for _name in ("detach", "view_as_real", "view_as_complex", "as_strided"):
    _copy_of(_name)
