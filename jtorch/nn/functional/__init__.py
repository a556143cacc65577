"""``torch.nn.functional``: the operators behind the layers, as functions.

Operators whose function needs nothing beyond the op table come from there; the files here hold the others.
"""

from importlib import import_module as _import
from pkgutil import iter_modules as _iter_modules

from jtorch.tensor import bind as _bind

globals().update(_bind.namespace("nn.functional"))
globals().update(_bind.composites("nn.functional"))
for _found in _iter_modules(__path__):
    _module = _import(f"{__name__}.{_found.name}")
    globals().update({_name: getattr(_module, _name) for _name in getattr(_module, "__all__", ())})
