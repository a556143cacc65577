"""What the DataLoader is made of: fetching, collating, iterating, worker processes."""

from jtorch.utils.data._utils import collate, fetch, pin_memory, worker

__all__ = ["collate", "fetch", "pin_memory", "worker"]
