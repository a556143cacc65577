"""``torch.nn.parallel``: running a module on several devices from one process."""

from jtorch.nn.parallel.data_parallel import DataParallel, data_parallel

__all__ = ["DataParallel", "data_parallel"]
