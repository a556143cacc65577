"""``DataParallel``: one device, or none, is what it takes here."""

from collections.abc import Sequence
from typing import Any

import jtorch
from jtorch.nn.modules.module import Module

__all__ = ["DataParallel", "data_parallel"]


def _device_ids(device_ids: Sequence[Any] | None) -> list[int]:
    """The indices of the GPUs to use: those given, or all there are."""
    if device_ids is None:
        return list(range(jtorch.cuda.device_count()))
    indices = []
    for each in device_ids:
        index = each if isinstance(each, int) else jtorch.device(each).index
        indices.append(index if index is not None else 0)
    return indices


class DataParallel(Module):
    """Wraps ``module``, whose parameters are then found under ``module.``; as in torch, it runs as it is on one device.

    Splitting batches over several GPUs from one process is not offered: NotImplementedError.
    """

    def __init__(
        self, module: Module, device_ids: Sequence[Any] | None = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids = _device_ids(device_ids) if jtorch.cuda.is_available() else []
        if len(self.device_ids) > 1:
            raise NotImplementedError(
                f"torch.nn.DataParallel over {len(self.device_ids)} GPUs; give device_ids=[0] to use one"
            )
        if self.device_ids:
            self.dim = dim
            self.output_device = self.device_ids[0] if output_device is None else output_device
            self.module.to(jtorch.device("cuda", self.device_ids[0]))

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        if self.device_ids:
            device = jtorch.device("cuda", self.device_ids[0])
            inputs = tuple(_to(x, device) for x in inputs)
            kwargs = {k: _to(x, device) for k, x in kwargs.items()}
        return self.module(*inputs, **kwargs)


def _to(x: Any, device: Any) -> Any:
    return x.to(device) if hasattr(x, "to") else x


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict | None = None,
) -> Any:
    """``module(*inputs)`` as :class:`DataParallel` computes it."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return DataParallel(module, device_ids, output_device, dim)(*inputs, **(module_kwargs or {}))
