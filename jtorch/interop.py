"""Modules as pure functions for JAX, and JAX functions as torch operators."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtorch.engine import trace
from jtorch.engine.aval import Aval
from jtorch.engine.op import Primitive
from jtorch.engine.record import record
from jtorch.engine.value import DIRECT, from_array
from jtorch.func.trees import Packed, array_of, flatten
from jtorch.tensor.tensor import Tensor, wrap

__all__ = ["export", "from_jax", "to_jax"]

Arrays = dict[str, Any]


def to_jax(module: Any) -> tuple[Callable, Arrays, Arrays]:
    """A module as ``(apply, params, buffers)``: a pure function and its state as dicts of JAX arrays.

    ``apply(params, buffers, *args, **kwargs)`` runs the module's forward on arrays and returns ``(output, buffers)``
    with the buffers as forward left them (batch norm's running statistics). It works under ``jax.jit``, ``grad``,
    ``vmap``, ``shard_map`` and the rest, and leaves the module's own tensors alone. Whether the module trains or
    evaluates is what it does when it is traced. Parameters that require no gradient are among ``buffers``, so that
    ``jax.grad`` passes them by.

    Example::

        apply, params, buffers = jtorch.to_jax(model)

        @jax.jit
        def loss(params, x, y):
            out, new_buffers = apply(params, buffers, x)
            return optax.softmax_cross_entropy_with_integer_labels(out, y).mean()
    """
    from jtorch.nn.utils.stateless import swapped

    named = dict(module.named_parameters())
    params = {n: jnp.asarray(p._array()) for n, p in named.items() if p.requires_grad}
    fixed = {n: p for n, p in named.items() if not p.requires_grad} | dict(module.named_buffers())
    buffers = {n: jnp.asarray(t._array()) for n, t in fixed.items()}

    def apply(params: Arrays, buffers: Arrays, *args: Any, **kwargs: Any) -> tuple[Any, Arrays]:
        traced = any(isinstance(x, jax.core.Tracer) for x in jax.tree_util.tree_leaves((params, buffers, args, kwargs)))
        state, inner, kw = (_tensors(x, traced) for x in ({**params, **buffers}, args, kwargs))
        with trace.state().mode(grad=True), swapped(module, state):  # within no_grad JAX has no gradient either
            out = module(*inner, **kw)
        return _arrays(out), {n: array_of(state[n]) for n in buffers}

    return apply, params, buffers


def _arrays(tree: Any) -> Any:
    leaves, form = flatten(tree)
    return form.build([array_of(x) if isinstance(x, Tensor) else x for x in leaves])


def _tensors(tree: Any, traced: bool) -> Any:
    """A pytree with its arrays as Tensors; where JAX traces, none of them is a constant to be computed with at once."""

    def each(x: Any) -> Any:
        if not isinstance(x, (jax.Array, np.ndarray)):
            return x
        v = from_array(jnp.asarray(x) if traced else x)
        if traced:
            v.trace = DIRECT
        return wrap(v)

    leaves, form = flatten(tree)
    return form.build([each(x) for x in leaves])


def from_jax(x: Any) -> Any:
    """A JAX array (or tracer) as a Tensor, without a copy; or a JAX function as a differentiable torch operator.

    A function takes and returns arrays in any pytrees. It is called with Tensors in their places and returns Tensors;
    the call is recorded like any operator, so that it fuses with what is around it, and backward goes through it by
    ``jax.vjp``. Its other arguments must be hashable: the function is traced anew for each.
    """
    if isinstance(x, (jax.Array, np.ndarray)):
        return wrap(from_array(x))
    if not callable(x):
        raise TypeError(f"from_jax(): expected a JAX array or a function of them, but got {type(x).__name__}")
    name = getattr(x, "__name__", "from_jax")
    op = Primitive(name, lambda form: form.run, multi=True, grad_name=f"{name}Backward")

    @wraps(x)
    def call(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = flatten((args, kwargs))
        packed = Packed(tree.build([_taken(x) for x in leaves]))
        values = tuple(t._value for t in packed.tensors)
        form = _Form(x, packed)
        made = record(op, (form,), values)
        structure = _structure(form, tuple(v.aval for v in values))
        return jax.tree_util.tree_unflatten(structure, [wrap(v) for v in made])

    return call


def _taken(leaf: Any) -> Any:
    return wrap(from_array(leaf)) if isinstance(leaf, (jax.Array, np.ndarray)) else leaf


class _Form:
    """A call of a JAX function apart from its arrays; equal where function, structure and other arguments are."""

    def __init__(self, fn: Callable, packed: Packed) -> None:
        self.fn = fn
        self.packed = packed
        places = set(packed.places)
        static = tuple((i, type(x), x) for i, x in enumerate(packed.leaves) if i not in places)
        self.key = (fn, packed.form, static)
        self._hash = hash(self.key)
        packed.leaves = [None if i in places else x for i, x in enumerate(packed.leaves)]

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Form) and self.key == other.key

    def call(self, *arrays: Any) -> Any:
        """The function of the arrays alone."""
        args, kwargs = self.packed.filled(arrays)
        return self.fn(*args, **kwargs)

    def run(self, *arrays: Any) -> tuple:
        """The same with a flat result."""
        return tuple(jnp.asarray(x) for x in jax.tree_util.tree_leaves(self.call(*arrays)))


@lru_cache(maxsize=4096)
def _structure(form: _Form, avals: tuple[Aval, ...]) -> Any:
    """The structure of a call's result."""
    return jax.tree_util.tree_structure(jax.eval_shape(form.call, *[a.struct() for a in avals]))


def export(module: Any, args: tuple) -> Any:
    """The module's forward as a ``jax.export.Exported`` (StableHLO), its parameters inside; runs without jtorch.

    ``args`` are example inputs (Tensors or arrays); call the result with arrays of the same shapes and dtypes.
    """
    from jax import export as jax_export

    apply, params, buffers = to_jax(module)

    def forward(*inputs: Any) -> Any:
        return apply(params, buffers, *inputs)[0]

    return jax_export.export(jax.jit(forward))(*jax.tree_util.tree_map(jnp.asarray, _arrays(args)))
