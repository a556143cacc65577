"""Matrix and vector products.

Torch does not promote dtypes here: operands must agree, and each product says so in its own words. Integer products
wrap around as torch's do. Float32 products are computed at ``config.matmul_precision``.
"""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.engine import config
from jtorch.ops.dims import wrap_dim
from jtorch.ops.errors import c_type, scalar_type, unsupported
from jtorch.ops.promotion import FLOAT, INT, category, promote_types
from jtorch.ops.table import op


def product(a: Any, b: Any) -> Any:
    """``a @ b`` with NumPy's rules for shapes, at the precision in force; for use by other families too."""
    return jnp.matmul(a, b, precision=config.matmul_precision)


def _host_product(a: Any, b: Any) -> Any:
    """``a @ b`` in NumPy; half dtypes are summed in float32, as XLA and torch do."""
    if category(a.dtype) == FLOAT and a.dtype.itemsize == 2:
        return np.matmul(a.astype(np.float32), b.astype(np.float32)).astype(a.dtype)
    return np.matmul(a, b)


def expand_to(x: Any, shape: Sequence[int]) -> Any:
    """``x.expand(shape)``. Raises RuntimeError where a dimension is neither equal nor 1."""
    shape = tuple(shape)
    if x.ndim > len(shape):
        name = f"torch.{scalar_type(x.dtype)}Tensor"
        raise RuntimeError(
            f"expand({name}{{{list(x.shape)}}}, size={list(shape)}): the number of sizes provided ({len(shape)}) "
            f"must be greater or equal to the number of dimensions in the tensor ({x.ndim})"
        )
    for i in range(-1, -x.ndim - 1, -1):
        if x.shape[i] not in (1, shape[i]):
            raise RuntimeError(
                f"The expanded size of the tensor ({shape[i]}) must match the existing size ({x.shape[i]}) at "
                f"non-singleton dimension {len(shape) + i}.  Target sizes: {list(shape)}.  "
                f"Tensor sizes: {list(x.shape)}"
            )
    return jnp.broadcast_to(x, shape)


def broadcast_batch(a: Sequence[int], b: Sequence[int]) -> tuple[int, ...]:
    """The common shape of two batch shapes. Raises RuntimeError where they do not broadcast."""
    ndim = max(len(a), len(b))
    left, right = (1,) * (ndim - len(a)) + tuple(a), (1,) * (ndim - len(b)) + tuple(b)
    for i in range(ndim - 1, -1, -1):
        if left[i] != right[i] and 1 not in (left[i], right[i]):
            raise RuntimeError(
                f"The size of tensor a ({left[i]}) must match the size of tensor b ({right[i]}) "
                f"at non-singleton dimension {i}"
            )
    return tuple(r if q == 1 else q for q, r in zip(left, right, strict=True))


# --- checks, shared by the products and by matmul, which stands for one of them


def _no_bool(kernel: str, dtype: Any) -> None:
    if dtype == np.bool_:
        raise unsupported(kernel, dtype)


def _check_mm(a: tuple[int, ...], b: tuple[int, ...], da: Any, db: Any) -> None:
    for shape, name in ((a, "self"), (b, "mat2")):
        if len(shape) != 2:
            raise RuntimeError(f"{name} must be a matrix")
    if a[1] != b[0]:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({a[0]}x{a[1]} and {b[0]}x{b[1]})")
    if da != db:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {c_type(da)} != {c_type(db)}")
    _no_bool("addmm_impl_cpu_", da)


def _check_bmm(a: tuple[int, ...], b: tuple[int, ...], da: Any, db: Any, kernel: str = "bmm") -> None:
    for shape, name in ((a, "batch1"), (b, "batch2")):
        if len(shape) != 3:
            raise RuntimeError(f"{name} must be a 3D tensor")
    if (a[0], a[2]) != (b[0], b[1]):
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{a[0]}, {a[2]}] "
            f"but got: [{b[0]}, {b[1]}]."
        )
    if da != db:
        raise RuntimeError(f"expected scalar type {scalar_type(da)} but found {scalar_type(db)}")
    _no_bool(kernel, da)


def _check_mv(start: tuple[int, ...], mat: tuple[int, ...], vec: tuple[int, ...], dtypes: Sequence[Any]) -> None:
    if len(mat) != 2 or len(vec) != 1 or len(start) > 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {len(start)}, {len(mat)}, {len(vec)}")
    size = start[0] if start else 1
    if mat[1] != vec[0] or size not in (1, mat[0]):
        raise RuntimeError(f"size mismatch, got input ({size}), mat ({mat[0]}x{mat[1]}), vec ({vec[0]})")
    if len(set(dtypes)) > 1:
        one, two, three = map(scalar_type, dtypes)
        raise RuntimeError(f"addmv input tensors must have the same dtype, but got {one}, {two}, and {three}")
    _no_bool("addmv_impl_cpu", dtypes[0])


def _check_dot(a: Any, b: Any) -> None:
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    if a.dtype != b.dtype:
        raise RuntimeError(
            "dot : expected both vectors to have same dtype, but found "
            f"{scalar_type(a.dtype)} and {scalar_type(b.dtype)}"
        )
    n, m = a.shape[0], b.shape[0]
    if n != m:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{n}] and src [{m}] to have the same number of elements, "
            f"but got {n} and {m} elements respectively"
        )
    _no_bool("dot", a.dtype)


def _check_matmul(a: Any, b: Any) -> None:
    """Judge the product that matmul stands for, on the shapes that product would see."""
    if not a.ndim or not b.ndim:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {a.ndim}D and {b.ndim}D")
    sa, sb, dtypes = tuple(a.shape), tuple(b.shape), (a.dtype, b.dtype)
    if a.ndim == b.ndim == 1:
        _check_dot(a, b)
    elif b.ndim == 1:
        rows = math.prod(sa[:-1])
        _check_mv((rows,), (rows, sa[-1]), sb, (a.dtype, *dtypes))
    elif b.ndim == 2:
        _check_mm((math.prod(sa[:-1]), sa[-1]), sb, *dtypes)
    else:
        batch = broadcast_batch(sa[:-2], sb[:-2])
        rows = sa[-2] if a.ndim > 1 else 1
        _check_bmm((math.prod(batch), rows, sa[-1]), (math.prod(batch), *sb[-2:]), *dtypes)


def _matmul_host(self: Any, other: Any) -> Any:
    _check_matmul(self, other)
    return _host_product(self, other)


@op("matmul(Tensor self, Tensor other) -> Tensor", expose="torch Tensor linalg", host=_matmul_host,
    saves="self other", grad_name="MmBackward0")  # fmt: skip
def matmul(self: Any, other: Any) -> Any:
    """Product of vectors, matrices, or batches of matrices that broadcast (``torch.matmul``)."""
    _check_matmul(self, other)
    return product(self, other)


def _mm_host(self: Any, mat2: Any) -> Any:
    _check_mm(self.shape, mat2.shape, self.dtype, mat2.dtype)
    return _host_product(self, mat2)


@op("mm(Tensor self, Tensor mat2) -> Tensor", host=_mm_host, saves="self mat2")
def mm(self: Any, mat2: Any) -> Any:
    """``(n, m) @ (m, p)``."""
    _check_mm(self.shape, mat2.shape, self.dtype, mat2.dtype)
    return product(self, mat2)


@op("bmm(Tensor self, Tensor mat2) -> Tensor", saves="self mat2")
def bmm(self: Any, mat2: Any) -> Any:
    """``(b, n, m) @ (b, m, p)``."""
    _check_bmm(self.shape, mat2.shape, self.dtype, mat2.dtype)
    return product(self, mat2)


@op("mv(Tensor self, Tensor vec) -> Tensor", saves="self vec")
def mv(self: Any, vec: Any) -> Any:
    """``(n, m) @ (m,)``."""
    rows = self.shape[:1] if self.ndim else ()
    _check_mv(rows, self.shape, vec.shape, (vec.dtype, self.dtype, vec.dtype))
    return product(self, vec)


def _dot_host(self: Any, tensor: Any) -> Any:
    _check_dot(self, tensor)
    return _host_product(self, tensor)


@op("dot(Tensor self, Tensor tensor) -> Tensor", host=_dot_host, saves="self tensor")
def dot(self: Any, tensor: Any) -> Any:
    """Sum of the products of two vectors, without conjugation."""
    _check_dot(self, tensor)
    return product(self, tensor)


@op("vdot(Tensor self, Tensor other) -> Tensor", saves="self other")
def vdot(self: Any, other: Any) -> Any:
    """``dot`` with the first vector conjugated."""
    _check_dot(self, other)
    return product(self.conj(), other)


@op("linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor", expose="linalg:vecdot")
def linalg_vecdot(x: Any, y: Any, *, dim: int) -> Any:
    """``sum(conj(x) * y)`` along ``dim``, with broadcasting."""
    if x.dtype != y.dtype:
        raise RuntimeError(
            f"linalg.vecdot: Expected x and y to have the same dtype, but found x of type {scalar_type(x.dtype)} "
            f"and y of type {scalar_type(y.dtype)} instead"
        )
    if category(x.dtype) < FLOAT:
        raise RuntimeError(
            f"linalg.vecdot: Expected a floating point or complex tensor as input. Got {scalar_type(x.dtype)}"
        )
    shape = broadcast_batch(x.shape, y.shape)
    axis = wrap_dim(dim, len(shape))
    x, y = jnp.broadcast_to(x, shape), jnp.broadcast_to(y, shape)
    if not shape:
        return x.conj() * y
    return jnp.vecdot(x, y, axis=axis, precision=config.matmul_precision)


@op("inner(Tensor self, Tensor other) -> Tensor", saves="self other")
def inner(self: Any, other: Any) -> Any:
    """Contraction of the last dimensions; a product where one side is 0-d."""
    if self.ndim == 0 or other.ndim == 0:
        dtype = _mul_dtype(self, other)
        return self.astype(dtype) * other.astype(dtype)
    if self.dtype != other.dtype:
        raise RuntimeError("both inputs should have same dtype")
    if self.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(self.shape)} and {list(other.shape)}"
        )
    return jnp.tensordot(self, other, ((-1,), (-1,)), precision=config.matmul_precision)


def _mul_dtype(a: Any, b: Any) -> np.dtype:
    """The dtype of ``a * b`` where at least one side is 0-d."""
    if a.ndim == b.ndim == 0 or category(a.dtype) == category(b.dtype):
        return a.dtype if a.ndim else b.dtype if b.ndim else promote_types(a.dtype, b.dtype)
    wide, narrow = (a, b) if a.ndim else (b, a)
    return promote_types(wide.dtype, narrow.dtype) if category(narrow.dtype) > category(wide.dtype) else wide.dtype


@op("outer(Tensor self, Tensor vec2) -> Tensor", promote="common", aliases="ger", grad_name="MulBackward0")
def outer(self: Any, vec2: Any) -> Any:
    """``self[:, None] * vec2``."""
    for x, name in ((self, "self"), (vec2, "vec2")):
        if x.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {x.ndim}-D")
    return self[:, None] & vec2 if self.dtype == np.bool_ else self[:, None] * vec2


# --- products with a sum: beta * self + alpha * (a @ b)


def _scaled(x: Any, factor: Any, dtype: Any, *, erases: bool = False) -> Any:
    """``factor * x`` in ``dtype``. With ``erases`` a zero factor gives zero whatever x holds, as torch's beta."""
    x = x.astype(dtype)
    if isinstance(factor, (bool, int, float, complex)):
        if category(dtype) <= INT:
            factor = int(factor.real)
        if factor == 1:
            return x
        if factor == 0 and erases:
            return jnp.zeros_like(x)
        return x * jnp.asarray(factor, dtype)
    factor = factor.astype(dtype)
    return jnp.where(factor == 0, jnp.zeros_like(x), x * factor) if erases else x * factor


def _blend(start: Any, result: Any, beta: Any, alpha: Any) -> Any:
    """``beta * start + alpha * result``, half dtypes scaled and added in float32."""
    dtype = result.dtype
    wide = np.dtype(np.float32) if category(dtype) == FLOAT and dtype.itemsize == 2 else dtype
    total = _scaled(start, beta, wide, erases=True) + _scaled(result, alpha, wide)
    return total.astype(dtype)


def _check_addmm(self: Any, mat1: Any, mat2: Any) -> None:
    for x, name in ((mat1, "mat1"), (mat2, "mat2")):
        if x.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix, got {x.ndim}-D tensor")
    (n, m), (k, p) = mat1.shape, mat2.shape
    if m != k:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({n}x{m} and {k}x{p})")
    if mat1.dtype != mat2.dtype:
        raise RuntimeError(
            f"mat1 and mat2 must have the same dtype, but got {scalar_type(mat1.dtype)} and {scalar_type(mat2.dtype)}"
        )
    if self.dtype != mat2.dtype:
        raise RuntimeError(
            f"self and mat2 must have the same dtype, but got {scalar_type(self.dtype)} and {scalar_type(mat2.dtype)}"
        )
    _no_bool("addmm_impl_cpu_", mat2.dtype)


@op("addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", inplace=True,
    saves="mat1 mat2")  # fmt: skip
def addmm(self: Any, mat1: Any, mat2: Any, *, beta: Any, alpha: Any) -> Any:
    """``beta * self + alpha * mat1 @ mat2``; a zero ``beta`` ignores ``self``, NaN included."""
    _check_addmm(self, mat1, mat2)
    return _blend(expand_to(self, (mat1.shape[0], mat2.shape[1])), product(mat1, mat2), beta, alpha)


@op("addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor", inplace=True,
    saves="mat vec")  # fmt: skip
def addmv(self: Any, mat: Any, vec: Any, *, beta: Any, alpha: Any) -> Any:
    """``beta * self + alpha * mat @ vec``."""
    _check_mv(self.shape, mat.shape, vec.shape, (self.dtype, mat.dtype, vec.dtype))
    return _blend(expand_to(self, mat.shape[:1]), product(mat, vec), beta, alpha)


@op("baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", inplace=True,
    saves="batch1 batch2")  # fmt: skip
def baddbmm(self: Any, batch1: Any, batch2: Any, *, beta: Any, alpha: Any) -> Any:
    """``beta * self + alpha * bmm(batch1, batch2)``."""
    if not self.dtype == batch1.dtype == batch2.dtype:
        raise RuntimeError(
            f"Input dtypes must be the same, got: input {c_type(self.dtype)}, batch1: {c_type(batch1.dtype)}, "
            f"batch2: {c_type(batch2.dtype)}"
        )
    _check_bmm(batch1.shape, batch2.shape, batch1.dtype, batch2.dtype, "baddbmm")
    shape = (*batch1.shape[:2], batch2.shape[2])
    return _blend(expand_to(self, shape), product(batch1, batch2), beta, alpha)


@op("addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", inplace=True,
    saves="batch1 batch2")  # fmt: skip
def addbmm(self: Any, batch1: Any, batch2: Any, *, beta: Any, alpha: Any) -> Any:
    """``beta * self + alpha * bmm(batch1, batch2).sum(0)``."""
    for x, name in ((batch1, "batch1"), (batch2, "batch2")):
        if x.ndim != 3:
            raise RuntimeError(f"{name} must be a 3D tensor")
    (b, n, m), (c, k, p) = batch1.shape, batch2.shape
    if b != c:
        raise RuntimeError(f"batch1 and batch2 must have same number of batches, got {b} and {c}")
    if m != k:
        raise RuntimeError(f"Incompatible matrix sizes for bmm ({n}x{m} and {k}x{p})")
    for x in (batch1, batch2):
        if self.dtype != x.dtype:
            raise RuntimeError(
                f"self and mat2 must have the same dtype, but got {scalar_type(self.dtype)} and {scalar_type(x.dtype)}"
            )
    _no_bool("addmm_impl_cpu_", self.dtype)
    total = jnp.tensordot(batch1, batch2, ((0, 2), (0, 1)), precision=config.matmul_precision)
    return _blend(expand_to(self, (n, p)), total, beta, alpha)


@op("addr(Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", promote="common",
    inplace=True)  # fmt: skip
def addr(self: Any, vec1: Any, vec2: Any, *, beta: Any, alpha: Any) -> Any:
    """``beta * self + alpha * outer(vec1, vec2)``; dtypes promote."""
    for x, name in ((vec1, "vec1"), (vec2, "vec2")):
        if x.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {x.ndim}-D")
    for factor, name in ((beta, "beta"), (alpha, "alpha")):
        if category(self.dtype) <= INT and (isinstance(factor, float) or category(jnp.result_type(factor)) == FLOAT):
            raise RuntimeError(f"For integral input tensors, argument {name} must not be a floating point number.")
    start = expand_to(self, (vec1.shape[0], vec2.shape[0]))
    if self.dtype == np.bool_:
        return (start & (beta != 0)) | (vec1[:, None] & vec2 & (alpha != 0))
    return _blend(start, vec1[:, None] * vec2, beta, alpha)


# --- products of many


def _chain(mats: Sequence[Any]) -> Any:
    """The product of a chain of matrices, associated so that it costs the fewest multiplications."""
    n = len(mats)
    sizes = [m.shape[0] for m in mats] + [mats[-1].shape[1]]
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for width in range(1, n):
        for i in range(n - width):
            j = i + width
            ways = [(cost[i][s] + cost[s + 1][j] + sizes[i] * sizes[s + 1] * sizes[j + 1], s) for s in range(i, j)]
            cost[i][j], split[i][j] = min(ways)

    def multiply(i: int, j: int) -> Any:
        return mats[i] if i == j else product(multiply(i, split[i][j]), multiply(split[i][j] + 1, j))

    return multiply(0, n - 1)


@op("linalg_multi_dot(Tensor[] tensors) -> Tensor", expose="linalg:multi_dot")
def linalg_multi_dot(tensors: list) -> Any:
    """Product of two or more matrices in the cheapest order; the first and the last may be vectors."""
    n = len(tensors)
    if n < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {n}")
    for i, t in enumerate(tensors):
        where = {0: "the first tensor", n - 1: "the last tensor"}.get(i)
        if where and t.ndim not in (1, 2):
            raise RuntimeError(f"multi_dot(): {where} must be 1D or 2D but got {t.ndim}D")
        if not where and t.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {t.ndim}D")
        if t.dtype != tensors[0].dtype:
            raise RuntimeError(
                f"multi_dot(): all tensors must have be the same dtype but tensor 0 is {c_type(tensors[0].dtype)} "
                f"and tensor {i} {c_type(t.dtype)}"
            )
    first, last = tensors[0].ndim == 1, tensors[-1].ndim == 1
    mats = list(tensors)
    mats[0] = mats[0][None] if first else mats[0]
    mats[-1] = mats[-1][:, None] if last else mats[-1]
    for i in range(n - 1):
        if mats[i].shape[1] != mats[i + 1].shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(mats[i].shape)} and {list(mats[i + 1].shape)} "
                "cannot be multiplied"
            )
    _no_bool("addmm_impl_cpu_", tensors[0].dtype)
    result = _chain(mats)
    result = result[..., 0] if last else result
    return result[0] if first else result


@op("kron(Tensor self, Tensor other) -> Tensor", promote="common", saves="self other")
def kron(self: Any, other: Any) -> Any:
    """Kronecker product; the shorter shape is padded with ones in front."""
    ndim = max(self.ndim, other.ndim)
    a = self.reshape((1,) * (ndim - self.ndim) + self.shape)
    b = other.reshape((1,) * (ndim - other.ndim) + other.shape)
    shape = tuple(x * y for x, y in zip(a.shape, b.shape, strict=True))
    a = jnp.expand_dims(a, tuple(range(1, 2 * ndim, 2)))
    b = jnp.expand_dims(b, tuple(range(0, 2 * ndim, 2)))
    return (a & b if a.dtype == np.bool_ else a * b).reshape(shape)


@op("linalg_cross(Tensor self, Tensor other, *, int dim=-1) -> Tensor", expose="linalg:cross", saves="self other")
def linalg_cross(self: Any, other: Any, *, dim: int) -> Any:
    """Cross product of the 3-vectors along ``dim``, with broadcasting."""
    if self.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    axis = wrap_dim(dim, self.ndim)
    sizes = [x.shape[axis] if x.ndim else 1 for x in (self, other)]
    if sizes != [3, 3]:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {sizes[0]} and {sizes[1]}")
    shape = broadcast_batch(self.shape, other.shape)
    if self.dtype != other.dtype:
        raise RuntimeError(f"expected scalar type {scalar_type(self.dtype)} but found {scalar_type(other.dtype)}")
    _no_bool("cross", self.dtype)
    a, b = jnp.moveaxis(jnp.broadcast_to(self, shape), axis, 0), jnp.moveaxis(jnp.broadcast_to(other, shape), axis, 0)
    parts = [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return jnp.stack(parts, axis)


@op("cross(Tensor self, Tensor other, int? dim=None) -> Tensor", saves="self other", grad_name="LinalgCrossBackward0")
def cross(self: Any, other: Any, dim: int | None) -> Any:
    """``linalg.cross`` along ``dim``, which is by default the first dimension of size 3."""
    if dim is None:
        found = [i for i, n in enumerate(self.shape) if n == 3]
        if not found:
            raise RuntimeError("no dimension of size 3 in input")
        warnings.warn(
            "Using torch.cross without specifying the dim arg is deprecated: pass dim, or use torch.linalg.cross",
            UserWarning,
            stacklevel=2,
        )
        dim = found[0]
    return linalg_cross(self, other, dim=dim)


@op("trace(Tensor self) -> Tensor", out=False)
def trace(self: Any) -> Any:
    """Sum of a matrix's diagonal; integers sum to int64."""
    if self.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {self.ndim}")
    _no_bool("trace", self.dtype)
    return jnp.trace(self, dtype=np.int64 if category(self.dtype) == INT else self.dtype)
