"""torch.func's derivatives, by JAX's (https://docs.pytorch.org/docs/stable/func.html).

A function of Tensors becomes one of arrays by wrapping its arguments and unwrapping its results; JAX differentiates
that, and the outcome is recorded as one operator. They compose with each other, with vmap and with backward.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jtorch.autograd.transformed import forward_mode
from jtorch.engine import capture
from jtorch.func.trees import Packed, array_of, conjugate, flatten, inside, is_tensor, lift, owners
from jtorch.tensor.tensor import Tensor

_CAPTURED = (
    "During a grad (vjp, jvp, grad, etc) transform, the function provided attempted to call in-place operation that "
    "would mutate a captured Tensor. This is not supported; please rewrite the function being transformed to "
    "explicitly accept the mutated Tensor(s) as inputs."
)
Argnums = int | tuple[int, ...]


class _Function:
    """``func`` as a function of the arrays of some of its arguments, for JAX: flat results, then flat aux.

    What the arrays are part of, and what comes back besides arrays, is kept here.
    """

    def __init__(self, func: Callable, chosen: Any, rebuild: Callable, *, name: str, aux: bool, forward: bool) -> None:
        self.func, self.rebuild, self.name, self.has_aux, self.forward = func, rebuild, name, aux, forward
        self.chosen = Packed(chosen)
        self.arrays = tuple(self.chosen.arrays())
        self.out: Packed = self.chosen
        self.aux: Packed | None = None

    def __call__(self, *arrays: Any) -> tuple:
        args, kwargs = self.rebuild(self.chosen.inside(arrays))
        with forward_mode(self.forward):
            made = capture.guarded(
                lambda: self.func(*args, **kwargs), lambda made: owners((args, kwargs, made)), _CAPTURED
            )
        aux = None
        if self.has_aux:
            if not (isinstance(made, tuple) and len(made) == 2):
                raise RuntimeError(
                    f"{self.name}: output of function f should be a tuple: (output, aux) if has_aux is True"
                )
            made, aux = made
        self.out, self.aux = Packed(made), Packed(aux)
        if len(self.out.places) != len(self.out.leaves):
            wrong = next(x for x in self.out.leaves if not is_tensor(x))
            raise RuntimeError(
                f"{self.name}: expected f(*primals) to return only tensors, got unsupported type {type(wrong)}"
            )
        return tuple(self.out.arrays()), tuple(self.aux.arrays())

    def finish(self, tensors: list[Tensor]) -> tuple[Any, Any, list[Tensor]]:
        """The results and aux as func had them, from tensors that begin with theirs; and what is left of these."""
        assert self.aux is not None
        a, b = len(self.out.places), len(self.out.places) + len(self.aux.places)
        return self.out.filled(tensors[:a]), self.aux.filled(tensors[a:b]), tensors[b:]


def _argnums(argnums: Any, args: tuple) -> Argnums:
    """Positions of the arguments to differentiate, none negative; raises torch's RuntimeErrors."""
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    each = (argnums,) if isinstance(argnums, int) else argnums
    if not each:
        raise RuntimeError("argnums must be non-empty")
    count = len(args)
    for n in each:
        if not -count <= n < count:
            raise RuntimeError(f"Got argnum={n}, but only {count} positional inputs")
    found = tuple(n % count for n in each)
    if len(set(found)) != len(found):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return found[0] if isinstance(argnums, int) else found


def _check_inputs(tree: Any) -> None:
    for x in flatten(tree)[0]:
        if not is_tensor(x):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
        if not x._aval().inexact:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")


def _of_arguments(func: Callable, argnums: Argnums, args: tuple, kwargs: dict, **how: Any) -> _Function:
    places = argnums if isinstance(argnums, tuple) else (argnums,)
    chosen = tuple(args[n] for n in places)

    def rebuild(new: Any) -> tuple[list, dict]:
        full = list(args)
        for n, x in zip(places, new if isinstance(argnums, tuple) else (new,), strict=True):
            full[n] = x
        return full, kwargs

    return _Function(func, chosen if isinstance(argnums, tuple) else chosen[0], rebuild, **how)


def grad_and_value(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """A function that returns ``(gradient, value)`` of ``func``; with ``has_aux`` ``(gradient, (value, aux))``.

    ``func`` must return a 0-d Tensor (torch.func.grad_and_value), else RuntimeError.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        numbers = _argnums(argnums, args)
        _check_inputs([args[n] for n in (numbers if isinstance(numbers, tuple) else (numbers,))])
        f: Any = None

        def run(everything: Any) -> list:
            nonlocal f
            f = _of_arguments(func, numbers, *everything, name="grad_and_value(f)(*args)", aux=has_aux, forward=False)

            def scalar(*arrays: Any) -> tuple:
                (out, *more), aux = _one(f, arrays)
                if more or out.shape:
                    raise RuntimeError(
                        "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with "
                        f"{out.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                    )
                return out, aux

            out, pull, aux = jax.vjp(scalar, *f.arrays, has_aux=True)  # type: ignore[var-annotated]
            return [out, *aux, *conjugate(pull(jnp.ones((), out.dtype)))]

        value, aux, grads = _finish(lambda: f, lift("grad", run, (args, kwargs)))
        gradient = f.chosen.filled(grads)
        return gradient, ((value, aux) if has_aux else value)

    return wrapper


def _finish(f: Callable[[], _Function], tensors: list[Tensor]) -> tuple[Any, Any, list[Tensor]]:
    return f().finish(tensors)


def _one(f: _Function, arrays: tuple) -> tuple:
    try:
        return f(*arrays)
    except RuntimeError as error:
        if "expected f(*primals) to return only tensors" in str(error):
            made = f.out.form.build(f.out.leaves)
            kind = type(made if isinstance(made, tuple) else next(x for x in f.out.leaves if not is_tensor(x)))
            raise RuntimeError(f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {kind}") from None
        raise


def grad(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """A function that returns the gradient of ``func``; with ``has_aux`` ``(gradient, aux)`` (torch.func.grad)."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapper


def _whole(func: Callable, primals: tuple, name: str, aux: bool, forward: bool) -> _Function:
    return _Function(func, primals, lambda new: (new, {}), name=name, aux=aux, forward=forward)


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> Any:
    """``(output, function of cotangents)``, with ``has_aux`` then ``aux`` (torch.func.vjp).

    The function takes cotangents in the structure of the output, and returns a tuple with an entry a primal.
    """
    _check_inputs(primals)
    f: Any = None
    pull_form: Any = None

    def run(inner: Any) -> list:
        nonlocal f, pull_form
        f = _whole(func, inner, "vjp(f, *primals)", has_aux, False)
        outs, pull, aux = jax.vjp(f, *f.arrays, has_aux=True)
        kept, pull_form = jax.tree_util.tree_flatten(pull)
        return [*outs, *aux, *kept]

    out, aux, kept = _finish(lambda: f, lift("vjp", run, primals))

    def pullback(*cotangents: Any) -> Any:
        cts = cotangents[0] if len(cotangents) == 1 else cotangents
        given, form = flatten(cts)
        if form != f.out.form:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the "
                "function. "
                f"cotangents: {form}, primal output: {f.out.form}"
            )
        for i, (c, o) in enumerate(zip(given, flatten(out)[0], strict=True)):
            if c.shape != o.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{i}] has a shape of {c.shape} and output[{i}] has a shape of "
                    f"{o.shape}."
                )

        def back(everything: Any) -> list:
            residuals, inner = everything
            pull = jax.tree_util.tree_unflatten(pull_form, [array_of(t) for t in residuals])
            given = tuple(array_of(c).astype(o._aval().dtype) for c, o in zip(inner, flatten(out)[0], strict=True))
            return list(conjugate(pull(conjugate(given))))

        return f.chosen.filled(lift("vjp", back, (kept, given)))

    return (out, pullback, aux) if has_aux else (out, pullback)


def _check_tangents(primals: Any, tangents: Any) -> None:
    (ps, p_form), (ts, t_form) = flatten(primals), flatten(tangents)
    if p_form != t_form:
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python structure. For example, "
            "if "
            f"primals is a tuple of 3 tensors, tangents also must be. Got primals with structure {p_form} and tangents "
            "with "
            f"structure {t_form}"
        )
    for p, t in zip(ps, ts, strict=True):
        if p.shape != t.shape:
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the original Tensor, this is "
                "not "
                f"supported. Tensor is of size {list(p.shape)} while the given forward gradient is of size "
                f"{list(t.shape)}."
            )


def jvp(func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """``(output, directional derivative)``, with ``has_aux`` then ``aux`` (torch.func.jvp).

    ``strict`` raises RuntimeError where an output does not depend on the primals.
    """
    if not isinstance(primals, tuple):
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    _check_tangents(primals, tangents)
    _check_inputs(primals)
    f: Any = None

    def run(everything: Any) -> list:
        nonlocal f
        inner, directions = everything
        f = _whole(func, inner, "jvp(f, primals, tangents)", has_aux, True)
        given = tuple(array_of(t).astype(a.dtype) for t, a in zip(flatten(directions)[0], f.arrays, strict=True))
        outs, derivatives, aux = jax.jvp(f, f.arrays, given, has_aux=True)
        if strict:
            _check_dependence(lambda *xs: f(*xs)[0], f.arrays)
        return [*outs, *aux, *[_tangent(t, o) for t, o in zip(derivatives, outs, strict=True)]]

    out, aux, derivatives = _finish(lambda: f, lift("jvp", run, (primals, tangents)))
    along = f.out.filled(derivatives)
    return (out, along, aux) if has_aux else (out, along)


def _check_dependence(fn: Callable, arrays: tuple) -> None:
    from jtorch.engine.graph import needed_inputs

    structs = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arrays]
    for k in range(len(jax.eval_shape(fn, *structs))):
        if not needed_inputs(lambda *xs, k=k: fn(*xs)[k], structs):  # type: ignore[misc]
            raise RuntimeError(
                "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is not "
                "allowed with strict=True."
            )


def _tangent(t: Any, out: Any) -> Any:
    return jnp.zeros_like(out) if t.dtype == jax.dtypes.float0 else t


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable]:
    """``(output, function of tangents)`` at a point; the function takes one tangent a primal (torch.func.linearize)."""
    _check_inputs(primals)
    f: Any = None
    form: Any = None

    def run(inner: Any) -> list:
        nonlocal f, form
        f = _whole(func, inner, "linearize(f, *primals)", False, True)
        outs, push, aux = jax.linearize(f, *f.arrays, has_aux=True)
        kept, form = jax.tree_util.tree_flatten(push)
        return [*outs, *aux, *kept]

    out, _, kept = _finish(lambda: f, lift("linearize", run, primals))

    def along(*tangents: Any) -> Any:
        (ps, p_form), (ts, t_form) = flatten(primals), flatten(tangents)
        if p_form != t_form:
            raise RuntimeError(f"Expected the tangents {t_form} to have the same argspec as the primals {p_form}")
        for i, (p, t) in enumerate(zip(ps, ts, strict=True)):
            if p.shape != t.shape or p.dtype is not t.dtype:
                what = "shape" if p.shape != t.shape else "dtype"
                raise RuntimeError(
                    f"tangent:{i} with {what} {getattr(t, what)} in flattened pytree doesn't match the {what} "
                    f"{getattr(p, what)} of the corresponding primal."
                )

        def push(everything: Any) -> list:
            residuals, inner = everything
            linear = jax.tree_util.tree_unflatten(form, [array_of(t) for t in residuals])
            return list(linear(*[array_of(t) for t in inner]))

        return f.out.filled(lift("linearize", push, (kept, ts)))

    return out, along


def _basis(a: Any) -> Any:
    return jnp.eye(a.size, dtype=a.dtype).reshape(a.size, *a.shape)


def _mapped(fn: Callable, rows: Any, chunk: int | None) -> Any:
    return jax.vmap(fn)(rows) if chunk is None else jax.lax.map(fn, rows, batch_size=chunk)


def _by_rows(f: _Function, chunk: int | None) -> tuple:
    """``outs, aux, blocks``: the Jacobian by reverse mode, a list for each output of an array for each input."""
    outs, pull, aux = jax.vjp(f, *f.arrays, has_aux=True)  # type: ignore[var-annotated]
    blocks = []
    for k, o in enumerate(outs):
        zeros = [jnp.zeros_like(x) for x in outs]

        def row(ct: Any, k: int = k, zeros: list = zeros) -> tuple:
            return conjugate(pull(conjugate((*zeros[:k], ct, *zeros[k + 1 :]))))

        blocks.append(
            [g.reshape(*o.shape, *a.shape) for g, a in zip(_mapped(row, _basis(o), chunk), f.arrays, strict=True)]
        )
    return outs, aux, blocks


def _by_columns(f: _Function, chunk: int | None) -> tuple:
    """The same by forward mode."""
    outs, push, aux = jax.linearize(f, *f.arrays, has_aux=True)
    columns = []
    for k, a in enumerate(f.arrays):
        zeros = [jnp.zeros_like(x) for x in f.arrays]

        def column(t: Any, k: int = k, zeros: list = zeros) -> tuple:
            return tuple(_tangent(d, o) for d, o in zip(push(*zeros[:k], t, *zeros[k + 1 :]), outs, strict=True))

        made = _mapped(column, _basis(a), chunk)
        columns.append([jnp.moveaxis(d, 0, -1).reshape(*o.shape, *a.shape) for d, o in zip(made, outs, strict=True)])
    return outs, aux, [list(block) for block in zip(*columns, strict=True)]


def _jacobian(
    kind: Callable, name: str, func: Callable, argnums: Argnums, has_aux: bool, chunk_size: int | None
) -> Callable:
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"{name}: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        numbers = _argnums(argnums, args)
        chosen = [args[n] for n in (numbers if isinstance(numbers, tuple) else (numbers,))]
        _check_inputs(chosen)
        _check_real(name, "input", flatten(chosen)[0])
        told = "vjp(f, *primals)" if name == "jacrev" else "jvp(f, primals, tangents)"
        f: Any = None

        def run(everything: Any) -> list:
            nonlocal f
            f = _of_arguments(func, numbers, *everything, name=told, aux=has_aux, forward=name == "jacfwd")
            outs, aux, blocks = kind(f, chunk_size)
            _check_real(name, "output", f.out.tensors)
            return [*outs, *aux, *[b for block in blocks for b in block]]

        _, aux, found = _finish(lambda: f, lift(name, run, (args, kwargs)))
        each = len(f.arrays)
        jacobian = f.out.filled([f.chosen.filled(found[i : i + each]) for i in range(0, len(found), each)])
        return (jacobian, aux) if has_aux else jacobian

    return wrapper


def _check_real(name: str, what: str, tensors: list) -> None:
    for i, t in enumerate(tensors):
        if t.is_complex():
            raise RuntimeError(
                f"{name}: Expected all {what}s to be real but received complex tensor at flattened {what} idx: {i}"
            )


def jacrev(
    func: Callable, argnums: Argnums = 0, *, has_aux: bool = False, chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable:  # fmt: skip
    """A function that returns the Jacobian by reverse mode, ``chunk_size`` rows at a time (torch.func.jacrev)."""
    return _jacobian(_by_rows, "jacrev", func, argnums, has_aux, chunk_size)


def jacfwd(func: Callable, argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error") -> Callable:
    """A function that returns the Jacobian by forward mode (torch.func.jacfwd); ``func`` runs once, for all columns."""
    return _jacobian(_by_columns, "jacfwd", func, argnums, has_aux, None)


def hessian(func: Callable, argnums: Argnums = 0) -> Callable:
    """A function that returns the second derivatives, forward over reverse (torch.func.hessian)."""
    return jacfwd(jacrev(func, argnums), argnums)


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """``func`` itself: recorded programs are free of mutation already (torch.func.functionalize)."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. Valid options are: "
            "remove='mutations' and remove='mutations_and_views'"
        )
    return func


__all__ = [
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "inside",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "vjp",
]
