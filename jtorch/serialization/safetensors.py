"""The safetensors format for jtorch tensors: what ``safetensors.torch`` does, over the package's NumPy side.

Needs the ``safetensors`` package (``pip install 'jtorch-jax[safetensors]'``). See
https://github.com/huggingface/safetensors for the format.
"""

import os
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from jtorch.tensor import storage_io
from jtorch.tensor.dtype import BY_NAME
from jtorch.tensor.tensor import Tensor, tensor_from

__all__ = ["load", "load_file", "save", "save_file"]

# The format's names of dtypes. Others (complex128, say) it does not have.
_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
    "C64": "complex64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz", "F8_E8M0": "float8_e8m0fnu",
}  # fmt: skip
_SAVED = frozenset(_DTYPES.values())


def save(tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file with ``tensors``.

    Raises ValueError for what is no dict of contiguous tensors, RuntimeError for tensors that share memory (the format
    would hold it twice), TypeError for dtypes that the format lacks.
    """
    from safetensors import numpy as engine

    return engine.save(_arrays(tensors), metadata)


def save_file(
    tensors: Mapping[str, Tensor], filename: str | os.PathLike, metadata: dict[str, str] | None = None
) -> None:
    """Write ``tensors`` to a safetensors file; raises as :func:`save` does."""
    from safetensors import numpy as engine

    engine.save_file(_arrays(tensors), filename, metadata)


def load(data: bytes) -> dict[str, Tensor]:
    """The tensors in the bytes of a safetensors file; raises ``safetensors.SafetensorError`` where it is damaged."""
    from safetensors import deserialize

    return {name: _tensor(view) for name, view in deserialize(data)}


def load_file(filename: str | os.PathLike, device: Any = "cpu") -> dict[str, Tensor]:
    """The tensors in a safetensors file, on ``device``."""
    with open(filename, "rb") as file:
        loaded = load(file.read())
    return {name: t.to(device) for name, t in loaded.items()}  # type: ignore[attr-defined]


def _tensor(view: Mapping[str, Any]) -> Tensor:
    dtype = BY_NAME[_DTYPES[view["dtype"]]]
    return tensor_from(np.frombuffer(view["data"], dtype.np).reshape(view["shape"]))


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    if not isinstance(tensors, dict):
        raise ValueError(f"Expected a dict of [str, torch.Tensor] but received {type(tensors)}")
    arrays = {}
    sharing: dict[Any, set[str]] = defaultdict(set)
    for name, t in tensors.items():
        if not isinstance(t, Tensor):
            raise ValueError(f"Key `{name}` is invalid, expected torch.Tensor but received {type(t)}")
        if t.dtype.name not in _SAVED:
            raise TypeError(f"Key `{name}` has the dtype {t.dtype}, which the safetensors format does not have")
        key, flat, offset, size, stride, *_ = storage_io.describe(t)
        if not t.is_contiguous():  # type: ignore[attr-defined]
            raise ValueError(
                f"You are trying to save a non contiguous tensor: `{name}` which is not allowed. Call "
                "`.contiguous()` on it to pack it before saving."
            )
        if flat.size:
            sharing[key].add(name)
        count = int(np.prod(size, dtype=np.int64))
        arrays[name] = flat[offset : offset + count].reshape(size)
    if failing := [names for names in sharing.values() if len(names) > 1]:
        raise RuntimeError(
            "Some tensors share memory, this will lead to duplicate memory on disk and potential differences "
            f"when loading them again: {failing}. Save one of each, or clone the others."
        )
    return arrays
