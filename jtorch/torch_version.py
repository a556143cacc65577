"""Version strings that compare as versions: ``torch.__version__ >= "2.2"`` holds for 2.13."""

import re
from collections.abc import Iterable
from typing import Any

from jtorch.version import __version__ as _version

__all__ = ["TorchVersion"]

_PATTERN = re.compile(
    r"v?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>a|alpha|b|beta|c|rc|pre|preview)[-_.]?(?P<pre_n>\d*))?"
    r"(?:[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_n>\d*))?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_n>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?",
    re.IGNORECASE,
)
_PRE_RANK = {"a": 0, "alpha": 0, "b": 1, "beta": 1}
_LOWEST, _HIGHEST = -1, 9


def _key(text: str) -> tuple:
    """The sort key of a version by the order of PEP 440; ValueError when it is not one."""
    m = _PATTERN.fullmatch(text.strip())
    if m is None:
        raise ValueError(f"invalid version: {text!r}")
    release = tuple(int(n) for n in m["release"].split("."))
    while len(release) > 1 and release[-1] == 0:
        release = release[:-1]
    if m["pre"]:
        pre = (_PRE_RANK.get(m["pre"].lower(), 2), int(m["pre_n"] or 0))
    else:  # a dev release without a pre-release comes before every pre-release
        pre = (_LOWEST if m["dev"] and not m["post"] else _HIGHEST, 0)
    post = int(m["post_n"] or 0) if m["post"] else _LOWEST
    dev = (0, int(m["dev_n"] or 0)) if m["dev"] else (1, 0)
    parts = re.split(r"[-_.]", m["local"].lower()) if m["local"] else []
    local = tuple((1, int(p), "") if p.isdigit() else (0, 0, p) for p in parts)
    return release, pre, post, dev, local


class TorchVersion(str):
    """A version string that compares with strings and with tuples as a version.

    What does not parse as a version is compared as a plain string.
    """

    __slots__ = ()
    __hash__ = str.__hash__


def _comparison(name: str) -> Any:
    def compare(self: TorchVersion, other: Any) -> Any:
        if isinstance(other, Iterable) and not isinstance(other, str):
            other = ".".join(str(part) for part in other)
        if not isinstance(other, str):
            return NotImplemented
        try:
            return getattr(_key(str(self)), name)(_key(other))
        except ValueError:
            return getattr(str, name)(self, other)

    return compare


for _name in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"):
    setattr(TorchVersion, _name, _comparison(_name))


__version__ = TorchVersion(_version)
