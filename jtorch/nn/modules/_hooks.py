"""Module hooks: the process-wide registries, the methods that register hooks, and a call that runs them all.

A module without hooks never comes here: ``Module.__call__`` goes straight to ``forward``.
"""

import functools
import itertools
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import jtorch
from jtorch.tensor.tensor import Tensor
from jtorch.utils.hooks import RemovableHandle

_global_buffer_registration_hooks: dict[int, Callable] = OrderedDict()
_global_module_registration_hooks: dict[int, Callable] = OrderedDict()
_global_parameter_registration_hooks: dict[int, Callable] = OrderedDict()
_global_backward_pre_hooks: dict[int, Callable] = OrderedDict()
_global_backward_hooks: dict[int, Callable] = OrderedDict()
_global_forward_pre_hooks: dict[int, Callable] = OrderedDict()
_global_forward_hooks: dict[int, Callable] = OrderedDict()
_global_forward_hooks_always_called: dict[int, bool] = OrderedDict()
_global_forward_hooks_with_kwargs: dict[int, bool] = OrderedDict()
_global_is_full_backward_hook: bool | None = None


def _register(hooks: dict, hook: Callable, flags: dict[str, dict] | None = None, prepend: bool = False) -> Any:
    """Put ``hook`` into ``hooks``; ``flags`` are further dicts that note its id. Returns the handle that undoes it."""
    handle = RemovableHandle(hooks, extra_dict=list(flags.values()) if flags else None)
    hooks[handle.id] = hook
    for noted in (flags or {}).values():
        noted[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)  # type: ignore[attr-defined]
    return handle


def register_module_buffer_registration_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` whenever a buffer is registered; what it returns replaces the buffer."""
    return _register(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, name, submodule)`` whenever a module is registered; what it returns replaces it."""
    return _register(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, name, param)`` whenever a parameter is registered; what it returns replaces it."""
    return _register(_global_parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, args)`` before every module's forward."""
    return _register(_global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args[, kwargs], output)`` after every module's forward."""
    flags = {}
    if with_kwargs:
        flags["kwargs"] = _global_forward_hooks_with_kwargs
    if always_call:
        flags["always"] = _global_forward_hooks_always_called
    return _register(_global_forward_hooks, hook, flags)


def _global_backward_kind(full: bool) -> None:
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. "
            "Please use only one of them."
        )
    _global_is_full_backward_hook = full


def register_module_backward_hook(hook: Callable) -> RemovableHandle:
    """The older form of :func:`register_module_full_backward_hook`; not to be mixed with it."""
    _global_backward_kind(full=False)
    return _register(_global_backward_hooks, hook)


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` before the gradients of every module are computed."""
    return _register(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` once every module's input gradients are known."""
    _global_backward_kind(full=True)
    return _register(_global_backward_hooks, hook)


def has_global_hooks() -> bool:
    """Whether any process-wide hook applies to a call."""
    return bool(
        _global_forward_hooks or _global_forward_pre_hooks or _global_backward_hooks or _global_backward_pre_hooks
    )


class _WrappedHook:
    """A hook that may want the module it hangs on, which it holds weakly and which survives pickling and copying."""

    def __init__(self, hook: Callable, module: Any = None) -> None:
        self.hook = hook
        functools.update_wrapper(self, hook)
        self.with_module = module is not None
        if module is not None:
            self.module = weakref.ref(module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.with_module:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> dict:
        state = {"hook": self.hook, "with_module": self.with_module}
        if self.with_module:
            state["module"] = self.module()
        return state

    def __setstate__(self, state: dict) -> None:
        self.hook = state["hook"]
        self.with_module = state["with_module"]
        if self.with_module:
            if state["module"] is None:
                raise RuntimeError("You are trying to revive the hook of a dead Module!")
            self.module = weakref.ref(state["module"])


class _BackwardCall:
    """One forward call's full backward hooks: identity nodes around the module that see the gradients pass."""

    def __init__(self, module: Any, hooks: list, pre_hooks: list) -> None:
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.n_inputs = 0
        self.input_index: list[int] | None = None  # which arguments are tensors; None when no gradient reaches them
        self.n_outputs = 0
        self.output_index: list[int] = []
        self.grad_outputs: tuple | None = None

    def around_inputs(self, args: tuple) -> tuple:
        self.n_inputs = len(args)
        args, self.input_index = self._around(args, self._input_grads)
        return args

    def around_outputs(self, result: Any) -> Any:
        if isinstance(result, Tensor):
            return self.around_outputs((result,))[0]
        if not isinstance(result, tuple):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                f"{type(result)}",
                stacklevel=5,
            )
            return result
        self.n_outputs = len(result)
        result, index = self._around(result, self._output_grads)
        self.output_index = index or []
        return result

    def _around(self, values: tuple, on_grads: Callable) -> tuple[tuple, list[int] | None]:
        index = [i for i, v in enumerate(values) if isinstance(v, Tensor)]
        if not (jtorch.is_grad_enabled() and any(values[i].requires_grad for i in index)):
            return values, None
        passed = _function().apply(on_grads, *[values[i] for i in index])
        passed = passed if isinstance(passed, tuple) else (passed,)
        out = list(values)
        for i, t in zip(index, passed, strict=True):
            out[i] = t
        # A named tuple keeps its class.
        return (type(values)(*out) if hasattr(values, "_fields") else tuple(out)), index

    def _output_grads(self, grads: tuple) -> tuple:
        self.grad_outputs = _spread(grads, self.output_index, self.n_outputs)
        for hook in self.pre_hooks:
            new = hook(self.module, self.grad_outputs)
            if new is not None:
                self.grad_outputs = _replaced(new, self.n_outputs, "Backward pre hook", "grad_output")
        passed_on = tuple(self.grad_outputs[i] for i in self.output_index)
        if self.input_index is None:
            self._without_input_grads()
            self.grad_outputs = None
        return passed_on

    def _without_input_grads(self) -> None:
        if self.hooks:
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module outputs since no "
                "inputs require gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
                "#torch.nn.Module.register_full_backward_hook for more details.",
                stacklevel=5,
            )
        for hook in self.hooks:
            new = hook(self.module, (None,) * self.n_inputs, self.grad_outputs)
            if new is not None and not (isinstance(new, tuple) and all(g is None for g in new)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or None for "
                    "all gradients."
                )

    def _input_grads(self, grads: tuple) -> tuple:
        if self.grad_outputs is None:
            # The gradient came from elsewhere than the module's output (which was detached): nothing to tell.
            return grads
        index = self.input_index or []
        grad_inputs = _spread(grads, index, self.n_inputs)
        for hook in self.hooks:
            new = hook(self.module, grad_inputs, self.grad_outputs)
            if new is not None:
                grad_inputs = _replaced(new, self.n_inputs, "Backward hook", "grad_input")
        self.grad_outputs = None
        return tuple(grad_inputs[i] for i in index)


def _spread(grads: tuple, index: list[int], n: int) -> tuple:
    out: list[Any] = [None] * n
    for i, g in zip(index, grads, strict=True):
        out[i] = g
    return tuple(out)


def _replaced(new: Any, n: int, who: str, what: str) -> tuple:
    new = (new,) if isinstance(new, Tensor) else tuple(new)
    if len(new) != n:
        raise RuntimeError(f"{who} returned an invalid number of {what}, got {len(new)}, but expected {n}")
    return new


@functools.cache
def _function() -> Any:
    """The identity that reports its gradients. Made on first use: the class needs the autograd package loaded."""

    class BackwardHookFunction(jtorch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, on_grads: Callable, *tensors: Any) -> Any:
            ctx.on_grads = on_grads
            ctx.set_materialize_grads(False)
            ctx.mark_non_differentiable(*[t for t in tensors if not t.requires_grad])
            return tuple(t.view_as(t) for t in tensors)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return (None, *ctx.on_grads(grads))

    return BackwardHookFunction


class HookMethods:
    """The part of ``Module`` that registers hooks and runs a call that has some."""

    # What follows is filled in by Module.__init__.
    _backward_hooks: dict
    _backward_pre_hooks: dict
    _is_full_backward_hook: bool | None
    _forward_hooks: dict
    _forward_hooks_with_kwargs: dict
    _forward_hooks_always_called: dict
    _forward_pre_hooks: dict
    _forward_pre_hooks_with_kwargs: dict
    forward: Callable

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before ``forward``; what it returns replaces the arguments.

        With ``with_kwargs`` it is ``hook(module, args, kwargs)``, which returns None or ``(args, kwargs)``.
        """
        flags = {"kwargs": self._forward_pre_hooks_with_kwargs} if with_kwargs else None
        return _register(self._forward_pre_hooks, hook, flags, prepend)

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after ``forward``; what it returns replaces the output.

        With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``; with ``always_call`` it is called even if
        ``forward`` raises.
        """
        flags = {}
        if with_kwargs:
            flags["kwargs"] = self._forward_hooks_with_kwargs
        if always_call:
            flags["always"] = self._forward_hooks_always_called
        return _register(self._forward_hooks, hook, flags, prepend)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the module's gradients; what it returns replaces
        ``grad_output``.
        """
        return _register(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` after them; what it returns replaces ``grad_input``.

        Gradients are given for positional arguments only, None for those that are no tensors. The hook must not write
        to its arguments.
        """
        self._backward_kind(full=True)
        return _register(self._backward_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """The older form, which sees the gradients of the module's last operation only. Not to be mixed with the full
        form.
        """
        self._backward_kind(full=False)
        return _register(self._backward_hooks, hook)

    def _backward_kind(self, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. "
                "Please use only one of them."
            )
        self._is_full_backward_hook = full

    def _get_backward_hooks(self) -> tuple[list, list]:
        """The hooks that apply, full ones and others, process-wide ones first."""
        full: list[Callable] = []
        other: list[Callable] = []
        for kind, hooks in (
            (_global_is_full_backward_hook, _global_backward_hooks),
            (self._is_full_backward_hook, self._backward_hooks),
        ):
            (full if kind is True else other).extend(hooks.values())
        return full, other

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        """Call ``forward`` and every hook that applies to it."""
        called: set[int] = set()  # forward hooks that have run, for the always-called ones
        result = None
        try:
            full, other = self._get_backward_hooks()
            pre = [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]
            args, kwargs = self._run_forward_pre_hooks(args, kwargs)
            call = None
            if full or pre:
                call = _BackwardCall(self, full, pre)
                args = call.around_inputs(args)
            result = self.forward(*args, **kwargs)
            for hook_id, hook, with_kwargs, _ in self._forward_hooks_in_order():
                called.add(hook_id)
                new = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
                result = result if new is None else new
            if call is not None:
                result = call.around_outputs(result)
            if other:
                self._attach_older_backward_hooks(other, args, result)
            return result
        except Exception:
            for hook_id, hook, with_kwargs, always in self._forward_hooks_in_order():
                if not always or hook_id in called:
                    continue
                try:
                    new = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
                    result = result if new is None else new
                except Exception as e:
                    warnings.warn(
                        "module forward hook with ``always_call=True`` raised an exception that was silenced as "
                        f"another error was raised in forward: {e}",
                        stacklevel=2,
                    )
            raise

    def _run_forward_pre_hooks(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        for hook_id, hook in (*_global_forward_pre_hooks.items(), *self._forward_pre_hooks.items()):
            if hook_id in self._forward_pre_hooks_with_kwargs:
                new = hook(self, args, kwargs)
                if new is not None:
                    if not (isinstance(new, tuple) and len(new) == 2):
                        raise RuntimeError(
                            f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {new}."
                        )
                    args, kwargs = new
            else:
                new = hook(self, args)
                if new is not None:
                    args = new if isinstance(new, tuple) else (new,)
        return args, kwargs

    def _forward_hooks_in_order(self) -> list[tuple[int, Callable, bool, bool]]:
        """(id, hook, with_kwargs, always_call) of the process-wide forward hooks and then the module's own."""
        return [
            (i, hook, i in with_kwargs, i in always)
            for hooks, with_kwargs, always in (
                (_global_forward_hooks, _global_forward_hooks_with_kwargs, _global_forward_hooks_always_called),
                (self._forward_hooks, self._forward_hooks_with_kwargs, self._forward_hooks_always_called),
            )
            for i, hook in hooks.items()
        ]

    def _attach_older_backward_hooks(self, hooks: list, args: tuple, result: Any) -> None:
        var = result
        while not isinstance(var, Tensor):
            values = var.values() if isinstance(var, dict) else var
            var = next((v for v in values if isinstance(v, Tensor)), None) if isinstance(var, dict) else var[0]
        grad_fn = var.grad_fn
        if grad_fn is None:
            return
        for hook in hooks:
            grad_fn.register_hook(functools.partial(hook, self))
        self._maybe_warn_non_full_backward_hook(args, result, grad_fn)

    def _maybe_warn_non_full_backward_hook(self, inputs: Any, result: Any, grad_fn: Any) -> None:
        """Warn where an older backward hook will not see all gradients."""
        told = "Please use register_full_backward_hook to get the documented behavior."
        many = "is deprecated and will be removed in future versions. This hook will be missing some"
        tensors = (Tensor,)
        outputs = (result,) if isinstance(result, tensors) else result
        inputs = (inputs,) if isinstance(inputs, tensors) else inputs
        if not (isinstance(outputs, tuple) and all(isinstance(r, tensors) for r in outputs)):
            message = (
                "Using non-full backward hooks on a Module that does not return a single Tensor or a tuple of Tensors "
                f"{many} of the grad_output. {told}"
            )
        elif not (isinstance(inputs, tuple) and all(isinstance(i, tensors) for i in inputs)):
            message = (
                "Using non-full backward hooks on a Module that does not take as input a single Tensor or a tuple of "
                f"Tensors {many} of the grad_input. {told}"
            )
        elif len({r.grad_fn for r in outputs if r.grad_fn is not None}) > 1:
            message = (
                "Using a non-full backward hook when outputs are generated by different autograd Nodes "
                f"{many} grad_output. {told}"
            )
        else:
            ours = {i.grad_fn for i in inputs if i.grad_fn is not None}
            after = {fn for fn, _ in itertools.chain(grad_fn.next_functions) if fn is not None}
            leaves = {fn for fn in after if type(fn).__name__ == "AccumulateGrad"}
            if not (after - leaves - ours) and len(leaves) == sum(
                1 for i in inputs if i.requires_grad and i.grad_fn is None
            ):
                return
            message = (
                "Using a non-full backward hook when the forward contains multiple autograd Nodes "
                f"{many} grad_input. {told}"
            )
        warnings.warn(message, FutureWarning, stacklevel=5)
