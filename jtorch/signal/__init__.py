"""``torch.signal``: signal processing (https://docs.pytorch.org/docs/stable/signal.html)."""

from jtorch.signal import windows

__all__ = ["windows"]
