"""Custom differentiable functions (https://docs.pytorch.org/docs/stable/autograd.html#function)."""

import functools
from collections.abc import Callable
from typing import Any

from jtorch.engine import autograd as engine
from jtorch.engine import trace
from jtorch.engine.value import Value
from jtorch.tensor.tensor import Tensor, _fresh, wrap

_local = trace._local


class FunctionCtx:
    """What ``forward`` leaves for ``backward``."""

    _to_save: tuple = ()
    _dirty: tuple = ()
    _non_differentiable: tuple = ()
    _materialize = True
    _saved: list | None = None
    _freed = False
    needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for backward, which finds them in ``saved_tensors``."""
        self._to_save = tensors
        self._saved = None

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for ``jvp``."""
        self._to_save = self._to_save or tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Name the inputs that forward wrote to in place."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Name the outputs that have no gradient."""
        self._non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing cotangents come as zeros (the default) or as None."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple:
        """What save_for_backward kept; raises RuntimeError once backward has freed it, or where it was written over."""
        if self._freed:
            raise RuntimeError(engine.FREED)
        if self._saved is None:
            return tuple(self._to_save)
        out = []
        for t, v in self._saved:
            if t is not None and v.overwritten:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"[{t.type()} {list(t.shape)}], saved by {type(self).__name__}"
                )
            out.append(t)
        return tuple(out)


class FunctionNode(engine.GradNode):
    """The backward node of a custom function."""

    def __init__(self, ctx: Any, cls: type, edges: list, where: list[int], avals: tuple) -> None:
        super().__init__(edges, avals, engine.order())
        self.ctx = ctx
        self.cls = cls
        self.where_wanted = where  # which arguments the edges belong to
        self.where = trace.user_line()

    def apply(self, cts: list[Value | None], create_graph: bool) -> list[Value | None]:
        from jtorch.tensor.factories import _full

        grads: list[Tensor | None] = []
        for ct, a in zip(cts, self.outputs, strict=True):
            if ct is not None:
                grads.append(wrap(ct))
            else:
                grads.append(_full(a.shape, 0, a.dtype, a.device, False) if self.ctx._materialize else None)
        made = self.cls.backward(self.ctx, *grads)  # type: ignore[attr-defined]
        made = made if isinstance(made, tuple) else (made,)
        count = len(self.ctx.needs_input_grad)
        if len(made) < count or any(g is not None for g in made[count:]):
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {count}, got {len(made)})"
            )
        out: list[Value | None] = []
        for i, shape in zip(self.where_wanted, self.shapes, strict=True):
            g = made[i]
            if g is not None and not isinstance(g, Tensor):
                raise TypeError(f"expected Variable or None (got {type(g).__name__})")
            if g is not None and tuple(g.shape) != shape:
                if g._aval().size == 0 or not _broadcasts(tuple(g.shape), shape):
                    raise RuntimeError(
                        f"Function {self.name()} returned an invalid gradient at index {i} - got {list(g.shape)} but "
                        "expected "
                        f"shape compatible with {list(shape)}"
                    )
                g = g.sum_to_size(shape)  # type: ignore[attr-defined]
            out.append(None if g is None else g._value)
        return out

    def free(self) -> None:
        self.ctx._freed = True
        self.freed = True

    shapes: list[tuple[int, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["ctx"], name)


def _broadcasts(have: tuple, want: tuple) -> bool:
    return len(have) >= len(want) and all(w in (h, 1) for h, w in zip(have[::-1], want[::-1], strict=False))


class _Single(type):
    def __init__(cls, name: str, bases: tuple, space: dict) -> None:
        super().__init__(name, bases, space)
        cls._node = type(f"{name}Backward", (FunctionNode,), {})  # type: ignore[attr-defined]


class Function(FunctionCtx, metaclass=_Single):
    """Base class of custom functions: static ``forward`` and ``backward``, used through ``apply``."""

    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(
            f"{type(self).__name__} should not be instantiated. Methods on autograd functions are all static, so you "
            "should invoke them on the class itself. Instantiating an autograd function will raise an error in a "
            "future version of PyTorch."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the result; the first argument is the context unless ``setup_context`` is defined."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> Any:
        """Fill the context after ``forward(*args)``."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The cotangents of the arguments from those of the results, one each."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangents of the results from those of the arguments."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run the function, recording it for backward."""
        ctx: Any = FunctionCtx.__new__(type(cls.__name__ + "Ctx", (FunctionCtx,), {}))
        st = _local.state
        needs = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        ctx.needs_input_grad = needs
        wanted = st.grad and any(needs)
        split = cls.setup_context is not Function.setup_context
        edges = (
            [(i, engine.edge_of(a._value), tuple(a.shape)) for i, a in enumerate(args) if needs[i]] if wanted else []
        )
        with st.mode(grad=False):
            if split:
                made = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, made)
            else:
                made = cls.forward(ctx, *args, **kwargs)
        if not wanted:
            return made
        outs = made if isinstance(made, tuple) else (made,)
        tensors = [o for o in outs if isinstance(o, Tensor)]
        avals = tuple(o._aval() for o in tensors)
        node = cls._node(ctx, cls, [e for _, e, _ in edges], [i for i, _, _ in edges], avals)  # type: ignore[attr-defined]
        node.shapes = [s for _, _, s in edges]
        ctx._saved = [(t, t._value if t is not None else None) for t in ctx._to_save]
        results, k = [], 0
        for o in outs:
            if not isinstance(o, Tensor):
                results.append(o)
                continue
            results.append(_attached(ctx, o, node, k, args))
            k += 1
        replaced = {id(o): r for o, r in zip(outs, results, strict=True)}
        ctx._saved = [
            (replaced.get(id(t), t), replaced[id(t)]._value if id(t) in replaced else v) for t, v in ctx._saved
        ]
        return tuple(results) if isinstance(made, tuple) else results[0]

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """The batched rule; functions here are traced through by JAX, so it is used only if defined."""
        raise NotImplementedError("jtorch: Function.vmap")


def _attached(ctx: Any, o: Tensor, node: FunctionNode, output: int, args: tuple) -> Tensor:
    """An output with its place in the graph."""
    if any(o is t for t in ctx._non_differentiable) or not o._aval().inexact:
        return o if all(o is not a for a in args) else o.detach()
    v = _fresh(o._value)
    v.requires_grad = True
    v.node, v.output = node, output
    if any(o is t for t in ctx._dirty):
        o._ref = None
        o._rebind(v)
        return o
    return wrap(v)


InplaceFunction = NestedIOFunction = Function
BackwardCFunction = FunctionNode


def once_differentiable(fn: Callable) -> Callable:
    """Marks a ``backward`` that cannot be differentiated again: doing so raises RuntimeError."""

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        again = _local.state.grad and any(isinstance(a, Tensor) and a.requires_grad for a in args)
        with _local.state.mode(grad=False):
            made = fn(ctx, *args)
        if not again:
            return made
        outs = made if isinstance(made, tuple) else (made,)
        results = []
        for o in outs:
            if isinstance(o, Tensor) and o._aval().inexact:
                v = _fresh(o._value)
                v.requires_grad = True
                v.node = _Once([], (v.aval,), engine.order())
                o = wrap(v)
            results.append(o)
        return tuple(results) if isinstance(made, tuple) else results[0]

    return wrapper


class _Once(engine.GradNode):
    def apply(self, cts: list[Value | None], create_graph: bool) -> list[Value | None]:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")
