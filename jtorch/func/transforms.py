"""torch.func's transformations, by JAX's (https://docs.pytorch.org/docs/stable/func.html).

A function of Tensors becomes a function of arrays by wrapping its arguments and unwrapping its results; JAX transforms that,
and the outcome is recorded as one operator. They compose with each other and with backward.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jtorch.engine import capture, trace
from jtorch.engine.value import DIRECT, Value, from_array
from jtorch.tensor.tensor import Tensor, wrap


def _is_tensor(x: Any) -> bool:
    return isinstance(x, Tensor)


def split(tree: Any) -> tuple[list[Value], Callable]:
    """The tensors of a pytree as values, and a function that puts arrays (as Tensors) back in their places."""
    leaves, form = jax.tree_util.tree_flatten(tree, is_leaf=_is_tensor)
    places = [i for i, x in enumerate(leaves) if _is_tensor(x)]
    devices = [leaves[i]._aval().device for i in places]

    def rebuild(arrays: Any) -> Any:
        full = list(leaves)
        for i, d, a in zip(places, devices, arrays, strict=True):
            full[i] = wrap(_inside(a, d))
        return jax.tree_util.tree_unflatten(form, full)

    return [leaves[i]._value for i in places], rebuild


def _inside(array: Any, device: str) -> Value:
    v = from_array(array, device)
    v.trace = DIRECT
    return v


def arrays_of(tree: Any) -> Any:
    """A pytree with its tensors as arrays, for JAX."""
    return jax.tree_util.tree_map(lambda x: _array(x) if _is_tensor(x) else x, tree, is_leaf=_is_tensor)


def _array(t: Tensor) -> Any:
    v = t._value
    st = trace.state()
    if v.trace is not DIRECT and st.capture is not None:
        return st.capture.take(v)
    return jnp.asarray(t._array())


def tensors_of(tree: Any, device: str) -> Any:
    """A pytree of arrays as Tensors inside a transformation."""
    return jax.tree_util.tree_map(lambda a: wrap(_inside(a, device)), tree)


def lift(name: str, transformed: Callable, args: Any) -> Any:
    """Run ``transformed``, a function of a pytree of Tensors that returns a pytree of arrays, as one operator."""
    values, rebuild = split(args)
    device = next((v.aval.device for v in values), "cpu")
    form: list[Any] = [None]

    def flat(*arrays: Any) -> tuple:
        leaves, form[0] = jax.tree_util.tree_flatten(transformed(rebuild(arrays)))
        return tuple(jnp.asarray(x) for x in leaves)

    made = capture.apply(name, flat, values)
    del device
    return jax.tree_util.tree_unflatten(form[0], [wrap(v) for v in made])


def _pick(argnums: Any, args: tuple) -> Any:
    return args[argnums] if isinstance(argnums, int) else tuple(args[i] for i in argnums)


def _with(argnums: Any, args: tuple, new: Any) -> tuple:
    full = list(args)
    for i, x in zip(
        (argnums,) if isinstance(argnums, int) else argnums, (new,) if isinstance(argnums, int) else new, strict=True
    ):
        full[i] = x
    return tuple(full)


def _over(func: Callable, args: tuple, kwargs: dict, argnums: Any, has_aux: bool, device: str) -> Callable:
    """``func`` as a function of the arrays of the chosen arguments; returns arrays (and aux arrays)."""

    def run(chosen: Any) -> Any:
        out = func(*_with(argnums, args, tensors_of(chosen, device)), **kwargs)
        if has_aux:
            value, aux = out
            return arrays_of(value), arrays_of(aux)
        return arrays_of(out)

    return run


def _device(tree: Any) -> str:
    leaves = jax.tree_util.tree_leaves(tree, is_leaf=_is_tensor)
    return next((x._aval().device for x in leaves if _is_tensor(x)), "cpu")


def _scalar(value: Any) -> Any:
    if getattr(value, "shape", None) != ():
        raise RuntimeError(
            f"Expected f(*args) to return a scalar tensor, got tensor with {getattr(value, 'ndim', '?')} dims. Maybe you wanted "
            "to use the vjp or jacrev APIs instead?"
        )
    return value


def _conjugate(tree: Any) -> Any:
    return jax.tree_util.tree_map(lambda g: jnp.conj(g) if jnp.iscomplexobj(g) else g, tree)


def grad_and_value(func: Callable, argnums: Any = 0, has_aux: bool = False) -> Callable:
    """``(gradient, value)`` of a scalar function (torch.func.grad_and_value)."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        def run(everything: Any) -> Any:
            inner, kw = everything
            f = _over(func, inner, kw, argnums, has_aux, _device(everything))

            def scalar(x: Any) -> Any:
                out = f(x)
                return (_scalar(out[0]), out[1]) if has_aux else _scalar(out)

            value, g = jax.value_and_grad(scalar, has_aux=has_aux)(arrays_of(_pick(argnums, inner)))
            return _conjugate(g), value

        return lift("grad", run, (args, kwargs))

    return wrapper


def grad(func: Callable, argnums: Any = 0, has_aux: bool = False) -> Callable:
    """The gradient of a scalar function (torch.func.grad)."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        g, value = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return wrapper


def vmap(
    func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable:
    """``func`` over a dimension of its arguments (torch.func.vmap). Raises ValueError for arguments without one."""
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not args and not kwargs:
            raise ValueError(
                f"vmap({getattr(func, '__name__', func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are "
                "trying to vmap over a function with no inputs. The latter is unsupported."
            )
        dims = (
            in_dims if isinstance(in_dims, tuple) else (in_dims,) * len(args) if isinstance(in_dims, int) else in_dims
        )
        flat_dims = _spread_dims(dims, args, func)
        if chunk_size is not None:
            return _chunked(func, args, kwargs, flat_dims, in_dims, out_dims, chunk_size)

        def run(everything: Any) -> Any:
            inner, kw = everything
            device = _device(everything)
            leaves, form = jax.tree_util.tree_flatten(inner, is_leaf=_is_tensor)
            mapped = [i for i, d in enumerate(flat_dims) if d is not None]

            def each(*arrays: Any) -> Any:
                full = list(leaves)
                for i, a in zip(mapped, arrays, strict=True):
                    full[i] = wrap(_inside(a, device))
                return arrays_of(func(*jax.tree_util.tree_unflatten(form, full), **kw))

            arrays = [_array(leaves[i]) for i in mapped]
            return jax.vmap(each, in_axes=tuple(flat_dims[i] for i in mapped), out_axes=out_dims)(*arrays)

        return lift("vmap", run, (args, kwargs))

    return wrapper


def _spread_dims(dims: Any, args: tuple, func: Callable) -> list[int | None]:
    """One mapped dimension, or None, a leaf of ``args``; raises ValueError where they do not fit."""
    name = getattr(func, "__name__", str(func))
    leaves, form = jax.tree_util.tree_flatten(args, is_leaf=_is_tensor)
    try:
        flat = jax.tree_util.tree_leaves(
            jax.tree_util.tree_map(
                lambda d, sub: jax.tree_util.tree_map(lambda _: _Dim(d), sub, is_leaf=_is_tensor),
                tuple(dims),
                args,
                is_leaf=lambda d: d is None or isinstance(d, int),
            ),
            is_leaf=lambda d: isinstance(d, _Dim),
        )
    except ValueError:
        raise ValueError(
            f"vmap({name}, in_dims={dims}, ...)(<inputs>): in_dims is not compatible with the structure of inputs."
        ) from None
    found: list[int | None] = []
    sizes = set()
    for leaf, d in zip(leaves, (x.dim for x in flat), strict=True):
        if not _is_tensor(leaf):
            if d is not None and not isinstance(in_dims_default := d, int):
                raise ValueError(f"vmap({name}): got in_dim={in_dims_default} for an input of type {type(leaf)}")
            if d is not None:
                raise ValueError(
                    f"vmap({name}, in_dims={dims}, ...)(<inputs>): Got in_dim={d} for an input but the input is of type "
                    f"{type(leaf)}. We cannot vmap over non-Tensor arguments, please use None as the respective in_dim"
                )
            found.append(None)
            continue
        if d is not None:
            n = leaf.ndim
            if not -n <= d < n:
                raise ValueError(
                    f"vmap({name}, in_dims={dims}, ...)(<inputs>): Got in_dim={d} for some input, but that input is a Tensor "
                    f"of dimensionality {n} so expected in_dim to satisfy -{n} <= in_dim < {n}."
                )
            d = d % n
            sizes.add(leaf.shape[d])
        found.append(d)
    if not any(d is not None for d in found):
        raise ValueError(f"vmap({name}, in_dims={dims}, ...)(<inputs>): at least one input must be mapped over")
    if len(sizes) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sorted(sizes)}"
        )
    return found


class _Dim:
    def __init__(self, dim: int | None) -> None:
        self.dim = dim


def _chunked(func: Callable, args: tuple, kwargs: dict, dims: list, in_dims: Any, out_dims: Any, size: int) -> Any:
    """vmap over pieces of at most ``size``, concatenated."""
    import jtorch

    leaves, form = jax.tree_util.tree_flatten(args, is_leaf=_is_tensor)
    total = next(leaf.shape[d] for leaf, d in zip(leaves, dims, strict=True) if d is not None)
    inner = vmap(func, in_dims, out_dims)
    pieces = []
    for start in range(0, total, size):
        part = [
            x if d is None else x.narrow(d, start, min(size, total - start)) for x, d in zip(leaves, dims, strict=True)
        ]
        pieces.append(inner(*jax.tree_util.tree_unflatten(form, part), **kwargs))
    at = out_dims if isinstance(out_dims, int) else 0
    return jax.tree_util.tree_map(lambda *xs: jtorch.cat(list(xs), at), *pieces, is_leaf=_is_tensor)  # type: ignore[attr-defined]


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> Any:
    """``(output, vjp function)`` (torch.func.vjp)."""

    def forward(inner: Any) -> Any:
        return arrays_of(func(*inner))

    out = lift("vjp forward", forward, primals)
    result, aux = out if has_aux else (out, None)

    def pull(*cotangents: Any) -> Any:
        cts = cotangents[0] if len(cotangents) == 1 else cotangents

        def run(everything: Any) -> Any:
            inner, ct = everything
            device = _device(everything)

            def f(*arrays: Any) -> Any:
                made = func(*tensors_of(arrays, device))
                return arrays_of(made[0] if has_aux else made)

            _, pullback = jax.vjp(f, *arrays_of(inner))
            return _conjugate(pullback(_conjugate(arrays_of(ct))))

        return lift("vjp", run, (primals, cts))

    return (result, pull, aux) if has_aux else (result, pull)


def jvp(func: Callable, primals: tuple, tangents: tuple, *, strict: bool = False, has_aux: bool = False) -> Any:
    """``(output, directional derivative)`` (torch.func.jvp)."""
    if not isinstance(primals, tuple):
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )  # noqa: F541
    if not isinstance(tangents, tuple) or len(primals) != len(tangents):
        raise RuntimeError("jvp(f, primals, tangents): Expected primals and tangents to have the same python structure")

    def run(everything: Any) -> Any:
        inner, directions = everything
        device = _device(everything)

        def f(*arrays: Any) -> Any:
            made = func(*tensors_of(arrays, device))
            return (arrays_of(made[0]), arrays_of(made[1])) if has_aux else arrays_of(made)

        return jax.jvp(f, arrays_of(inner), arrays_of(directions), has_aux=has_aux)

    return lift("jvp", run, (primals, tangents))


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable]:
    """``(output, function of tangents)`` at a point (torch.func.linearize)."""
    out = lift("linearize", lambda inner: arrays_of(func(*inner)), primals)

    def along(*tangents: Any) -> Any:
        return jvp(func, primals, tuple(tangents))[1]

    return out, along


def _jacobian(kind: Callable, name: str) -> Callable:
    def transform(
        func: Callable,
        argnums: Any = 0,
        *,
        has_aux: bool = False,
        chunk_size: int | None = None,
        randomness: str = "error",
        **_: Any,
    ) -> Callable:
        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            def run(everything: Any) -> Any:
                inner, kw = everything
                f = _over(func, inner, kw, argnums, has_aux, _device(everything))
                return kind(f, has_aux=has_aux)(arrays_of(_pick(argnums, inner)))

            return lift(name, run, (args, kwargs))

        return wrapper

    return transform


jacrev = _jacobian(jax.jacrev, "jacrev")
jacrev.__doc__ = "The Jacobian by reverse mode (torch.func.jacrev)."
jacfwd = _jacobian(jax.jacfwd, "jacfwd")
jacfwd.__doc__ = "The Jacobian by forward mode (torch.func.jacfwd)."


def hessian(func: Callable, argnums: Any = 0) -> Callable:
    """Second derivatives, forward over reverse (torch.func.hessian)."""
    return jacfwd(jacrev(func, argnums), argnums)


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """``func`` itself: recorded programs are free of mutation already (torch.func.functionalize)."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}.")
    return func
