"""From the op table to Python: a function, a method, an in-place and an ``out=`` variant for each declaration.

For each operator a small Python function with the schema's own parameters is generated, so that CPython does the
argument binding. It turns tensors into values and the rest into a spec, and hands both to :mod:`jtorch.tensor.call`.
"""

import keyword
from collections.abc import Callable, Container
from typing import Any

import numpy as np

from jtorch.composite.table import COMPOSITES
from jtorch.engine.op import LIST, NUMBERS, T, number
from jtorch.engine.value import Value
from jtorch.ops.schema import REQUIRED, Param
from jtorch.ops.table import TABLE, OpDef
from jtorch.tensor import call, overlap
from jtorch.tensor.convert import value_of
from jtorch.tensor.device import engine_name
from jtorch.tensor.dtype import to_numpy_dtype
from jtorch.tensor.overriding import PLAIN, Asked, answer, asks
from jtorch.tensor.overriding import call as call_handlers
from jtorch.tensor.size import Size
from jtorch.tensor.tensor import Tensor

Namespace = dict[str, Callable]


class Mismatch(TypeError):
    """The arguments do not fit a signature; another overload may fit."""


Mismatch.__name__ = Mismatch.__qualname__ = "TypeError"  # what the user sees
Mismatch.__module__ = "builtins"


# -- one converter a kind of parameter; each gets the argument, the parameter's name and the operator's


def _type_error(op: str, name: str, kind: str, x: Any) -> Mismatch:
    return Mismatch(f"{op}(): argument '{name}' must be {kind}, not {type(x).__name__}")


def _base(x: Any) -> Any:
    """A number of a subclass as one of Python's own types."""
    return next(k for k in NUMBERS if isinstance(x, k))(x)


def tensor_arg(x: Any, name: str, op: str, like: Value | None = None) -> tuple[Any, Value | None]:
    """A tensor argument as (spec entry, value): a Tensor, a number, or a NumPy scalar."""
    if isinstance(x, Tensor):
        if asks(x):
            raise Asked
        return T, x._value
    if type(x) in NUMBERS:
        return number(x), None
    if isinstance(x, np.generic):
        return number(x.item()), None
    if isinstance(x, NUMBERS):
        return number(_base(x)), None
    made = value_of(x)
    if made is None:
        raise Asked if asks(x) else _type_error(op, name, "Tensor", x)
    return T, made


def strict_tensor_arg(x: Any, name: str, op: str) -> Value:
    """A tensor argument that must be a Tensor."""
    if isinstance(x, Tensor):
        if asks(x):
            raise Asked
        return x._value
    made = value_of(x)
    if made is None:
        raise Asked if asks(x) else _type_error(op, name, "Tensor", x)
    return made


def tensors_arg(x: Any, name: str, op: str, values: list, optional: bool) -> tuple:
    """A list of tensors as a spec entry; their values are appended to ``values``."""
    if isinstance(x, Tensor) or not isinstance(x, (list, tuple)):
        raise _type_error(op, name, "tuple of Tensors", x)
    entry: list[Any] = [LIST]
    for i, each in enumerate(x):
        if each is None and optional:
            entry.append(None)
            continue
        if each.__class__ not in PLAIN and asks(each):
            raise Asked
        if not isinstance(each, Tensor):
            raise Mismatch(f"expected Tensor as element {i} in argument 0, but got {type(each).__name__}")
        entry.append(T)
        values.append(each._value)
    return tuple(entry)


def int_arg(x: Any, name: str, op: str) -> int:
    """An int: Python's, NumPy's, or a tensor of one integer element."""
    if type(x) is int:
        return x
    if isinstance(x, (bool, float)) or not hasattr(x, "__index__"):
        raise _type_error(op, name, "int", x)
    return x.__index__()


def ints_arg(x: Any, name: str, op: str, size: int | None) -> tuple[int, ...]:
    """A tuple of ints; one int stands for ``size`` equal ones."""
    if type(x) is int:
        return (x,) * (size or 1)
    if isinstance(x, Tensor) and x.ndim == 0 or not isinstance(x, (list, tuple, Tensor, np.ndarray, range)):
        return (int_arg(x, name, op),) * (size or 1)
    return tuple([i if type(i) is int else int_arg(i, name, op) for i in x])


def float_arg(x: Any, name: str, op: str) -> float:
    """A float: any real number, or a tensor of one element."""
    if type(x) is float:
        return x
    if isinstance(x, (int, float, np.floating, np.integer)) or (isinstance(x, Tensor) and x.numel() == 1):
        return float(x)
    raise _type_error(op, name, "float", x)


def floats_arg(x: Any, name: str, op: str, size: int | None) -> tuple[float, ...]:
    """A tuple of floats."""
    return tuple(float_arg(i, name, op) for i in x) if isinstance(x, (list, tuple)) else (float_arg(x, name, op),)


def bool_arg(x: Any, name: str, op: str) -> bool:
    """A bool."""
    if x is True or x is False:
        return x
    if isinstance(x, (int, np.bool_)) or (isinstance(x, Tensor) and x.numel() == 1):
        return bool(x)
    raise _type_error(op, name, "bool", x)


def number_arg(x: Any, name: str, op: str) -> Any:
    """A number, as a spec entry."""
    if type(x) in NUMBERS:
        return number(x)
    if isinstance(x, np.generic):
        return number(x.item())
    if isinstance(x, NUMBERS):
        return number(_base(x))
    raise _type_error(op, name, "Number", x)


def scalar_arg(x: Any, name: str, op: str) -> Any:
    """A number, or a 0-d tensor that needs no gradient, as a spec entry."""
    if isinstance(x, Tensor) and not x.ndim and not x.requires_grad:
        return number(x.item())
    return number_arg(x, name, op)


def str_arg(x: Any, name: str, op: str) -> str:
    """A string."""
    if not isinstance(x, str):
        raise _type_error(op, name, "str", x)
    return x


def dtype_arg(x: Any, name: str, op: str) -> np.dtype:
    """A dtype, as NumPy's."""
    try:
        return to_numpy_dtype(x)
    except TypeError:
        raise _type_error(op, name, "torch.dtype", x) from None


def any_arg(x: Any, name: str, op: str) -> Any:
    """What the operator takes as it is."""
    return x


_CONVERT: dict[str, Callable] = {
    "int": int_arg, "float": float_arg, "bool": bool_arg, "str": str_arg, "Scalar": scalar_arg, "ScalarType": dtype_arg,
    "int[]": ints_arg, "float[]": floats_arg, "Device": lambda x, name, op: engine_name(x), "bool[]": any_arg,
    "Layout": any_arg, "MemoryFormat": any_arg, "Generator": any_arg, "SymInt": int_arg, "SymInt[]": ints_arg,
    "Scalar[]": any_arg,
}  # fmt: skip
_SIZED = ("int[]", "float[]", "SymInt[]")


# -- generated functions


def _safe(name: str) -> str:
    return name + "_" if keyword.iskeyword(name) else name


def _signature(op: OpDef, params: list[Param], rename: dict[str, str], out: bool) -> tuple[str, dict[str, Any]]:
    """The text of a parameter list, and the defaults it refers to."""
    parts, names, star = [], {}, False
    for i, p in enumerate(params):
        name = _safe(rename.get(p.name, p.name))
        if p.name == op.varargs:
            parts.append(f"*_{name}, {name}=None")
            star = True
            continue
        if p.kwonly and not star:
            parts.append("*")
            star = True
        if p.default is REQUIRED:
            parts.append(f"{name}=_absent" if p in _after_dim(params) and not star else name)
        else:
            names[f"_d{i}"] = p.default
            parts.append(f"{name}=_d{i}")
    if out:
        parts += ([] if star else ["*"]) + ["out=None"]
    if any(p.name in ("dim", "keepdim") for p in params):
        parts.append("**_numpy_names")
    return ", ".join(parts), names


def _after_dim(params: list[Param]) -> list[Param]:
    """The required parameters from ``dim`` on: that may come under NumPy's name."""
    first = next((i for i, p in enumerate(params) if p.name in ("dim", "keepdim")), len(params))
    return [p for p in params[first:] if p.default is REQUIRED and not p.kwonly]


def generate(
    op: OpDef, *, function: bool, parse_only: bool = False, out: bool = False, numbers: Container[str] = ()
) -> Callable:
    """The Python function of an operator: for a namespace (its first tensor is called ``input``), or as a method.

    For the Scalar arguments named in ``numbers`` no tensor may stand.
    """
    params = list(op.schema.params)
    rename = {"self": "input"} if function else {}
    if not function:  # a method's own tensor comes first, wherever the schema has it
        mine = next((p for p in params if p.name == "self"), params[0])
        order = [mine, *[p for p in params if p is not mine]]
    else:
        order = params
    text, env = _signature(op, order, rename, out)
    name = op.schema.name.split(".")[0]
    env.update(
        _op=op, T=T, Tensor=Tensor, _run=call.run, _run_view=call.run_view, _uncast=call.uncast, _tensor=tensor_arg,
        _strict=strict_tensor_arg,
        _tensors=tensors_arg, _out=call.write_out, _alias=_numpy_aliases, _spread=_spread, _mismatch=Mismatch,
        _absent=_absent, _plain=PLAIN, _Asked=Asked, _answer=answer,
    )  # fmt: skip
    body: list[str] = []
    entries: list[str] = []
    dynamic = any(p.kind in ("Tensor[]", "Tensor?[]", "Tensor?") for p in params) or sum(
        p.kind == "Tensor" and p.name != "self" for p in params
    )
    if any(p.name in ("dim", "keepdim") for p in params):
        fixable = [p for p in params if p.name in ("dim", "keepdim")]
        body.append("if _numpy_names:")
        for p in fixable:
            body.append(f"    {p.name} = _alias(_numpy_names, {p.name!r}, {p.name}, {name!r})")
        body.append("    if _numpy_names:")
        body.append(
            f"        raise TypeError({name!r} + '() got an unexpected keyword argument ' + "
            "repr(next(iter(_numpy_names))))"
        )
    for p in _after_dim(order):
        if p.name != op.varargs:
            missing = f"{name}() missing 1 required positional argument: '{p.name}'"
            body.append(f"if {_safe(p.name)} is _absent: raise _mismatch({missing!r})")
    if dynamic:
        body.append("_values = []")
    inputs: list[str] = []
    for i, p in enumerate(params):
        var = _safe(rename.get(p.name, p.name))
        shown = rename.get(p.name, p.name)
        if p.name == op.varargs:
            body.append(f"{var} = _spread(_{var}, {p.name!r}, {name!r}) if {var} is None else {var}")
        if p.kind == "Tensor" and p.name == "self" and not dynamic:
            body.append(f"v{i} = {var}._value if {var}.__class__ in _plain else _strict({var}, {shown!r}, {name!r})")
            inputs.append(f"v{i}")
            entries.append("T")
        elif p.kind == "Tensor":
            body.append(f"if {var}.__class__ in _plain:")
            body.append(f"    s{i} = T; _values.append({var}._value if {var}._alias is not None else {var}._v)")
            body.append("else:")
            if p.name in op.numbers:
                body.append(f"    s{i}, v = _tensor({var}, {shown!r}, {name!r})")
                body.append("    if v is not None: _values.append(v)")
            else:
                body.append(f"    s{i} = T; _values.append(_strict({var}, {shown!r}, {name!r}))")
            entries.append(f"s{i}")
        elif p.kind == "Tensor?":
            body.append(f"if {var} is None: s{i} = None")
            body.append(f"else: s{i} = T; _values.append(_strict({var}, {shown!r}, {name!r}))")
            entries.append(f"s{i}")
        elif p.kind in ("Tensor[]", "Tensor?[]"):
            body.append(f"s{i} = _tensors({var}, {shown!r}, {name!r}, _values, {p.kind == 'Tensor?[]'})")
            entries.append(f"s{i}")
        else:
            kind = p.kind.rstrip("?")
            env[f"_c{i}"] = number_arg if p.name in numbers else _CONVERT[kind]
            extra = f", {p.size}" if kind in _SIZED else ""
            convert = f"_c{i}({var}, {shown!r}, {name!r}{extra})"
            optional = p.kind.endswith("?") or p.default is None
            if p.default is not REQUIRED and p.default is not None and kind == "Scalar":
                env[f"_e{i}"] = number(p.default)
                body.append(f"s{i} = _e{i} if {var} is _d{i} else {convert}")
            elif p.default is not REQUIRED:
                same = env.get(f"_d{i}")
                env.setdefault(f"_d{i}", same)
                body.append(
                    f"s{i} = {var} if {var} is _d{i} {'or ' + var + ' is None' if optional else ''} else {convert}"
                )
                if kind in _SIZED and type(same) is int:
                    env[f"_e{i}"] = (same,) * (p.size or 1)
                    body[-1] = f"s{i} = _e{i} if {var} is _d{i} else {convert}"
            else:
                body.append(f"s{i} = None if {var} is None else {convert}" if optional else f"s{i} = {convert}")
            entries.append(f"s{i}")
    if op.needs_tensor:
        body.append(f"if not _values: raise _mismatch({name!r} + '() takes a Tensor, got numbers only')")
    spec = "(" + ", ".join(entries) + ("," if len(entries) == 1 else "") + ")"
    if all(e == "T" for e in entries):
        env["_spec"] = (T,) * len(entries)
        spec = "_spec"
    args = "tuple(_values)" if dynamic else "(" + ", ".join(inputs) + ("," if len(inputs) == 1 else "") + ")"
    if parse_only:
        body.append(f"return {spec}, {args}")
    elif op.view:
        first = _safe(rename.get(params[0].name, params[0].name))
        body.append(f"return _run_view(_op, {spec}, {first})")
    elif out:
        body.append(f"if out is None: return _run(_op, {spec}, {args})")
        body.append(f"return _out(out, _uncast(_run, _op, {spec}, {args}), {name!r}, {args}, {op.casts_out})")
    else:
        body.append(f"return _run(_op, {spec}, {args})")
    if not parse_only:
        body = [
            "try:",
            *[f"    {line}" for line in body],
            "except _Asked:",
            f"    return _answer(_me, {_given(op, order, rename)})",
        ]
    source = f"def {_safe(name)}({text}):\n    " + "\n    ".join(body) + "\n"
    exec(compile(source, f"{__file__}:{op.name}", "exec"), env)
    made = env[_safe(name)]
    if not parse_only and op.plain and not op.varargs:
        made = _quick(op, made)
    env["_me"] = made
    made.__doc__ = op.__doc__
    return made


def _given(op: OpDef, params: list[Param], rename: dict[str, str]) -> str:
    """The text of a call's arguments, as :func:`answer` takes them; what is required has a default that none equals."""
    parts = []
    for i, p in enumerate(params):
        name = _safe(rename.get(p.name, p.name))
        default = "None" if p.name == op.varargs else "_answer" if p.default is REQUIRED else f"_d{i}"
        parts.append(f"({name!r}, {name}, {default}, {p.kwonly})")
    return "(" + ", ".join(parts) + ",)"


def _quick(op: OpDef, slow: Callable) -> Callable:
    """``slow``, behind the shortcut of :func:`call.fast` where the operator takes one or two tensors and else
    defaults.
    """
    tensors = [p for p in op.schema.params if p.kind == "Tensor" and p.required]
    rest = [p for p in op.schema.params if p not in tensors]
    if len(tensors) not in (1, 2) or op.schema.params[0].name != "self" or any(p.required for p in rest):
        return slow
    if any(p.is_tensor and p.default is not None for p in rest) or op.schema.params[: len(tensors)] != tuple(tensors):
        return slow
    if any(p.is_tensor for p in rest):
        return slow
    spec = (T,) * len(tensors) + tuple(
        number(p.default) if p.kind == "Scalar" and p.default is not None
        else (p.default,) * (p.size or 1) if p.kind in _SIZED and type(p.default) is int
        else p.default
        for p in rest
    )  # fmt: skip
    return call.fast(op, spec, slow)


_absent: Any = object()


def _numpy_aliases(given: dict, name: str, value: Any, op: str) -> Any:
    """NumPy's names for dim and keepdim, which torch takes too."""
    other = {"dim": "axis", "keepdim": "keepdims"}[name]
    return given.pop(other, value)


def _spread(args: tuple, name: str, op: str) -> Any:
    """``x.view(2, 3)`` or ``x.view((2, 3))``."""
    if not args:
        raise Mismatch(f'{op}() missing 1 required positional arguments: "{name}"')
    return args[0] if len(args) == 1 and isinstance(args[0], (tuple, list, Size, Tensor, np.ndarray)) else args


def _overloaded(name: str, ops: list[OpDef], function: bool, out: bool) -> Callable:
    """A function that takes the first signature that its arguments fit.

    A 0-d tensor stands for a number only where it fits nowhere as a tensor.
    """
    tensors = {p.name for op in ops for p in op.schema.params if p.is_tensor}
    choices = [(op, generate(op, function=function, parse_only=True, numbers=tensors)) for op in ops]
    for op in ops:
        if any(p.kind.rstrip("?") == "Scalar" and p.name in tensors for p in op.schema.params):
            choices.append((op, generate(op, function=function, parse_only=True)))

    def pick(*args: Any, **kwargs: Any) -> Any:
        target = kwargs.pop("out", None) if out else None
        first = None
        for op, parse in choices:
            try:
                spec, values = parse(*args, **kwargs)
            except TypeError as error:
                first = first or error
                continue
            except Asked:
                return call_handlers(pick, (*args, *kwargs.values()), args, kwargs)
            if target is not None and not op.out:
                break
            if op.view:
                made = call.run_view(op, spec, args[0] if args else kwargs["input"])
            elif target is None:
                return call.run(op, spec, values)
            else:
                made = call.uncast(call.run, op, spec, values)
            return made if target is None else call.write_out(target, made, name, values, op.casts_out)
        if len(ops) == 1 and first is not None:
            raise first
        shown = ", ".join([type(a).__name__ for a in args] + [f"{k}={type(v).__name__}" for k, v in kwargs.items()])
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({shown}), but expected one of:\n"
            + "\n".join(f" * ({', '.join(f'{p.kind} {p.name}' for p in op.schema.params)})" for op in ops)
        )

    pick.__doc__ = "\n\n".join(filter(None, (op.__doc__ for op in ops))) or None
    return pick


def inplace(name: str, plain: Callable, keeps_dtype: bool) -> Callable:
    """``x.name_(...)`` from ``x.name(...)``; one that takes a dtype is told to keep that of ``x``."""

    def apply(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if keeps_dtype:
            kwargs.setdefault("dtype", self.dtype)
        call.check_inplace(self)
        if self._alias is not None:
            overlap.check(self, (*args, *kwargs.values()) if kwargs else args, name)
        return call.write_result(self, call.uncast(plain, self, *args, **kwargs), name)

    return apply


def _grouped() -> dict[str, list[OpDef]]:
    groups: dict[str, list[OpDef]] = {}
    for op in TABLE.values():
        groups.setdefault(op.name.split(".")[0], []).append(op)
    return groups


_MODULES = {
    "torch": "jtorch",
    "Tensor": "jtorch",
    **{space: f"jtorch.{space}" for space in ("nn.functional", "linalg", "fft", "special")},
}


def namespace(space: str) -> Namespace:
    """Everything the op table puts into a namespace: ``torch``, ``Tensor``, ``nn.functional``, ``linalg`` ..."""
    out: Namespace = {}
    function = space != "Tensor"
    for base, ops in _grouped().items():
        shown = [(op, n) for op in ops for s, n in [_place(op, space)] if s]
        if not shown:
            continue
        for target in dict.fromkeys(n or base for _, n in shown):
            members = [op for op, n in shown if (n or base) == target]
            with_out = function and any(op.out for op in members)
            if len(members) == 1:
                made = generate(members[0], function=function, out=with_out and not members[0].view)
            else:
                made = _overloaded(base, members, function, with_out)
            made.__name__ = made.__qualname__ = target
            if not function:
                made.__qualname__ = f"Tensor.{target}"
            made.__module__ = _MODULES.get(space, made.__module__)  # by which a function is pickled
            names = [target, *(a for op in members for a in op.aliases)] if target == base else [target]
            for each in dict.fromkeys(names):
                out[each] = made
                if any(op.inplace for op in members) and (space in ("Tensor", "torch")):
                    method = made if not function else None
                    if method is None:
                        method = made
                    keeps = any(p.kind == "ScalarType?" for op in members for p in op.schema.params)
                    variant = inplace(each + "_", method, keeps)
                    variant.__name__ = each + "_"
                    out[each + "_"] = variant
    return out


def composites(space: str) -> Namespace:
    """The composite operators of a namespace; those loaded so far."""
    out: Namespace = {}
    for entry in COMPOSITES:
        for shown in entry.expose:
            where, _, other = shown.partition(":")
            if where == space:
                out[other or entry.name] = entry.function
    return out


def _place(op: OpDef, space: str) -> tuple[bool, str | None]:
    for entry in op.expose:
        where, _, other = entry.partition(":")
        if where == space:
            return True, other or None
    return False, None
