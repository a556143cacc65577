"""Jacobians, Hessians and products with them, by autograd (torch.autograd.functional).

``create_graph`` makes the results differentiable; ``strict`` raises RuntimeError where an output or a derivative does
not depend on an input, instead of returning zeros.
"""

from collections.abc import Callable
from typing import Any

import jtorch
from jtorch.autograd.backward import grad
from jtorch.autograd.grad_mode import enable_grad
from jtorch.tensor.tensor import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = tuple[Tensor, ...]
api: Any = jtorch


def _tuple(x: Any, what: str, name: str) -> tuple[bool, Tensors]:
    several = isinstance(x, tuple)
    each = x if several else (x,)
    for i, t in enumerate(each):
        if not isinstance(t, Tensor):
            verb = "given to" if what == "inputs" else "of the user-provided function given to"
            if several:
                raise TypeError(
                    f"The {what} {verb} {name} must be either a Tensor or a tuple of Tensors but the value at index "
                    f"{i} has type {type(t)}."
                )
            raise TypeError(
                f"The {what} {verb} {name} must be either a Tensor or a tuple of Tensors but the given {what} "
                f"{'has' if what == 'inputs' else 'of the user-provided function has'} type {type(t)}."
            )
    return several, each


def _prepared(inputs: Tensors, create_graph: bool) -> Tensors:
    """New tensors that require gradients, on the graph of the given ones if there is to be one."""
    return tuple(
        x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_()  # type: ignore[attr-defined]
        for x in inputs
    )


def _call(func: Callable, inputs: Tensors, name: str, strict: bool) -> tuple[bool, Tensors]:
    several, outputs = _tuple(func(*inputs), "outputs", name)
    for i, o in enumerate(outputs if strict else ()):
        if not o.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must be computed in "
                "a differentiable manner from the input when running in strict mode."
            )
    return several, outputs


def _grads(outputs: Tensors, inputs: Tensors, given: Any, create_graph: bool) -> tuple[Tensor | None, ...]:
    pairs = [(o, g) for o, g in zip(outputs, given or (None,) * len(outputs), strict=True) if o.requires_grad]
    if not pairs:
        return (None,) * len(inputs)
    outs, cts = zip(*pairs, strict=True)
    return grad(outs, inputs, cts, create_graph=create_graph, retain_graph=True, allow_unused=True)


def _filled(grads: Any, inputs: Tensors, strict: bool, create_graph: bool, told: Callable[[int, bool], str]) -> Tensors:
    """Zeros for what is None; in strict mode RuntimeError with what ``told(input, of the derivative itself)`` says."""
    out = []
    for i, (g, x) in enumerate(zip(grads, inputs, strict=True)):
        if strict and g is None:
            raise RuntimeError(told(i, False))
        if strict and create_graph and not g.requires_grad:
            raise RuntimeError(told(i, True))
        out.append(api.zeros_like(x) if g is None else g)
    return tuple(out)


def _finished(several: bool, tensors: Tensors, create_graph: bool) -> Any:
    done = tensors if create_graph else tuple(t.detach() for t in tensors)
    return done if several else done[0]


def _vector(v: Any, like: Tensors, several: bool, name: str, of: str) -> Tensors:
    """The vector of a product; None stands for 1 where there is one element."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1 or several:
            what = (
                "user-provided function returns"
                if of == "outputs"
                else "input to the user-provided function is"
                if of == "inputs"
                else of
            )
            raise RuntimeError(f"The vector v can only be None if the {what} a single Tensor with a single element.")
        return (api.ones_like(like[0]),)
    _, each = _tuple(v, "inputs", name)
    if len(each) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(each)}.")
    for i, (a, b) in enumerate(zip(each, like, strict=True)):
        if a.shape != b.shape:
            entry = f"Entry {i} in v" if len(like) > 1 else "v"
            raise RuntimeError(f"{entry} has invalid size: should be {b.shape} but got {a.shape}.")
    return each


def _independent(what: str) -> Callable[[int, bool], str]:
    def told(i: int, of_derivative: bool) -> str:
        if of_derivative:
            return (
                f"The {what} of the user-provided function is independent of input {i}. This is not allowed in strict "
                "mode when create_graph=True."
            )
        return (
            f"The output of the user-provided function is independent of input {i}. This is not allowed in strict mode."
        )

    return told


def _second(i: int, of_derivative: bool) -> str:
    if of_derivative:
        return (
            f"The hessian of the user-provided function is independent of input {i}. This is not allowed in strict "
            "mode when create_graph=True."
        )
    return (
        f"While computing the hessian, found that the jacobian of the user-provided function with respect to input {i} "
        "is independent of the input. This is not allowed in strict mode. You should ensure that your function is "
        "twice differentiable and that the jacobian depends on the inputs (this would be violated by a linear function "
        "for example)."
    )


def vjp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """``(outputs, product of v and the Jacobian)``; ``v`` has the outputs' shapes."""
    with enable_grad():
        many, given = _tuple(inputs, "inputs", "vjp")
        xs = _prepared(given, create_graph)
        several, outputs = _call(func, xs, "vjp", strict)
        vector = _vector(v, outputs, several, "vjp", "outputs")
        grads = _filled(
            _grads(outputs, xs, vector, create_graph), xs, strict, create_graph, _independent("vector-jacobian product")
        )
        return _finished(several, outputs, create_graph), _finished(many, grads, create_graph)


def jvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """``(outputs, product of the Jacobian and v)``; ``v`` has the inputs' shapes. By backward through backward."""
    with enable_grad():
        many, given = _tuple(inputs, "inputs", "jvp")
        xs = _prepared(given, create_graph)
        vector = _vector(v, xs, many, "jvp", "inputs")
        several, outputs = _call(func, xs, "jvp", strict)
        along = tuple(api.zeros_like(o).requires_grad_() for o in outputs)
        pulled = [g for g in _grads(outputs, xs, along, True)]
        used = [(g, u) for g, u in zip(pulled, vector, strict=True) if g is not None and g.requires_grad]
        made: Any = (None,) * len(outputs)
        if used:
            made = _grads(tuple(g for g, _ in used), along, [u for _, u in used], create_graph)
        tangents = _filled(made, outputs, strict, create_graph, _independent("jacobian-vector product"))
        return _finished(several, outputs, create_graph), _finished(several, tangents, create_graph)


def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian: for each output and each input a tensor of shape ``output.shape + input.shape``.

    ``vectorize`` computes all rows (or, with ``strategy="forward-mode"``, columns) at once, as torch.func does.
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs '
            'than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    many, given = _tuple(inputs, "inputs", "jacobian")
    if vectorize:
        return _vectorized(func, given, many, create_graph, strict, strategy)
    if strategy == "forward-mode":
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for "
            "`vectorize=True`."
        )
    with enable_grad():
        xs = _prepared(given, create_graph)
        several, outputs = _call(func, xs, "jacobian", strict)
        rows = tuple(_rows(k, o, xs, create_graph, strict) for k, o in enumerate(outputs))
        done = [tuple(t if create_graph else t.detach() for t in row) for row in rows]
    shown = [row if many else row[0] for row in done]
    return tuple(shown) if several else shown[0]


def _rows(k: int, output: Tensor, xs: Tensors, create_graph: bool, strict: bool) -> Tensors:
    """The Jacobian of one output with respect to each input."""

    def told(i: int, of_derivative: bool) -> str:
        if of_derivative:
            return _independent("jacobian")(i, True)
        return (
            f"Output {k} of the user-provided function is independent of input {i}. This is not allowed in strict mode."
        )

    flat: Any = output.reshape(-1)  # type: ignore[attr-defined]
    grads = [
        _filled(_grads((flat[j],), xs, None, create_graph), xs, strict, create_graph, told) for j in range(flat.numel())
    ]
    return tuple(
        (api.stack([row[i] for row in grads]) if grads else api.zeros_like(x).new_zeros((0, *x.shape))).reshape(
            (*output.shape, *x.shape)
        )
        for i, x in enumerate(xs)
    )


def _vectorized(func: Callable, xs: Tensors, many: bool, create_graph: bool, strict: bool, strategy: str) -> Any:
    if strict:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. "
            "Please either set `strict=False` or `vectorize=False`."
        )
    transform = api.func.jacfwd if strategy == "forward-mode" else api.func.jacrev
    xs = xs if create_graph else tuple(x.detach() for x in xs)
    made = transform(func, argnums=tuple(range(len(xs))))(*xs)
    if many:
        return made
    return tuple(row[0] for row in made) if isinstance(made[0], tuple) else made[0]


def _scalar(outputs: Tensors, several: bool, name: str) -> Tensor:
    if several:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
    return outputs[0].reshape(())  # type: ignore[attr-defined]


def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a function with one result: for each pair of inputs a tensor of both shapes."""
    many, given = _tuple(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')

    if vectorize:

        def scalar(*xs: Tensor) -> Tensor:
            several, outputs = _call(func, xs, "hessian", strict)
            return _scalar(outputs, several, "hessian")

        first = api.func.jacrev(scalar, argnums=tuple(range(len(given))))
        rows = _vectorized(first, given, True, create_graph, strict, outer_jacobian_strategy)
        return rows if many else rows[0][0]

    def gradient(*xs: Tensor) -> Any:
        several, outputs = _call(func, xs, "jacobian", strict)
        out = _scalar(outputs, several, "hessian")
        return _filled(
            _grads((out,), xs, None, True), xs, strict, strict, lambda i, again: _second(i, False) if again else
            f"Output 0 of the user-provided function is independent of input {i}. This is not allowed in strict mode.",
        )  # fmt: skip

    rows = jacobian(gradient, given, create_graph, strict, strategy=outer_jacobian_strategy)
    return rows if many else rows[0][0]


def vhp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """``(output, product of v and the Hessian)`` of a function with one result; ``v`` has the inputs' shapes."""
    return _product(func, inputs, v, create_graph, strict, "vhp")


def hvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """``(output, product of the Hessian and v)``; the same as :func:`vhp`, as Hessians are symmetric."""
    return _product(func, inputs, v, create_graph, strict, "hvp")


def _product(func: Callable, inputs: Any, v: Any, create_graph: bool, strict: bool, name: str) -> tuple:
    with enable_grad():
        many, given = _tuple(inputs, "inputs", name)
        xs = _prepared(given, create_graph)
        vector = _vector(v, xs, many, name, "inputs")
        several, outputs = _call(func, xs, name, strict)
        out = _scalar(outputs, several, name)
        first = _filled(
            _grads((out,), xs, None, True), xs, strict, strict, lambda i, again: _second(i, False) if again else
            _independent("jacobian")(i, False),
        )  # fmt: skip
        made = _filled(_grads(first, xs, vector, create_graph), xs, strict, create_graph, _second)
        return _finished(False, outputs, create_graph), _finished(many, made, create_graph)
