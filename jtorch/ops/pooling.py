"""Pooling over 1, 2 or 3 spatial axes: the last ones, behind channels and an optional batch.

A window is a box, so every pool is done one axis at a time, from the last to the first: k + k steps and not k * k. What
stands at place j of all windows along an axis is one strided slice, and the slices are combined elementwise, which XLA
fuses on every device. (On a CPU ``lax.reduce_window`` and the ``select_and_scatter`` of its gradient are several times
slower: docs/design.md has the figures.)
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jtorch.ops.errors import unsupported
from jtorch.ops.precision import widened
from jtorch.ops.promotion import FLOAT, INT, category
from jtorch.ops.table import op
from jtorch.ops.windows import Ints, ntuple, span, times

_WORDS = {1: "one int", 2: "two ints", 3: "three ints"}


class Plan(NamedTuple):
    """The windows along one axis: window i covers ``starts[i] + j * dilation`` for j < ``sizes[i]``, off the end
    too.
    """

    starts: np.ndarray
    sizes: np.ndarray
    dilation: int = 1

    @property
    def windows(self) -> int:
        return len(self.starts)

    @property
    def kernel(self) -> int:
        return int(self.sizes.max(initial=0))

    def stride(self) -> int | None:
        """The distance between windows of one size; None where windows differ."""
        steps = set(np.diff(self.starts).tolist())
        return None if len(steps) > 1 or (self.sizes != self.kernel).any() else steps.pop() if steps else self.kernel

    def tiles(self, size: int) -> bool:
        """Whether the windows lie side by side from 0 on, within ``size`` elements."""
        kernel = self.kernel
        return (
            self.dilation == 1
            and self.stride() == kernel
            and int(self.starts[0]) == 0
            and self.windows * kernel <= size
        )


def _regular(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> Plan:
    room = size + 2 * padding - span(kernel, dilation)
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    if (
        ceil_mode and (count - 1) * stride >= size + padding
    ):  # a last window must start inside the input or the padding before
        count -= 1
    count = max(count, 0)
    return Plan(np.arange(count) * stride - padding, np.full(count, kernel), dilation)


def _adaptive(size: int, count: int) -> Plan:
    i = np.arange(count)
    starts = i * size // max(count, 1)
    return Plan(starts, -(-(i + 1) * size // max(count, 1)) - starts)


def _slices(x: Any, axis: int, plan: Plan, fill: Any) -> Iterator[tuple[Any, np.ndarray, np.ndarray]]:
    """For each place in the window: the elements there, their coordinates, and which of them the windows really have.

    What lies outside the input is ``fill``; an element that a shorter window lacks is its last one again.
    """
    size, stride, kernel = x.shape[axis], plan.stride(), plan.kernel
    if stride is not None:
        before = -int(plan.starts[0])
        after = int(plan.starts[-1]) + span(kernel, plan.dilation) - size
        edges = [(0, 0, 0)] * x.ndim
        edges[axis] = (max(before, 0), max(after, 0), 0)
        x = lax.pad(x, jnp.asarray(fill, x.dtype), edges) if before > 0 or after > 0 else x
    for j in range(kernel):
        place = np.minimum(j, plan.sizes - 1)
        at = plan.starts + place * plan.dilation
        real = place == j
        if stride is None:
            yield jnp.take(x, at, axis, mode="clip"), at, real
        else:
            start = int(at[0]) + max(before, 0)
            yield lax.slice_in_dim(x, start, start + (plan.windows - 1) * stride + 1, stride, axis), at, real


def _along(values: np.ndarray, axis: int, ndim: int) -> np.ndarray:
    return values.reshape([-1 if a == axis else 1 for a in range(ndim)])


# --- maximum --------------------------------------------------------------------------------------------------------


def _lowest(dtype: Any) -> Any:
    return -np.inf if category(dtype) == FLOAT else np.iinfo(dtype).min


def _argmax(x: Any, plans: Sequence[Plan]) -> tuple[Any, Any]:
    """The maximum of each window and the place of the first such element, in the flattened space. A NaN is a
    maximum.
    """
    sizes, lead = x.shape[-len(plans) :], x.ndim - len(plans)
    floats, low = category(x.dtype) == FLOAT, _lowest(x.dtype)
    where: Any = None
    for i in reversed(range(len(plans))):
        axis, scale = lead + i, math.prod(sizes[i + 1 :])
        best = place = None
        behind = None if where is None else (s for s, _, _ in _slices(where, axis, plans[i], 0))
        for value, at, _ in _slices(x, axis, plans[i], low):
            # padding is the maximum only where all elements are -inf; the first of those is at coordinate 0
            own = _along(np.clip(at, 0, sizes[i] - 1).astype(np.int32) * np.int32(scale), axis, x.ndim)
            here = own if behind is None else next(behind) + own
            if best is None:
                best, place = value, jnp.broadcast_to(here, value.shape)
            else:
                better = value > best
                if floats:
                    better |= value != value
                best, place = jnp.where(better, value, best), jnp.where(better, here, place)  # type: ignore[arg-type]
        x, where = best, place
    return x, where


def _pick(x: Any, where: Any, plans: Sequence[Plan]) -> Any:
    """The elements of ``x`` at flattened places ``where``, one a window; the transpose spreads gradients fast."""
    n = len(plans)
    lead, sizes = x.shape[:-n], x.shape[-n:]
    counts = where.shape[-n:]
    if all(p.tiles(s) for p, s in zip(plans, sizes, strict=True)):
        # side by side: each element belongs to at most one window, and asks whether it is its maximum
        pairs = [d for p in plans for d in (p.windows, p.kernel)]
        inside = [slice(None)] * len(lead) + [slice(p.windows * p.kernel) for p in plans]
        places = np.arange(math.prod(sizes), dtype=np.int32).reshape(sizes)[tuple(inside[len(lead) :])].reshape(pairs)
        chosen = where.reshape(*lead, *[d for c in counts for d in (c, 1)]) == places
        axes = tuple(len(lead) + 2 * i + 1 for i in range(n))
        return jnp.where(chosen, x[tuple(inside)].reshape(*lead, *pairs), 0).sum(axes)
    flat = x.reshape(*lead, -1)
    return jnp.take_along_axis(flat, where.reshape(*lead, -1), -1, mode="promise_in_bounds").reshape(where.shape)


def _max_pool(x: Any, plans: Sequence[Plan]) -> tuple[Any, Any]:
    """(maxima, places); the gradient goes to the element at the place."""

    @jax.custom_jvp
    def pool(x: Any) -> tuple[Any, Any]:
        return _argmax(x, plans)

    @pool.defjvp
    def _(primals: tuple, tangents: tuple) -> tuple:
        out, where = pool(primals[0])
        return (out, where), (_pick(tangents[0], where, plans), np.zeros(where.shape, jax.dtypes.float0))

    return pool(x)


# --- arguments ------------------------------------------------------------------------------------------------------


def _shape_error(name: str, n: int, x: Any, average: bool) -> None:
    """Raise for a shape that has no channels or space."""
    if n == 1:
        if average and x.ndim not in (2, 3):
            raise RuntimeError(
                f"Expected 2 to 3 dimensions, but got {x.ndim}-dimensional tensor for argument #1 'self' "
                f"(while checking arguments for {name})"
            )
        if x.ndim not in (2, 3) or 0 in x.shape[-2:]:
            raise RuntimeError(
                f"{name}: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but got:"
                f"{list(x.shape)}"
            )
    if x.ndim not in (n + 1, n + 2):
        raise RuntimeError(f"non-empty {n + 1}D or {n + 2}D (batch mode) tensor expected for input")
    if 0 in x.shape[-n - 1 :]:
        raise RuntimeError(
            f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size for input, but got:"
            f"{list(x.shape)}"
        )


def _box(name: str, n: int, **given: Any) -> dict[str, tuple[int, ...]]:
    """Window arguments, one number an axis; ``stride`` defaults to ``kernel_size``."""
    out = {}
    for key, value in given.items():
        if key == "stride" and (value is None or value == ()):
            value = given["kernel_size"]
        out[key] = ntuple(value, n)
        if len(out[key]) != n:
            if n == 1:
                raise RuntimeError(f"{name}() argument '{key}' should contain one int (got {len(value)})")
            either = "either be omitted, a single int, or" if key == "stride" else "either be a single int, or"
            raise RuntimeError(f"{name}: {key} must {either} a tuple of {_WORDS[n]}")
    return out


def _check_1d(kernel: int, stride: int, padding: int, dilation: int) -> None:
    for what, value in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
        if value <= 0:
            raise RuntimeError(f"max_pool1d() {what} must be greater than zero, but got {value}")
        if what == "stride" and padding < 0:
            raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {padding}")
        if what == "stride" and padding > kernel // 2:
            raise RuntimeError(
                f"max_pool1d() padding should be at most half of kernel size, but got padding={padding} and "
                f"kernel_size={kernel}"
            )


def _plans(name: str, x: Any, box: dict[str, tuple[int, ...]], ceil_mode: bool) -> list[Plan]:
    n = len(box["kernel_size"])
    sizes, dilation = x.shape[-n:], box.get("dilation", (1,) * n)
    letters = "THW"[-n:]
    if name == "max_pool1d":
        _check_1d(box["kernel_size"][0], box["stride"][0], box["padding"][0], dilation[0])
    if 0 in box["stride"]:
        raise RuntimeError("stride should not be zero")
    for what, values in (("kernel size", box["kernel_size"]), ("stride", box["stride"]), ("dilation", dilation)):
        if min(values) <= 0:
            short = {"kernel size": "k", "stride": "d", "dilation": "dilation"}[what]
            shown = " ".join(f"{short}{a}: {v}" for a, v in zip(letters, values, strict=True))
            raise RuntimeError(f"{what} should be greater than zero, but got {shown}")
    for k, p, d in zip(box["kernel_size"], box["padding"], dilation, strict=True):
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > span(k, d) // 2:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and "
                f"dilation={d}"
            )
    plans = [
        _regular(s, k, t, p, d, ceil_mode)
        for s, k, t, p, d in zip(sizes, box["kernel_size"], box["stride"], box["padding"], dilation, strict=True)
    ]
    counts = [p.windows for p in plans]
    if min(counts) < 1:
        if name == "max_pool1d":
            raise RuntimeError(f"max_pool1d() Invalid computed output size: {counts[0]}")
        channels = x.shape[-n - 1]
        given, made = (str(times((channels, *v))).replace(" ", "") for v in (sizes, counts))
        raise RuntimeError(f"Given input size: ({given}). Calculated output size: ({made}). Output size is too small")
    return plans


def _no_kernel(name: str, x: Any, categories: Sequence[int]) -> None:
    if category(x.dtype) not in categories:
        raise unsupported(name, x.dtype)


def _declare_max(n: int) -> None:
    name = f"max_pool{n}d"

    def pool(self: Any, *args: Any) -> tuple[Any, Any]:
        keys = ("kernel_size", "stride", "padding", "dilation")
        box = _box(name, n, **dict(zip(keys, args, strict=False)))
        _shape_error(name, n, self, average=False)
        plans = _plans(name, self, box, args[4])
        _no_kernel("max_pool1d_impl" if n == 1 else name, self, (FLOAT,) if n == 1 else (INT, FLOAT))
        return _max_pool(self, plans)

    def values(self, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
        return pool(self, kernel_size, stride, padding, dilation, ceil_mode)[0]

    def with_indices(self, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
        out, where = pool(self, kernel_size, stride, padding, dilation, ceil_mode)
        return out, where.astype(np.int64)

    values.__doc__ = (
        f"The maximum of each window over the last {n} axes; the gradient goes to the first maximal element.\n\n"
        "Raises RuntimeError for shapes and windows that do not fit."
    )
    with_indices.__doc__ = f"``{name}``, and the places of the maxima in the flattened last {n} axes."
    args = (
        f"Tensor self, int[{n}] kernel_size, int[{n}]? stride=None, int[{n}] padding=0, int[{n}] dilation=1, "
        "bool ceil_mode=False"
    )
    grad_name = f"MaxPool{n}DWithIndicesBackward0"
    op(f"{name}({args}) -> Tensor", expose="torch", out=False, saves="self", grad_name=grad_name)(values)
    op(
        f"{name}_with_indices({args}) -> (Tensor, Tensor)",
        expose="_nn torch" if n == 1 else "_nn",
        out=False,
        saves="self",
        grad_name=grad_name,
    )(with_indices)


# --- average --------------------------------------------------------------------------------------------------------


def _window_sums(x: Any, plans: Sequence[Plan]) -> Any:
    """The sum of each window; what lies outside the input counts as 0."""
    lead = x.ndim - len(plans)
    for i in reversed(range(len(plans))):
        plan, axis = plans[i], lead + i
        if plan.windows == 1 and plan.dilation == 1:
            start = max(int(plan.starts[0]), 0)
            stop = min(int(plan.starts[0]) + plan.kernel, x.shape[axis])
            x = lax.slice_in_dim(x, start, stop, axis=axis).sum(axis, keepdims=True)
            continue
        total = None
        for value, _, real in _slices(x, axis, plan, 0):
            value = value if real.all() else jnp.where(_along(real, axis, x.ndim), value, 0)
            total = value if total is None else total + value
        x = total
    return x


def _outer(values: Sequence[np.ndarray]) -> np.ndarray:
    out = values[0]
    for v in values[1:]:
        out = out[..., None] * v
    return out


def _average(x: Any, plans: Sequence[Plan], divisor: np.ndarray) -> Any:
    total = _window_sums(x, plans)
    return lax.div(total, jnp.broadcast_to(jnp.asarray(divisor, total.dtype), total.shape))


def _divisor(plans: Sequence[Plan], sizes: Ints, padding: Ints, count_include_pad: bool) -> np.ndarray:
    """How many elements each window averages over: those in the input, or in the padded input (but not beyond it)."""
    counts = []
    for plan, size, pad in zip(plans, sizes, padding, strict=True):
        stop = np.minimum(plan.starts + plan.sizes, size + pad)
        start = plan.starts
        if not count_include_pad:
            start, stop = np.maximum(start, 0), np.minimum(stop, size)
        counts.append(stop - start)
    return _outer(counts)


def _declare_average(n: int) -> None:
    name = f"avg_pool{n}d"

    @widened
    def average(
        self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
    ):
        box = _box(name, n, kernel_size=kernel_size, stride=stride, padding=padding)
        if n == 2 and self.ndim < 3:
            raise IndexError("Dimension out of range (expected to be in range of [-2, 1], but got -3)")
        _shape_error(name, n, self, average=True)
        if divisor_override == 0:
            raise RuntimeError("divisor must be not zero")
        sizes = self.shape[-n:]
        if n == 3 and any(s + 2 * p < k for s, p, k in zip(sizes, box["padding"], box["kernel_size"], strict=True)):
            shown = [
                " ".join(f"{a}: {v}" for a, v in zip("THW", values, strict=True))
                for values in (sizes, box["kernel_size"])
            ]
            raise RuntimeError(
                f"input image ({shown[0]}) smaller than kernel size "
                f"(k{shown[1].replace(' H', ' kH').replace(' W', ' kW')})"
            )
        seen = self if n > 1 else self[..., None, :]  # torch runs it in two dimensions, as its messages show
        plans = _plans(name, self, box, ceil_mode) if n > 1 else _one_row(name, seen, box, ceil_mode)
        _no_kernel(name if n > 1 else "avg_pool2d", self, (INT, FLOAT))
        divisor = _divisor(plans, sizes, box["padding"], count_include_pad)
        return _average(self, plans, np.asarray(divisor_override) if divisor_override is not None else divisor)

    average.__doc__ = (
        f"The mean of each window over the last {n} axes.\n\nRaises RuntimeError for windows that do not fit."
    )
    args = (
        f"Tensor self, int[{n}] kernel_size, int[{n}]? stride=None, int[{n}] padding=0, bool ceil_mode=False, "
        "bool count_include_pad=True"
    )
    op(
        f"{name}({args}{', int? divisor_override=None' if n > 1 else ''}) -> Tensor",
        expose="torch nn.functional" if n == 1 else "_nn nn.functional",
        saves="self",
        grad_name=f"AvgPool{max(n, 2)}DBackward0",
    )(average)


def _one_row(name: str, x: Any, box: dict[str, tuple[int, ...]], ceil_mode: bool) -> list[Plan]:
    """The plan of a pool over one axis, checked as torch does: as a pool over an image of one row."""
    row = {"kernel_size": 1, "stride": 1, "padding": 0}
    wide = {key: (row[key], *value) for key, value in box.items()}
    return _plans(name, x, wide, ceil_mode)[1:]


# --- adaptive -------------------------------------------------------------------------------------------------------


def _adaptive_args(name: str, n: int, x: Any, output_size: Any) -> list[Plan]:
    size = ntuple(output_size, n)
    average = "avg" in name
    if len(size) != n:
        if n == 1:
            raise RuntimeError(f"{name}() argument 'output_size' should contain one int (got {len(size)})")
        raise RuntimeError(
            f"{name}: output_size must be {n}" if average
            else f"{name}(): internal error: output_size.size() must be {n}"
        )  # fmt: skip
    if x.ndim not in (n + 1, n + 2):
        if n == 1:
            raise RuntimeError(
                f"Expected 2 to 3 dimensions, but got {x.ndim}-dimensional tensor for argument #1 'self' "
                f"(while checking arguments for {name})"
            )
        but = "but got" if average else "but got:"
        raise RuntimeError(f"{name}(): Expected {n + 1}D or {n + 2}D tensor, {but} {list(x.shape)}")
    for d in range(-n if average else -n - 1, 0):
        if x.shape[d] == 0:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
                f"{list(x.shape)} with dimension {x.ndim + d} being empty"
            )
    if min(size) < 0:
        if average:
            raise RuntimeError(
                f"{name}: elements of output_size must be greater than or equal to 0 but received "
                f"{{{', '.join(map(str, size))}}}"
            )
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(size)}: {[*x.shape[:-n], *size]}")
    _no_kernel(name if n > 1 else name.replace("1d", "2d"), x, (FLOAT,))
    return [_adaptive(s, c) for s, c in zip(x.shape[-n:], size, strict=True)]


def _empty(x: Any, plans: Sequence[Plan], dtype: Any = None) -> Any:
    return jnp.zeros((*x.shape[: -len(plans)], *[p.windows for p in plans]), dtype or x.dtype)


def _declare_adaptive(n: int) -> None:
    average_name, max_name = f"adaptive_avg_pool{n}d", f"adaptive_max_pool{n}d"

    @widened
    def average(self, output_size):
        plans = _adaptive_args(average_name, n, self, output_size)
        if not all(p.windows for p in plans):
            return _empty(self, plans)
        return _average(self, plans, _outer([p.sizes for p in plans]))

    def maximum(self, output_size):
        plans = _adaptive_args(max_name, n, self, output_size)
        if not all(p.windows for p in plans):
            return _empty(self, plans), _empty(self, plans, np.int64)
        out, where = _max_pool(self, plans)
        return out, where.astype(np.int64)

    average.__doc__ = (
        f"The means of as many windows over the last {n} axes as ``output_size`` says, of about equal size."
    )
    maximum.__doc__ = (
        f"The maxima of as many windows over the last {n} axes as ``output_size`` says, and their places in the "
        "flattened axes."
    )
    where = "torch nn.functional" if n == 1 else "_nn"
    grad_name = "MeanBackward1" if n == 1 else f"AdaptiveAvgPool{n}DBackward0"
    schema = f"{average_name}(Tensor self, int[{n}] output_size) -> Tensor"
    op(schema, expose=where, out=False, grad_name=grad_name, saves="self")(average)
    op(
        f"{max_name}(Tensor self, int[{n}] output_size) -> (Tensor, Tensor)",
        expose="torch" if n == 1 else "_nn",
        out=False,
        grad_name=f"AdaptiveMaxPool{n}DBackward0",
        saves="self",
    )(maximum)


for _n in (1, 2, 3):
    _declare_max(_n)
    _declare_average(_n)
    _declare_adaptive(_n)
