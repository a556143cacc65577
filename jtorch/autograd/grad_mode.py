"""Switching the recording for backward on and off: no_grad, enable_grad, set_grad_enabled, inference_mode."""

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any

from jtorch.engine import trace
from jtorch.engine.record import mark
from jtorch.engine.value import modes
from jtorch.tensor.tensor import Tensor

_local = trace._local


class _Mode:
    """A context manager that is a decorator too, for functions, generators and classes."""

    def clone(self) -> "_Mode":
        return type(self)()

    def __call__(self, function: Callable) -> Callable:
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generate(*args: Any, **kwargs: Any) -> Any:
                inner = function(*args, **kwargs)
                with self.clone():  # type: ignore[attr-defined]
                    try:
                        item = next(inner)
                    except StopIteration as stop:
                        return stop.value
                while True:
                    try:
                        sent = yield item
                    except GeneratorExit:
                        inner.close()
                        raise
                    with self.clone():  # type: ignore[attr-defined]
                        try:
                            item = inner.send(sent)
                        except StopIteration as stop:
                            return stop.value

            return generate

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self.clone():  # type: ignore[attr-defined]
                return function(*args, **kwargs)

        return wrapped


class no_grad(_Mode):
    """Operations inside are not recorded for backward (torch.no_grad)."""

    def __new__(cls, orig_func: Callable | None = None) -> Any:
        made = object.__new__(cls)
        return made if orig_func is None else made(orig_func)

    def __init__(self, orig_func: Callable | None = None) -> None:
        self._before = True

    def __enter__(self) -> None:
        st = _local.state
        self._before = st.grad
        st.grad = False

    def __exit__(self, *exc: object) -> None:
        _local.state.grad = self._before


class enable_grad(no_grad):
    """Operations inside are recorded for backward even within no_grad (torch.enable_grad)."""

    def __enter__(self) -> None:
        st = _local.state
        self._before = st.grad
        st.grad = True


class set_grad_enabled(_Mode):
    """Sets the mode at once; as a context manager it sets it back at the end (torch.set_grad_enabled)."""

    def __init__(self, mode: bool) -> None:
        st = _local.state
        self._before = st.grad
        self.mode = bool(mode)
        st.grad = self.mode

    def clone(self) -> "set_grad_enabled":
        return set_grad_enabled(self.mode)

    def __call__(self, function: Callable) -> Callable:
        _local.state.grad = self._before
        return super().__call__(function)

    def __enter__(self) -> None:
        _local.state.grad = self.mode

    def __exit__(self, *exc: object) -> None:
        _local.state.grad = self._before


class inference_mode(_Mode):
    """no_grad whose tensors can never enter a recorded computation (torch.inference_mode)."""

    def __new__(cls, mode: Any = True) -> Any:
        if callable(mode):
            return object.__new__(cls)._with(True)(mode)
        return object.__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        self._with(bool(mode))

    def _with(self, mode: bool) -> "inference_mode":
        self.mode = mode
        self._before = (True, False)
        return self

    def clone(self) -> "inference_mode":
        return inference_mode(self.mode)

    def __enter__(self) -> None:
        st = _local.state
        self._before = (st.grad, st.inference)
        _set_inference(self.mode, not self.mode)

    def __exit__(self, *exc: object) -> None:
        grad, inference = self._before
        _set_inference(inference, grad)


def _set_inference(on: bool, grad: bool) -> None:
    st = _local.state
    if on is not st.inference:
        st.inference = on
        modes.fresh = None if on else False
        mark("inference", on)
    st.grad = grad


class set_multithreading_enabled(_Mode):
    """Whether backward may use several threads; here it is one program, XLA's to spread (autograd.grad_mode)."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self._before = _multithreading.enabled
        _multithreading.enabled = mode

    def clone(self) -> "set_multithreading_enabled":
        return set_multithreading_enabled(self.mode)

    def __enter__(self) -> None:
        _multithreading.enabled = self.mode

    def __exit__(self, *exc: object) -> None:
        _multithreading.enabled = self._before


class _Multithreading(threading.local):
    enabled = True


_multithreading = _Multithreading()


def is_multithreading_enabled() -> bool:
    """What set_multithreading_enabled set."""
    return _multithreading.enabled


def is_inference(input: Tensor) -> bool:
    """Whether a tensor was made under inference_mode."""
    return input._value.requires_grad is None


def is_grad_enabled() -> bool:
    """Whether operations are being recorded for backward."""
    return _local.state.grad


def is_inference_mode_enabled() -> bool:
    """Whether inference_mode is on."""
    return _local.state.inference
