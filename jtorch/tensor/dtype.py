"""Torch's dtype objects and their NumPy counterparts (https://docs.pytorch.org/docs/stable/tensor_attributes.html)."""

from typing import Any

import ml_dtypes
import numpy as np

from jtorch.engine import config
from jtorch.ops import promotion


class dtype:
    """A torch dtype; there is one object of each, so compare with ``is`` or ``==``."""

    __slots__ = ("name", "np", "is_floating_point", "is_complex", "is_signed", "itemsize")

    def __init__(self, name: str, np_dtype: Any) -> None:
        self.name = name
        self.np = np.dtype(np_dtype)
        category = promotion.category(self.np)
        self.is_floating_point = category == promotion.FLOAT
        self.is_complex = category == promotion.COMPLEX
        self.is_signed = self.np.kind != "u" and category != promotion.BOOL
        self.itemsize = self.np.itemsize

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name

    def __copy__(self) -> "dtype":
        return self

    def __deepcopy__(self, memo: dict) -> "dtype":
        return self

    def to_real(self) -> "dtype":
        """The dtype of the parts of a complex dtype."""
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    def to_complex(self) -> "dtype":
        """The complex dtype with parts of this dtype."""
        return {"float64": complex128, "complex128": complex128}.get(self.name, complex64)


# name, NumPy dtype, torch's other names for it
_SPECS: list[tuple[str, Any, str]] = [
    ("float32", np.float32, "float"),
    ("float64", np.float64, "double"),
    ("float16", np.float16, "half"),
    ("bfloat16", ml_dtypes.bfloat16, ""),
    ("uint8", np.uint8, ""),
    ("int8", np.int8, ""),
    ("int16", np.int16, "short"),
    ("int32", np.int32, "int"),
    ("int64", np.int64, "long"),
    ("uint16", np.uint16, ""),
    ("uint32", np.uint32, ""),
    ("uint64", np.uint64, ""),
    ("bool", np.bool_, ""),
    ("complex64", np.complex64, "cfloat"),
    ("complex128", np.complex128, "cdouble"),
    ("float8_e4m3fn", ml_dtypes.float8_e4m3fn, ""),
    ("float8_e5m2", ml_dtypes.float8_e5m2, ""),
    ("float8_e4m3fnuz", ml_dtypes.float8_e4m3fnuz, ""),
    ("float8_e5m2fnuz", ml_dtypes.float8_e5m2fnuz, ""),
    ("float8_e8m0fnu", ml_dtypes.float8_e8m0fnu, ""),
]

BY_NAME: dict[str, dtype] = {}
OF_NUMPY: dict[np.dtype, dtype] = {}
for _name, _np, _alias in _SPECS:
    _made = dtype(_name, _np)
    OF_NUMPY[_made.np] = BY_NAME[_name] = _made
    if _alias:
        BY_NAME[_alias] = _made

float32, float64, int64 = BY_NAME["float32"], BY_NAME["float64"], BY_NAME["int64"]
complex64, complex128 = BY_NAME["complex64"], BY_NAME["complex128"]

# torch's C++ names, which its error messages use
SCALAR_NAMES = {
    "float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "uint8": "Byte", "int8": "Char",
    "int16": "Short", "int32": "Int", "int64": "Long", "bool": "Bool", "complex64": "ComplexFloat",
    "complex128": "ComplexDouble", "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64",
}  # fmt: skip

# torch.FloatTensor and friends, as Tensor.type() spells them
TYPE_NAMES = {
    f"torch.{SCALAR_NAMES[d.name]}Tensor": d for d in dict.fromkeys(BY_NAME.values()) if d.name in SCALAR_NAMES
}

_PYTHON: dict[Any, dtype] = {float: float64, int: int64, bool: BY_NAME["bool"], complex: complex128}


def __getattr__(name: str) -> dtype:
    """A dtype by its name: where pickles look for it."""
    found = BY_NAME.get(name)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found


def to_numpy_dtype(x: Any) -> np.dtype:
    """The NumPy dtype of a torch dtype, a Python number type or a NumPy dtype; raises TypeError for anything else."""
    if type(x) is dtype:
        return x.np
    if x in _PYTHON:
        return _PYTHON[x].np
    if isinstance(x, np.dtype):
        return x
    raise TypeError(f"argument 'dtype' must be torch.dtype, not {type(x).__name__}")


def of_numpy(x: np.dtype) -> dtype:
    """The torch dtype of a NumPy dtype; raises TypeError where torch has none."""
    found = OF_NUMPY.get(np.dtype(x))
    if found is None:
        raise TypeError(
            f"can't convert np.ndarray of type {np.dtype(x).type.__module__}.{np.dtype(x).type.__name__}. The only "
            "supported "
            "types are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, "
            "uint16, "
            "uint8, and bool."
        )
    return found


def get_default_dtype() -> dtype:
    """The dtype of floats that come from Python numbers."""
    return OF_NUMPY[config.default_dtype]


def set_default_dtype(d: dtype) -> None:
    """Set it; raises TypeError for what is no floating dtype."""
    if not isinstance(d, dtype):
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")
    if not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    config.set_default_dtype(d.np)


def set_default_tensor_type(t: Any, /) -> None:
    """The older way: a type or its name, such as ``torch.DoubleTensor``; raises TypeError for other than floats."""
    name = t if isinstance(t, str) else f"{t.__module__}.{t.__name__}"
    if name not in TYPE_NAMES:
        raise TypeError("invalid type object: only floating-point types are supported as the default type")
    set_default_dtype(TYPE_NAMES[name])


def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest dtype of both ranges (torch.promote_types)."""
    return OF_NUMPY[promotion.promote_types(to_numpy_dtype(a), to_numpy_dtype(b))]


def can_cast(source: dtype, target: dtype) -> bool:
    """Whether torch allows a result of ``source`` to be written into ``target``: not to a lower category."""
    a, b = promotion.category(to_numpy_dtype(source)), promotion.category(to_numpy_dtype(target))
    return a <= b


class finfo:
    """Limits of a floating dtype (torch.finfo)."""

    def __init__(self, d: dtype | None = None) -> None:
        d = get_default_dtype() if d is None else d
        if not (d.is_floating_point or d.is_complex):
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{d}'")
        info = ml_dtypes.finfo(d.to_real().np)
        self.dtype = d.to_real().name
        self.bits = info.bits
        self.eps, self.max, self.min = float(info.eps), float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        self.resolution = float(info.resolution)

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer dtype (torch.iinfo)."""

    def __init__(self, d: dtype) -> None:
        if promotion.category(to_numpy_dtype(d)) != promotion.INT:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{d}'")
        info = np.iinfo(d.np)
        self.dtype = d.name
        self.bits, self.max, self.min = info.bits, int(info.max), int(info.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
