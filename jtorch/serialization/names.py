"""The names of Python objects in torch files: jtorch's own go by torch's names, there and back."""

import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import jtorch
from jtorch.alias import _PRIVATE

_ABSENT = object()
# Where torch keeps what users meet in torch.nn.functional, and its own aliases of other places.
_PLACES = {"torch._C._nn": "jtorch.nn.functional", "torch._VF": "jtorch", "torch._C._VariableFunctions": "jtorch"}
_NAMESPACES = ("jtorch.nn.functional", "jtorch.nn", "jtorch.nn.parameter", "jtorch.optim", "jtorch.optim.lr_scheduler")


def torch_name(obj: Any, name: str | None = None) -> tuple[str, str] | None:
    """The module and name under which torch files know one of jtorch's objects; None for what is not jtorch's."""
    name = name or getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None)
    module = getattr(obj, "__module__", None)
    if not name or not module or module.partition(".")[0] not in ("jtorch", "torch"):
        return None
    own = "jtorch" + module[len("torch") :] if module.partition(".")[0] == "torch" else module
    private = own.partition(".")[2].partition(".")[0] in _PRIVATE
    public = own.partition("._")[0]  # jtorch.nn.functional._activation: torch knows no such part of a module
    first = () if private or public == "jtorch" else (public,)
    last = () if private or own == public else (own,)
    for place in (*first, "jtorch", *_NAMESPACES, *last):
        if find_defined(place, name) is obj:
            return "torch" + place[len("jtorch") :], name
    return None


def own_modules(module: str) -> Iterator[str]:
    """The modules to look into for what a file places in ``module``: jtorch's where it says torch's."""
    top, _, rest = module.partition(".")
    if top not in ("torch", "jtorch"):
        yield module
        return
    yield _PLACES.get(module) or (f"jtorch.{rest}" if rest else "jtorch")
    if rest.startswith("nn."):
        yield "jtorch.nn"
    elif rest.startswith("optim."):
        yield "jtorch.optim"


def find_defined(module: str, name: str) -> Any:
    """``module.name`` if the running program has it already, else None. Imports nothing and runs no code of its own.

    Looked up in the namespaces themselves, so that neither a module's ``__getattr__`` nor a descriptor has a say.
    """
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        if not isinstance(found, (ModuleType, type)):
            return None
        found = vars(found).get(part, _ABSENT)
        if found is _ABSENT:
            return None
    return found


def is_operator(module: str, name: str, found: Any) -> bool:
    """Whether a global is a pure function of tensors of jtorch's: of torch.nn.functional, or also a Tensor's method."""
    if not isinstance(found, FunctionType) or name.startswith("_"):
        return False
    if (found.__module__ or "").partition(".")[0] != "jtorch":
        return False
    return module == "jtorch.nn.functional" or (module == "jtorch" and hasattr(jtorch.Tensor, name))
