"""Averages of weights over training (torch.optim.swa_utils)."""

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

import jtorch
from jtorch.autograd.grad_mode import no_grad
from jtorch.nn.modules.batchnorm import _BatchNorm
from jtorch.nn.modules.module import Module
from jtorch.optim.lr_scheduler.base import Schedule, each_group

__all__ = [
    "AveragedModel",
    "update_bn",
    "SWALR",
    "get_ema_multi_avg_fn",
    "get_swa_multi_avg_fn",
    "get_ema_avg_fn",
    "get_swa_avg_fn",
]


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """A function ``(averages, values, count)`` that moves lists of tensors by ``1 - decay`` of the way, in place."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param_list: list, current_param_list: list, _: Any) -> None:
        for average, value in zip(ema_param_list, current_param_list, strict=True):
            if average.is_floating_point() or average.is_complex():
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(average * decay + value * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn() -> Callable:
    """A function ``(averages, values, count)`` that takes one more value into means of ``count``, in place."""

    @no_grad()
    def swa_update(averaged_param_list: list, current_param_list: list, num_averaged: Any) -> None:
        weight = 1 / (num_averaged + 1)
        counted = isinstance(num_averaged, jtorch.Tensor)
        for average, value in zip(averaged_param_list, current_param_list, strict=True):
            if average.is_floating_point() or average.is_complex():
                average.lerp_(value, weight.to(average.dtype) if counted else weight)
            else:
                average.add_((value - average) * weight)

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> Callable:
    """A function ``(average, value, count)`` that gives the average moved by ``1 - decay`` of the way."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Callable:
    """A function ``(average, value, count)`` that gives the mean with one more value in it."""

    @no_grad()
    def swa_update(averaged_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


class AveragedModel(Module):
    """A copy of a model whose parameters (with ``use_buffers``, buffers too) are averages of the model's.

    ``avg_fn(average, value, count)`` gives a new average, ``multi_avg_fn(averages, values, count)`` changes lists of
    them in place; without either it is the plain mean. The first update copies.
    """

    n_averaged: Any

    def __init__(
        self,
        model: Any,
        device: Any = None,
        avg_fn: Callable | None = None,
        multi_avg_fn: Callable | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        count = jtorch.tensor(0, dtype=jtorch.long, device=device)  # type: ignore[attr-defined, operator]
        self.register_buffer("n_averaged", count)
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged model's result."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Any) -> None:
        """Take the present parameters of ``model`` into the averages."""
        mine, theirs = self.parameters(), model.parameters()
        if self.use_buffers:
            mine, theirs = chain(self.module.parameters(), self.module.buffers()), chain(theirs, model.buffers())
        averages: list[Any] = [p.detach() for p in mine]
        current = [p.detach().to(average.device) for p, average in zip(theirs, averages, strict=False)]
        if int(self.n_averaged) == 0:
            for average, value in zip(averages, current, strict=False):
                average.copy_(value)
        elif self.multi_avg_fn is not None:
            for device, dtype in dict.fromkeys((a.device, a.dtype) for a in averages):
                at = [i for i, a in enumerate(averages) if (a.device, a.dtype) == (device, dtype)]
                self.multi_avg_fn([averages[i] for i in at], [current[i] for i in at], self.n_averaged.to(device))
        else:
            average_of = self.avg_fn or get_swa_avg_fn()
            for average, value in zip(averages, current, strict=False):
                average.copy_(average_of(average, value, self.n_averaged.to(average.device)))
        if not self.use_buffers:
            for mine_, theirs_ in zip(self.module.buffers(), model.buffers(), strict=True):
                mine_.detach().copy_(theirs_.detach().to(mine_.device))
        self.n_averaged += 1


@no_grad()
def update_bn(loader: Iterable[Any], model: Any, device: Any = None) -> None:
    """Set the statistics of batch norms to those over ``loader``, whose batches are inputs or start with them."""
    momenta = {m: m.momentum for m in model.modules() if isinstance(m, _BatchNorm)}
    if not momenta:
        return
    was_training = model.training
    model.train()
    for norm in momenta:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    for batch in loader:
        inputs = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(inputs if device is None else inputs.to(device))
    for norm, momentum in momenta.items():
        norm.momentum = momentum
    model.train(was_training)


class SWALR(Schedule):
    """From the present rate to ``swa_lr`` in ``anneal_epochs``, where it stays."""

    anneal_func: Callable[[float], float]

    def __init__(
        self,
        optimizer: Any,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for lr, group in zip(each_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._set_anneal_func(anneal_strategy)
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _set_anneal_func(self, anneal_strategy: str) -> None:
        self._anneal_strategy = anneal_strategy
        self.anneal_func = _cosine if anneal_strategy == "cos" else _linear

    def _part(self, step: int) -> float:
        return self.anneal_func(max(0, min(1, step / max(1, self.anneal_epochs))))

    def _next(self) -> list[Any]:
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._part(step - 1), self._part(step)
        lrs = []
        for group in self.optimizer.param_groups:
            target = group["swa_lr"]
            initial = target if before == 1 else (group["lr"] - before * target) / (1 - before)
            lrs.append(target * now + initial * (1 - now))
        return lrs

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and what follows from the rest."""
        return {key: value for key, value in super().state_dict().items() if key != "anneal_func"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state."""
        super().load_state_dict(state_dict)
        self._set_anneal_func(self._anneal_strategy)


def _linear(t: float) -> float:
    return t


def _cosine(t: float) -> float:
    return (1 - math.cos(math.pi * t)) / 2
