"""What distributions given by probabilities or by logits have in common."""

from numbers import Number
from typing import Any, ClassVar

from jtorch.distributions.utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits

__all__ = ["Odds"]


class Odds:
    """One of ``probs`` and ``logits`` is given; the other follows from it when it is asked for."""

    _kept: ClassVar[tuple[str, ...]] = ("_given",)
    _binary = True

    def _take(self, probs: Any, logits: Any, **others: Any) -> Any:
        """Keep the given one, in a common shape with ``others`` where they are there; returns it.

        Raises ValueError unless exactly one of the two is given.
        """
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        self._given = "logits" if probs is None else "probs"
        value = logits if probs is None else probs
        if others or isinstance(value, Number) or self._binary:
            *rest, value = broadcast_all(*others.values(), value)
            vars(self).update(zip(others, rest, strict=True))
        setattr(self, self._given, value)
        return value

    @property
    def _param(self) -> Any:
        return getattr(self, self._given)

    def _new(self, *args: Any, **kwargs: Any) -> Any:
        return self._param.new(*args, **kwargs)

    @property
    def param_shape(self) -> Any:
        """The shape of ``probs`` or ``logits``."""
        return self._param.size()

    @lazy_property
    def logits(self) -> Any:
        """The log odds, or log probabilities."""
        return probs_to_logits(self.probs, is_binary=self._binary)

    @lazy_property
    def probs(self) -> Any:
        """The probabilities."""
        return logits_to_probs(self.logits, is_binary=self._binary)
