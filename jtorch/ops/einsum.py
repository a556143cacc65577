"""Sums of products over labelled dimensions: einsum and tensordot, each one operator.

An equation is read when the operator is recorded, so a known step never parses it again.
"""

from collections import Counter
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.engine import config
from jtorch.ops.dims import wrap_dim
from jtorch.ops.errors import scalar_type, unsupported
from jtorch.ops.promotion import INT, category, result_type
from jtorch.ops.table import OpDef, op

_BATCH = 0x100  # code points from here on label the dimensions that an ellipsis stands for


# -- equations


def _labels(text: str, start: int, what: str, output: bool) -> str:
    """The labels of one operand or of the output, spaces left out; ``start`` is its place in the equation."""
    out = ""
    i = 0
    while i < len(text):
        c = text[i]
        if c == ".":
            if "." in out:
                before = (
                    "but an ellipsis (...) was already found" if output else "for which an ellipsis was already found"
                )
                raise RuntimeError(f"einsum(): found '.' for {what} {before}")
            if text[i : i + 3] != "...":
                raise RuntimeError(
                    f"einsum(): found '.' for {what} that is not part of any ellipsis{' (...)' if output else ''}"
                )
            out += "..."
            i += 2
        elif c.isascii() and c.isalpha():
            if output and c in out:
                raise RuntimeError(f"einsum(): output subscript {c} appears more than once in the output")
            out += c
        elif c != " ":
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {start + i} in the equation string, subscripts must be in "
                "[a-zA-Z]"
            )
        i += 1
    return out


@cache
def terms(equation: str) -> tuple[tuple[str, ...], str]:
    """The labels of the operands and of the output; RuntimeError for what is no equation."""
    left, arrow, right = equation.partition("->")
    found: list[str] = []
    start = 0
    for i, term in enumerate(left.split(",")):
        found.append(_labels(term, start, f"operand {i}", False))
        start += len(term) + 1
    if arrow:
        return tuple(found), _labels(right, len(left) + 2, "output", True)
    counts = Counter("".join(found).replace(".", ""))
    single = "".join(sorted(c for c, n in counts.items() if n == 1))
    return tuple(found), ("..." if "..." in "".join(found) else "") + single


@cache
def contracts(equation: str) -> bool:
    """Whether a product is summed: a label of two operands that the output lacks."""
    inputs, output = terms(equation)
    shared = Counter(c for term in inputs for c in set(term))
    return any(n > 1 and c not in output for c, n in shared.items())


def _expanded(inputs: tuple[str, ...], output: str, operands: list) -> tuple[list[str], str]:
    """Labels in place of ellipses, counted from the last dimension that one stands for."""
    made: list[str] = []
    most = 0
    for i, (term, x) in enumerate(zip(inputs, operands, strict=True)):
        named = len(term.replace("...", ""))
        if "..." not in term and named != x.ndim:
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) does not match the number of dimensions "
                f"({x.ndim}) for operand {i} and no ellipsis was given"
            )
        if named > x.ndim:
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) is more than the number of dimensions "
                f"({x.ndim}) for operand {i}"
            )
        rest = x.ndim - named
        most = max(most, rest)
        made.append(term.replace("...", _batch(rest)))
    return made, output.replace("...", _batch(most))


def _batch(count: int) -> str:
    return "".join(chr(_BATCH + k) for k in reversed(range(count)))


def _sizes(inputs: list[str], operands: list) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for i, (term, x) in enumerate(zip(inputs, operands, strict=True)):
        own: dict[str, int] = {}
        for label, n in zip(term, x.shape, strict=True):
            if own.setdefault(label, n) != n:
                raise RuntimeError(
                    f"einsum(): subscript {label} is repeated for operand {i} but the sizes don't match, "
                    f"{n} != {own[label]}"
                )
        for label, n in own.items():
            seen = sizes.get(label, 1)
            if 1 not in (n, seen) and n != seen:
                raise RuntimeError(
                    f"einsum(): subscript {label} has size {n} for operand {i} which does not broadcast with "
                    f"previously seen size {seen}"
                )
            sizes[label] = seen if n == 1 else n
    return sizes


def _squeezed(term: str, x: Any, sizes: dict[str, int]) -> tuple[str, Any]:
    """An operand without its dimensions of size 1 that broadcast."""
    kept = [d for d, label in enumerate(term) if x.shape[d] != 1 or sizes[label] == 1]
    return "".join(term[d] for d in kept), x.reshape([x.shape[d] for d in kept])


# -- einsum


def _sum(inputs: list[str], output: str, operands: list) -> Any:
    return jnp.einsum(f"{','.join(inputs)}->{output}", *operands, precision=config.matmul_precision)


def _summed(term: str, x: Any, kept: set[str]) -> tuple[str, Any]:
    """``x`` summed over the labels that nothing else needs; integers are summed as int64."""
    rest = "".join(dict.fromkeys(c for c in term if c in kept))
    if category(x.dtype) <= INT and set(term) - kept:
        x = x.astype(np.int64)
    return rest, _sum([term], rest, [x])


def _stepwise(inputs: list[str], output: str, operands: list) -> Any:
    """Operand by operand, as torch does: it sums integers as int64 and lets plain products promote dtypes."""
    term, x = inputs[0], operands[0]
    for i in range(1, len(inputs)):
        other, y = inputs[i], operands[i]
        kept = set(output).union(*inputs[i + 1 :])
        term, x = _summed(term, x, kept | set(other))
        other, y = _summed(other, y, kept | set(term))
        if (set(term) & set(other)) - kept:
            if x.dtype != y.dtype:
                raise RuntimeError(f"expected scalar type {scalar_type(x.dtype)} but found {scalar_type(y.dtype)}")
            if x.dtype == np.bool_:
                raise unsupported("bmm", x.dtype)
        dtype = result_type(x, y)
        both = "".join(c for c in dict.fromkeys(term + other) if c in kept)
        term, x = both, _sum([term, other], both, [x.astype(dtype), y.astype(dtype)])
    term, x = _summed(term, x, set(output))
    return _sum([term], output, [x])


def _einsum(equation: str, operands: list) -> Any:
    """The sum of products that an equation describes (torch.einsum); dimensions of size 1 broadcast."""
    inputs, output = terms(equation)
    if len(operands) != len(inputs):
        which = "fewer" if len(operands) < len(inputs) else "more"
        raise RuntimeError(f"einsum(): {which} operands were provided than specified in the equation")
    for c in output:
        if c != "." and not any(c in term for term in inputs):
            raise RuntimeError(f"einsum(): output subscript {c} does not appear in the equation for any input operand")
    labels, output = _expanded(inputs, output, operands)
    sizes = _sizes(labels, operands)
    terms_, arrays = zip(*(_squeezed(t, x, sizes) for t, x in zip(labels, operands, strict=True)), strict=True)
    uniform = len({x.dtype for x in operands}) == 1 and category(operands[0].dtype) > INT
    return (_sum if uniform else _stepwise)(list(terms_), output, list(arrays))


def _declare(name: str) -> OpDef:
    schema = f"{name}(str equation, Tensor[] operands) -> Tensor"
    return op(schema, expose="", grad_name="ViewBackward0")(_einsum)


einsum_contracting, einsum_plain = _declare("_einsum_contracting"), _declare("_einsum_plain")


# -- tensordot


@op(
    "_tensordot(Tensor self, Tensor other, int[] dims_self, int[] dims_other) -> Tensor",
    expose="",
    grad_name="ViewBackward0",
)
def tensordot(self, other, dims_self, dims_other):
    """The product of two tensors summed over pairs of dimensions (torch.tensordot); a size of 1 broadcasts."""
    if len(dims_self) != len(dims_other):
        raise RuntimeError("both dimension lists should have same length")
    if self.dtype != other.dtype:
        raise RuntimeError("both inputs should have same dtype")
    if self.dtype == np.bool_:
        raise unsupported("addmm_impl_cpu_", self.dtype)
    mine, theirs = [wrap_dim(d, self.ndim) for d in dims_self], [wrap_dim(d, other.ndim) for d in dims_other]
    for a, b, d, e in zip(mine, theirs, dims_self, dims_other, strict=True):
        n, m = self.shape[a], other.shape[b]
        if n == m:
            continue
        if n != 1 and m != 1:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {n} in dim {d} and second has size {m} "
                f"in dim {e}"
            )
        if m == 1:
            self = self.sum(a, keepdims=True, dtype=self.dtype)
        else:
            other = other.sum(b, keepdims=True, dtype=other.dtype)
    return jnp.tensordot(self, other, (mine, theirs), precision=config.matmul_precision)
