"""torch.utils: data loading, checkpointing, hooks, DLPack."""

from jtorch.utils import data, hooks

__all__ = ["data", "hooks"]
