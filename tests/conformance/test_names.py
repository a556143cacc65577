"""The stored names are those of the installed torch, and functions and classes take what torch's take."""

import importlib
import inspect
import json
import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

from jtorch import coverage
from tests.conformance import record_names

# Signatures that differ: reason -> namespace -> names
DIFFERENT: dict[str, dict[str, str]] = {
    "a named tuple takes its fields one by one": {"torch.return_types": "*"},
    "dtype, layout, device and requires_grad are taken as **options": {"torch.signal.windows": "*"},
    "a view of an untyped storage": {"torch": "TypedStorage", "torch.storage": "TypedStorage"},
    "what only raises, as it was removed, takes anything": {"torch.Tensor": "eig lstsq solve symeig"},
    "more than torch's: out=, axis=": {"torch.Tensor": "lu unflatten"},
    "None stands for the default generator": {"torch.utils.data": "random_split"},
    "what only raises, as one process and XLA's programs do without it, takes anything": {
        "torch.cuda": "CUDAGraph graph",
        "torch.nn.parallel": "DistributedDataParallel",
    },
    "dq_* order the writes of a GPU kernel of torch's": {
        "torch.nn.attention.flex_attention": "BlockMask create_block_mask"
    },
    "the private arguments of TorchScript's compiler": {"torch.jit": "trace trace_module"},
}


def differs(namespace: str, name: str) -> bool:
    """Whether the table says that a signature differs."""
    found = " ".join(spaces.get(namespace, "") for spaces in DIFFERENT.values()).split()
    return "*" in found or name in found


def test_the_stored_names_are_torchs():
    assert json.loads(record_names.NAMES.read_text()) == record_names.record()


def parameters(x: Callable, skip_first: bool) -> list[tuple[str, str]] | None:
    """Names and defaults of the parameters; None where Python cannot tell, or all that is told is ``*args``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = list(inspect.signature(x).parameters.values())
    except (ValueError, TypeError):
        return None
    if all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in found):
        return None
    return [(p.name, shown(p.default)) for p in (found[1:] if skip_first else found)]


def shown(default: Any) -> str:
    """A default as text, without addresses and the names of modules."""
    text = getattr(default, "__name__", None) if callable(default) else None
    return text or re.sub(r" at 0x[0-9a-f]+|\b(j?torch|torch)(\.\w+)*\.", "", repr(default))


def own_signature(x: Any) -> bool:
    """Whether a class says itself how it is made."""
    return not isinstance(x, type) or x.__init__ is not object.__init__ or x.__new__ is not object.__new__


@pytest.mark.parametrize("namespace", [n for n in record_names.NAMESPACES if n not in record_names.ELSEWHERE])
def test_signatures(namespace):
    method = namespace == "torch.Tensor"
    theirs = torch.Tensor if method else importlib.import_module(namespace)
    ours = coverage.owner(namespace)
    wrong = {}
    for name in coverage.count(namespace).present:
        full = f"{namespace}.{name}"
        there, here = getattr(theirs, name, None), getattr(ours, name)
        if not callable(there) or not own_signature(there) or differs(namespace, name):
            continue
        wanted, found = parameters(there, method), parameters(here, method)
        if wanted is not None and wanted != found:
            wrong[full] = f"{found}\n    torch: {wanted}"
    assert not wrong, "\n" + "\n".join(f"{name}: {text}" for name, text in wrong.items())
