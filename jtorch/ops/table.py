"""The op table: every operator is declared once, with ``@op``, in its family's file.

A declaration is a pure function over JAX arrays under a torch schema string::

    @op("atan2(Tensor self, Tensor other) -> Tensor", promote="float", inplace=True, host=np.arctan2)
    def atan2(self, other):
        return jnp.arctan2(self, other)

Everything else follows from it: argument parsing, the torch function, the Tensor method, the in-place and ``out=``
variants, promotion, differentiation (``jax.vjp`` of the function), and the three ways to run it.

What the function receives, in the schema's order (keyword-only ones by keyword):

- a ``Tensor`` argument: a JAX array. Where ``numbers`` allows a Python number and the user passed one: after promotion
  an array like the others; without ``promote`` the number itself.
- ``Tensor?``: an array or None. ``Tensor[]``: a list of arrays.
- ``Scalar``: a Python number, or a weakly typed 0-d JAX array when the number was seen to vary. Write code that takes
  both (no ``if alpha == 1``), or declare ``static=("alpha",)`` to get Python numbers only.
- ``int[]`` and ``float[]``: tuples. ``ScalarType``: a NumPy dtype or None. ``Device``, ``Layout``: as given.

What it returns: an array; a tuple for several results; a list for ``Tensor[]``.

What it must do: raise torch's exception class, with torch's essential words, for bad shapes, dims and dtypes. Shapes
and dtypes are static, so it does so while the op is being recorded, at the user's line. What depends on the data goes
into ``check``.
"""

from collections.abc import Callable, Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.engine import config
from jtorch.engine.op import T, arrays_in, fill
from jtorch.ops import outs, promotion
from jtorch.ops.autocast import CLASSES
from jtorch.ops.scalars import wrapped
from jtorch.ops.schema import Schema, parse

TABLE: dict[str, "OpDef"] = {}


class OpDef:
    """One declared operator; see :func:`op` for the fields."""

    def __init__(self, schema: Schema, impl: Callable, **fields: Any) -> None:
        self.schema = schema
        self.name = schema.name
        self.impl = impl
        self.promote: str | None = fields["promote"]
        self.promote_args: tuple[str, ...] | None = fields["promote_args"]
        self.expose: tuple[str, ...] = fields["expose"]
        self.inplace: bool = fields["inplace"]
        self.out: bool = fields["out"]
        self.casts_out = outs.casts(self.name, self.promote is not None)
        self.host: Callable | None = fields["host"]
        self.view: bool = schema.is_view
        self.write: Callable | None = fields["write"]
        self.check: Callable | None = fields["check"]
        self.dynamic: bool = fields["dynamic"]
        self.differentiable: bool = fields["differentiable"]
        self.still = tuple(i for i, name in enumerate(schema.returns) if name in fields["still"].split())
        self.saves: tuple[str, ...] = fields["saves"]
        self.factors = self.saves in (("self", "other"), ("self", "mat2"), ("self", "vec2"), ("self", "weight"))
        self.static: tuple[str, ...] = fields["static"]
        self.varargs: str | None = fields["varargs"]
        self.autocast = CLASSES.get(self.name.split(".")[0])
        self.grad_name: str = fields["grad_name"] or _camel(self.name.split(".")[0]) + "Backward0"
        self.aliases: tuple[str, ...] = ()
        self.runtime_numbers = not self.static and any(p.kind in ("Scalar", "Tensor") for p in schema.params)
        self.no_derivative: Exception | None = getattr(impl, "no_derivative", None)
        self.infer = None
        self.forced = False
        self.multi = len(schema.returns) > 1 or schema.returns_list
        self.numbers: tuple[str, ...] = fields["numbers"]
        tensors = [p.name for p in schema.params if p.is_tensor]
        self.needs_tensor = bool(tensors) and "alone" not in self.numbers and set(tensors) <= set(self.numbers)
        self.plain = not (self.multi or self.view or self.dynamic)
        names = self.promote_args
        self._promoted = [p.is_tensor and (names is None or p.name in names) for p in schema.params]
        self._promoted_at = [i for i, p in enumerate(self._promoted) if p]
        self._affine = any(p.name == "bias" for p in schema.params)
        self._bound: dict[tuple, Callable] = {}
        self._kwonly = [p.name if p.kwonly else None for p in schema.params]

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def bind(self, spec: tuple, which: str = "impl") -> Callable:
        """The function of the tensors alone that a call with ``spec`` computes.

        ``spec`` has an entry a schema parameter, in the notation of :mod:`jtorch.engine.op`. ``which`` picks ``impl``,
        ``host`` (NumPy arrays in and out) or ``check``.
        """
        fn = getattr(self, which)
        if not any(self._kwonly) and self.promote is None and all(s is T for s in spec):
            return fn
        host = which == "host"
        as_array = np.asarray if host else jnp.asarray
        names = [(i, k) for i, k in enumerate(self._kwonly) if k is not None]
        first_named = names[0][0] if names else len(spec)
        plain = all(s is T or arrays_in(s) == 0 for s in spec)
        constants = fill(spec, iter(lambda: None, 0)) if plain else []
        slots = [i for i, s in enumerate(spec) if s is T]
        known: dict[Any, np.dtype] = {}

        def call(*arrays: Any) -> Any:
            if plain:
                args = constants[:]
                for i, a in zip(slots, arrays, strict=False):
                    args[i] = a
            else:
                args = fill(spec, iter(arrays))
            if self.promote is not None:
                self._promote(args, as_array, arrays if host else None, known)
            if not names:
                return fn(*args)
            return fn(*args[:first_named], **{k: args[i] for i, k in names})

        return call

    def on_host(self, spec: tuple) -> Callable:
        """``bind(spec, "host")``, kept from call to call."""
        made = self._bound.get(spec)
        if made is None:
            if len(self._bound) > 1024:
                self._bound.clear()
            made = self._bound[spec] = self.bind(spec, "host")
        return made

    def saved(self, spec: tuple, wants: tuple[int, ...]) -> tuple[int, ...]:
        """Positions among the call's arrays of what torch keeps for backward; -1, -2 ... stand for the results.

        Of a product (``saves="self other"`` and nothing else) a factor is kept only if the other one wants a gradient.
        """
        names = [p.name for p, s in zip(self.schema.params, spec, strict=True) for _ in range(arrays_in(s))]
        kept = [i for i, name in enumerate(names) if name in self.saves]
        if self.factors:
            kept = [i for i, other in (kept, reversed(kept)) if other in wants] if len(kept) == 2 else []
        if "result" in self.saves:
            kept.append(-1)
        return (*kept, *[-1 - i for i, name in enumerate(self.schema.returns) if name in self.saves])

    def slots(self, spec: tuple, avals: tuple) -> list[int | None]:
        """Positions among the call's arrays that torch has an edge for; None where a number stands instead."""
        out: list[int | None] = []
        i = 0
        for p, entry, promoted in zip(self.schema.params, spec, self._promoted, strict=True):
            here = range(i, i + arrays_in(entry))
            i = here.stop
            if not p.is_tensor:
                continue
            if not here:
                absent = p.kind == "Tensor?" and p.name in ("weight", "bias") and self._affine
                out += [None] if self.promote is not None or absent else []
            elif self.promote is not None and promoted:
                out += [None if avals[k].number is not None else k for k in here]
            else:
                out += [k for k in here if avals[k].inexact]
        return out

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the implementation on arrays at once, with defaults and promotion: for tests and for other operators."""
        values = []
        for i, p in enumerate(self.schema.params):
            values.append(args[i] if i < len(args) else kwargs.get(p.name, p.default))
        if self.promote is not None:
            self._promote(values, jnp.asarray)
        pos = [a for a, k in zip(values, self._kwonly, strict=True) if k is None]
        return self.impl(*pos, **{k: a for a, k in zip(values, self._kwonly, strict=True) if k is not None})

    def _promote(
        self, args: list, as_array: Callable, arrays: tuple | None = None, known: dict[Any, np.dtype] | None = None
    ) -> None:
        """Bring the tensor arguments to their common dtype, in place in ``args``.

        ``known`` keeps the dtypes found so far, by the NumPy ``arrays`` of a call that is else the same each time.
        """
        key = None
        if arrays is not None:
            key = (config.default_dtype, *[(a.dtype, not a.shape) for a in arrays])
            dtype = known.get(key)  # type: ignore[union-attr]
        else:
            dtype = None
        if dtype is None:
            chosen = [a for a, p in zip(args, self._promoted, strict=True) if p and a is not None]
            flat = [x for a in chosen for x in (a if isinstance(a, (list, tuple)) else (a,))]
            if not flat:
                return
            dtype = promotion.result_type(*flat)
            if self.promote == "float":
                dtype = promotion.to_float(dtype)
            if key is not None:
                known[key] = dtype  # type: ignore[index]
        for i in self._promoted_at:
            a = args[i]
            if a is None or getattr(a, "dtype", None) is dtype and arrays is not None:
                continue
            args[i] = [_to(x, dtype, as_array) for x in a] if isinstance(a, (list, tuple)) else _to(a, dtype, as_array)


def _to(x: Any, dtype: np.dtype, as_array: Callable) -> Any:
    return as_array(wrapped(x, dtype)) if isinstance(x, (bool, int, float, complex)) else promotion.cast(x, dtype)


def _camel(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.strip("_").split("_"))


def op(
    schema: str,
    *,
    promote: str | None = None,
    promote_args: Iterable[str] | None = None,
    numbers: str = "",
    expose: str = "torch Tensor",
    inplace: bool = False,
    out: bool = True,
    host: Callable | None = None,
    write: Callable | None = None,
    check: Callable | None = None,
    dynamic: bool = False,
    differentiable: bool = True,
    still: str = "",
    saves: str = "",
    static: Iterable[str] = (),
    varargs: str | None = None,
    grad_name: str | None = None,
    aliases: str = "",
) -> Callable[[Callable], OpDef]:
    """Declare an operator. The decorated name becomes its :class:`OpDef`, which can be called on arrays.

    Arguments:
        schema: torch's schema string. ``-> Tensor(a)`` on the result (and on an argument) says that it is a view. An
            operator with several signatures is declared once a signature, as ``max(...)``, ``max.dim(...)``,
            ``max.other(...)``; a call takes the first, in order of declaration, that its arguments fit.
        promote: None; ``"common"``, tensor arguments come in their ``result_type``; ``"float"``, the same with integers
            and bools turned into the default dtype.
        promote_args: names of the tensor arguments that take part, where not all do.
        numbers: names of the tensor arguments for which a Python number may stand: not for all of them in one call,
            unless ``alone`` is among the names.
        expose: the namespaces that get it, out of ``torch``, ``Tensor``, ``nn.functional``, ``linalg``, ``fft``,
            ``special``, each optionally ``namespace:name`` for another name there; ``""`` for an internal operator.
        inplace: there is an ``x.name_()`` (and ``torch.name_`` where torch has it).
        out: the function takes ``out=`` (only where it is exposed in a namespace other than Tensor and nn.functional).
        host: a NumPy function with the same arguments, to run small CPU data at once.
        write: for a view: ``write(base, new, *statics) -> base`` with ``new`` put where the view looks. Without it a
            scatter by index map is used.
        check: ``check(*same arguments) -> [(bad, exception class, message), ...]`` where ``bad`` is a 0-d bool array;
            raised at the next synchronisation if true. For what only the data can tell (index out of range).
        dynamic: the result's shape depends on the data (``nonzero``): the function gets NumPy arrays, returns NumPy
            arrays, and is run at a synchronisation; it is never traced or differentiated.
        differentiable: False where torch gives no gradient (comparisons, argmax).
        still: names of the floating results, of several, that have no gradient.
        saves: names of arguments and results, and ``result`` for the first, that torch saves for backward: writing to
            them in place makes backward raise. Two factors and nothing else: each is saved only where the other one
            wants a gradient; ``"self other always"`` are no factors.
        static: names of ``Scalar`` arguments that must be Python numbers.
        varargs: the ``int[]`` argument that may be spread out, as in ``x.view(2, 3)``.
        grad_name: what ``grad_fn`` calls itself, where it is not CamelCase of the name with ``Backward0``.
        aliases: other names in the same namespaces (``"multiply"`` for ``mul``).
    """
    parsed = parse(schema)

    def declare(impl: Callable) -> OpDef:
        definition = OpDef(
            parsed,
            impl,
            promote=promote,
            promote_args=tuple(promote_args) if promote_args is not None else None,
            numbers=tuple(numbers.split()),
            expose=tuple(expose.split()),
            inplace=inplace,
            out=out,
            host=host,
            write=write,
            check=check,
            dynamic=dynamic,
            differentiable=differentiable,
            still=still,
            saves=tuple(saves.split()),
            static=tuple(static),
            varargs=varargs,
            grad_name=grad_name,
        )
        definition.aliases = tuple(aliases.split())
        definition.__doc__ = impl.__doc__
        if parsed.name in TABLE:
            raise ValueError(f"operator {parsed.name} is declared twice")
        TABLE[parsed.name] = definition
        return definition

    return declare
