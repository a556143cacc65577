"""``torch.nn.parallel``: running a module on several devices from one process."""

from jtorch.nn.parallel.data_parallel import DataParallel, data_parallel
from jtorch.nn.parallel.distributed import DistributedDataParallel

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]
