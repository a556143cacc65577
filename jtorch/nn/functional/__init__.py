"""``torch.nn.functional``: the operators behind the layers, as functions.

Operators whose function needs nothing beyond the op table come from there; the files here hold the others.
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from jtorch.nn.functional._activation import *  # noqa: F403
from jtorch.nn.functional._attention import *  # noqa: F403
from jtorch.nn.functional._dropout import *  # noqa: F403
from jtorch.nn.functional._loss import *  # noqa: F403
from jtorch.nn.functional._normalization import *  # noqa: F403
from jtorch.nn.functional._pooling import *  # noqa: F403
from jtorch.nn.functional._sparse import *  # noqa: F403
from jtorch.nn.functional._vision import *  # noqa: F403
from jtorch.tensor import bind as _bind

globals().update(_bind.namespace("nn.functional"))
globals().update(_bind.composites("nn.functional"))

if _TYPE_CHECKING:

    def __getattr__(name): ...  # mypy: more names than it can see
