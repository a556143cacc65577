"""``DistributedDataParallel``, for programs that ask whether a module is one."""

from typing import Any

from jtorch.nn.modules.module import Module

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """A class without instances: making one raises NotImplementedError, since one process runs a program."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("torch.nn.parallel.DistributedDataParallel; one process runs a program")
