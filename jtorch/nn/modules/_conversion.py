"""Moving and converting a module's tensors: ``to``, ``cuda``, ``half`` and the like, all through ``_apply``."""

import warnings
from collections.abc import Callable
from typing import Any, Self

import jtorch
from jtorch.nn.parameter import Parameter
from jtorch.tensor.tensor import Tensor

_TO_SIGNATURES = (
    "but expected one of:\n"
    " * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, bool copy = False, *, "
    "torch.memory_format memory_format = None)\n"
    " * (torch.dtype dtype, bool non_blocking = False, bool copy = False, *, "
    "torch.memory_format memory_format = None)\n"
    " * (Tensor tensor, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)\n"
)
_TO_POSITIONAL = {
    "dtype": ("dtype", "non_blocking", "copy"),
    "tensor": ("tensor", "non_blocking", "copy"),
    "device": ("device", "dtype", "non_blocking", "copy"),
}


def _parse_to(args: tuple, kwargs: dict) -> tuple[Any, Any, bool, Any]:
    """(device, dtype, non_blocking, memory_format) from the arguments of ``Module.to``."""
    first = args[0] if args else None
    kind = "tensor" if isinstance(first, Tensor) or "tensor" in kwargs else "device"
    if isinstance(first, jtorch.dtype):
        kind = "dtype"
    names = _TO_POSITIONAL[kind]
    given = dict(zip(names, args, strict=False))
    valid = len(args) <= len(names) and not (given.keys() & kwargs.keys())
    given.update(kwargs)
    device, dtype = given.get("device"), given.get("dtype")
    memory_format = given.get("memory_format")
    valid = (
        valid
        and given.keys() <= {*names, "memory_format"}
        and (device is None or isinstance(device, (str, int, jtorch.device)))
        and (dtype is None or isinstance(dtype, jtorch.dtype))
        and (memory_format is None or isinstance(memory_format, jtorch.memory_format))
    )
    if not valid:
        got = [type(a).__name__ for a in args] + [f"{k}={type(v).__name__}" for k, v in kwargs.items()]
        raise TypeError(f"to() received an invalid combination of arguments - got ({', '.join(got)}), {_TO_SIGNATURES}")
    if "copy" in given:
        raise RuntimeError(".to() does not accept copy argument")
    if kind == "tensor":
        device, dtype = given["tensor"].device, given["tensor"].dtype
    elif device is not None:
        device = jtorch.device(device)
    return device, dtype, given.get("non_blocking", False), memory_format


class ConversionMethods:
    """The part of ``Module`` that moves it to another device or dtype."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    children: Callable

    def _apply(self, fn: Callable, recurse: bool = True) -> Self:
        """Replace the data of every parameter, gradient and buffer by ``fn`` of it. Parameters keep their identity."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for param in self._parameters.values():
            if param is None:
                continue
            with jtorch.no_grad():
                new = fn(param)
            param.data = new
            if param.grad is not None:
                with jtorch.no_grad():
                    param.grad.data = fn(param.grad)
        for name, buf in self._buffers.items():
            if buf is not None:
                self._buffers[name] = fn(buf)
        return self

    def cuda(self, device: Any = None) -> Self:
        """Move all parameters and buffers to the GPU."""
        return self._apply(lambda t: t.cuda(device))

    def cpu(self) -> Self:
        """Move all parameters and buffers to the CPU."""
        return self._apply(lambda t: t.cpu())

    def type(self, dst_type: Any) -> Self:
        """Convert all parameters and buffers to ``dst_type``, integer ones too."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Self:
        """Convert floating point parameters and buffers to float32."""
        return self._to_floating(jtorch.float32)

    def double(self) -> Self:
        """Convert floating point parameters and buffers to float64."""
        return self._to_floating(jtorch.float64)

    def half(self) -> Self:
        """Convert floating point parameters and buffers to float16."""
        return self._to_floating(jtorch.float16)

    def bfloat16(self) -> Self:
        """Convert floating point parameters and buffers to bfloat16."""
        return self._to_floating(jtorch.bfloat16)

    def _to_floating(self, dtype: Any) -> Self:
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Move to ``device`` without copying: the values become undefined. For modules on the meta device."""
        return self._apply(lambda t: jtorch.empty_like(t, device=device), recurse=recurse)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """``to(device=None, dtype=None, non_blocking=False)``, ``to(dtype)`` or ``to(tensor)``: move and convert in
        place.

        The dtype applies to floating point and complex tensors only. Raises TypeError for an integer dtype.
        """
        device, dtype, non_blocking, memory_format = _parse_to(args, kwargs)
        if dtype is not None:
            if not (dtype.is_floating_point or dtype.is_complex):
                raise TypeError(
                    f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
                )
            if dtype.is_complex:
                warnings.warn(
                    "Complex modules are a new feature under active development whose design may change, and some "
                    "modules might not work as expected when using complex tensors as parameters or buffers.",
                    stacklevel=2,
                )

        def convert(t: Any) -> Any:
            wanted = dtype if t.is_floating_point() or t.is_complex() else None
            layout = {} if memory_format is None or t.dim() not in (4, 5) else {"memory_format": memory_format}
            try:
                return t.to(device, wanted, non_blocking, **layout)
            except NotImplementedError as e:
                if str(e) == "Cannot copy out of meta tensor; no data!":
                    raise NotImplementedError(
                        f"{e} Please use torch.nn.Module.to_empty() instead of torch.nn.Module.to() when moving module "
                        "from meta to a different device."
                    ) from None
                raise

        return self._apply(convert)
