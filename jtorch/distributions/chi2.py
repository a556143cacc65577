"""The chi-squared distribution (torch.distributions.Chi2)."""

from typing import Any

from jtorch.distributions import constraints
from jtorch.distributions.gamma import Gamma

__all__ = ["Chi2"]


class Chi2(Gamma):
    """The sum of the squares of ``df`` standard normals: a gamma distribution."""

    arg_constraints = {"df": constraints.positive}
    _parts = {"concentration": 0, "rate": 0}

    def __init__(self, df: Any, validate_args: Any = None) -> None:
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    @property
    def df(self) -> Any:
        """Degrees of freedom."""
        return self.concentration * 2
