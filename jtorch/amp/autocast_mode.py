"""Automatic mixed precision: operators run in the dtype their class in the op table says (torch.amp)."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from jtorch.engine import trace
from jtorch.engine.devices import devices
from jtorch.engine.op import T
from jtorch.engine.record import record
from jtorch.engine.value import Value
from jtorch.ops.casting import to_copy
from jtorch.tensor.device import device as device_class
from jtorch.tensor.dtype import OF_NUMPY, to_numpy_dtype

_local = trace._local
_BFLOAT16, _HALF, _FLOAT = np.dtype(ml_dtypes.bfloat16), np.dtype(np.float16), np.dtype(np.float32)
_NARROW = (_BFLOAT16, _HALF)
_DEFAULTS = {"cpu": _BFLOAT16, "cuda": _HALF, "tpu": _BFLOAT16}
_RANK = {_HALF: 0, _BFLOAT16: 0, _FLOAT: 1}


class _State:
    """The casts in force in a thread: a dtype a device kind, and the casts of parameters made so far."""

    def __init__(self, dtypes: dict[str, np.dtype], caching: bool) -> None:
        self.dtypes = dtypes
        self.caching = caching
        self.cache: dict[int, tuple[Value, np.dtype, Value]] = {}

    def cast(self, op: Any, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
        """The inputs of an operator in the dtype of its class."""
        low = self.dtypes.get(inputs[0].aval.device.partition(":")[0]) if inputs else None
        if low is None:
            return inputs
        kind = op.autocast
        if kind == "lower":
            return tuple([self._to(v, low) if v.aval.dtype in _RANK and v.aval.dtype != low else v for v in inputs])
        if kind == "fp32":
            return tuple([self._to(v, _FLOAT) if v.aval.dtype in _NARROW else v for v in inputs])
        floats = [v.aval.dtype for v in inputs if v.aval.dtype in _RANK]
        if len(set(floats)) < 2:
            return inputs
        wide = max(floats, key=lambda d: _RANK[d])
        return tuple([self._to(v, wide) if v.aval.dtype in _RANK and v.aval.dtype != wide else v for v in inputs])

    def _to(self, v: Value, dtype: np.dtype) -> Value:
        if not (self.caching and v.owner is not None):
            return record(to_copy, (T, dtype), (v,))
        kept = self.cache.get(id(v))
        if kept is not None and kept[0] is v and kept[1] == dtype and kept[2].trace is v.trace:
            return kept[2]
        made = record(to_copy, (T, dtype), (v,))
        self.cache[id(v)] = (v, dtype, made)
        return made


class autocast:
    """Within the block (or function) eligible operators on ``device_type`` run in a lower precision (torch.autocast).

    ``dtype`` is bfloat16 on the CPU and float16 on a GPU if not given. Raises RuntimeError for an unknown device type;
    warns and does nothing for a dtype that autocast does not support.
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.device = device_class(device_type).type
        if self.device not in _DEFAULTS:
            raise RuntimeError(f"User specified an unsupported autocast device_type '{self.device}'")
        self.fast_dtype = OF_NUMPY[_chosen.get(self.device, _DEFAULTS[self.device])] if dtype is None else dtype
        if enabled and to_numpy_dtype(self.fast_dtype) not in _NARROW:
            warnings.warn(
                f"In {self.device.upper()} autocast, but the target dtype is not supported. Disabling autocast.\n"
                f"{self.device.upper()} Autocast only supports dtype of torch.bfloat16, torch.float16 currently.",
                UserWarning,
                stacklevel=2,
            )
            enabled = False
        if enabled and self.device == "cuda" and not devices("cuda"):
            warnings.warn("CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=2)
            enabled = False
        self._enabled = enabled
        self._cache = is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        self._before: list[Any] = []

    def __enter__(self) -> "autocast":
        st = _local.state
        self._before.append(st.autocast)
        dtypes = dict(st.autocast.dtypes) if st.autocast is not None else {}
        dtypes.pop(self.device, None)
        if self._enabled:
            dtypes[self.device] = to_numpy_dtype(self.fast_dtype)
        st.autocast = _State(dtypes, self._cache) if dtypes else None
        return self

    def __exit__(self, *exc: object) -> None:
        _local.state.autocast = self._before.pop()

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return wrapped


_chosen: dict[str, np.dtype] = {}  # the dtypes that blocks take which name none
_caching = {"on": True}


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether autocast is on for a device type."""
    state = _local.state.autocast
    return state is not None and device_type in state.dtypes


def set_autocast_enabled(device_type: Any, enabled: bool | None = None) -> None:
    """Turn autocast on or off, from here on, for a device type; for a GPU where only a bool is given."""
    kind, on = ("cuda", device_type) if enabled is None else (device_class(device_type).type, enabled)
    st = _local.state
    dtypes = dict(st.autocast.dtypes) if st.autocast is not None else {}
    dtypes.pop(kind, None)
    if on:
        dtypes[kind] = to_numpy_dtype(get_autocast_dtype(kind))
    st.autocast = _State(dtypes, is_autocast_cache_enabled()) if dtypes else None


def get_autocast_dtype(device_type: str) -> Any:
    """The dtype autocast uses, or would use, on a device type."""
    state = _local.state.autocast
    if state is not None and device_type in state.dtypes:
        return OF_NUMPY[state.dtypes[device_type]]
    return OF_NUMPY[_chosen.get(device_type) or _DEFAULTS[device_class(device_type).type]]


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    """The dtype of autocast blocks that name none."""
    _chosen[device_class(device_type).type] = to_numpy_dtype(dtype)


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast knows a device type."""
    return device_type in _DEFAULTS


def is_autocast_cache_enabled() -> bool:
    """Whether casts of parameters are kept within a block."""
    state = _local.state.autocast
    return _caching["on"] if state is None else state.caching


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Whether casts of parameters are kept within a block, where the block does not say."""
    _caching["on"] = bool(enabled)
    state = _local.state.autocast
    if state is not None:
        state.caching = bool(enabled)


def clear_autocast_cache() -> None:
    """Forget the casts of parameters that the present block has kept."""
    state = _local.state.autocast
    if state is not None:
        state.cache.clear()


def _deprecated(old: str, new: str) -> None:
    warnings.warn(f"torch.{old} is deprecated. Please use torch.{new} instead.", DeprecationWarning, stacklevel=3)


def is_autocast_cpu_enabled() -> bool:
    """``is_autocast_enabled("cpu")``, as it was called."""
    _deprecated("is_autocast_cpu_enabled()", "is_autocast_enabled('cpu')")
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """``set_autocast_enabled("cpu", enabled)``, as it was called."""
    _deprecated("set_autocast_cpu_enabled(enabled)", "set_autocast_enabled('cpu', enabled)")
    set_autocast_enabled("cpu", enabled)


def get_autocast_gpu_dtype() -> Any:
    """``get_autocast_dtype("cuda")``, as it was called."""
    _deprecated("get_autocast_gpu_dtype()", "get_autocast_dtype('cuda')")
    return get_autocast_dtype("cuda")


def get_autocast_cpu_dtype() -> Any:
    """``get_autocast_dtype("cpu")``, as it was called."""
    _deprecated("get_autocast_cpu_dtype()", "get_autocast_dtype('cpu')")
    return get_autocast_dtype("cpu")


def set_autocast_gpu_dtype(dtype: Any) -> None:
    """``set_autocast_dtype("cuda", dtype)``, as it was called."""
    _deprecated("set_autocast_gpu_dtype(dtype)", "set_autocast_dtype('cuda', dtype)")
    set_autocast_dtype("cuda", dtype)


def set_autocast_cpu_dtype(dtype: Any) -> None:
    """``set_autocast_dtype("cpu", dtype)``, as it was called."""
    _deprecated("set_autocast_cpu_dtype(dtype)", "set_autocast_dtype('cpu', dtype)")
    set_autocast_dtype("cpu", dtype)


def custom_fwd(fwd: Any = None, *, device_type: str = "cuda", cast_inputs: Any = None) -> Any:
    """Marks the ``forward`` of a custom Function: with ``cast_inputs`` it runs on inputs of that dtype, autocast
    off.
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def wrapper(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        on = is_autocast_enabled(device_type)
        ctx._dtype = get_autocast_dtype(device_type)
        ctx._fwd_used_autocast = on if cast_inputs is None else False
        if cast_inputs is None or not on:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(ctx, *_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs))

    return wrapper


def custom_bwd(bwd: Any = None, *, device_type: str = "cuda") -> Any:
    """Marks the ``backward`` of a custom Function: it runs under the autocast state that ``forward`` ran under."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def wrapper(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, dtype=ctx._dtype, enabled=ctx._fwd_used_autocast):
            return bwd(ctx, *args, **kwargs)

    return wrapper


def _cast(tree: Any, device_type: str, dtype: Any) -> Any:
    import jax

    from jtorch.tensor.tensor import Tensor

    def each(x: Any) -> Any:
        eligible = isinstance(x, Tensor) and x.is_floating_point() and x.device.type == device_type
        return x.to(dtype) if eligible and x.dtype.name != "float64" else x  # type: ignore[attr-defined]

    return jax.tree_util.tree_map(each, tree, is_leaf=lambda x: isinstance(x, Tensor))
