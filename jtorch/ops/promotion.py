"""Torch's type promotion over NumPy dtypes (https://docs.pytorch.org/docs/stable/tensor_attributes.html).

Three kinds of participants, in falling priority: tensors with dimensions, 0-d tensors, Python numbers. A participant of
lower priority changes the result only when it is of a higher category (bool < integer < floating < complex).
"""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from jtorch.engine import config

BOOL, INT, FLOAT, COMPLEX = range(4)
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
HALF = np.dtype(np.float16)
_SIGNED = [np.dtype(f"int{n}") for n in (8, 16, 32, 64)]
_FLOAT_RANK = {HALF: 0, BFLOAT16: 0, np.dtype(np.float32): 1, np.dtype(np.float64): 2}
_COMPLEX_OF: dict[int, np.dtype] = {0: np.dtype(np.complex64), 1: np.dtype(np.complex64), 2: np.dtype(np.complex128)}


@cache
def category(dtype: np.dtype) -> int:
    """``BOOL``, ``INT``, ``FLOAT`` or ``COMPLEX`` for a NumPy dtype (the ml_dtypes floats count as ``FLOAT``)."""
    kind = np.dtype(dtype).kind
    return {"b": BOOL, "i": INT, "u": INT, "c": COMPLEX}.get(kind, FLOAT)


@cache
def promote_types(a: np.dtype, b: np.dtype) -> np.dtype:
    """``torch.promote_types`` on NumPy dtypes; raises RuntimeError for pairs that torch does not promote."""
    a, b = np.dtype(a), np.dtype(b)
    if a == b:
        return a
    ca, cb = category(a), category(b)
    if any(d.kind == "u" and d.itemsize > 1 for d in (a, b)):
        if FLOAT in (ca, cb):
            return a if ca == FLOAT else b
        from jtorch.ops.errors import scalar_type

        raise RuntimeError(
            "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
            f"{scalar_type(a)} and {scalar_type(b)}"
        )
    if ca == cb == INT:
        return _promote_ints(a, b)
    if ca == cb == FLOAT:
        if a not in _FLOAT_RANK or b not in _FLOAT_RANK:
            raise RuntimeError(f"Promotion for Float8 Types is not supported, attempted to promote {a} and {b}")
        if _FLOAT_RANK[a] == _FLOAT_RANK[b]:  # half and bfloat16 meet in float32
            return np.dtype(np.float32)
        return a if _FLOAT_RANK[a] > _FLOAT_RANK[b] else b
    if ca == cb == COMPLEX:
        return a if a.itemsize >= b.itemsize else b
    low, high = (a, b) if ca < cb else (b, a)
    if max(ca, cb) == COMPLEX and min(ca, cb) == FLOAT and low in _FLOAT_RANK:
        wide = _COMPLEX_OF[_FLOAT_RANK[low]]
        return high if high.itemsize >= wide.itemsize else wide
    return high


def _promote_ints(a: np.dtype, b: np.dtype) -> np.dtype:
    if a.kind == b.kind:
        return max(a, b, key=lambda d: d.itemsize)
    signed = b if a.kind == "u" else a
    return max(signed, np.dtype(np.int16), key=lambda d: d.itemsize)


def _is_number(x: Any) -> bool:
    """A Python number, or the weakly typed tracer that stands for one which varies from call to call."""
    return isinstance(x, (bool, int, float, complex)) or bool(getattr(x, "weak_type", False))


def _number_dtype(x: Any) -> np.dtype:
    if isinstance(x, bool):
        return np.dtype(np.bool_)
    kind = category(x.dtype) if hasattr(x, "dtype") else {int: INT, float: FLOAT, complex: COMPLEX}[_base(x)]
    if kind == INT:
        return np.dtype(np.int64)
    return config.default_dtype if kind == FLOAT else config.default_complex()


def _base(x: Any) -> type:
    return int if isinstance(x, int) else float if isinstance(x, float) else complex


def result_type(*operands: Any) -> np.dtype:
    """``torch.result_type`` of arrays (NumPy or JAX) and Python numbers, as a NumPy dtype."""
    found: list[np.dtype | None] = [None, None, None]  # with dimensions, 0-d, Python number
    for x in operands:
        if x is None:
            continue
        if _is_number(x):
            rank, dtype = 2, _number_dtype(x)
        else:
            rank, dtype = (0 if x.ndim else 1), np.dtype(x.dtype)
        have = found[rank]
        found[rank] = dtype if have is None else promote_types(have, dtype)
    result = found[0]
    for other in found[1:]:
        if other is None:
            continue
        if result is None:
            result = other
        elif category(other) > category(result):
            floats = result in _FLOAT_RANK and category(other) == COMPLEX  # whose precision stays
            result = _COMPLEX_OF[_FLOAT_RANK[result]] if floats else promote_types(result, other)
    if result is None:
        raise RuntimeError("result_type needs at least one operand")
    return result


def to_float(dtype: np.dtype) -> np.dtype:
    """The dtype a float function computes in: integers and bools become the default dtype."""
    return config.default_dtype if category(dtype) <= INT else np.dtype(dtype)


def cast(x: Any, dtype: np.dtype) -> Any:
    """``x`` (array or Python number) as an array of ``dtype``; NumPy stays NumPy, JAX stays JAX."""
    if isinstance(x, (np.ndarray, np.generic)):
        return x if x.dtype == dtype else _np_cast(x, dtype)
    if isinstance(x, jax.Array) and not getattr(x, "weak_type", False):
        return x if x.dtype == dtype else _jax_cast(x, dtype)
    return jnp.asarray(x, dtype)


def _np_cast(x: Any, dtype: np.dtype) -> Any:
    if category(x.dtype) == COMPLEX and category(dtype) < COMPLEX:
        x = x.real
    with np.errstate(all="ignore"):
        return np.asarray(x).astype(dtype)


def _jax_cast(x: Any, dtype: np.dtype) -> Any:
    if category(x.dtype) == COMPLEX and category(dtype) < COMPLEX:
        x = jnp.real(x)
    return x.astype(dtype)
