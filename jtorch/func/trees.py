"""Pytrees of Tensors on the way into JAX's transformations and out of them."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jtorch.engine import capture, trace
from jtorch.engine.value import DIRECT, from_array
from jtorch.tensor.tensor import Tensor, wrap


def is_tensor(x: Any) -> bool:
    """Whether ``x`` is a leaf of a pytree of Tensors."""
    return isinstance(x, Tensor)


class Form:
    """The structure of a pytree of tuples, lists and dicts; dicts keep their order, as torch's do and JAX's do not."""

    def __init__(self, kind: type | None, keys: Any, children: tuple["Form", ...]) -> None:
        self.kind = kind  # None: a leaf
        self.keys = keys
        self.children = children

    def build(self, leaves: Any) -> Any:
        """The pytree with these leaves."""
        return self._build(iter(leaves))

    def _build(self, rest: Any) -> Any:
        if self.kind is None:
            return next(rest)
        made = [child._build(rest) for child in self.children]
        if self.keys is not None:
            return self.kind(zip(self.keys, made, strict=True))
        return self.kind(*made) if hasattr(self.kind, "_fields") else self.kind(made)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Form) and (self.kind, self.keys, self.children) == (
            other.kind,
            other.keys,
            other.children,
        )

    def __hash__(self) -> int:
        return hash((self.kind, self.keys, self.children))

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        keys = None if self.keys is None else list(self.keys)
        return f"TreeSpec({self.kind.__name__}, {keys}, [{(',' + chr(10) + '  ').join(map(repr, self.children))}])"


_LEAF = Form(None, None, ())


def flatten(tree: Any) -> tuple[list, Form]:
    """The leaves of a pytree, Tensors among them, and its structure."""
    leaves: list = []
    return leaves, _form(tree, leaves)


def _form(tree: Any, leaves: list) -> Form:
    kind = type(tree)
    if kind in (dict, OrderedDict):
        return Form(kind, tuple(tree), tuple([_form(x, leaves) for x in tree.values()]))
    if kind in (tuple, list) or isinstance(tree, tuple):
        return Form(kind, None, tuple([_form(x, leaves) for x in tree]))
    leaves.append(tree)
    return _LEAF


def inside(array: Any, device: str) -> Tensor:
    """An array as a Tensor within a transformation."""
    v = from_array(array, device)
    v.trace = DIRECT
    return wrap(v)


def array_of(t: Tensor) -> Any:
    """A tensor's array within a transformation."""
    v = t._value
    st = trace.state()
    if v.trace is not DIRECT and st.capture is not None:
        return st.capture.take(v)
    return jnp.asarray(t._array())


def conjugate(tree: Any) -> Any:
    """Cotangents in torch's convention as JAX's, and back."""
    return jax.tree_util.tree_map(lambda g: jnp.conj(g) if jnp.iscomplexobj(g) else g, tree)


class Packed:
    """A pytree as a list of its tensors' arrays, and the rest, with which they are put together again."""

    def __init__(self, tree: Any) -> None:
        self.leaves, self.form = flatten(tree)
        self.places = [i for i, x in enumerate(self.leaves) if is_tensor(x)]
        self.devices = [self.leaves[i]._aval().device for i in self.places]

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors, in order."""
        return [self.leaves[i] for i in self.places]

    def arrays(self) -> list:
        """Their arrays within a transformation."""
        return [array_of(t) for t in self.tensors]

    def filled(self, tensors: Any) -> Any:
        """The pytree with other tensors in their places."""
        full = list(self.leaves)
        for i, t in zip(self.places, tensors, strict=True):
            full[i] = t
        return self.form.build(full)

    def inside(self, arrays: Any) -> Any:
        """The pytree with arrays, as Tensors, in their places."""
        return self.filled([inside(a, d) for a, d in zip(arrays, self.devices, strict=True)])


def lift(name: str, transformed: Callable, args: Any) -> list[Tensor]:
    """Run ``transformed``, a function of a pytree of Tensors that returns a list of arrays, as one operator."""
    packed = Packed(args)

    def flat(*arrays: Any) -> tuple:
        return tuple(jnp.asarray(x) for x in transformed(packed.inside(arrays)))

    return [wrap(v) for v in capture.apply(name, flat, [t._value for t in packed.tensors])]


def owners(tree: Any) -> list:
    """What holds the values of the tensors in a pytree: themselves and their storages."""
    found = [x for x in flatten(tree)[0] if is_tensor(x)]
    return [*found, *[x._alias.storage for x in found if x._alias is not None]]
