"""Derivatives checked against finite differences (torch.autograd.gradcheck)."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import jtorch
from jtorch.autograd import forward_ad
from jtorch.autograd.backward import grad
from jtorch.autograd.grad_mode import no_grad
from jtorch.tensor.tensor import Tensor

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

api: Any = jtorch


class GradcheckError(RuntimeError):
    """The derivatives of a function are not those that its values say."""


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether backward (and forward mode, if asked for) agrees with central differences of width ``eps``.

    Inputs should be float64 or complex128. Where they disagree raises GradcheckError, or returns False without
    ``raise_exception``. ``fast_mode`` compares one random projection. Complex outputs are checked by their parts.
    ``masked`` concerns sparse tensors, which jtorch lacks.
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True")
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    try:
        check = _Check(func, args, eps, atol, rtol, fast_mode)
        if not check.differentiable:
            check.zero()
            return True
        if check_backward_ad:
            check.compare(check.backward, "")
            check.repeatable(nondet_tol)
            if check_grad_dtypes:
                check.dtypes()
            if check_batched_grad:
                check.batched()
            if check_undefined_grad:
                check.undefined()
        if check_forward_ad:
            check.compare(check.forward, "forward mode ")
            if check_batched_forward_grad:
                check.batched_forward()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


class _Part:
    """A real-valued part of an output: how it is taken, and how a message names it."""

    def __init__(self, output: int, take: Callable, told: str) -> None:
        self.output = output
        self.take = take
        self.told = told


class _Check:
    """A function, its inputs, and its Jacobians as NumPy matrices of shape (input elements, output elements).

    The entry of a complex input holds the derivatives along the real and the imaginary axis, as torch's gradients do.
    """

    def __init__(self, func: Callable, args: tuple, eps: float, atol: float, rtol: float, fast: bool) -> None:
        self.func, self.args = func, args
        self.eps, self.atol, self.rtol, self.fast = eps, atol, rtol, fast
        self.wanted = [i for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad]
        if not self.wanted:
            raise ValueError(
                "gradcheck expects at least one input tensor to require gradient, but none of them have "
                "requires_grad=True."
            )
        for i in self.wanted:
            if args[i].dtype not in (api.float64, api.complex128):
                warnings.warn(
                    f"Input #{i} requires gradient and is not a double precision floating point or complex. This check "
                    "will likely fail if all the inputs are not of double precision floating point or complex. ",
                    UserWarning,
                    stacklevel=4,
                )
        outs = self.outputs()
        self.differentiable = [k for k, o in enumerate(outs) if o.requires_grad]
        self.parts: list[_Part] = []
        for k in self.differentiable:
            if outs[k].is_complex():
                told = "While considering the {} part of complex outputs only, "
                self.parts.append(_Part(k, lambda o: o.imag, told.format("imaginary")))
                self.parts.append(_Part(k, lambda o: o.real, told.format("real")))
            else:
                self.parts.append(_Part(k, lambda o: o, ""))
        self.rng = np.random.default_rng(0)

    def outputs(self) -> tuple:
        """The tensors that the function returns."""
        made = self.func(*self.args)
        outs = made if isinstance(made, (tuple, list)) else (made,)
        return tuple(o for o in outs if isinstance(o, Tensor))

    def at(self, x: Tensor, where: np.ndarray, part: _Part) -> np.ndarray:
        """One part of the outputs, flat, with ``x`` moved to ``where`` for the time of the call."""
        before = x.detach().clone()  # type: ignore[attr-defined]
        _set(x, api.from_numpy(where))
        try:
            out = part.take(self.outputs()[part.output]).detach().clone()
        finally:
            _set(x, before)
        return out.reshape(-1).numpy()

    def slope(self, x: Tensor, direction: np.ndarray, part: _Part) -> np.ndarray:
        """The derivative of a part along a direction of ``x``."""
        base = x.detach().numpy()
        step = self.eps * direction
        return (self.at(x, base + step, part) - self.at(x, base - step, part)) / (2 * self.eps)

    def columns(self, x: Tensor, along: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """The matrix from derivatives along each element of ``x``."""
        rows = []
        shape, dtype = tuple(x.shape), x.detach().numpy().dtype
        for j in range(x.numel()):
            unit = np.zeros(x.numel(), dtype)
            unit[j] = 1
            row = along(unit.reshape(shape))
            rows.append(row + 1j * along(1j * unit.reshape(shape)) if x.is_complex() else row)
        return np.stack(rows) if rows else np.zeros((0, 0))

    def numerical(self, x: Tensor, part: _Part) -> np.ndarray:
        """The Jacobian by differences."""
        return self.columns(x, lambda unit: self.slope(x, unit, part))

    def forward(self, x: Tensor, part: _Part) -> np.ndarray:
        """The Jacobian by forward mode."""
        return self.columns(x, lambda unit: self.tangent(x, unit, part))

    def tangent(self, x: Tensor, direction: np.ndarray, part: _Part) -> np.ndarray:
        """The derivative along a direction, by forward mode."""
        with forward_ad.dual_level():
            args = [forward_ad.make_dual(a.detach(), api.from_numpy(direction)) if a is x else a for a in self.args]
            made = self.func(*args)
            outs = [o for o in (made if isinstance(made, (tuple, list)) else (made,)) if isinstance(o, Tensor)]
            out = part.take(outs[part.output])
            found: Any = forward_ad.unpack_dual(out).tangent
            return (api.zeros_like(out) if found is None else found).detach().reshape(-1).numpy()

    def backward(self, x: Tensor, part: _Part) -> np.ndarray:
        """The Jacobian by backward."""
        out = part.take(self.outputs()[part.output])
        flat = out.reshape(-1)
        columns = [self.row(out, x, np.eye(1, flat.numel(), k)[0]) for k in range(flat.numel())]
        return np.stack([c.reshape(-1) for c in columns], 1) if columns else np.zeros((x.numel(), 0))

    def row(self, out: Any, x: Tensor, ct: np.ndarray) -> np.ndarray:
        """The gradient of ``x`` for one cotangent."""
        given = api.from_numpy(ct.reshape(tuple(out.shape))).to(out.dtype)
        (g,) = grad(out, x, given, retain_graph=True, allow_unused=True)
        if g is None:
            return np.zeros(tuple(x.shape))
        if g.shape != x.shape:
            raise GradcheckError("Analytical gradient has incorrect size")
        return g.detach().numpy()

    def compare(self, jacobian: Callable, mode: str) -> None:
        """Compare a Jacobian with the numerical one, for each pair of an input and an output."""
        for i in self.wanted:
            for part in self.parts:
                x = self.args[i]
                if self.fast and not self.projected(x, part, forward=jacobian == self.forward):
                    self.fail(i, part, self.numerical(x, part), jacobian(x, part), mode, fast=True)
                elif not self.fast:
                    numerical, analytical = self.numerical(x, part), jacobian(x, part)
                    if not np.allclose(analytical, numerical, self.rtol, self.atol):
                        self.fail(i, part, numerical, analytical, mode)

    def projected(self, x: Tensor, part: _Part, forward: bool) -> bool:
        """Fast mode: whether one random direction, seen along one random cotangent, agrees."""
        u: Any = self.rng.standard_normal(tuple(x.shape))
        u = u / np.linalg.norm(u)
        out = part.take(self.outputs()[part.output])
        v = self.rng.uniform(0.1, 1.0, out.numel())
        v /= np.linalg.norm(v)
        directions = (u, 1j * u) if x.is_complex() else (u,)
        seen = [float(v @ self.slope(x, d, part)) for d in directions]
        if forward:
            got = [float(v @ self.tangent(x, d.astype(x.detach().numpy().dtype), part)) for d in directions]
        else:
            g = self.row(out, x, v)
            got = [float(np.sum(np.real(g) * np.real(d) + np.imag(g) * np.imag(d))) for d in directions]
        return bool(np.allclose(got, seen, self.rtol, self.atol))

    def fail(self, i: int, part: _Part, numerical: Any, analytical: Any, mode: str, fast: bool = False) -> None:
        """Raise for a pair whose Jacobians differ."""
        told = f"{part.told}J" if part.told else "J"
        note = "The quantities were compared in fast mode; the Jacobians are those of slow mode.\n" if fast else ""
        raise GradcheckError(
            f"{told}acobian {'computed with ' + mode if mode else ''}mismatch for output {part.output} with respect to "
            "input "
            f"{i},\nnumerical:{api.from_numpy(np.asarray(numerical))}\n"
            f"analytical:{api.from_numpy(np.asarray(analytical))}\n{note}"
        )

    def zero(self) -> None:
        """Without a differentiable output: whether the values say so too."""
        for k, out in enumerate(self.outputs()):
            if not (out.is_floating_point() or out.is_complex()):
                continue
            for i in self.wanted:
                if np.abs(self.numerical(self.args[i], _Part(k, lambda o: o, ""))).max(initial=0) > self.atol:
                    raise GradcheckError("Numerical gradient for function expected to be zero")

    def repeatable(self, tolerance: float) -> None:
        """Whether backward gives the same twice."""
        for i in self.wanted:
            for part in self.parts:
                first, second = self.backward(self.args[i], part), self.backward(self.args[i], part)
                if np.abs(first - second).max(initial=0) > tolerance:
                    raise GradcheckError(
                        "Backward is not reentrant, i.e., running backward with same input and grad_output multiple "
                        "times gives different values, although analytical gradient matches numerical gradient.The "
                        "tolerance for "
                        f"nondeterminism was {tolerance}."
                    )

    def grads(self, batched: bool) -> list:
        """Gradients of all inputs for two cotangents, one by one or as a batch."""
        inputs = [self.args[i] for i in self.wanted]
        outs = [self.outputs()[k] for k in self.differentiable]
        rng = np.random.default_rng(1)
        cts = [api.from_numpy(rng.standard_normal((2, *o.shape))).to(o.dtype) for o in outs]
        keep: dict[str, Any] = {"retain_graph": True, "allow_unused": True}
        if batched:
            return list(grad(outs, inputs, cts, is_grads_batched=True, **keep))
        rows = [grad(outs, inputs, [c[b] for c in cts], **keep) for b in range(2)]
        return [None if column[0] is None else api.stack(list(column)) for column in zip(*rows, strict=True)]

    def batched(self) -> None:
        """Whether a batch of cotangents gives what they give one by one."""
        for one, all_ in zip(self.grads(False), self.grads(True), strict=True):
            if one is not None and not np.allclose(one.detach().numpy(), all_.detach().numpy(), self.rtol, self.atol):
                raise GradcheckError(f"Batched gradients differ from those computed one by one: {all_}, {one}")

    def batched_forward(self) -> None:
        """Whether ``vmap`` over tangents gives what they give one by one."""
        for i in self.wanted:
            x = self.args[i].detach()
            ts = api.from_numpy(np.random.default_rng(1).standard_normal((2, *x.shape))).to(x.dtype)

            def along(t: Any, i: int = i, x: Any = x) -> Any:
                def only(y: Any) -> Any:
                    made = self.func(*[y if k == i else a for k, a in enumerate(self.args)])
                    outs = made if isinstance(made, (tuple, list)) else (made,)
                    return tuple(o for o in outs if isinstance(o, Tensor) and (o.is_floating_point() or o.is_complex()))

                return api.func.jvp(only, (x,), (t,))[1]

            many = api.func.vmap(along)(ts)
            for k, out in enumerate(many):
                one = api.stack([along(ts[b])[k] for b in range(2)])
                if not np.allclose(one.detach().numpy(), out.detach().numpy(), self.rtol, self.atol):
                    raise GradcheckError(f"Batched tangents differ from those computed one by one: {out}, {one}")

    def dtypes(self) -> None:
        """Whether gradients have their input's dtype."""
        for i in self.wanted:
            for g in grad(
                [self.outputs()[k] for k in self.differentiable][0],
                self.args[i],
                api.ones_like(self.outputs()[self.differentiable[0]]),
                allow_unused=True,
            ):
                if g is not None and g.dtype is not self.args[i].dtype:
                    raise GradcheckError("Gradient has dtype mismatch")

    def undefined(self) -> None:
        """Whether backward does with the cotangent of one output alone."""
        outs = self.outputs()
        inputs = [self.args[i] for i in self.wanted]
        for k in self.differentiable if len(self.differentiable) > 1 else ():
            try:
                grad(outs[k], inputs, api.zeros_like(outs[k]), retain_graph=True, allow_unused=True)
            except RuntimeError as error:
                raise GradcheckError("Expected backward function to handle undefined output grads.") from error


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """:func:`gradcheck` of the gradients themselves, for given or random ``grad_outputs``."""
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    given: Sequence = ()
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        given = [
            api.from_numpy(rng.standard_normal(tuple(o.shape))).to(o.dtype).requires_grad_()
            for o in _differentiable(func(*args))
        ]
    else:
        given = (grad_outputs,) if isinstance(grad_outputs, Tensor) else grad_outputs
    count = len(given)

    def gradients(*both: Any) -> tuple:
        xs, cts = both[: len(both) - count], both[len(both) - count :]
        xs = tuple(x.requires_grad_() if isinstance(x, Tensor) and x.is_leaf and x.is_floating_point() and wanted else x
                   for x, wanted in zip(xs, needs, strict=True))  # fmt: skip
        outs = _differentiable(func(*xs))
        wrt = [x for x, wanted in zip(xs, needs, strict=True) if wanted]
        made = grad(outs, wrt, cts, create_graph=True, allow_unused=True)
        return tuple(g for g in made if g is not None)

    needs = [isinstance(x, Tensor) and x.requires_grad for x in args]
    return gradcheck(
        gradients, (*args, *given), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad, fast_mode=fast_mode, check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev, masked=masked,
    )  # fmt: skip


def _set(x: Tensor, new: Tensor) -> None:
    with no_grad():
        x.data.copy_(new)  # type: ignore[attr-defined]


def _differentiable(made: Any) -> list:
    outs = made if isinstance(made, (tuple, list)) else (made,)
    return [o for o in outs if isinstance(o, Tensor) and o.requires_grad]
