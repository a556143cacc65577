"""The name ``torch``, answered by jtorch.

:func:`enable` puts a finder first on ``sys.meta_path``. From then on ``import torch`` and ``import torch.nn.functional
as F`` give jtorch's own module objects: ``sys.modules["torch"] is jtorch``, a module's ``__name__`` stays ``jtorch.*``,
and the installed-package metadata answers for ``torch`` too. Nothing is copied or wrapped, so ``isinstance`` and ``is``
hold across the two names, and a script's classes pickle as usual.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from multiprocessing import spawn
from types import ModuleType
from typing import Any

from jtorch.version import __version__

__all__ = ["disable", "enable", "is_enabled"]

ALIAS, REAL = "torch", "jtorch"

# Parts of jtorch that torch has no module for, or has something else under that name (``torch.tensor`` is a function).
_PRIVATE = frozenset(
    {"absent", "alias", "check", "cli", "composite", "coverage", "engine", "ops", "tensor", "__main__"}
)


def enable() -> None:
    """Make ``torch`` mean jtorch in this process and in the processes it starts through ``multiprocessing``.

    Calling it again does nothing. Raises ImportError when the real torch is already imported: code that holds pieces of
    the one cannot go on with the other.
    """
    if is_enabled():
        return
    present = sys.modules.get(ALIAS)
    if present is not None and present is not sys.modules[REAL]:
        raise ImportError(
            f"torch is already imported, from {getattr(present, '__file__', None)}: call jtorch.enable() before "
            "anything imports torch, or use jtorch under its own name beside it",
            name=ALIAS,
        )
    sys.meta_path.insert(0, _FINDER)
    sys.modules[ALIAS] = sys.modules[REAL]
    importlib.invalidate_caches()
    spawn.get_preparation_data = _preparation_data


def disable() -> None:
    """Give the name ``torch`` back. Modules that imported jtorch under that name keep what they hold."""
    if not is_enabled():
        return
    sys.meta_path.remove(_FINDER)
    for name in [n for n in sys.modules if n == ALIAS or n.startswith(ALIAS + ".")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    spawn.get_preparation_data = _original_preparation_data


def is_enabled() -> bool:
    """Whether ``import torch`` means jtorch now."""
    return _FINDER in sys.meta_path


def _real_name(name: str) -> str | None:
    """``torch.nn.init`` -> ``jtorch.nn.init``; None for what torch has no such module for."""
    rest = name.partition(".")[2]
    if rest.partition(".")[0] in _PRIVATE:
        return None
    return f"{REAL}.{rest}" if rest else REAL


class _AliasFinder(MetaPathFinder):
    """Finds ``torch`` and ``torch.*``, as modules and as an installed distribution."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != ALIAS and not fullname.startswith(ALIAS + "."):
            return None
        real = _real_name(fullname)
        if real is None:  # None from here would let the next finder load jtorch's own file a second time
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        try:
            spec = getattr(sys.modules.get(real), "__spec__", None) or importlib.util.find_spec(real)
        except ModuleNotFoundError:  # the parent is a module, not a package
            return None
        if spec is None:
            return None
        alias = ModuleSpec(fullname, _AliasLoader(real), origin=spec.origin)
        alias.submodule_search_locations = spec.submodule_search_locations
        return alias

    def find_distributions(self, context: Any = DistributionFinder.Context()) -> Iterable[Distribution]:  # noqa: B008
        # Normalised as installers do; a context without a name asks for every distribution.
        if context.name is None or context.name.lower().replace("_", "-") == ALIAS:
            yield _AliasDistribution()


class _AliasLoader(Loader):
    """Loads a ``torch`` name by importing the jtorch module and handing out that very object."""

    def __init__(self, real: str) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.real)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just written the alias's spec into the module; it keeps its own.
        module.__spec__ = self._spec

    def get_code(self, fullname: str) -> Any:
        """The module's code, for ``python -m jtorch -m torch.utils.x``."""
        spec = importlib.util.find_spec(self.real)
        get_code = getattr(spec and spec.loader, "get_code", None)
        return get_code(self.real) if get_code else None


class _AliasDistribution(Distribution):
    """What ``importlib.metadata`` says of ``torch``."""

    _FILES = {
        "METADATA": f"Metadata-Version: 2.1\nName: torch\nVersion: {__version__}\nSummary: jtorch, as torch\n",
        "top_level.txt": "torch\n",
        "INSTALLER": "jtorch\n",
    }

    def read_text(self, filename: str) -> str | None:
        return self._FILES.get(filename)

    def locate_file(self, path: Any) -> Any:
        return os.path.join(os.path.dirname(__file__), path)


_FINDER = _AliasFinder()
_original_preparation_data = spawn.get_preparation_data


class _EnableOnLoad:
    """Unpickles by enabling the alias: the first thing a spawned process does is to load its preparation data."""

    def __reduce__(self) -> tuple:
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        # The child's sys.path is not yet its parent's here, so it is told where jtorch lies.
        source = f"import sys; sys.path.append({root!r}); import jtorch.alias; jtorch.alias.enable()"
        return exec, (source, {})


def _preparation_data(name: str) -> dict[str, Any]:
    """multiprocessing's own preparation data, plus the alias.

    The fork server asks under the name "ignore" for what to preload into itself, and gets it as text, without the
    alias: the main module, which may import torch, is then left to its children.
    """
    data = _original_preparation_data(name)
    if name == "ignore":
        data.pop("init_main_from_path", None)
        data.pop("init_main_from_name", None)
    else:
        data["jtorch"] = _EnableOnLoad()
    return data
