"""Torch's own operator database, turned to jtorch: the operator under jtorch's name, its inputs as jtorch tensors."""

import functools
import operator
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch.testing._comparison import default_tolerances
from torch.testing._internal import common_methods_invocations as invocations
from torch.testing._internal.common_device_type import toleranceOverride

import jtorch
from jtorch.ops.table import TABLE
from jtorch.tensor import bind
from tests.conformance.live import both
from tests.conformance.opinfo_gaps import GAPS

warnings.filterwarnings("ignore")

Op = Any
DTYPES = (torch.float32, torch.float64, torch.int64, torch.bool, torch.complex64, torch.bfloat16)
OPS: dict[str, Op] = {
    f"{o.name}.{o.variant_test_name}" if o.variant_test_name else o.name: o for o in invocations.op_db
}
SAMPLES = 12  # of each operator, spread over the database's


# -- the operator


class _Globals(dict):
    """A function's globals with jtorch in the place of torch, and its module's own functions turned likewise."""

    def __init__(self, original: dict) -> None:
        super().__init__(original)
        self["torch"] = jtorch
        self["__builtins__"] = original["__builtins__"]

    def __getitem__(self, name: str) -> Any:
        return turned(super().__getitem__(name))


@functools.cache
def _globals(key: int, original: Any) -> _Globals:
    return _Globals(original.value)


class _Box:
    """Makes a dict hashable by identity."""

    def __init__(self, value: dict) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Box) and self.value is other.value


def turned(x: Any) -> Any:
    """A function or object of torch's as jtorch's of the same name; a Python function with jtorch as its torch."""
    if x is torch:
        return jtorch
    if x is invocations.wrapper_set_seed:
        return _with_seed
    if isinstance(x, types.FunctionType) and x.__module__.startswith("torch.testing"):
        box = _Box(x.__globals__)
        cells = tuple(types.CellType(turned(c.cell_contents)) for c in x.__closure__ or ())
        made = types.FunctionType(x.__code__, _globals(id(x.__globals__), box), x.__name__, x.__defaults__, cells)
        made.__kwdefaults__ = x.__kwdefaults__
        return made
    if isinstance(x, functools.partial):
        return functools.partial(turned(x.func), *x.args, **x.keywords)
    named = _BY_IDENTITY.get(id(x))
    if named is not None:
        return operator.attrgetter(named)(jtorch)
    return convert(x)


def _with_seed(op: Callable, *args: Any, **kwargs: Any) -> Any:
    """What the database wraps around functions that draw random numbers."""
    with jtorch.random.fork_rng():
        jtorch.manual_seed(42)
        return op(*args, **kwargs)


_NAMESPACES = ("", "nn.functional.", "linalg.", "fft.", "special.", "Tensor.", "signal.windows.", "masked.")
_BY_IDENTITY: dict[int, str] = {}
for _space in _NAMESPACES:
    _module = operator.attrgetter(_space[:-1])(torch) if _space else torch
    for _name in sorted(dir(_module), key=lambda n: (n.startswith("_"), n)):  # a public name first
        _found = getattr(_module, _name)
        if callable(_found) and not isinstance(_found, type):
            _BY_IDENTITY.setdefault(id(_found), _space + _name)


def function(op: Op) -> Callable:
    """jtorch's form of an operator of the database; AttributeError where jtorch has none."""
    named = _BY_IDENTITY.get(id(op.op))
    if named is None:
        try:
            same = operator.attrgetter(op.name)(torch) is op.op
        except AttributeError:
            same = False
        named = op.name if same else None
    if named is not None:
        return operator.attrgetter(named)(jtorch)
    if op.name.startswith("__") or type(op.op).__name__ in ("method_descriptor", "wrapper_descriptor"):
        return getattr(jtorch.Tensor, op.name)
    if isinstance(op.op, types.FunctionType):
        return turned(op.op)
    if isinstance(op.op, torch._ops.OpOverload) and op.op.overloadpacket.__name__ in TABLE:
        return bind.generate(TABLE[op.op.overloadpacket.__name__], function=True)
    raise AttributeError(f"jtorch has no {op.name}")


# -- inputs and results


def convert(x: Any) -> Any:
    """An argument with jtorch's objects in the place of torch's."""
    if isinstance(x, torch.Tensor):
        return tensor(x)
    if isinstance(x, torch.dtype):
        return getattr(jtorch, str(x).removeprefix("torch."))
    if isinstance(x, torch.device):
        return jtorch.device(str(x))
    if isinstance(x, torch.Size):
        return jtorch.Size(x)
    if isinstance(x, (torch.layout, torch.memory_format)):
        return getattr(jtorch, str(x).removeprefix("torch."))
    if isinstance(x, torch.Generator):
        return jtorch.Generator()
    if isinstance(x, torch.nn.Module):  # one without parameters
        made = getattr(jtorch.nn, type(x).__name__)()
        vars(made).update((k, v) for k, v in vars(x).items() if not k.startswith("_"))
        return made
    if type(x) in (tuple, list):
        return type(x)(convert(each) for each in x)
    if type(x) is dict:
        return {k: convert(v) for k, v in x.items()}
    if isinstance(x, slice):
        return slice(convert(x.start), convert(x.stop), convert(x.step))
    return x


def tensor(x: torch.Tensor) -> Any:
    """A torch tensor as jtorch's; a leaf that requires a gradient where torch's does."""
    if x.layout != torch.strided:
        raise NotImplementedError("jtorch has no sparse tensors")
    if x.is_meta:
        return jtorch.empty(x.shape, dtype=convert(x.dtype), device="meta")
    plain = x.detach().resolve_conj().resolve_neg()
    base = _storage(plain)
    if base is not None:
        made = tensor(base).as_strided(plain.shape, plain.stride(), plain.storage_offset())
    elif x.dtype == torch.bfloat16:
        made = both(plain.contiguous().view(torch.uint16).numpy().view(ml_dtypes.bfloat16))[1]
    else:
        made = both(plain.numpy())[1]
    return made.requires_grad_(True) if x.requires_grad else made


def _storage(x: torch.Tensor) -> torch.Tensor | None:
    """All of the storage of a tensor that shows a part of it only."""
    size = x.untyped_storage().nbytes() // x.itemsize
    return x.as_strided((size,), (1,), 0) if size > x.numel() else None


def back(x: Any) -> Any:
    """A jtorch result with torch's objects, to compare."""
    if isinstance(x, jtorch.Tensor):
        plain = x.detach()
        if x.dtype is jtorch.bfloat16:
            return torch.from_numpy(np.array(plain._host("test")).view(np.uint16)).view(torch.bfloat16)
        return torch.from_numpy(np.array(plain.numpy()))
    if isinstance(x, jtorch.dtype):
        return getattr(torch, str(x).removeprefix("torch."))
    if isinstance(x, (tuple, list)):
        return [back(each) for each in x]
    return x


def flat(x: Any) -> Iterator[Any]:
    """The leaves of a result."""
    if isinstance(x, (tuple, list)):
        for each in x:
            yield from flat(each)
    else:
        yield x


def clone(x: Any) -> Any:
    """A fresh copy of torch arguments."""
    if isinstance(x, torch.Tensor):
        plain = x.detach()
        base = _storage(plain) if x.layout == torch.strided else None
        if base is None or plain.is_conj() or plain.is_neg():
            made = plain.clone()
        else:
            made = base.clone().as_strided(x.shape, x.stride(), x.storage_offset())
        return made.requires_grad_(x.requires_grad)
    if type(x) in (tuple, list):
        return type(x)(clone(each) for each in x)
    if type(x) is dict:
        return {k: clone(v) for k, v in x.items()}
    return x


def samples(op: Op, dtype: torch.dtype, grad: bool = False, count: int = SAMPLES) -> list:
    """Some of the database's inputs, from the first to the last; the same ones each time."""
    torch.manual_seed(0)
    every = [s for s in op.sample_inputs("cpu", dtype, requires_grad=grad) if not _is_sparse(s)]
    if not every:
        raise NotImplementedError("jtorch has no sparse tensors")
    if len(every) <= count:
        return every
    return [every[round(i * (len(every) - 1) / (count - 1))] for i in range(count)]


def _is_sparse(sample: Any) -> bool:
    everything = flat([sample.input, list(sample.args), list(sample.kwargs.values())])
    return any(isinstance(x, torch.Tensor) and x.layout != torch.strided for x in everything)


# -- how close a result has to be

UNDEFINED = ("*empty*",)  # results of which only shape and dtype are defined
CANCELLING = ("matrix_exp", "nn.functional.multi_head_attention_forward", "nn.functional.conv*")
"""Operators whose rounding errors are as large as those of their largest terms."""

PRODUCTS: dict[str, Callable] = {
    "linalg.eig": lambda w, v: (w, (v * w.unsqueeze(-2)) @ v.mH),
    "linalg.eigh": lambda w, v: (w, (v * w.unsqueeze(-2)) @ v.mH),
    "svd_lowrank": lambda u, s, v: (s, (u * s.unsqueeze(-2)) @ v.mH),
    "pca_lowrank": lambda u, s, v: (s, (u * s.unsqueeze(-2)) @ v.mH),
}
"""What is defined of a decomposition whose factors have a free sign or phase."""


TIES = ("kthvalue", "topk", "mode", "sort", "argsort")
"""Operators whose indices are open where elements are equal, as integers often are: the indices are not compared."""


def defined(op: Op, result: Any, dtype: torch.dtype) -> Any:
    """What of an operator's result torch defines."""
    if op.name in PRODUCTS:
        return PRODUCTS[op.name](*result)
    if op.name in TIES and not (dtype.is_floating_point and dtype.itemsize > 2):
        values = [] if op.name == "argsort" else [result[0]]
        return [*values, torch.zeros_like(list(flat(result))[-1])]
    if any(fnmatch(op.name, pattern) for pattern in UNDEFINED):
        return torch.zeros_like(result)
    return result


INEXACT = {"special.bessel_*": 1e-6}
"""How far torch's own results are from the true ones."""


def doubled(x: Any) -> Any:
    """Arguments in double precision."""
    if isinstance(x, torch.Tensor):
        return x.detach().double() if x.is_floating_point() else x
    if isinstance(x, (list, tuple)):
        return type(x)(map(doubled, x))
    if isinstance(x, dict):
        return {k: doubled(v) for k, v in x.items()}
    return torch.float64 if x is torch.bfloat16 else x


def nearer(op: Op, sample: Any, ours: list, theirs: list) -> list:
    """Torch's results and arguments in half precision; where ours are nearer to them, those in double precision."""
    given = doubled(clone([sample.input, list(sample.args)]))
    exact = [defined(op, op(given[0], *given[1], **doubled(sample.kwargs)), torch.float64), given]
    out = []
    for mine, right, true in zip(flat(ours), flat(theirs), flat(exact), strict=True):
        if not isinstance(right, torch.Tensor):
            out.append(right)
            continue
        rounded = true.to(right.dtype)
        out.append(torch.where((mine - true).abs() > (right - true).abs(), right, rounded))
    return out


def tolerance(op: Op, expected: torch.Tensor) -> dict[str, float]:
    """``rtol`` and ``atol`` for the dtype, or what torch's own tests allow for ``op`` where that is more."""
    dtype = expected.dtype
    single = dtype in (torch.float32, torch.complex64)
    rtol, atol = (2e-5, 2e-5) if single else default_tolerances(dtype)
    for info in op.decorators:
        for each in getattr(info, "decorators", ()):
            if isinstance(each, toleranceOverride) and info.device_type in (None, "cpu") and dtype in each.d:
                rtol, atol = max(rtol, each.d[dtype].rtol), max(atol, each.d[dtype].atol)
    inexact = expected.numel() and (dtype.is_floating_point or dtype.is_complex)
    largest = expected.abs().nan_to_num(0, 0, 0).max().item() if inexact else 0
    if dtype == torch.bfloat16:  # XLA rounds the result, torch some intermediate ones too
        atol = max(atol, torch.finfo(dtype).eps * largest)
    atol = max([atol, *(error for pattern, error in INEXACT.items() if fnmatch(op.name, pattern))])
    if any(fnmatch(op.name, pattern) for pattern in CANCELLING):
        atol *= max(1, largest)
    return {"rtol": rtol, "atol": atol}


@dataclass(frozen=True)
class Kind:
    """A test that is made of every operator: which operators it is about, and with which dtypes."""

    dtypes: tuple[torch.dtype, ...]
    wanted: Callable[[Op], bool] = lambda op: True


NO_OUT = ("equal", "histogramdd")  # the database forgot to say so

KINDS = {
    "forward": Kind(DTYPES),
    "gradient": Kind((torch.float64, torch.complex128), lambda op: op.supports_autograd),
    "method": Kind((torch.float32,), lambda op: op.method_variant is not None),
    "inplace": Kind((torch.float32, torch.int64), lambda op: op.inplace_variant is not None),
    "inplace_gradient": Kind(
        (torch.float64,), lambda op: op.inplace_variant is not None and op.supports_inplace_autograd
    ),
    "out": Kind((torch.float32,), lambda op: op.supports_out and op.name not in NO_OUT),
}


def cases(kind: str) -> list[tuple[str, Op, torch.dtype]]:
    """Operator and dtype pairs of a kind as (id, operator, dtype)."""
    return [
        (f"{name}-{str(dtype).removeprefix('torch.')}", op, dtype)
        for name, op in OPS.items()
        for dtype in KINDS[kind].dtypes
        if dtype in op.supported_dtypes("cpu") and KINDS[kind].wanted(op)
    ]


def gap(kind: str, case: str) -> str | None:
    """Why a case is expected to fail; None where it is expected to pass."""
    return next((why for pattern, why in GAPS.items() if fnmatch(f"{kind}:{case}", pattern)), None)
