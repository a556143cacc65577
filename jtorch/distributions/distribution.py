"""The base class of all distributions (torch.distributions.Distribution)."""

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions.utils import all_true, broadcast_all, lazy_property

__all__ = ["Distribution"]

Size = jtorch.Size
_NONE = Size()


class Distribution:
    """A batch of distributions: samples have the shape ``sample_shape + batch_shape + event_shape``.

    A family says by ``_parts`` which of its attributes, tensors or distributions, grow with the batch, and how many
    event dims each has; :meth:`expand` follows from it. ``_kept`` names attributes that stay as they are.
    """

    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validate_args: bool = __debug__
    _parts: ClassVar[dict[str, int]] = {}
    _kept: ClassVar[tuple[str, ...]] = ()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Parameters are kept by :meth:`_broadcast`."""

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Switch the validation of arguments on or off for all distributions that are not told otherwise."""
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(self, batch_shape: Any = _NONE, event_shape: Any = _NONE, validate_args: Any = None) -> None:
        self._batch_shape = batch_shape
        self._event_shape = event_shape
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._validate_parameters()
        super().__init__()

    def _broadcast(self, validate_args: Any, **parameters: Any) -> None:
        """Keep parameters without event dims, in their common shape, which is the batch's."""
        values = broadcast_all(*parameters.values())
        vars(self).update(zip(parameters, values, strict=True))
        Distribution.__init__(self, values[0].size(), validate_args=validate_args)

    def _validate_parameters(self) -> None:
        try:
            expected = self.arg_constraints
        except NotImplementedError:
            expected = {}
            warnings.warn(
                f"{type(self)} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or initialize "
                "the distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
        for name, constraint in expected.items():
            if constraints.is_dependent(constraint):
                continue
            if name not in vars(self) and isinstance(getattr(type(self), name), lazy_property):
                continue  # follows from the others
            value = getattr(self, name)
            if not all_true(constraint.check(value)):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) "
                    f"of distribution {self!r} to satisfy the constraint {constraint!r}, "
                    f"but found invalid values:\n{value}"
                )

    # -- shapes

    @property
    def batch_shape(self) -> Size:
        """The shape of the batch of distributions."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one sample of one of them."""
        return self._event_shape

    def _extended_shape(self, sample_shape: Any = _NONE) -> Size:
        return Size(sample_shape) + self._batch_shape + self._event_shape

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distribution for a batch of a larger shape."""
        family = next(c for c in type(self).__mro__ if "_parts" in vars(c))
        if family is Distribution:
            raise NotImplementedError
        new = self._get_checked_instance(family, _instance)
        batch_shape = Size(batch_shape)
        have = vars(self)
        for name, events in self._parts.items():
            part = have.get(name)
            if isinstance(part, Distribution):
                setattr(new, name, part.expand(batch_shape))
            elif part is not None:
                setattr(new, name, part.expand(batch_shape + part.shape[part.dim() - events :]))
        vars(new).update({name: have[name] for name in self._kept})
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        if _instance is not None:
            return _instance
        if type(self).__init__ != cls.__init__:  # type: ignore[misc]
            raise NotImplementedError(
                f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ method "
                "must also define a custom .expand() method."
            )
        return self.__new__(type(self))

    # -- what a family defines

    @property
    def arg_constraints(self) -> dict[str, Any]:
        """The constraint on each parameter, by name."""
        raise NotImplementedError

    @property
    def support(self) -> Any:
        """The constraint on samples."""
        raise NotImplementedError

    @property
    def mean(self) -> Any:
        """The mean."""
        raise NotImplementedError

    @property
    def mode(self) -> Any:
        """The most likely value."""
        raise NotImplementedError(f"{type(self)} does not implement mode")

    @property
    def variance(self) -> Any:
        """The variance."""
        raise NotImplementedError

    @property
    def stddev(self) -> Any:
        """The standard deviation."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = _NONE) -> Any:
        """Samples, without a gradient."""
        with jtorch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = _NONE) -> Any:
        """Samples that carry the parameters' gradient."""
        raise NotImplementedError

    def sample_n(self, n: int) -> Any:
        """``sample((n,))``, which is to be used instead."""
        warnings.warn("`sample_n(n)` will be deprecated. Use `sample((n,))` instead.", FutureWarning, stacklevel=2)
        return self.sample(Size((n,)))

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the density or of the probability of ``value``."""
        raise NotImplementedError

    def cdf(self, value: Any) -> Any:
        """The probability of less than, or equal to, ``value``."""
        raise NotImplementedError

    def icdf(self, value: Any) -> Any:
        """The value that is not exceeded with probability ``value``."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Any:
        """All values of a discrete distribution along a new first dim, expanded over the batch or not."""
        raise NotImplementedError

    def entropy(self) -> Any:
        """The entropy, in nats."""
        raise NotImplementedError

    def perplexity(self) -> Any:
        """The exponential of the entropy."""
        return jtorch.exp(self.entropy())

    # -- helpers

    def _enumerated(self, values: Any, expand: bool) -> Any:
        """``values`` ([n]) as the support, along a first dim before the batch's."""
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1,) + self._batch_shape) if expand else values

    def _validate_sample(self, value: Any) -> None:
        """Raise ValueError for a value of the wrong shape or outside the support."""
        if not isinstance(value, jtorch.Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        shape = value.size()
        if shape[len(shape) - len(self._event_shape) :] != self._event_shape:
            raise ValueError(f"The right-most size of value must match event_shape: {shape} vs {self._event_shape}.")
        full = self._batch_shape + self._event_shape
        if any(1 != i != j != 1 for i, j in zip(reversed(shape), reversed(full), strict=False)):
            raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {shape} vs {full}.")
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `support` to enable sample validation. Please initialize the "
                "distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not all_true(support.check(value)):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be within "
                f"the support ({support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            )

    def __repr__(self) -> str:
        shown = []
        for name in self.arg_constraints:
            if name in vars(self):
                x = vars(self)[name]
                shown.append(f"{name}: {x if x.numel() == 1 else x.size()}")
        return f"{type(self).__name__}({', '.join(shown)})"
