"""Custom functions under JAX's transformations: their backward, jvp and vmap become JAX's custom rules."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from jtorch.autograd import function
from jtorch.engine import trace
from jtorch.engine.value import DIRECT, from_array, modes
from jtorch.tensor.tensor import Tensor, wrap

_local = trace._local


class VmapInfo(NamedTuple):
    """What ``Function.vmap`` is told."""

    batch_size: int
    randomness: str


@contextmanager
def forward_mode(on: bool) -> Iterator[None]:
    """Within the context JAX differentiates by tangents (or no longer so): custom functions give their ``jvp``."""
    before, modes.forward = modes.forward, on
    try:
        yield
    finally:
        modes.forward = before


def _inside(array: Any, device: str) -> Tensor:
    v = from_array(array, device)
    v.trace = DIRECT
    return wrap(v)


def _conj(x: Any) -> Any:
    return jnp.conj(x) if jnp.iscomplexobj(x) else x


def apply(cls: Any, args: tuple, kwargs: dict) -> Any:
    """Run ``cls`` on tensors whose arrays are tracers."""
    call = _Call(cls, args, kwargs)
    arrays = tuple(_array(args[i]) for i in call.places)
    made = call.by_jvp() if modes.forward else call.by_vjp()
    return call.results(made(*arrays), args)


def _array(t: Tensor) -> Any:
    v = t._value
    st = _local.state
    if v.trace is not DIRECT and st.capture is not None:
        return st.capture.take(v)
    return jnp.asarray(t._array())


class _Call:
    """One call of a custom function, as a function of the arrays of its tensor arguments."""

    def __init__(self, cls: Any, args: tuple, kwargs: dict) -> None:
        self.cls = cls
        self.args = args
        self.kwargs = kwargs
        self.kinds = [isinstance(a, Tensor) for a in args]
        self.places = [i for i, is_tensor in enumerate(self.kinds) if is_tensor]
        self.device = next((args[i]._aval().device for i in self.places), "cpu")
        self.name = f"{cls.__name__}Backward"

    def run(self, arrays: tuple) -> tuple[Any, list[Tensor], list[Any]]:
        """Run forward: the context, the tensors among the arguments, and the outputs."""
        ctx = self.cls._context()
        ctx.needs_input_grad = tuple(t and self.args[i]._aval().inexact for i, t in enumerate(self.kinds))
        given = [_inside(a, self.device) for a in arrays]
        full = list(self.args)
        for i, t in zip(self.places, given, strict=True):
            full[i] = t
        with _local.state.mode(grad=True):  # what JAX does not differentiate is for its rules to say
            made = function.run_forward(self.cls, ctx, tuple(full), self.kwargs)
        self.several = isinstance(made, tuple)
        outs = list(made) if self.several else [made]
        self.static = [None if isinstance(o, Tensor) else (o,) for o in outs]
        self.dirty = [next((k for k, t in enumerate(given) if t is o and _in(o, ctx._dirty)), None) for o in outs]
        self.without = [_in(o, ctx._non_differentiable) for o in outs]
        return ctx, given, outs

    def plain(self, *arrays: Any) -> tuple:
        """The outputs' arrays."""
        return tuple(_array(o) for o in self.run(arrays)[2] if isinstance(o, Tensor))

    def batched(self) -> Callable:
        """``plain`` with the function's own rule for vmap."""
        if self.cls.generate_vmap_rule:
            return self.plain
        call = custom_vmap(self.plain)

        @call.def_vmap
        def rule(size: int, mapped: list, *arrays: Any) -> tuple:
            if self.cls.vmap is function.Function.vmap:
                raise RuntimeError(
                    f"You tried to vmap over {self.cls.__name__}, but it does not have vmap support. Please override "
                    "and implement the vmap staticmethod or set generate_vmap_rule=True."
                )
            full = list(self.args)
            dims: list[int | None] = [None] * len(self.args)
            for i, a, m in zip(self.places, arrays, mapped, strict=True):
                full[i] = _inside(a, self.device)
                dims[i] = 0 if m else None
            with _local.state.mode(grad=True):
                made, out_dims = self.cls.vmap(VmapInfo(size, "error"), tuple(dims), *full)
            outs = made if isinstance(made, tuple) else (made,)
            where = out_dims if isinstance(out_dims, tuple) else (out_dims,) * len(outs)
            moved = [
                _array(o) if d is None else jnp.moveaxis(_array(o), d, 0) for o, d in zip(outs, where, strict=True)
            ]
            return tuple(moved), tuple(d is not None for d in where)

        return call

    def named(self, plain: Callable) -> Callable:
        """``plain`` under a name that tells calls with other rules apart: a recorded program knows rules by it."""

        def call(*arrays: Any) -> tuple:
            return plain(*arrays)

        static = [a for a in (*self.args, *self.kwargs.items()) if not isinstance(a, Tensor)]
        call.__name__ = f"{self.cls.__qualname__}_{id(self.cls):x}_{static!r}"
        return call

    def by_vjp(self) -> Callable:
        """The function with its ``backward`` as JAX's rule."""
        plain = self.batched()
        call = jax.custom_vjp(self.named(plain))
        form: list[Any] = []

        def forward(*arrays: Any) -> tuple:
            ctx, given, outs = self.run(arrays)
            made = call(*arrays)  # not what run gave: an outer transformation is to see this function too
            known = {id(t): a for t, a in zip(given, arrays, strict=True)}
            known |= {id(o): a for o, a in zip([o for o in outs if isinstance(o, Tensor)], made, strict=True)}
            leaves, tree = jax.tree_util.tree_flatten(vars(ctx), is_leaf=_is_tensor)
            at = [i for i, x in enumerate(leaves) if _is_tensor(x)]
            form[:] = [leaves, tree, at]
            return made, tuple(known[id(leaves[i])] if id(leaves[i]) in known else _array(leaves[i]) for i in at)

        def backward(kept: tuple, cts: tuple) -> tuple:
            leaves, tree, at = list(form[0]), form[1], form[2]
            for i, a in zip(at, kept, strict=True):
                leaves[i] = _inside(a, self.device)
            ctx = self.cls._context()
            vars(ctx).update(jax.tree_util.tree_unflatten(tree, leaves))
            rest = iter(cts)
            grads = [None if s is not None else self._tensor(_conj(next(rest))) for s in self.static]
            with _local.state.mode(grad=True):
                made = function.checked(self.name, function.backward_of(self.cls)(ctx, *grads), self.kinds)
            return tuple(self._cotangent(i, made[i]) for i in self.places)

        call.defvjp(forward, backward)
        return call

    def by_jvp(self) -> Callable:
        """The function with its ``jvp`` as JAX's rule."""
        plain = self.batched()
        call = jax.custom_jvp(self.named(plain))

        @call.defjvp
        def rule(primals: tuple, tangents: tuple) -> tuple:
            ctx, _, _ = self.run(primals)
            given: list[Any] = [None] * len(self.args)
            for i, t in zip(self.places, tangents, strict=True):
                given[i] = self._tensor(t)
            with _local.state.mode(grad=True):
                made = self.cls.jvp(ctx, *given)
            outs = call(*primals)
            return outs, tuple(
                jnp.zeros_like(o) if t is None else _array(t)
                for o, t in zip(outs, made if isinstance(made, tuple) else (made,), strict=True)
            )

        return call

    def _tensor(self, array: Any) -> Tensor | None:
        return None if array.dtype == jax.dtypes.float0 else _inside(array, self.device)

    def _cotangent(self, i: int, g: Any) -> Any:
        x = self.args[i]
        if g is None or not x._aval().inexact:
            return None
        return _conj(_array(function.fitted(self.name, i, g, tuple(x.shape), x.dtype)))

    def results(self, arrays: tuple, args: tuple) -> Any:
        """The outputs as forward gave them; an input that it wrote to is written to."""
        rest = iter(arrays)
        out: list[Any] = []
        for static, dirty, without in zip(self.static, self.dirty, self.without, strict=True):
            if static is not None:
                out.append(static[0])
                continue
            array = next(rest)
            t = _inside(jax.lax.stop_gradient(array) if without else array, self.device)
            out.append(t if dirty is None else args[self.places[dirty]]._write(t._value))
        return tuple(out) if self.several else out[0]


def _is_tensor(x: Any) -> bool:
    return isinstance(x, Tensor)


def _in(x: Any, those: tuple) -> bool:
    return any(x is t for t in those)
