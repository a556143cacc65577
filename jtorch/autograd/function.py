"""Custom differentiable functions (https://docs.pytorch.org/docs/stable/autograd.html#function)."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

from jtorch.engine import autograd as engine
from jtorch.engine import trace
from jtorch.engine.graph import written_over
from jtorch.engine.segment import spoil
from jtorch.engine.value import DIRECT, Value
from jtorch.engine.watch import tangent_of
from jtorch.tensor.history import fresh
from jtorch.tensor.tensor import Tensor, wrap

_local = trace._local


class FunctionCtx:
    """What ``forward`` leaves for ``backward``."""

    _to_save: tuple = ()
    _dirty: tuple = ()
    _non_differentiable: tuple = ()
    _materialize = True
    _saved: list[tuple[Tensor | None, Value | None]] | None = None
    _packed: list[Callable[[], Value] | None] | None = None
    _freed = False
    needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for backward, which finds them in ``saved_tensors``."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {tensors.index(t)} is of type "
                    f"{type(t).__name__}"
                )
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
        if self._packed is not None:
            return tuple(None if unpack is None else wrap(unpack()) for unpack in self._packed)
        if self._saved is None:
            return tuple(self._to_save)
        for t, v in self._saved:
            if t is not None and v is not None and v.overwritten:
                raise written_over(v, v.overwritten)
        return tuple(t for t, _ in self._saved)

    def _keep(self, replaced: dict[int, Tensor]) -> None:
        """Hold what is to be saved (an output by its place in the graph), or have the hooks in force hold it."""
        saved = [None if t is None else replaced.get(id(t), t) for t in self._to_save]
        hooks = _local.state.saved_hooks
        if hooks:
            self._packed = [None if t is None else hooks[-1](t._value) for t in saved]
            self._to_save = ()
        else:
            self._saved = [(t, None if t is None else t._value) for t in saved]


class FunctionNode(engine.GradNode):
    """The backward node of a custom function."""

    def __init__(self, ctx: Any, cls: type, args: tuple, needs: tuple[bool, ...]) -> None:
        self.wanted = [i for i, need in enumerate(needs) if need]  # which arguments the edges belong to
        super().__init__([engine.edge_of(args[i]._value) for i in self.wanted], (), engine.order())
        self.like = [(tuple(args[i].shape), args[i].dtype) for i in self.wanted]
        self.kinds = [isinstance(a, Tensor) for a in args]
        self.ctx = ctx
        self.cls = cls
        self.where = trace.user_line()

    def places(self) -> list[int | None]:
        at = {i: k for k, i in enumerate(self.wanted)}
        return [at.get(i) for i, is_tensor in enumerate(self.kinds) if is_tensor]

    def apply(self, cts: list[Value | None], create_graph: bool) -> list[Value | None]:
        from jtorch.tensor.factories import _full

        grads: list[Tensor | None] = []
        for ct, a in zip(cts, self.outputs, strict=True):
            if ct is not None:
                grads.append(wrap(ct))
            elif a is not None and self.ctx._materialize:
                grads.append(_full(a.shape, 0, a.dtype, a.device, False))
            else:
                grads.append(None)
        made = checked(self.name(), backward_of(self.cls)(self.ctx, *grads), self.kinds)
        return [
            None if made[i] is None else fitted(self.name(), i, made[i], *like)._value
            for i, like in zip(self.wanted, self.like, strict=True)
        ]

    def free(self) -> None:
        self.ctx._freed = True
        self.freed = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["ctx"], name)


def backward_of(cls: Any) -> Callable:
    """A function's ``backward``, or its ``vjp`` where it defines that instead."""
    return cls.backward if cls.backward is not Function.backward else cls.vjp


def checked(name: str, made: Any, kinds: list[bool]) -> tuple:
    """What ``backward`` returned: one gradient or None an argument, else RuntimeError. ``kinds``: which are tensors."""
    made = made if isinstance(made, tuple) else (made,)
    count = len(kinds)
    if len(made) < count or any(g is not None for g in made[count:]):
        raise RuntimeError(
            f"function {name} returned an incorrect number of gradients (expected {count}, got {len(made)})"
        )
    for i, (g, is_tensor) in enumerate(zip(made, kinds, strict=False)):
        if g is not None and not is_tensor:
            raise RuntimeError(
                f"function {name} returned a gradient different than None at position {i + 1}, but the corresponding "
                "forward input was not a Variable"
            )
        if g is not None and not isinstance(g, Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(g).__name__})")
    return made


def fitted(name: str, i: int, g: Any, shape: tuple, dtype: Any) -> Tensor:
    """A gradient in its argument's dtype and shape, summed where that was broadcast, else RuntimeError."""
    g = g if g.dtype is dtype else g.to(dtype)
    have = tuple(g.shape)
    if have == shape:
        return g
    if len(have) < len(shape) or any(w not in (h, 1) for h, w in zip(have[::-1], shape[::-1], strict=False)):
        raise RuntimeError(
            f"Function {name} returned an invalid gradient at index {i} - got {list(have)} but expected shape "
            "compatible "
            f"with {list(shape)}"
        )
    return g.sum_to_size(shape)


class _FunctionMeta(type):
    def __init__(cls, name: str, bases: tuple, space: dict) -> None:
        super().__init__(name, bases, space)
        cls._node = type(f"{name}Backward", (FunctionNode,), {})  # type: ignore[attr-defined]
        cls._context = type(f"{name}Ctx", (FunctionCtx,), {})  # type: ignore[attr-defined]


class Function(FunctionCtx, metaclass=_FunctionMeta):
    """Base class of custom functions: static ``forward`` and ``backward``, used through ``apply``."""

    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self).__name__} should not be instantiated. Methods on autograd functions are all static, so you "
            "should invoke them on the class itself. Instantiating an autograd function will raise an error in a "
            "future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd "
            "function with static forward method. (Example: "
            "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
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
        raise NotImplementedError(_NO_BACKWARD)

    @staticmethod
    def vjp(ctx: Any, *grad_outputs: Any) -> Any:
        """Another name for ``backward``."""
        raise NotImplementedError(_NO_BACKWARD)

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangents of the results from those of the arguments."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """The batched function: ``(outputs, out_dims)`` for arguments with batch dimensions as ``in_dims`` says.

        ``generate_vmap_rule = True`` has forward and backward themselves batched instead.
        """
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set "
            "generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run the function, recording it for backward."""
        st = _local.state
        needs = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        wanted = st.grad and st.capture is None and any(needs)
        if not wanted and (st.capture is not None or any(isinstance(a, Tensor) and a._v.trace is DIRECT for a in args)):
            from jtorch.autograd.transformed import apply

            return apply(cls, args, kwargs)
        ctx: Any = cls._context()  # type: ignore[attr-defined]
        ctx.needs_input_grad = needs
        node = cls._node(ctx, cls, args, needs) if wanted else None  # type: ignore[attr-defined]
        if node is not None:
            spoil("a custom function")
        level = st.dual
        tangents = [tangent_of(a._value, level) if level and isinstance(a, Tensor) else None for a in args]
        st.dual = 0
        try:
            with st.mode(grad=False):
                made = run_forward(cls, ctx, args, kwargs)
        finally:
            st.dual = level
        outs = made if isinstance(made, tuple) else (made,)
        results = outs
        if node is not None:
            node.outputs = tuple(o._aval() if isinstance(o, Tensor) else None for o in outs)
            results = tuple(_attached(ctx, o, node, k, args) for k, o in enumerate(outs))
            ctx._keep({id(o): r for o, r in zip(outs, results, strict=True) if isinstance(o, Tensor)})
        if any(t is not None for t in tangents):
            _carry(cls, ctx, args, tangents, results, level)
        return results if isinstance(made, tuple) else results[0]


_NO_BACKWARD = (
    "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward "
    "mode AD."
)


def run_forward(cls: Any, ctx: Any, args: tuple, kwargs: dict) -> Any:
    """``forward``, with ``setup_context`` where the function has it."""
    if cls.setup_context is Function.setup_context:
        return cls.forward(ctx, *args, **kwargs)
    made = cls.forward(*args, **kwargs)
    cls.setup_context(ctx, args, made)
    return made


def _attached(ctx: Any, o: Any, node: FunctionNode, output: int, args: tuple) -> Any:
    """An output with its place in the graph."""
    if not isinstance(o, Tensor):
        return o
    if any(o is t for t in ctx._non_differentiable) or not o._aval().inexact:
        return o if all(o is not a for a in args) else o.detach()
    dirty = any(o is t for t in ctx._dirty)
    if dirty and o.requires_grad and o.is_leaf:
        raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
    v = fresh(o._value)
    v.requires_grad = True
    v.node, v.output = node, output
    if dirty and o._is_view():
        return o._write(wrap(v).clone()._value)  # type: ignore[attr-defined]
    if dirty:
        o._ref = None
        o._count += 1
        o._rebind(v)
        return o
    return wrap(v)


def _carry(cls: Any, ctx: Any, args: tuple, tangents: list, results: tuple, level: int) -> None:
    """Forward mode: the tangents of the results, by ``jvp``."""
    from jtorch.tensor.factories import zeros_like

    given = []
    for a, t in zip(args, tangents, strict=True):
        missing = zeros_like(a) if isinstance(a, Tensor) and a._aval().inexact and ctx._materialize else None
        given.append(wrap(t) if t is not None else missing)
    made = cls.jvp(ctx, *given)
    for o, t in zip(results, made if isinstance(made, tuple) else (made,), strict=True):
        if isinstance(o, Tensor) and t is not None:
            o._value.tangent = (level, t._value)


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
                v = fresh(o._value)
                v.requires_grad = True
                v.node = _Once([], (v.aval,), engine.order())
                o = wrap(v)
            results.append(o)
        return tuple(results) if isinstance(made, tuple) else results[0]

    return wrapper


class _Once(engine.GradNode):
    def apply(self, cts: list[Value | None], create_graph: bool) -> list[Value | None]:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")
