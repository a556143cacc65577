"""Pytrees of Tensors on the way into JAX's transformations and out of them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jtorch.engine import capture, trace
from jtorch.engine.value import DIRECT, Value, from_array
from jtorch.tensor.tensor import Tensor, wrap


def is_tensor(x: Any) -> bool:
    """Whether ``x`` is a leaf of a pytree of Tensors."""
    return isinstance(x, Tensor)


def flatten(tree: Any) -> tuple[list, Any]:
    """The leaves of a pytree, Tensors among them, and its structure."""
    return jax.tree_util.tree_flatten(tree, is_leaf=is_tensor)


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


def arrays_of(tree: Any) -> Any:
    """A pytree with its tensors as arrays, for JAX."""
    return jax.tree_util.tree_map(lambda x: array_of(x) if is_tensor(x) else x, tree, is_leaf=is_tensor)


def tensors_of(tree: Any, device: str) -> Any:
    """A pytree of arrays as Tensors within a transformation."""
    return jax.tree_util.tree_map(lambda a: inside(a, device), tree)


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
        return jax.tree_util.tree_unflatten(self.form, full)

    def inside(self, arrays: Any) -> Any:
        """The pytree with arrays, as Tensors, in their places."""
        return self.filled([inside(a, d) for a, d in zip(arrays, self.devices, strict=True)])


def lift(name: str, transformed: Callable, args: Any) -> list[Tensor]:
    """Run ``transformed``, a function of a pytree of Tensors that returns a list of arrays, as one operator."""
    packed = Packed(args)

    def flat(*arrays: Any) -> tuple:
        return tuple(jnp.asarray(x) for x in transformed(packed.inside(arrays)))

    return [wrap(v) for v in capture.apply(name, flat, [t._value for t in packed.tensors])]


def split(tree: Any) -> tuple[list[Value], Callable]:
    """The tensors of a pytree as values, and a function that puts arrays (as Tensors) back in their places."""
    packed = Packed(tree)
    return [t._value for t in packed.tensors], packed.inside
