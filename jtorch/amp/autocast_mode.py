"""Automatic mixed precision: operators run in the precision that ``ops/autocast.py`` says (torch.amp)."""

import functools
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np

from jtorch.engine import trace
from jtorch.engine.devices import devices
from jtorch.engine.op import T
from jtorch.engine.record import record
from jtorch.engine.value import Value
from jtorch.ops.casting import to_copy
from jtorch.tensor.call import uncast
from jtorch.tensor.device import device as device_class
from jtorch.tensor.dtype import OF_NUMPY, to_numpy_dtype
from jtorch.tensor.tensor import Tensor, wrap

__all__ = ["autocast", "autocast_decorator", "custom_bwd", "custom_fwd", "is_autocast_available"]

_local = trace._local
_BFLOAT16, _HALF, _FLOAT = np.dtype(ml_dtypes.bfloat16), np.dtype(np.float16), np.dtype(np.float32)
_ELIGIBLE = (_FLOAT, _BFLOAT16, _HALF)
_NARROW = (OF_NUMPY[_BFLOAT16], OF_NUMPY[_HALF])
_DEFAULTS = {"cpu": _BFLOAT16, "cuda": _HALF, "tpu": _BFLOAT16}
_Cache = dict[tuple[int, bool], tuple[Value, np.dtype, Value]]


class _Settings(threading.local):
    """What a thread has set, whether autocast is on or not."""

    def __init__(self) -> None:
        self.dtypes = dict(_DEFAULTS)
        self.caching = True
        self.nesting = 0
        self.cache: _Cache = {}


_settings = _Settings()


class _State:
    """The casts in force in a thread: the dtype for each kind of device that autocast is on for."""

    def __init__(self, dtypes: dict[str, np.dtype]) -> None:
        self.dtypes = dtypes

    def cast(self, classes: dict[str, str], inputs: tuple[Value, ...]) -> tuple[Value, ...]:
        """The inputs of an operator with these classes, by kind of device, in the dtype that it is to run in."""
        kind = _kind_of(inputs)
        low, wanted = self.dtypes.get(kind), classes.get(kind)
        if low is None or wanted is None:
            return inputs
        mine = [v.aval.device.partition(":")[0] == kind and v.aval.dtype in _ELIGIBLE for v in inputs]
        if wanted == "promote":
            to = _widest([v.aval.dtype for v, own in zip(inputs, mine, strict=True) if own], low)
        else:
            to = low if wanted == "lower" else _FLOAT
        return tuple(
            [self._to(v, to) if own and v.aval.dtype != to else v for v, own in zip(inputs, mine, strict=True)]
        )

    def run(self, function: Callable, classes: dict[str, str], args: tuple, kwargs: dict) -> Any:
        """A function of Tensors, as an operator with these classes."""
        tensors = list(_tensors((args, kwargs)))
        values = tuple([x._value for x in tensors])
        kind = _kind_of(values)
        if kind not in self.dtypes or kind not in classes:
            return function(*args, **kwargs)
        cast = zip(tensors, values, self.cast(classes, values), strict=True)
        new = {id(x): x if v is before else wrap(v) for x, before, v in cast}
        args, kwargs = _mapped((args, kwargs), lambda x: new[id(x)])
        return uncast(function, *args, **kwargs)

    def _to(self, v: Value, dtype: np.dtype) -> Value:
        if not (_settings.caching and v.owner is not None):
            return record(to_copy, (T, dtype), (v,))
        cache, key = _settings.cache, (id(v), _local.state.grad)
        kept = cache.get(key)
        if kept is not None and kept[0] is v and kept[1] == dtype and kept[2].trace is v.trace:
            return kept[2]
        made = record(to_copy, (T, dtype), (v,))
        cache[key] = (v, dtype, made)
        return made


def _kind_of(values: tuple[Value, ...]) -> str:
    kinds = (v.aval.device.partition(":")[0] for v in values)
    return next((kind for kind in kinds if kind != "cpu"), "cpu")


def _widest(dtypes: list[np.dtype], low: np.dtype) -> np.dtype:
    to = low
    for dtype in dtypes:
        if _FLOAT in (to, dtype):
            to = _FLOAT
        elif dtype != low:
            raise RuntimeError("Unexpected floating ScalarType in at::autocast::prioritize")
    return to


def _tensors(tree: Any) -> Any:
    """The Tensors in arguments."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, (tuple, list)):
        for x in tree:
            yield from _tensors(x)
    elif isinstance(tree, Mapping):
        yield from _tensors(list(tree.values()))


def _mapped(tree: Any, fn: Callable) -> Any:
    """Arguments with ``fn`` of each Tensor in its place."""
    if isinstance(tree, Tensor):
        return fn(tree)
    if isinstance(tree, Mapping):
        return {_mapped(k, fn): _mapped(x, fn) for k, x in tree.items()}
    if isinstance(tree, (tuple, list)):
        made = [_mapped(x, fn) for x in tree]
        return type(tree)(*made) if hasattr(tree, "_fields") else type(tree)(made)
    return tree


class autocast:
    """Within the block (or function) eligible operators on ``device_type`` run in a lower precision (torch.autocast).

    ``dtype`` is by default bfloat16 on the CPU and float16 on a GPU. Raises RuntimeError for a kind of device that has
    none; warns and does nothing for a dtype that is not supported, or where there is no GPU.
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        _check_kind(device_type)
        if not is_autocast_available(device_type):
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self.device, kind = device_type, _kind(device_type)
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self._cache_enabled = is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        if enabled and kind == "cuda" and not devices("cuda"):
            warnings.warn("CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=2)
            enabled = False
        elif enabled and kind != "cuda" and self.fast_dtype not in _NARROW:
            warnings.warn(
                f"In {device_type.upper()} autocast, but the target dtype is not supported. Disabling autocast.\n"
                f"{device_type.upper()} Autocast only supports dtypes of torch.bfloat16, torch.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._before: list[tuple] = []

    def __enter__(self) -> "autocast":
        kind = _kind(self.device)
        self._before.append((_local.state.autocast, _settings.dtypes[kind], _settings.caching))
        set_autocast_enabled(self.device, self._enabled)
        set_autocast_dtype(self.device, self.fast_dtype)
        autocast_increment_nesting()
        set_autocast_cache_enabled(self._cache_enabled)
        return self

    def __exit__(self, *exc: object) -> None:
        if autocast_decrement_nesting() == 0:
            clear_autocast_cache()
        _local.state.autocast, _settings.dtypes[_kind(self.device)], _settings.caching = self._before.pop()

    def __call__(self, func: Callable) -> Callable:
        if not callable(func):
            raise TypeError(
                f"autocast()(func) requires a callable, but got {type(func).__name__}. As a context manager it reads "
                "`with torch.autocast(device_type=...):`"
            )
        return autocast_decorator(self, func)


def autocast_decorator(autocast_instance: autocast, func: Callable) -> Callable:
    """``func``, called within an autocast block."""

    @functools.wraps(func)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        with autocast_instance:
            return func(*args, **kwargs)

    return decorated


def _check_kind(device_type: Any) -> None:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")


def is_autocast_available(device_type: str) -> bool:
    """Whether a kind of device has autocast."""
    return device_class(device_type).type in _DEFAULTS


def _kind(device_type: str) -> str:
    kind = device_class(device_type).type
    if kind not in _DEFAULTS:
        raise RuntimeError(f"unknown device type for autocast: {kind}; unsupported scalarType")
    return kind


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether autocast is on for a kind of device."""
    kind, state = _kind(device_type), _local.state.autocast
    return state is not None and kind in state.dtypes


def is_any_autocast_enabled() -> bool:
    """Whether autocast is on for some kind of device."""
    return _local.state.autocast is not None


def set_autocast_enabled(device_type: Any, enabled: Any = None) -> None:
    """Turn autocast on or off for a kind of device; given the flag alone, for the GPU."""
    if enabled is None:
        device_type, enabled = "cuda", device_type
    if not isinstance(enabled, bool):
        raise TypeError(f"set_autocast_enabled(): argument 'enabled' must be bool, not {type(enabled).__name__}")
    kind, state = _kind(device_type), _local.state.autocast
    dtypes = {} if state is None else {k: d for k, d in state.dtypes.items() if k != kind}
    if enabled:
        dtypes[kind] = _settings.dtypes[kind]
    _local.state.autocast = _State(dtypes) if dtypes else None


def get_autocast_dtype(device_type: str) -> Any:
    """The dtype that autocast uses, or would use, on a kind of device."""
    return OF_NUMPY[_settings.dtypes[_kind(device_type)]]


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    """Set it."""
    kind = _kind(device_type)
    _settings.dtypes[kind] = to_numpy_dtype(dtype)
    if is_autocast_enabled(kind):
        set_autocast_enabled(kind, True)


def is_autocast_cache_enabled() -> bool:
    """Whether casts of parameters are kept until the outermost block ends."""
    return _settings.caching


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Say whether they are."""
    _settings.caching = enabled


def clear_autocast_cache() -> None:
    """Forget the casts that were kept."""
    _settings.cache.clear()


def autocast_increment_nesting() -> int:
    """Enter an autocast block; gives how many there are then."""
    _settings.nesting += 1
    return _settings.nesting


def autocast_decrement_nesting() -> int:
    """Leave an autocast block; gives how many are left."""
    _settings.nesting -= 1
    return _settings.nesting


def _renamed(name: str, function: Callable, device_type: str, arguments: str = "") -> Callable:
    """An older name of a function, for one kind of device; it warns."""
    now = ", ".join([repr(device_type), *filter(None, [arguments])])
    message = f"torch.{name}({arguments}) is deprecated. Please use torch.{function.__name__}({now}) instead."

    def old(*args: Any) -> Any:
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return function(device_type, *args)

    old.__name__ = old.__qualname__ = name
    old.__doc__ = f"``{function.__name__}({now})`` by its older name."
    return old


is_autocast_cpu_enabled = _renamed("is_autocast_cpu_enabled", is_autocast_enabled, "cpu")
set_autocast_cpu_enabled = _renamed("set_autocast_cpu_enabled", set_autocast_enabled, "cpu", "enabled")
get_autocast_cpu_dtype = _renamed("get_autocast_cpu_dtype", get_autocast_dtype, "cpu")
get_autocast_gpu_dtype = _renamed("get_autocast_gpu_dtype", get_autocast_dtype, "cuda")
set_autocast_cpu_dtype = _renamed("set_autocast_cpu_dtype", set_autocast_dtype, "cpu", "dtype")
set_autocast_gpu_dtype = _renamed("set_autocast_gpu_dtype", set_autocast_dtype, "cuda", "dtype")


def custom_fwd(fwd: Any = None, *, device_type: str, cast_inputs: Any = None) -> Any:
    """Marks the ``forward`` of a custom Function: where autocast is on, with ``cast_inputs`` it runs on inputs of that
    dtype and without autocast.
    """
    _check_kind(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    def cast(x: Any) -> Any:
        eligible = x.is_floating_point() and x.device.type == device_type and x.element_size() < 8
        return x.to(cast_inputs) if eligible else x

    @functools.wraps(fwd)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        ctx = args[0]
        on = is_autocast_enabled(device_type)
        ctx._dtype = get_autocast_dtype(device_type)
        ctx._fwd_used_autocast = on and cast_inputs is None
        if cast_inputs is None or not on:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(*_mapped(args, cast), **_mapped(kwargs, cast))

    return decorated


def custom_bwd(bwd: Any = None, *, device_type: str) -> Any:
    """Marks the ``backward`` of a custom Function: it runs under the autocast state that ``forward`` ran under."""
    _check_kind(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        ctx = args[0]
        with autocast(device_type, dtype=ctx._dtype, enabled=ctx._fwd_used_autocast):
            return bwd(*args, **kwargs)

    return decorated
