"""Limited-memory BFGS (torch.optim.LBFGS): a loop on the host around the user's closure."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jtorch
from jtorch.autograd.grad_mode import enable_grad, no_grad
from jtorch.optim._line_search import strong_wolfe
from jtorch.optim._options import as_scalar, check_lr
from jtorch.optim.optimizer import Optimizer


class LBFGS(Optimizer):
    """Steps along the gradient times an inverse Hessian that is estimated from the last ``history_size`` steps.

    One ``step(closure)`` makes up to ``max_iter`` of them, and calls the closure up to ``max_eval`` times (5/4 of it by
    default). ``line_search_fn`` is ``"strong_wolfe"`` or None, which takes ``lr`` as the length. One group only.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Any]:
        return self.param_groups[0]["params"]

    def _gather_flat_grad(self) -> Any:
        """All gradients as one vector; complex ones as pairs of real numbers."""
        lib: Any = jtorch
        grads = [lib.zeros_like(p) if p.grad is None else p.grad for p in self._params]
        return lib.cat([(lib.view_as_real(g) if g.is_complex() else g).reshape(-1) for g in grads], 0)

    def _add_grad(self, step_size: Any, update: Any) -> None:
        """Move the parameters along a vector."""
        start = 0
        for p in self._params:
            target = jtorch.view_as_real(p) if p.is_complex() else p  # type: ignore[attr-defined]
            end = start + target.numel()
            target.add_(update[start:end].view_as(target), alpha=float(step_size))
            start = end

    def _evaluate(self, closure: Callable, x: list[Any], d: Any, t: float) -> tuple[float, Any]:
        """Loss and gradient at ``x + t d``; the parameters are ``x`` again afterwards."""
        self._add_grad(t, d)
        loss = float(closure())
        flat = self._gather_flat_grad()
        for p, before in zip(self._params, x, strict=True):
            p.copy_(before)
        return loss, flat

    @no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Minimise what ``closure`` computes; returns its first value."""
        closure = enable_grad()(closure)
        group = self.param_groups[0]
        lr = float(as_scalar(group["lr"]))
        search = group["line_search_fn"]
        small = group["tolerance_change"]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = closure()
        loss = float(first_loss)
        evaluations = 1
        state["func_evals"] += 1
        flat = self._gather_flat_grad()
        if _largest(flat) <= group["tolerance_grad"]:
            return first_loss

        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = state["d"] = self._direction(state, flat, group["history_size"])
            state["prev_flat_grad"] = flat.clone()
            state["prev_loss"] = loss
            started = state["n_iter"] > 1
            t = state["t"] = lr if started else min(1.0, 1.0 / float(flat.abs().sum())) * lr
            slope = float(flat.dot(d))
            if slope > -small:
                break
            calls = 0
            if search is not None:
                if search != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                x = [p.clone() for p in self._params]
                loss, flat, t, calls = strong_wolfe(
                    partial(self._evaluate, closure, x, d),
                    t,
                    d,
                    loss,
                    flat,
                    slope,
                    tolerance_change=1e-9,
                    max_ls=group["max_eval"] - evaluations,
                )
                state["t"] = t
                self._add_grad(t, d)
            else:
                self._add_grad(t, d)
                if iteration != group["max_iter"]:
                    loss = float(closure())
                    flat = self._gather_flat_grad()
                    calls = 1
            evaluations += calls
            state["func_evals"] += calls
            if (
                evaluations >= group["max_eval"]
                or _largest(flat) <= group["tolerance_grad"]
                or _largest(d) * t <= small
                or abs(loss - state["prev_loss"]) < small
            ):
                break
        return first_loss

    def _direction(self, state: dict[str, Any], flat: Any, history_size: int) -> Any:
        """Where to go: down the gradient at first, then by the two loops over the remembered steps."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return flat.neg()
        dirs, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]
        y = flat - state["prev_flat_grad"]
        s = state["d"] * state["t"]
        ys = y.dot(s)
        if float(ys) > 1e-10:
            if len(dirs) == history_size:
                for kept in (dirs, steps, inverses):
                    kept.pop(0)
            dirs.append(y)
            steps.append(s)
            inverses.append(1.0 / ys)
            state["H_diag"] = ys / y.dot(y)
        al = state.setdefault("al", [None] * history_size)
        q = flat.neg()
        for i in reversed(range(len(dirs))):
            al[i] = steps[i].dot(q) * inverses[i]
            q = q - al[i] * dirs[i]
        r = q * state["H_diag"]
        for i in range(len(dirs)):
            r = r + steps[i] * (al[i] - dirs[i].dot(r) * inverses[i])
        return r


def _largest(x: Any) -> float:
    return float(x.abs().max())
