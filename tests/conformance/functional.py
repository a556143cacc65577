"""Calls of one function of ``torch.nn.functional`` on both libraries, for the tests of that namespace."""

import warnings
from typing import Any

import numpy as np
import torch

import jtorch
from jtorch.engine.report import RecompileWarning
from tests.conformance.live import same

_draw = np.random.default_rng(3)


def f(*shape: int) -> np.ndarray:
    """Normal float32."""
    return _draw.standard_normal(shape).astype(np.float32)


def check(
    name: str, *args: Any, seed: int | None = None, grads: bool = True, tolerance: float = 1e-5, **kw: Any
) -> None:
    """Compare ``F.name(*args, **kw)``: results, gradients, errors, warnings, and with ``seed`` the random numbers used.

    NumPy arrays among the arguments become tensors, and torch's dtypes jtorch's.
    """
    given = [*args, *kw.values()]
    arrays = [x for x in given if isinstance(x, np.ndarray)]
    heard: dict[str, list[str]] = {}

    def program(lib: Any, *tensors: Any) -> Any:
        rest = iter(tensors)
        made = [_argument(lib, x, rest) for x in given]
        if seed is not None:
            lib.manual_seed(seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", RecompileWarning)
            out = getattr(lib.nn.functional, name)(*made[: len(args)], **dict(zip(kw, made[len(args) :], strict=True)))
        heard[lib.__name__] = [str(w.message) for w in caught]
        outs = [x for x in (out if isinstance(out, tuple) else (out,)) if x is not None]
        return outs if seed is None else [*outs, lib.rand(3)]

    same(program, *arrays, grads=grads, tolerance=tolerance, what=f"{name}{_short(args)}{_short(kw)}")
    assert heard.get("jtorch") == heard.get("torch"), name


def _argument(lib: Any, x: Any, tensors: Any) -> Any:
    if isinstance(x, np.ndarray):
        return next(tensors)
    return getattr(jtorch, str(x).split(".")[1]) if isinstance(x, torch.dtype) and lib is jtorch else x


def _short(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return f"{x.dtype}{list(x.shape)}"
    if isinstance(x, tuple):
        return tuple(_short(each) for each in x)
    return {k: _short(v) for k, v in x.items()} if isinstance(x, dict) else x
