"""Update rules: pure functions over JAX arrays, and the one program that applies them to all parameters of a device.

A rule is what optax calls a gradient transformation, cut along what costs: ``schedule`` computes the numbers of this
step from the hyperparameters and counters, once for all parameters that share their counters, and in float64, as torch
computes them in Python; ``update`` applies them to the elements of one parameter. Since torch multiplies weight decay
into the parameter, an update gives the new parameter and not a difference.
"""

from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Init = Callable[[Any, dict], dict[str, Any]]


class Rule:
    """How a parameter and its state follow from a gradient.

    Arguments:
        init: ``(param, group) -> {name: state}``: the function of the parameter that makes an array; a float for a
            counter, which parameters that start together share; None for what ``update`` makes in the first step.
        update: ``(p, g, s, h, f) -> (p, s)``: parameter, gradient, state, numbers and flags of the step to the new
            parameter and state; ``f.dtype`` is the parameter's. 16-bit floats come as float32, complex as real with one
            more dimension of size 2.
        numbers: names of the group's options that are inputs of the program.
        flags: names of those of which the program knows whether they are zero or false.
        constants: names of those that are part of the program.
        counters: names of the state that is a counter.
        schedule: ``(h, c, f) -> (numbers, c)``: more numbers for ``update``, and the new counters, both as dicts. The
            numbers are float64, the counters as they are kept.
        decoupled: weight decay shrinks the parameter and does not add to the gradient; None leaves decay to ``update``.
    """

    def __init__(
        self,
        init: Init,
        update: Callable,
        *,
        numbers: tuple[str, ...],
        flags: tuple[str, ...] = (),
        constants: tuple[str, ...] = (),
        counters: tuple[str, ...] = (),
        schedule: Callable | None = None,
        decoupled: bool | None = False,
    ) -> None:
        self.init, self.update, self.schedule = init, update, schedule
        self.numbers, self.flags, self.constants = numbers, flags, constants
        self.counters = counters
        self.decoupled = decoupled

    def apply(self, params: list, grads: list, states: list[dict], h: SimpleNamespace, f: SimpleNamespace) -> tuple:
        """The rule on the parameters of a group: ``(new params, new states)``."""
        made: dict[Any, Any] = {}
        done = [self._one(p, g, s, h, f, made) for p, g, s in zip(params, grads, states, strict=True)]
        return [p for p, _ in done], [s for _, s in done]

    def _one(self, p: Any, g: Any, s: dict, h: SimpleNamespace, f: SimpleNamespace, made: dict) -> tuple:
        kind = jnp.finfo(p.dtype).dtype
        kind = kind if kind.itemsize > 2 else jnp.dtype(jnp.float32)
        counters = {name: x for name, x in s.items() if name in self.counters}
        key = (kind, *map(id, counters.values()))
        if key not in made:
            made[key] = self._numbers(h, f, counters, kind)
        k, new_counters = made[key]
        rest = {name: _raise(x, kind) for name, x in s.items() if name not in counters}
        new, g = _raise(p, kind), _raise(g, kind)
        if getattr(f, "maximize", False):
            g = -g
        if getattr(f, "weight_decay", False) and self.decoupled is not None:
            if self.decoupled or getattr(f, "decoupled_weight_decay", False):
                new = new * k.shrink
            else:
                g = g + k.weight_decay * new
        new, rest = self.update(new, g, rest, k, SimpleNamespace(**vars(f), dtype=p.dtype))
        return _lower(new, p), {**{name: _lower(x, p) for name, x in rest.items()}, **new_counters}

    def _numbers(self, h: SimpleNamespace, f: SimpleNamespace, counters: dict, kind: Any) -> tuple:
        k = dict(vars(h))
        if "weight_decay" in k:
            k["shrink"] = 1 - h.lr * h.weight_decay
        new: dict[str, Any] = {}
        if self.schedule is not None:
            more, new = self.schedule(h, SimpleNamespace(**counters), f)
            k.update(more)
        return (
            SimpleNamespace(**jax.tree.map(lambda x: jnp.asarray(x, kind), k)),
            {name: x.astype(counters[name].dtype) for name, x in new.items()},
        )


def _raise(x: Any, kind: Any) -> Any:
    """An array as the arithmetic wants it."""
    if x is None:
        return None
    if jnp.iscomplexobj(x):
        return jnp.stack([x.real, x.imag], -1)
    return x.astype(kind)


def _lower(x: Any, like: Any) -> Any:
    """Back to how the parameter is kept."""
    if jnp.iscomplexobj(like):
        return jax.lax.complex(x[..., 0], x[..., 1])
    return x.astype(like.dtype)


def rounded(x: Any, dtype: Any) -> Any:
    """``x`` with the precision of a narrower dtype (XLA drops casts there and back)."""
    info = jnp.finfo(dtype)
    return jax.lax.reduce_precision(x, info.nexp, info.nmant)


def lerp(start: Any, end: Any, weight: Any) -> Any:
    """From ``start`` to ``end``, in torch's order of operations (torch.lerp)."""
    return jnp.where(weight < 0.5, start + weight * (end - start), end - (end - start) * (1 - weight))


class Layout(NamedTuple):
    """Where a group's arrays stand among those of the program, and what else the program knows of it.

    A number stands at a place in the vector of numbers, from 0 on; one given as a tensor among the arrays (``~place``).
    """

    apply: Callable
    numbers: tuple[tuple[str, Any], ...]
    flags: tuple[tuple[str, Any], ...]
    params: tuple[int, ...]
    grads: tuple[int, ...]
    states: tuple[tuple[tuple[str, int], ...], ...]


class Structure:
    """All that is fixed of a step: part of the program's key, so there is one object for each content."""

    def __init__(self, groups: tuple[Layout, ...], results: tuple[int, ...]) -> None:
        self.groups, self.results = groups, results


structure = lru_cache(maxsize=4096)(Structure)


def program(*args: Any) -> tuple:
    """``(numbers, found_inf, grad_scale, arrays..., structure)`` to the new arrays at ``structure.results``.

    Where ``found_inf`` is not zero all stay as they were; gradients are divided by ``grad_scale``.
    """
    *arrays, fixed = args
    vector, found, scale = arrays[:3]
    made: dict[int, Any] = {}
    for group in fixed.groups:
        h = SimpleNamespace(**{name: _number(at, vector, arrays) for name, at in group.numbers})
        grads = [arrays[i] for i in group.grads]
        if scale is not None:
            grads = [(g / scale.astype(g.dtype)).astype(g.dtype) for g in grads]
        states = [{name: arrays[i] for name, i in names} for names in group.states]
        params = [arrays[i] for i in group.params]
        new_params, new_states = group.apply(params, grads, states, h, SimpleNamespace(**dict(group.flags)))
        made.update(zip(group.params, new_params, strict=True))
        for names, state in zip(group.states, new_states, strict=True):
            made.update({i: state[name] for name, i in names})
    if found is not None:
        keep = found.reshape(()) != 0
        made = {i: jnp.where(keep, arrays[i], x) if arrays[i] is not None else x for i, x in made.items()}
    return tuple(made[i] for i in fixed.results)


def _number(at: Any, vector: Any, arrays: list) -> Any:
    if type(at) is tuple:
        return tuple(_number(i, vector, arrays) for i in at)
    if at is None:
        return None
    return vector[at] if at >= 0 else arrays[~at].reshape(()).astype(jnp.float64)
