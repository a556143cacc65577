"""Modules as pure functions for JAX, and JAX functions as torch operators."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jtorch.engine import trace
from jtorch.engine.op import Primitive
from jtorch.engine.record import record
from jtorch.engine.value import DIRECT, Value, from_array
from jtorch.func.transforms import arrays_of, split, tensors_of
from jtorch.tensor.tensor import Tensor, wrap

Arrays = dict[str, Any]


def to_jax(module: Any) -> tuple[Callable, Arrays, Arrays]:
    """A module as ``(apply, params, buffers)``: a pure function and its state as dicts of JAX arrays.

    ``apply(params, buffers, *args, **kwargs)`` runs the module's forward on arrays and returns ``(output, buffers)`` with
    the buffers as forward left them (batch norm's running statistics). Its mode (train or eval) is the module's when it is
    traced. It works under ``jax.jit``, ``grad``, ``vmap``, ``shard_map`` and the rest, and touches the module's own tensors
    not at all. Parameters that require no gradient are among ``buffers``, so that ``jax.grad`` leaves them alone.

    Example::

        apply, params, buffers = jtorch.to_jax(model)

        @jax.jit
        def loss(params, x, y):
            out, _ = apply(params, buffers, x)
            return optax.softmax_cross_entropy_with_integer_labels(out, y).mean()
    """
    from jtorch.nn.utils.stateless import swapped

    params = {n: jnp.asarray(p._array()) for n, p in module.named_parameters() if p.requires_grad}
    buffers = {n: jnp.asarray(p._array()) for n, p in module.named_parameters() if not p.requires_grad}
    buffers |= {n: jnp.asarray(b._array()) for n, b in module.named_buffers()}

    def apply(params: Arrays, buffers: Arrays, *args: Any, **kwargs: Any) -> tuple[Any, Arrays]:
        state = {n: _tensor(a) for n, a in {**params, **buffers}.items()}
        with trace.state().mode(grad=False), swapped(module, state):
            out = module(*_tensors(args), **_tensors(kwargs))
        return arrays_of(out), {n: arrays_of(state[n]) for n in buffers}

    return apply, params, buffers


def _tensor(array: Any) -> Tensor:
    v = from_array(array if hasattr(array, "dtype") else jnp.asarray(array))
    return wrap(v)


def _tensors(tree: Any) -> Any:
    def each(x: Any) -> Any:
        return _tensor(x) if isinstance(x, (jax.Array, jax.core.Tracer)) or type(x).__module__ == "numpy" else x

    return jax.tree_util.tree_map(each, tree, is_leaf=lambda x: isinstance(x, Tensor))


def from_jax_function(fn: Callable) -> Callable:
    """A JAX function of arrays (in any pytrees) as a differentiable torch operator.

    Tensors among the arguments are handed over as JAX arrays, and arrays that come back as Tensors; the call is recorded
    like any operator, so it fuses with what is around it and backward goes through it by ``jax.vjp``.
    """
    op = Primitive(getattr(fn, "__name__", "from_jax"), lambda form: form.run, multi=True)

    def call(*args: Any, **kwargs: Any) -> Any:
        values, rebuild = split((args, kwargs))
        form = _Form(fn, args, kwargs)
        if any(v.trace is DIRECT for v in values):
            device = next(v.aval.device for v in values)
            a, k = arrays_of(rebuild([v.array for v in values]))
            return tensors_of(fn(*a, **k), device)
        made = record(op, (form,), tuple(values))
        return jax.tree_util.tree_unflatten(form.shape_of(values), [wrap(v) for v in made])

    call.__name__ = getattr(fn, "__name__", "from_jax")
    call.__doc__ = fn.__doc__
    return call


class _Form:
    """A call of a JAX function apart from its arrays; hashable by structure and by its other arguments."""

    _known: dict[Any, Any] = {}

    def __init__(self, fn: Callable, args: tuple, kwargs: dict) -> None:
        leaves, self.tree = jax.tree_util.tree_flatten((args, kwargs), is_leaf=lambda x: isinstance(x, Tensor))
        self.fn = fn
        self.static = tuple((i, type(x), x) for i, x in enumerate(leaves) if not isinstance(x, Tensor))
        self.count = len(leaves)

    def _key(self) -> tuple:
        return (self.fn, self.tree, self.static, self.count)

    def __hash__(self) -> int:
        return hash(self._key())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Form) and self._key() == other._key()

    def run(self, *arrays: Any) -> tuple:
        """The function of the arrays alone, its result flat."""
        leaves: list[Any] = [None] * self.count
        for i, _, x in self.static:
            leaves[i] = x
        rest = iter(arrays)
        places = {i for i, _, _ in self.static}
        for i in range(self.count):
            if i not in places:
                leaves[i] = next(rest)
        args, kwargs = jax.tree_util.tree_unflatten(self.tree, leaves)
        flat, tree = jax.tree_util.tree_flatten(self.fn(*args, **kwargs))
        _Form._known[(self._key(), tuple((a.shape, str(a.dtype)) for a in arrays))] = tree
        return tuple(jnp.asarray(x) for x in flat)

    def shape_of(self, values: list[Value]) -> Any:
        """The structure of the result for inputs of these shapes."""
        return _Form._known[(self._key(), tuple((v.aval.shape, str(v.aval.dtype)) for v in values))]


def export(module: Any, args: tuple) -> Any:
    """The module's forward as a ``jax.export.Exported`` (StableHLO), its parameters inside; runs without jtorch.

    ``args`` are example inputs (Tensors or arrays); call the result with arrays of the same shapes.
    """
    from jax import export as jax_export

    apply, params, buffers = to_jax(module)

    def forward(*inputs: Any) -> Any:
        return apply(params, buffers, *inputs)[0]

    arrays = [jnp.asarray(x) for x in arrays_of(args)]
    return jax_export.export(jax.jit(forward))(*arrays)
