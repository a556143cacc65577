"""Calling a module with other parameters than its own (``torch.nn.utils.stateless``)."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from jtorch.nn.modules import _changes

__all__ = ["functional_call"]


def _place(module: Any, path: str) -> tuple[dict, str]:
    """The dict that holds the tensor at the dotted ``path``, and its name there."""
    prefix, _, name = path.rpartition(".")
    owner = module.get_submodule(prefix)
    for place in (owner._parameters, owner._buffers):
        if name in place:
            return place, name
    return owner.__dict__, name


def _tied(module: Any, state: dict[str, Any]) -> dict[str, Any]:
    """``state`` with an entry more for every other name of a tensor that it replaces."""
    named = dict(module.named_parameters(remove_duplicate=False)) | dict(module.named_buffers(remove_duplicate=False))
    names: dict[int, list[str]] = {}
    for name, tensor in named.items():
        names.setdefault(id(tensor), []).append(name)
    completed = dict(state)
    for name in state:
        same = names.get(id(named[name]), []) if name in named else []
        given = sorted(other for other in same if other in state)
        if len({id(state[other]) for other in given}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {given}, which are tied. Consider using "
                "tie_weights=False"
            )
        for other in same:
            completed[other] = state[name]
    return completed


def _check_names(module: Any, state: dict[str, Any]) -> None:
    known = {
        name for named in (module.named_parameters, module.named_buffers) for name, _ in named(remove_duplicate=False)
    }
    problems = [
        f"{what} key(s): {', '.join(map(repr, sorted(keys)))}."
        for what, keys in (("Unexpected", state.keys() - known), ("Missing", known - state.keys()))
        if keys
    ]
    if problems:
        told = "\n\t".join(problems)
        raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t{told}")


@contextlib.contextmanager
def swapped(module: Any, state: dict[str, Any], *, tie_weights: bool = False, strict: bool = False) -> Iterator[None]:
    """Within the context, ``module`` has the tensors of ``state``, by qualified name, in the place of its own.

    At the end ``state`` holds what is then in their places, as a buffer may have been replaced, and the module has its
    own back.

    Arguments:
        tie_weights: replace a tensor under all its names, though ``state`` gives one only.
        strict: raise RuntimeError unless ``state`` names exactly the module's parameters and buffers.
    """
    given = _tied(module, state) if tie_weights else state
    if strict:
        _check_names(module, given)
    places = {path: _place(module, path) for path in given}
    missing = object()
    own = [(place, name, place.get(name, missing)) for place, name in places.values()]
    _changes.note()
    for path, (place, name) in places.items():
        place[name] = given[path]
    try:
        yield
    finally:
        _changes.note()
        for path in state:
            place, name = places[path]
            state[path] = place.get(name, state[path])
        for place, name, tensor in own:
            if tensor is missing:
                place.pop(name, None)
            else:
                place[name] = tensor


def _functional_call(
    module: Any,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with swapped(module, parameters_and_buffers, tie_weights=tie_weights, strict=strict):
        return module(*args, **({} if kwargs is None else kwargs))


def functional_call(
    module: Any,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Deprecated: use ``torch.func.functional_call``, which does the same."""
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be removed in a future "
        "version of PyTorch. Please use `torch.func.functional_call` instead which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return _functional_call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)
