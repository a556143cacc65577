"""What operators say about dtypes they do not take, in torch's own words; torch's class for failed linear algebra."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import ml_dtypes
import numpy as np

from jtorch.ops.promotion import BOOL, COMPLEX, FLOAT, INT, category

_SCALAR_TYPES = {
    np.dtype(np.bool_): "Bool",
    np.dtype(np.uint8): "Byte",
    np.dtype(np.uint16): "UInt16",
    np.dtype(np.uint32): "UInt32",
    np.dtype(np.uint64): "UInt64",
    np.dtype(np.int8): "Char",
    np.dtype(np.int16): "Short",
    np.dtype(np.int32): "Int",
    np.dtype(np.int64): "Long",
    np.dtype(np.float16): "Half",
    np.dtype(ml_dtypes.bfloat16): "BFloat16",
    np.dtype(np.float32): "Float",
    np.dtype(np.float64): "Double",
    np.dtype(np.complex64): "ComplexFloat",
    np.dtype(np.complex128): "ComplexDouble",
    np.dtype(ml_dtypes.float8_e4m3fn): "Float8_e4m3fn",
    np.dtype(ml_dtypes.float8_e5m2): "Float8_e5m2",
}

_C_TYPES = {
    "bool": "bool",
    "uint8": "unsigned char",
    "uint16": "short unsigned int",
    "uint32": "unsigned int",
    "uint64": "long unsigned int",
    "int8": "signed char",
    "int16": "short int",
    "int32": "int",
    "int64": "long int",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "float32": "float",
    "float64": "double",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}


class LinAlgError(RuntimeError):
    """A matrix is singular, not positive-definite, or an iteration did not converge (``torch.linalg.LinAlgError``)."""


# Tracebacks and repr show the class under the name it has in torch.
LinAlgError.__name__ = LinAlgError.__qualname__ = "_LinAlgError"
LinAlgError.__module__ = "torch._C"

REAL = frozenset({BOOL, INT, FLOAT})
NUMERIC = frozenset({INT, FLOAT})
FLOATS = frozenset({FLOAT})
INEXACT = frozenset({FLOAT, COMPLEX})
INTEGRAL = frozenset({BOOL, INT})
INTS = frozenset({INT})
NUMBERS = frozenset({INT, FLOAT, COMPLEX})


def scalar_type(dtype: Any) -> str:
    """What torch's messages call a dtype: ``Float``, ``Long``, ``ComplexDouble`` ..."""
    return _SCALAR_TYPES[np.dtype(dtype)]


def c_type(dtype: Any) -> str:
    """The C++ type that some of torch's messages name instead: ``float``, ``long int`` ..."""
    name = np.dtype(dtype).name
    return _C_TYPES.get(name, name)


def unsupported(kernel: str, dtype: Any) -> NotImplementedError:
    """Torch's error for a dtype that an operator has no kernel for."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type(dtype)}'")


def only(categories: frozenset[int], problem: str | Exception) -> Callable[[Callable], Callable]:
    """Decorate an implementation that takes the dtype categories ``categories`` (read off its first argument) alone.

    ``problem`` is the name of torch's kernel, for its usual message, or the exception to raise.
    """

    def decorate(fn: Callable) -> Callable:
        @wraps(fn)
        def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
            if category(self.dtype) not in categories:
                if isinstance(problem, str):
                    raise unsupported(problem, self.dtype)
                raise type(problem)(*problem.args)
            return fn(self, *args, **kwargs)

        return guarded

    return decorate
