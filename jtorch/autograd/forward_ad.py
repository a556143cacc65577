"""Forward mode: dual tensors, whose tangents go along with each operation (torch.autograd.forward_ad)."""

import itertools
from typing import Any, NamedTuple

from jtorch.engine import trace
from jtorch.engine.watch import tangent_of
from jtorch.tensor.tensor import Tensor, wrap

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]

_local = trace._local
_levels = itertools.count(1)


class UnpackedDualTensor(NamedTuple):
    """The parts of a dual tensor; ``tangent`` is None where there is none."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Start a level; raises RuntimeError within another, as forward mode does not nest here (torch.func.jvp does)."""
    st = _local.state
    if st.dual:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    st.dual = next(_levels)
    st.watch()
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """End the level: tangents on it are gone. Raises RuntimeError where there is none."""
    st = _local.state
    if not st.dual or level not in (None, 0):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not supported."
        )
    st.dual = 0
    st.watch()


class dual_level:
    """A forward-mode level as a context."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exc: object) -> None:
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A view of ``tensor`` that carries ``tangent``, of the same shape and dtype, on the level that was entered."""
    st = _local.state
    if not st.dual:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    for t, what in ((tensor, "primal"), (tangent, "tangent")):
        if not (t.is_floating_point() or t.is_complex()):
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {t.dtype}")
    if tangent.shape != tensor.shape:
        raise RuntimeError(
            f"Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(tensor.shape)} while the given forward gradient is of size "
            f"{list(tangent.shape)}."
        )
    if tangent.dtype is not tensor.dtype:
        raise RuntimeError(
            f"Expected the forward gradient to be of the tensor's dtype {tensor.dtype}, but got {tangent.dtype}"
        )
    if tangent_of(tensor._value, st.dual) is not None:
        raise RuntimeError("Trying to set a forward gradient on a Tensor that has one already")
    out = tensor.view_as(tensor)  # type: ignore[attr-defined]
    out._value.tangent = (st.dual, tangent._value)
    return out


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The tensor without its tangent, and the tangent."""
    st = _local.state
    v = tensor._value
    tangent = tangent_of(v, st.dual) if st.dual else None
    if tangent is None:
        return UnpackedDualTensor(tensor, None)
    primal: Any = tensor.view_as(tensor)  # type: ignore[attr-defined]
    primal._value.tangent = None
    return UnpackedDualTensor(primal, wrap(tangent))
