"""Complex numbers: how they are made, taken apart and looked at as pairs of floats."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops.errors import scalar_type
from jtorch.ops.promotion import COMPLEX, category
from jtorch.ops.table import op

_FLOATS = (np.float16, np.float32, np.float64)


def _check_parts(first: Any, second: Any) -> None:
    kinds = scalar_type(first.dtype), scalar_type(second.dtype)
    if first.dtype not in _FLOATS or second.dtype not in _FLOATS:
        raise RuntimeError(
            f"Expected both inputs to be Half, Float or Double tensors but got {kinds[0]} and {kinds[1]}"
        )
    if first.dtype != second.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {kinds[0]} but got scalar type {kinds[1]} for second argument"
        )
    if first.dtype == np.float16:
        raise NotImplementedError("complex32 (ComplexHalf) is not available in JAX")


@op("complex(Tensor real, Tensor imag) -> Tensor", expose="torch")
def complex_(real, imag):
    """Complex numbers from their parts, of one dtype."""
    _check_parts(real, imag)
    return lax.complex(*jnp.broadcast_arrays(real, imag))


@op("polar(Tensor abs, Tensor angle) -> Tensor", expose="torch", saves="result")
def polar(abs, angle):
    """Complex numbers from their size and angle, of one dtype."""
    _check_parts(abs, angle)
    return lax.complex(abs * lax.cos(angle), abs * lax.sin(angle))


# --- views ----------------------------------------------------------------------------------------------------------


def _real_written(base: Any, new: Any) -> Any:
    return lax.complex(new, lax.imag(base)) if category(base.dtype) == COMPLEX else new


@op("real(Tensor(a) self) -> Tensor(a)", expose="torch", out=False, write=_real_written, grad_name="SelectBackward0")
def real(self):
    """The real part; a real tensor itself."""
    return lax.real(self) if category(self.dtype) == COMPLEX else self


@op(
    "imag(Tensor(a) self) -> Tensor(a)",
    expose="torch",
    out=False,
    write=lambda base, new: lax.complex(lax.real(base), new),
    grad_name="SelectBackward0",
)
def imag(self):
    """The imaginary part."""
    if category(self.dtype) != COMPLEX:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return lax.imag(self)


def _to_pairs(z: Any) -> Any:
    return jnp.stack([lax.real(z), lax.imag(z)], axis=-1)


def _from_pairs(pairs: Any) -> Any:
    return lax.complex(pairs[..., 0], pairs[..., 1])


@op(
    "view_as_real(Tensor(a) self) -> Tensor(a)",
    expose="torch",
    out=False,
    write=lambda base, new: _from_pairs(new),
)
def view_as_real(self):
    """Complex numbers as pairs of floats, in a last dimension of size 2."""
    if category(self.dtype) != COMPLEX:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return _to_pairs(self)


@op(
    "view_as_complex(Tensor(a) self) -> Tensor(a)",
    expose="torch",
    out=False,
    write=lambda base, new: _to_pairs(new),
)
def view_as_complex(self):
    """Pairs of floats, in a last dimension of size 2, as complex numbers."""
    if self.dtype not in _FLOATS:
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            + scalar_type(self.dtype)
        )
    if self.ndim == 0:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if self.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    _check_parts(self, self)
    return _from_pairs(self)


def _conj(x: Any) -> Any:
    return lax.conj(x) if category(x.dtype) == COMPLEX else x


@op("conj(Tensor(a) self) -> Tensor(a)", out=False, write=lambda base, new: _conj(new))
def conj(self):
    """The complex conjugate, as a view; a real tensor itself."""
    return _conj(self)


def _itself(self: Any) -> Any:
    """The tensor itself: conjugation and negation leave nothing pending here."""
    return self


for _name in ("resolve_conj", "resolve_neg"):
    op(f"{_name}(Tensor(a) self) -> Tensor(a)", out=False, write=lambda base, new: new)(_itself)


@op(
    "conj_physical(Tensor self) -> Tensor",
    inplace=True,
    host=lambda x: np.conj(x) if category(x.dtype) == COMPLEX else x,
)
def conj_physical(self):
    """The complex conjugate, as a new tensor."""
    return _conj(self)


@jax.custom_jvp
def _complex_angle(z: Any) -> Any:
    return lax.atan2(lax.imag(z), lax.real(z))


@_complex_angle.defjvp
def _complex_angle_jvp(primals: tuple, tangents: tuple) -> tuple:
    """The part of a step that is orthogonal to z, over the size of z; 0 is taken not to turn."""
    (z,), (dz,) = primals, tangents
    size = lax.square(lax.real(z)) + lax.square(lax.imag(z))
    turn = lax.imag(lax.conj(z) * dz)
    return _complex_angle(z), jnp.where(size == 0, 0, turn / jnp.where(size == 0, 1, size))


@op("angle(Tensor self) -> Tensor", promote="float", saves="self")
def angle(self):
    """The angle of a complex number; of real ones, pi where negative, 0 elsewhere, NaN of NaN."""
    if category(self.dtype) == COMPLEX:
        return _complex_angle(self)
    half_turn = jnp.asarray(np.pi, self.dtype)
    fixed = lax.stop_gradient(self)
    return jnp.where(jnp.isnan(fixed), fixed, jnp.where(fixed < 0, half_turn, 0))
