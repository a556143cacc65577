"""``torch.nn``: modules, parameters, losses, and their utilities."""

# ruff: noqa: I001  (functional and init first: the modules use them)
from jtorch.nn import functional
from jtorch.nn import init
from jtorch.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter
from jtorch.nn.modules import *  # noqa: F403
from jtorch.nn import attention, common_types, grad, modules, parallel, parameter, utils
from jtorch.nn.parallel import DataParallel

__all__ = [  # noqa: PLE0604
    *modules.__all__,
    "Buffer",
    "DataParallel",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "attention",
    "common_types",
    "functional",
    "grad",
    "init",
    "modules",
    "parallel",
    "parameter",
    "utils",
]


def factory_kwargs(kwargs: dict | None) -> dict:
    """The device, dtype and memory format among ``kwargs``, for a layer to hand on to the functions that make tensors.

    Raises TypeError for any other key.
    """
    if kwargs is None:
        return {}
    simple = ("device", "dtype", "memory_format")
    made = dict(kwargs.get("factory_kwargs", {}))
    for key in simple:
        if key in kwargs:
            if key in made:
                raise TypeError(f"{key} specified twice, in **kwargs and in factory_kwargs")
            made[key] = kwargs[key]
    unexpected = kwargs.keys() - {*simple, "factory_kwargs"}
    if unexpected:
        raise TypeError(f"unexpected kwargs {unexpected}")
    return made
