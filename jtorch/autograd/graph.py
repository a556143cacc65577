"""Looking at the backward graph, hooks on it, and what becomes of what it saves (torch.autograd.graph)."""

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from jtorch.engine import autograd as engine
from jtorch.engine import trace
from jtorch.engine.autograd import GradNode, LeafRef
from jtorch.engine.value import Value
from jtorch.tensor.history import relinked
from jtorch.tensor.methods import mark_hooked
from jtorch.tensor.tensor import Tensor, wrap
from jtorch.utils.hooks import RemovableHandle

__all__ = [
    "GradientEdge", "Node", "disable_saved_tensors_hooks", "get_gradient_edge", "increment_version",
    "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks",
]  # fmt: skip

_local = trace._local


class Node(ABC):
    """A node of the backward graph, as ``grad_fn`` shows it."""

    @abstractmethod
    def name(self) -> str:
        """The node's name."""

    @property
    @abstractmethod
    def next_functions(self) -> tuple[tuple["Node | None", int], ...]:
        """The nodes that its gradients go to."""

    @property
    @abstractmethod
    def metadata(self) -> dict:
        """A dict for whatever is to be kept with the node."""

    @abstractmethod
    def register_hook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Call ``fn(grad_inputs, grad_outputs)`` after the node ran; what it returns replaces ``grad_inputs``."""

    @abstractmethod
    def register_prehook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Call ``fn(grad_outputs)`` before the node runs; what it returns replaces ``grad_outputs``."""


Node.register(GradNode)


def _tensors(values: Iterable[Value | None]) -> tuple[Tensor | None, ...]:
    return tuple(None if v is None else wrap(v) for v in values)


def _values(given: Any, count: int) -> list[Value | None]:
    tensors = given if isinstance(given, (tuple, list)) else (given,)
    if len(tensors) != count:
        raise RuntimeError(
            f"hook has returned an incorrect number of gradients (got {len(tensors)}, but expected {count})"
        )
    return [None if t is None else t._value for t in tensors]


def _register(node: GradNode, hooks: dict[int, Callable], on_values: Callable) -> RemovableHandle:
    mark_hooked(node)
    handle = RemovableHandle(hooks)
    hooks[handle.id] = on_values
    return handle


def register_hook(self: GradNode, fn: Callable[..., Any]) -> RemovableHandle:
    """Call ``fn(grad_inputs, grad_outputs)`` after the node ran; what it returns replaces ``grad_inputs``."""
    places = self.places()

    def after(grads: list[Value | None], cts: list[Value | None]) -> list[Value | None]:
        made = fn(_tensors(None if k is None else grads[k] for k in places), _tensors(cts))
        if made is None:
            return grads
        new = list(grads)
        for k, v in zip(places, _values(made, len(places)), strict=True):
            if k is not None:
                new[k] = v
        return new

    return _register(self, self.post_hooks, after)


def register_prehook(self: GradNode, fn: Callable[..., Any]) -> RemovableHandle:
    """Call ``fn(grad_outputs)`` before the node runs; what it returns replaces ``grad_outputs``."""

    def before(cts: list[Value | None]) -> list[Value | None]:
        made = fn(_tensors(cts))
        return cts if made is None else _values(made, len(cts))

    return _register(self, self.pre_hooks, before)


for _method in (register_hook, register_prehook):
    setattr(GradNode, _method.__name__, _method)  # the engine knows no Tensors: what hooks are given is added here


class GradientEdge(NamedTuple):
    """Where a tensor's gradient goes: an output of a node. ``autograd.grad`` takes it in the place of the tensor."""

    node: Any
    output_nr: int
    ownership_token: Any = None

    @property
    def edge(self) -> engine.Edge:
        """The same for the engine."""
        return (self.node.ref if isinstance(self.node, engine.AccumulateGrad) else self.node, self.output_nr)


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The edge of a tensor that requires a gradient, else RuntimeError."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    where, output = engine.edge_of(tensor._value)
    return GradientEdge(where.shown() if isinstance(where, LeafRef) else where, output, tensor)


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Tell autograd that the tensors were written to."""
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        if t.is_inference():  # type: ignore[attr-defined]
            raise RuntimeError("Inference tensors do not track version counter.")
        t._write(t._value, keep_history=True)


def register_multi_grad_hook(tensors: Sequence[Tensor], fn: Callable, *, mode: str = "all") -> RemovableHandle:
    """Call ``fn`` with the gradients of all tensors once they are computed, or with the first of them (mode "any").

    Gradients of tensors that are not part of the backward pass are None.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    state = _MultiGrad(list(tensors), fn, mode)
    return state.handle()


class _MultiGrad:
    """One registration of :func:`register_multi_grad_hook`: what has come in the backward pass under way."""

    def __init__(self, tensors: list[Tensor], fn: Callable, mode: str) -> None:
        self.fn = fn
        self.mode = mode
        self.edges = [engine.edge_of(t._value) for t in tensors]
        self.grads: list[Tensor | None] = [None] * len(tensors)
        self.lock = threading.Lock()
        self.pass_: Any = object()  # the backward pass that was seen last
        self.count = self.expected = 0
        self.handles = [t.register_hook(self._on(i)) for i, t in enumerate(tensors)]  # type: ignore[attr-defined]

    def _on(self, i: int) -> Callable:
        def hook(grad: Tensor) -> None:
            with self.lock:
                walk = _local.state.walk
                if walk is not self.pass_:
                    self.pass_ = walk
                    self.grads = [None] * len(self.edges)
                    self.expected = sum(walk.reaches(e) for e in self.edges)
                    self.count = 0
                self.count += 1
                self.grads[i] = grad
                last, first = self.count == self.expected, self.count == 1
            if self.mode == "any" and first:
                self.fn(grad)
            elif self.mode == "all" and last:
                self.fn(list(self.grads))

        return hook

    def handle(self) -> RemovableHandle:
        """A handle that takes all of the hooks off."""
        return _Handles(self.handles)


class _Handles(RemovableHandle):
    def __init__(self, handles: Sequence[RemovableHandle]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


# -- what is saved


class saved_tensors_hooks:
    """Within the context ``pack_hook(tensor)`` decides what is kept of each tensor saved for backward.

    ``unpack_hook`` gives the tensor back when backward needs it. An operator's result is packed too, where it is saved,
    but backward computes it anew.
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def pack(self, v: Value) -> Callable[[], Value]:
        """Pack one value; returns what gives it back, with its place in the graph."""
        edge = engine.edge_of(v) if v.requires_grad else None
        shape, dtype = v.aval.shape, v.aval.dtype
        st = _local.state
        hooks, st.saved_hooks = st.saved_hooks, []
        st.watch()
        try:
            with st.mode(grad=False):
                packed = self.pack_hook(wrap(v))
        finally:
            st.saved_hooks = hooks
            st.watch()

        def unpack() -> Value:
            made = self.unpack_hook(packed)
            if not isinstance(made, Tensor):
                raise TypeError(
                    "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                    f"{type(made).__name__}"
                )
            u = made._value
            if (u.aval.shape, u.aval.dtype) != (shape, dtype):
                raise RuntimeError(
                    f"A saved tensor was packed with shape {list(shape)} and dtype {dtype}, but unpacked with shape "
                    f"{list(u.aval.shape)} and dtype {u.aval.dtype}"
                )
            return relinked(u, edge)

        return unpack

    def __enter__(self) -> None:
        st = _local.state
        if _disabled.message is not None:
            raise RuntimeError(_disabled.message)
        st.saved_hooks = [*st.saved_hooks, self.pack]
        st.watch()

    def __exit__(self, *exc: object) -> None:
        st = _local.state
        st.saved_hooks = st.saved_hooks[:-1]
        st.watch()


class _Disabled(threading.local):
    message: str | None = None


_disabled = _Disabled()


class save_on_cpu(saved_tensors_hooks):
    """Within the context what is saved for backward waits in the host's memory."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(t: Tensor) -> tuple:
            return (t.device, t.cpu())  # type: ignore[attr-defined]

        def unpack(packed: tuple) -> Tensor:
            device, t = packed
            return t.to(device)

        super().__init__(pack, unpack)


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Within the context saved_tensors_hooks raises RuntimeError with this message."""
    if _local.state.saved_hooks:
        raise RuntimeError(error_message)
    before, _disabled.message = _disabled.message, error_message
    try:
        yield
    finally:
        _disabled.message = before
