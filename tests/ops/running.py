"""Runs an operator of the table on plain values, in each of the ways it can run, and differentiates it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jtorch  # noqa: F401  (declares the operators, sets float64 up)
from jtorch.engine.op import NUMBERS, T, number
from jtorch.ops.table import TABLE, OpDef


def arguments(op: OpDef, args: tuple, kwargs: dict) -> tuple[tuple, list[np.ndarray]]:
    """A call's spec and its arrays."""
    spec: list[Any] = []
    arrays = []
    for i, p in enumerate(op.schema.params):
        value = args[i] if i < len(args) else kwargs.get(p.name, p.default)
        if isinstance(value, (np.ndarray, np.generic, jax.Array)):
            spec.append(T)
            arrays.append(np.asarray(value))
        elif p.kind.rstrip("?") in ("Scalar", "Tensor") and isinstance(value, NUMBERS):
            spec.append(number(value))
        else:
            spec.append(value)
    return tuple(spec), arrays


def run(name: str, *args: Any, **kwargs: Any) -> Any:
    """The result of a compiled call, after a check that NumPy gives the same where the operator has a ``host``."""
    op = TABLE[name]
    spec, arrays = arguments(op, args, kwargs)
    made = jax.jit(op.bind(spec))(*arrays)
    if op.host is not None:
        with np.errstate(all="ignore"):
            on_host = op.bind(spec, "host")(*arrays)
        for a, b in zip(jax.tree.leaves(made), jax.tree.leaves(on_host), strict=True):
            assert a.dtype == b.dtype, f"{name}: {a.dtype} by JAX, {b.dtype} by NumPy"
            close = 1e-2 if np.dtype(a.dtype).itemsize < 4 else 1e-5
            np.testing.assert_allclose(*(np.asarray(x).astype(np.complex128) for x in (a, b)), rtol=close, atol=1e-6)
    return jax.tree.map(np.asarray, made)


def failed_checks(name: str, *args: Any, **kwargs: Any) -> list[str]:
    """The messages of the checks that the data fail."""
    op = TABLE[name]
    spec, arrays = arguments(op, args, kwargs)
    assert op.check is not None
    return [message for bad, _, message in op.bind(spec, "check")(*arrays) if bad]


def slopes(name: str, *args: Any, wrt: int = 0, **kwargs: Any) -> np.ndarray:
    """The gradient of the sum of the (first) result by the ``wrt``-th array."""
    op = TABLE[name]
    spec, arrays = arguments(op, args, kwargs)
    fn = op.bind(spec)

    def total(x: Any) -> Any:
        made = fn(*(x if i == wrt else a for i, a in enumerate(arrays)))
        return jnp.sum((made[0] if isinstance(made, (tuple, list)) else made).real)

    return np.asarray(jax.grad(total)(jnp.asarray(arrays[wrt])))


def f32(*values: float) -> np.ndarray:
    """A vector of float32."""
    return np.array(values, np.float32)


def f64(*values: float) -> np.ndarray:
    """A vector of float64."""
    return np.array(values, np.float64)


def i64(*values: int) -> np.ndarray:
    """A vector of int64."""
    return np.array(values, np.int64)


def same(got: Any, expected: Any, tolerance: float = 1e-6) -> None:
    """Compare values and, where ``expected`` is an array, dtypes."""
    if isinstance(expected, np.ndarray):
        assert got.dtype == expected.dtype, f"{got.dtype}, expected {expected.dtype}"
    np.testing.assert_allclose(
        np.asarray(got).astype(np.complex128),
        np.asarray(expected).astype(np.complex128),
        rtol=tolerance,
        atol=tolerance,
    )
