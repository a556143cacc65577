"""Loss scaling for float16 training, without a synchronisation: whether a gradient overflowed stays on the device."""

import warnings
from typing import Any

import jax.numpy as jnp

import jtorch
from jtorch.engine.devices import devices
from jtorch.tensor.fused import assign, fused
from jtorch.tensor.tensor import Tensor


def _unscale(*arrays: Any) -> tuple:
    """(scale, grads..., statics) -> (found_inf, unscaled grads...)."""
    scale, *grads = arrays[:-1]
    inverse = 1 / scale
    bad = jnp.zeros((), jnp.float32)
    out = []
    for g in grads:
        bad = jnp.maximum(bad, (~jnp.isfinite(g).all()).astype(jnp.float32))
        out.append((g.astype(jnp.promote_types(g.dtype, jnp.float32)) * inverse).astype(g.dtype))
    return (bad, *out)


def _update(scale: Any, growth: Any, found: Any, statics: tuple) -> tuple:
    """The next scale and growth count (torch's amp_update_scale)."""
    factor, backoff, interval = statics
    grown = growth + 1
    full = grown == interval
    larger, smaller = ((scale.astype(jnp.float64) * by).astype(jnp.float32) for by in (factor, backoff))
    kept = jnp.where(full & jnp.isfinite(larger), larger, scale)
    bad = found > 0
    return jnp.where(bad, smaller, kept), jnp.where(bad | full, 0, grown).astype(jnp.int32)


class GradScaler:
    """Scales losses so that float16 gradients do not vanish, and skips steps whose gradients overflowed
    (torch.amp.GradScaler).

    ``step`` hands the overflow flag to the optimizer, whose program then keeps the old values where it is set.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        if enabled and device == "cuda" and not devices("cuda"):
            warnings.warn("torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2)
            enabled = False
        self._enabled = enabled
        if enabled and growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if enabled and backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._init_scale = init_scale
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._scale: Tensor | None = None
        self._growth: Tensor | None = None
        self._init_growth = 0
        self._found: dict[int, Tensor] = {}
        self._stage: dict[int, str] = {}

    def _start(self, device: Any) -> None:
        self._scale = jtorch.full((), self._init_scale, dtype=jtorch.float32, device=device)  # type: ignore[attr-defined]
        self._growth = jtorch.full((), self._init_growth, dtype=jtorch.int32, device=device)  # type: ignore[attr-defined]

    def scale(self, outputs: Any) -> Any:
        """A tensor, or an iterable of tensors, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            if self._scale is None:
                self._start(outputs.device)
            return outputs * self._scale.to(outputs.device)  # type: ignore[operator, union-attr]
        if isinstance(outputs, (list, tuple)):
            return type(outputs)([self.scale(o) for o in outputs])
        if hasattr(outputs, "__iter__"):
            return map(self.scale, outputs)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer: Any) -> None:
        """Divide the optimizer's gradients by the scale, noting overflows; once between steps."""
        if not self._enabled:
            return
        self._require("unscale_")
        stage = self._stage.get(id(optimizer))
        if stage == "unscaled":
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if stage == "stepped":
            raise RuntimeError("unscale_() is being called after step().")
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if any(g.dtype is jtorch.float16 for g in grads):  # type: ignore[attr-defined]
            raise ValueError("Attempting to unscale FP16 gradients.")
        if grads:
            found, *made = fused("unscale", _unscale, (), [self._scale, *grads])
            for g, m in zip(grads, made, strict=True):
                assign(g, m)
            self._found[id(optimizer)] = found
        self._stage[id(optimizer)] = "unscaled"

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step()``, without effect where a gradient overflowed."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._require("step")
        if self._stage.get(id(optimizer)) == "stepped":
            raise RuntimeError("step() has already been called since the last update().")
        if id(optimizer) not in self._stage:
            self.unscale_(optimizer)
        if id(optimizer) not in self._found:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        self._stage[id(optimizer)] = "stepped"
        found = self._found[id(optimizer)]
        if not getattr(optimizer, "_honours_found_inf", False):  # one of the user's own: the flag is read, as in torch
            return None if found.item() else optimizer.step(*args, **kwargs)
        optimizer.found_inf = found
        try:
            return optimizer.step(*args, **kwargs)
        finally:
            del optimizer.found_inf

    def update(self, new_scale: Any = None) -> None:
        """Adjust the scale after the steps of this iteration, or set it."""
        if not self._enabled:
            return
        self._require("update")
        if new_scale is not None:
            if isinstance(new_scale, Tensor) and (new_scale.numel() != 1 or new_scale.requires_grad):
                raise AssertionError("new_scale should be a float or a 1-element tensor with requires_grad=False.")
            value = new_scale.reshape(()) if isinstance(new_scale, Tensor) else new_scale
            self._scale.fill_(value)  # type: ignore[union-attr, attr-defined]
        else:
            if not self._found:
                raise AssertionError("No inf checks were recorded prior to update.")
            first, *rest = self._found.values()
            found: Any = sum(rest, first)  # type: ignore[call-overload]
            statics = (self._growth_factor, self._backoff_factor, self._growth_interval)
            scale, growth = fused("update_scale", _update, statics, [self._scale, self._growth, found])
            assign(self._scale, scale)  # type: ignore[arg-type]
            assign(self._growth, growth)  # type: ignore[arg-type]
        self._found.clear()
        self._stage.clear()

    def _require(self, name: str) -> None:
        if self._scale is None:
            raise AssertionError(
                f"Attempted {name} but _scale is None.  This may indicate your script did not use scaler.scale(loss or "
                "outputs) earlier in the iteration."
            )

    def get_scale(self) -> float:
        """The present scale (synchronises)."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        """By what the scale grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set it."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """By what the scale shrinks after an overflow."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set it."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many good steps come before the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set it."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The scale and its settings; empty when disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._init_growth if self._growth is None else int(self._growth.item()),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state; raises RuntimeError for an empty one."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth = state_dict["_growth_tracker"]
        if self._scale is not None:
            self._start(self._scale.device)
