"""torch.func.vmap, by jax.vmap (https://docs.pytorch.org/docs/stable/generated/torch.func.vmap.html)."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jtorch.engine import capture
from jtorch.func.trees import Packed, array_of, flatten, inside, is_tensor, lift, owners
from jtorch.tensor.tensor import Tensor

_CAPTURED = (
    "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in extra_args "
    "that has more elements than `self`. This happened due to `other` being vmapped over but `self` not being vmapped "
    "over: `self` is a captured Tensor (for batch norm a running statistic: set `track_running_stats` to be False, or "
    "patch the module). Please try to use out-of-place operators instead of inplace arithmetic."
)


def vmap(
    func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable:
    """``func`` over a dimension of its arguments.

    ``in_dims`` and ``out_dims`` say which, as ints or pytrees of ints and None.
    Keyword arguments are not mapped. ``randomness``: whether random numbers are an error, the same
    for the whole batch, or different. ``chunk_size`` runs pieces of the batch one after the other. Raises ValueError
    for arguments that do not fit, RuntimeError where ``func`` looks at a value.
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return _Vmap(func, in_dims, out_dims, randomness).run(args, kwargs, chunk_size)

    return wrapper


class _Vmap:
    """One call of a vmapped function."""

    def __init__(self, func: Callable, in_dims: Any, out_dims: Any, randomness: str) -> None:
        self.func, self.in_dims, self.out_dims, self.randomness = func, in_dims, out_dims, randomness
        self.name = getattr(func, "__name__", repr(func))
        self.told = f"vmap({self.name}, in_dims={in_dims}, ...)(<inputs>)"

    def run(self, args: tuple, kwargs: dict, chunk: int | None) -> Any:
        """The function over the batch, or over pieces of it."""
        dims, size = self.dims_of(args, kwargs)
        if chunk is None or chunk >= size:
            return self.whole(args, kwargs, dims, size)
        leaves, form = flatten((args, kwargs))
        pieces = []
        for start in range(0, size, chunk):
            part = [
                x if d is None else x.narrow(d, start, min(chunk, size - start))
                for x, d in zip(leaves, dims, strict=True)
            ]
            inner_args, inner_kwargs = form.build(part)
            pieces.append(self.whole(inner_args, inner_kwargs, dims, min(chunk, size - start)))
        return self.joined(pieces)

    def joined(self, pieces: list) -> Any:
        """The results of pieces of the batch as those of the whole."""
        import jtorch

        cat: Any = jtorch.cat  # type: ignore[attr-defined]
        columns = [flatten(p)[0] for p in pieces]
        joined = [
            column[0] if d is None else cat(list(column), d)
            for column, d in zip(zip(*columns, strict=True), self.where, strict=True)
        ]
        return flatten(pieces[0])[1].build(joined)

    def dims_of(self, args: tuple, kwargs: dict) -> tuple[list[int | None], int]:
        """The mapped dimension, or None, of each leaf of the arguments, and the batch's size; raises ValueError."""
        dims = self.in_dims
        if not isinstance(dims, (int, tuple)):
            raise ValueError(
                f"{self.told}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of "
                f"inputs, got: {type(dims)}."
            )
        if not args and not kwargs:
            raise ValueError(
                f"vmap({self.name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to "
                "vmap over a function with no inputs. The latter is unsupported."
            )
        flat = spread(dims, args)
        if flat is None:
            raise ValueError(
                f"{self.told}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
                f"{flatten(dims)[1]} but inputs has structure {flatten(args)[1]}."
            )
        leaves = flatten(args)[0]
        found = [self.dim(x, d) for x, d in zip(leaves, flat, strict=True)]
        more = flatten(kwargs)[0]
        found += [None] * len(more)
        sizes = [x.shape[d] for x, d in zip([*leaves, *more], found, strict=True) if d is not None]
        if not sizes:
            raise ValueError("vmap: Expected at least one Tensor to vmap over")
        if len(set(sizes)) > 1:
            raise ValueError(
                f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the "
                "mapped dimension"
            )
        return found, sizes[0]

    def dim(self, x: Any, d: Any) -> int | None:
        """The mapped dimension of one argument, not negative."""
        if d is not None and not isinstance(d, int):
            raise ValueError(
                f"{self.told}: Got in_dim={d} for an input but in_dim must be either an integer dimension or None."
            )
        if d is None:
            return None
        if not is_tensor(x):
            raise ValueError(
                f"{self.told}: Got in_dim={d} for an input but the input is of type {type(x)}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -x.ndim <= d < x.ndim:
            raise ValueError(
                f"{self.told}: Got in_dim={d} for some input, but that input is a Tensor of dimensionality {x.ndim} so "
                f"expected in_dim to satisfy -{x.ndim} <= in_dim < {x.ndim}."
            )
        return d % x.ndim

    def whole(self, args: tuple, kwargs: dict, dims: list[int | None], size: int) -> Any:
        """The function over the whole batch, as one operator."""
        out: Any = None

        def run(everything: Any) -> list:
            nonlocal out
            leaves, form = flatten(everything)
            mapped = [i for i, d in enumerate(dims) if d is not None]
            devices = [leaves[i]._aval().device for i in mapped]

            def each(place: Any, *arrays: Any) -> tuple:
                nonlocal out
                full = list(leaves)
                for i, a, device in zip(mapped, arrays, devices, strict=True):
                    full[i] = inside(a, device)
                inner, kw = form.build(full)
                try:
                    with capture.batch(self.randomness, size, place):
                        made = capture.guarded(
                            lambda: self.func(*inner, **kw), lambda made: owners((inner, kw, made)), _CAPTURED
                        )
                except capture.DEPENDS_ON_DATA as error:
                    raise RuntimeError(
                        "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow, or "
                        "calling .item() on it. We don't support that, please try to rewrite what you're doing with "
                        "other operations."
                    ) from error
                out = Packed(made)
                self.check_outputs(out)
                unmapped = tuple(a for a, d in zip(out.arrays(), self.where, strict=True) if d is None)
                return tuple(a for a, d in zip(out.arrays(), self.where, strict=True) if d is not None), unmapped

            arrays = [array_of(leaves[i]) for i in mapped]
            axes = (0, *[dims[i] for i in mapped])
            moved, unmapped = self.mapped(each, axes, (jnp.arange(size), *arrays))
            rest, fixed = iter(moved), iter(unmapped)
            return [next(fixed) if d is None else _to(next(rest), d) for d in self.where]

        tensors = lift("vmap", run, (args, kwargs))
        return out.filled(tensors)

    def mapped(self, each: Callable, axes: tuple, arrays: tuple) -> tuple:
        """jax.vmap; raises ValueError where a result that is to have no batch dimension has one."""
        try:
            return jax.vmap(each, in_axes=axes, out_axes=(0, None))(*arrays)
        except ValueError as error:
            if "out_axes" not in str(error):
                raise
            raise ValueError(
                f"vmap({self.name}, ...): `{self.name}` can not return a BatchedTensor when out_dim is None"
            ) from None

    def check_outputs(self, out: Packed) -> None:
        """Find where each result's batch dimension goes; raises for results that are no Tensors."""
        for x in out.leaves:
            if not isinstance(x, Tensor):
                raise ValueError(
                    f"vmap({self.name}, ...): `{self.name}` must only return Tensors, got type {type(x)}. Did you mean "
                    "to set out_dims= to None for output?"
                )
        tree = out.form.build(out.leaves)
        dims = spread(self.out_dims, tree)
        if dims is None or (
            isinstance(self.out_dims, tuple) and not isinstance(tree, tuple) and len(self.out_dims) != 1
        ):
            raise ValueError(
                f"vmap({self.name}, ..., out_dims={self.out_dims})(<inputs>): out_dims is not compatible with the "
                f"structure of `outputs`. out_dims has structure {flatten(self.out_dims)[1]} but outputs has structure "
                f"{out.form}."
            )
        self.where: list[int | None] = []
        for x, d in zip(out.leaves, dims, strict=True):
            if d is not None and not isinstance(d, int):
                raise ValueError(
                    f"vmap({self.name}, ..., out_dims={self.out_dims}): `out_dims` must be an int, None or a python "
                    "collection of ints representing where in the outputs the vmapped dimension should appear."
                )
            n = x.ndim + 1
            if d is not None and not -n <= d < n:
                raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {d})")
            self.where.append(None if d is None else d % n)


def _to(array: Any, d: int) -> Any:
    return jnp.moveaxis(array, 0, d)


def spread(dims: Any, tree: Any) -> list | None:
    """``dims``, a pytree that ends no later than ``tree``, with an entry for each of its leaves; None for a misfit."""
    if dims is None or isinstance(dims, int) or not isinstance(dims, (tuple, list, dict)):
        return [dims] * len(flatten(tree)[0])
    if isinstance(dims, dict):
        if not isinstance(tree, dict) or dims.keys() != tree.keys():
            return None
        pairs = [(dims[k], tree[k]) for k in tree]
    elif not isinstance(tree, (tuple, list)):
        return spread(dims[0], tree) if len(dims) == 1 and is_tensor(tree) else None
    else:
        if len(dims) != len(tree):
            return None
        pairs = list(zip(dims, tree, strict=True))
    out: list = []
    for d, sub in pairs:
        found = spread(d, sub)
        if found is None:
            return None
        out += found
    return out
