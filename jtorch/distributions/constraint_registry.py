"""Transforms from unconstrained numbers to constrained ones (torch.distributions.constraint_registry)."""

from collections.abc import Callable
from numbers import Number
from typing import Any

from jtorch.distributions import constraints, transforms

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """From classes of constraints to functions that make a transform onto a constraint."""

    def __init__(self) -> None:
        self._registry: dict[type, Callable] = {}

    def register(self, constraint: Any, factory: Callable | None = None) -> Any:
        """Register ``factory(constraint)`` for a class of constraints, or for that of a constraint; or as a decorator.

        Raises TypeError for anything else.
        """
        if factory is None:
            return lambda made: self.register(constraint, made)
        kind = type(constraint) if isinstance(constraint, constraints.Constraint) else constraint
        if not isinstance(kind, type) or not issubclass(kind, constraints.Constraint):
            raise TypeError(f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}")
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint: Any) -> Any:
        """The transform onto a constraint; raises NotImplementedError where none is registered."""
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _above(constraint: Any) -> Any:
    return transforms.ComposeTransform(
        [transforms.ExpTransform(), transforms.AffineTransform(constraint.lower_bound, 1)]
    )


def _below(constraint: Any) -> Any:
    return transforms.ComposeTransform(
        [transforms.ExpTransform(), transforms.AffineTransform(constraint.upper_bound, -1)]
    )


def _between(constraint: Any) -> Any:
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, Number) and isinstance(high, Number) and (low, high) == (0, 1):
        return transforms.SigmoidTransform()
    return transforms.ComposeTransform([transforms.SigmoidTransform(), transforms.AffineTransform(low, high - low)])


def _parts(registry: ConstraintRegistry) -> dict[type, Callable]:
    """What a registry makes of constraints that are made of others."""
    return {
        constraints._IndependentConstraint: lambda c: transforms.IndependentTransform(
            registry(c.base_constraint), c.reinterpreted_batch_ndims
        ),
        constraints._Cat: lambda c: transforms.CatTransform([registry(p) for p in c.cseq], c.dim, c.lengths),
        constraints._Stack: lambda c: transforms.StackTransform([registry(p) for p in c.cseq], c.dim),
    }


_BOTH: dict[type, Callable] = {
    constraints._Real: lambda c: transforms.identity_transform,
    constraints._GreaterThan: _above,
    constraints._GreaterThanEq: _above,
    constraints._LessThan: _below,
    constraints._Interval: _between,
    constraints._HalfOpenInterval: _between,
    constraints._CorrCholesky: lambda c: transforms.CorrCholeskyTransform(),
}
biject_to._registry = {
    **_BOTH,
    **_parts(biject_to),
    constraints._Simplex: lambda c: transforms.StickBreakingTransform(),
}
transform_to._registry = {
    **_BOTH,
    **_parts(transform_to),
    constraints._Simplex: lambda c: transforms.SoftmaxTransform(),
    constraints._LowerCholesky: lambda c: transforms.LowerCholeskyTransform(),
    constraints._PositiveDefinite: lambda c: transforms.PositiveDefiniteTransform(),
    constraints._PositiveSemidefinite: lambda c: transforms.PositiveDefiniteTransform(),
}
