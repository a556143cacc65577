"""Any optax gradient transformation as an optimizer."""

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import jax
import optax

from jtorch.optim._options import zeros
from jtorch.optim.planned import Plan, PlannedOptimizer
from jtorch.optim.rule import Rule
from jtorch.tensor.tensor import tensor_from


class _Transformation(Rule):
    """A transformation of the parameters of a group together; its state's leaves go by their number."""

    def __init__(self, transformation: Any) -> None:
        super().__init__(lambda p, group: {}, self.apply, numbers=())
        self.transformation = transformation
        self.tree: dict[tuple, Any] = {}

    def start(self, params: list[Any]) -> list[Any]:
        """The leaves of the state for arrays."""
        leaves, tree = jax.tree.flatten(self.transformation.init(params))
        self.tree[_shapes(params)] = tree
        return leaves

    def apply(self, params: list, grads: list, states: list[dict], h: Any, f: Any) -> tuple:
        """The new parameters and the new state."""
        (given,) = states
        state = jax.tree.unflatten(self.tree[_shapes(params)], list(given.values()))
        updates, state = self.transformation.update(grads, state, params)
        return optax.apply_updates(params, updates), [dict(zip(given, jax.tree.leaves(state), strict=True))]


def _shapes(params: list[Any]) -> tuple:
    return tuple([(tuple(p.shape), str(p.dtype)) for p in params])


class OptaxOptimizer(PlannedOptimizer):
    """What :func:`from_optax` makes. The state of a group is under ``state["group 0"]`` and so on.

    All parameters of a group that require gradients take part in a step; one without a gradient gets zeros, as from
    ``jax.grad``. RuntimeError when there are others than those the state was made for.
    """

    _late_options: dict[str, Any] = {}

    def __init__(self, params: Any, transformation: Any) -> None:
        self._rule = _Transformation(transformation)
        super().__init__(params, {})

    def _plan(self) -> list[Plan]:
        for group in self.param_groups:
            for p in group["params"]:
                if p.requires_grad and p.grad is None:
                    p.grad = tensor_from(zeros(p), p._aval().device)
        return super()._plan()

    def _owners(self, group: dict, index: int, params: list[Any]) -> list[tuple[Hashable, dict[str, Any]]]:
        key = f"group {index}"
        leaves = self._rule.start([p._array() for p in params])  # type: ignore[attr-defined]
        entry = self.state[key]
        if entry and [tuple(x.shape) for x in entry.values()] != [x.shape for x in leaves]:
            raise RuntimeError(f"jtorch: state[{key!r}] was made for other parameters; delete it to start anew")
        return [(key, {str(i): _giving(x) for i, x in enumerate(leaves)})]

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_rule": self._rule}


def _giving(x: Any) -> Callable[[Any], Any]:
    return lambda key: x


def from_optax(transformation: Any) -> Callable[[Any], OptaxOptimizer]:
    """A maker of optimizers from an optax transformation: ``from_optax(optax.lion(1e-4))(model.parameters())``.

    The transformation sees the parameters of a group together, as a list, so that it may clip by their global norm. Its
    own schedule sets the learning rate; the groups have none.
    """
    return partial(OptaxOptimizer, transformation=transformation)
