"""Writing to a tensor whose elements lie on one another, or on those of another operand: torch refuses, and so do
we.
"""

from jtorch.tensor import storage, strides
from jtorch.tensor.tensor import Tensor

_CLONE = "Please clone() the tensor before performing the operation."
_LENIENT = frozenset({"masked_fill_", "index_put_", "fill_", "zero_", "requires_grad_"})


def check(target: Tensor, operands: tuple, name: str) -> None:
    """Raise RuntimeError where an in-place operation on ``target`` would write to what it reads elsewhere."""
    alias = target._alias
    if alias is None:
        return
    if name not in _LENIENT and storage.overlapping(alias.steps) and _within(target):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            f"{_CLONE}"
        )
    for x in operands:
        if (
            x is not target
            and isinstance(x, Tensor)
            and x._alias is not None
            and x._alias.storage is alias.storage
            and _partial(target, x)
        ):
            raise RuntimeError(
                "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
                f"memory location. {_CLONE}"
            )


def _within(x: Tensor) -> bool:
    return any(n > 1 and step == 0 for n, step in zip(x._v.aval.shape, strides.of(x)[0], strict=True))


def _partial(a: Tensor, b: Tensor) -> bool:
    """Whether two views of one storage have some of their elements, but not all in the same order, in common.

    As in torch only views without gaps are looked at.
    """
    if not a._v.aval.size or not b._v.aval.size:
        return False
    (order_a, start_a), (order_b, start_b) = strides.of(a), strides.of(b)
    if not (_without_gaps(a, order_a) and _without_gaps(b, order_b)):
        return False
    end_a, end_b = start_a + a._v.aval.size, start_b + b._v.aval.size
    if (start_a, end_a) == (start_b, end_b):
        return order_a != order_b
    return start_a < end_b and start_b < end_a


def _without_gaps(x: Tensor, steps: tuple[int, ...]) -> bool:
    want = 1
    for step, size in sorted(zip(steps, x._v.aval.shape, strict=True)):
        if size != 1:
            if step != want:
                return False
            want *= size
    return True
