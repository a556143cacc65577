"""Optimizers whose step is one recorded operation over all their parameters."""

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

import jtorch
from jtorch.autograd.grad_mode import enable_grad
from jtorch.optim.optimizer import Optimizer
from jtorch.optim.rule import Layout, Rule, program, structure
from jtorch.tensor.fused import assign, flush, prepared, runtime_scalar, update
from jtorch.tensor.history import alias_of
from jtorch.tensor.tensor import Tensor, tensor_from, wrap


class PlannedOptimizer(Optimizer):
    """An optimizer that follows a :class:`~jtorch.optim.rule.Rule`.

    What a step touches is worked out once, in a plan a device, and again only when groups, options, state or the set of
    parameters with gradients change. A change of numbers (a learning rate) costs nothing but their transfer.

    Counters (``step``) live on the parameters' device, and parameters that started together share one tensor;
    ``state_dict`` gives each its own, where torch keeps it.
    """

    _rule: Rule
    _plans: "list[Plan] | None" = None
    _host_counters = True  # torch keeps counters on the CPU unless the group is capturable or fused
    # Options that older versions of torch did not save, with what they stand for.
    _late_options: dict[str, Any] = {
        "foreach": None,
        "maximize": False,
        "capturable": False,
        "differentiable": False,
    }
    _honours_found_inf = True  # a GradScaler may leave the overflow flag on the device

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        if defaults.get("differentiable"):
            if defaults.get("fused"):
                raise RuntimeError("`fused` does not support `differentiable`")
            raise NotImplementedError(f"jtorch: {type(self).__name__}(differentiable=True) is not implemented")
        super().__init__(params, defaults)
        if defaults.get("fused"):
            self._step_supports_amp_scaling = True
            if defaults.get("foreach"):
                raise RuntimeError("`fused` and `foreach` cannot be `True` together.")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters that have gradients; returns what ``closure`` returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        plans = self._plans
        if plans is None or not all([plan.current(self) for plan in plans]):
            plans = self._plans = self._plan()
        for plan in plans:
            plan.run(self)
        flush("optimizer.step()")
        return loss

    def reached(self) -> tuple[list[Any], Callable[[], bool], Callable[[], list[Tensor]]] | None:
        """What code that steps it depends on, whether that still holds, and the numbers that programs take as inputs.

        None before the first step, and where hooks may do anything.
        """
        plans = self._plans
        if not plans or self.hooked:
            return None
        parts: list[Any] = []
        for plan in plans:
            parts += [id(plan.structure), *plan.params, *plan.idle, *[entry[name] for entry, name in plan.slots]]
            parts += [holder[name] for holder, name in plan.tensors]

        def holds() -> bool:
            return self._plans is plans and not self.hooked and all([plan.holds(self) for plan in plans])

        return parts, holds, lambda: [plan.vector for plan in plans]

    def _plan(self) -> "list[Plan]":
        devices: dict[str, None] = {}
        for group in self.param_groups:
            for p in group["params"]:
                devices[p._aval().device] = None
                if p.grad is not None:
                    self._check(p, group)
        return [Plan(self, device) for device in devices]

    def _check(self, p: Any, group: dict) -> None:
        """Raise what torch raises in a step for options that do not fit a parameter."""
        if group.get("capturable") and p.is_cpu:
            raise AssertionError(
                "If capturable=True, params and state_steps must be on supported devices: ['cuda', 'xpu', 'hpu', "
                "'privateuseone', 'xla']."
            )
        if group.get("fused") and not p.is_floating_point():
            raise RuntimeError(
                "`fused=True` requires all the params to be floating point Tensors of supported devices: "
                f"['mps', 'cuda', 'xpu', 'hpu', 'cpu', 'mtia', 'privateuseone'] but {p.dtype} and {p.device.type}"
            )

    # -- state

    def _owners(self, group: dict, index: int, params: list[Any]) -> list[tuple[Hashable, dict[str, Any]]]:
        """The keys of ``self.state`` that a group's step uses, each with the state that it starts from."""
        return [(p, self._rule.init(p, group)) for p in params]

    def _start(self, key: Any, wanted: dict[str, Any], device: str, group: dict, counters: dict) -> dict:
        """The state of a key, with what is missing of ``wanted`` made; ``counters`` holds those made for others."""
        entry = self.state[key]
        for name, value in wanted.items():
            if entry.get(name) is not None:
                continue
            if value is None:
                entry[name] = None
            elif type(value) is float:
                entry[name] = _counter(value, name, device, group, counters)
            else:
                entry[name] = tensor_from(value(key), device)
        return entry

    def _shown(self, group: dict | None, value: Any) -> Any:
        """Counters leave as tensors of their own, since torch adds to each in place."""
        if group is None or not self._rule.counters or not isinstance(value, dict):
            return value
        host = self._host_counters and not (group.get("capturable") or group.get("fused"))
        shown = dict(value)
        for name in self._rule.counters:
            if isinstance(value.get(name), Tensor):
                shown[name] = _copy(value[name].cpu() if host else value[name])
        return shown

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._plans = None
        counters: dict[Any, Tensor] = {}
        for group in self.param_groups:
            for option, value in self._late_options.items():
                group.setdefault(option, value)
            for p in group["params"]:
                entry = self.state.get(p)
                for name, value in (entry or {}).items():
                    if name in self._rule.counters:
                        entry[name] = _counter(value, name, p._aval().device, group, counters)  # type: ignore[index]
                    elif isinstance(value, Tensor):
                        entry[name] = _copy(value)  # type: ignore[index]


def _copy(x: Tensor) -> Tensor:
    """A tensor of the same elements that shares nothing which could be written to."""
    return wrap(alias_of(x.detach()._value))


def _counter(value: Any, name: str, device: str, group: dict, counters: dict) -> Tensor:
    """A counter of a value, on a device; one tensor for all that are equal."""
    kind: Any = np.dtype(np.float32)
    if jtorch.get_default_dtype() is jtorch.float64 and not group.get("fused"):  # type: ignore[attr-defined]
        kind = np.dtype(np.float64)
    if isinstance(value, Tensor):
        kind = value._aval().dtype
    key = (name, float(value), device, kind)
    if key not in counters:
        counters[key] = tensor_from(np.asarray(float(value), kind), device)
    return counters[key]


class _Group:
    """A parameter group as a plan saw it."""

    def __init__(self, group: dict, rule: Rule) -> None:
        self.group = group
        self.params = list(group["params"])
        self.ids = list(map(id, self.params))
        self.rule = rule
        self.names = tuple(dict.fromkeys(rule.numbers + rule.flags + rule.constants))
        self.values = self.read()
        self.types = list(map(type, self.values))

    def read(self) -> list[Any]:
        """The values of the options that count."""
        group = self.group
        return [tuple(v) if type(v) is list else v for v in [group[name] for name in self.names]]

    def fixed(self) -> tuple:
        """What the program knows of the options."""
        given = dict(zip(self.names, self.values, strict=True))
        flags = [(name, isinstance(given[name], Tensor) or bool(given[name])) for name in self.rule.flags]
        return (*flags, *[(name, given[name]) for name in self.rule.constants])


class Plan:
    """What a step of an optimizer touches on one device."""

    def __init__(self, optimizer: PlannedOptimizer, device: str) -> None:
        self.device = device
        self.name = f"{type(optimizer).__name__}.step"
        self.state = optimizer.state
        self.groups = [_Group(group, optimizer._rule) for group in optimizer.param_groups]
        self.params: list[Any] = []  # those with a gradient
        self.idle: list[Any] = []  # those without
        self.slots: list[tuple[dict, str]] = []  # where the state's tensors are found
        self.shared: list[tuple[dict, str, Tensor]] = []  # where they are found again
        self.tensors: list[tuple[Any, Any]] = []  # where numbers that are tensors are found
        self._build(optimizer)
        self.entries = list(map(id, self.state.values()))
        self.vector = runtime_scalar(self._numbers(), np.float64, device)  # type: ignore[arg-type]

    def _build(self, optimizer: PlannedOptimizer) -> None:
        found = []
        for g in self.groups:
            here = [p for p in dict.fromkeys(g.params) if p._aval().device == self.device]
            active = [p for p in here if p._grad is not None]
            self.idle += [p for p in here if p._grad is None]
            self.params += active
            found.append(active)
        held = self._held_by_idle(optimizer._rule.counters)
        counters: dict[Any, Tensor] = {}
        parted: dict[int, Tensor] = {}
        places: dict[int, int] = {}
        states = []
        for index, (g, active) in enumerate(zip(self.groups, found, strict=True)):
            layout: list[tuple] = []
            for key, wanted in optimizer._owners(g.group, index, active) if active else ():
                if not wanted:
                    layout.append(())
                    continue
                entry = optimizer._start(key, wanted, self.device, g.group, counters)
                for name in optimizer._rule.counters:
                    if id(entry[name]) in held:
                        entry[name] = parted.setdefault(id(entry[name]), _copy(entry[name]))
                layout.append(tuple([(name, self._slot(entry, name, places)) for name in wanted]))
            states.append(layout)
        self.structure = self._structure(found, states)

    def _held_by_idle(self, counters: tuple[str, ...]) -> set[int]:
        """Counters of parameters that stand still: those that move on need their own."""
        entries = [self.state.get(p) or {} for p in self.idle]
        return {id(entry[name]) for entry in entries for name in counters if name in entry}

    def _slot(self, entry: dict, name: str, places: dict[int, int]) -> int:
        x = entry[name]
        if x is not None and id(x) in places:
            self.shared.append((entry, name, x))
            return places[id(x)]
        place = len(self.slots)
        self.slots.append((entry, name))
        if x is not None:
            places[id(x)] = place
        return place

    def _structure(self, found: list[list], states: list[list]) -> Any:
        numbers = []
        taken = 0
        for g in self.groups:
            entry = []
            for name in g.rule.numbers:
                at, taken = self._place(g.group, name, taken)
                entry.append((name, at))
            numbers.append(tuple(entry))
        first = 3 + len(self.tensors)
        count = len(self.params)
        base = first + 2 * count
        layouts = []
        for g, active, layout, places in zip(self.groups, found, states, numbers, strict=True):
            if active:
                at = range(first, first + len(active))
                first = at.stop
                slots = tuple([tuple([(name, base + i) for name, i in names]) for names in layout])
                gradients = tuple([i + count for i in at])
                layouts.append(Layout(g.rule.apply, places, g.fixed(), tuple(at), gradients, slots))
        results = (*range(first - count, first), *range(base, base + len(self.slots)))
        return structure(tuple(layouts), results)

    def _place(self, holder: Any, name: Any, taken: int) -> tuple[Any, int]:
        value = holder[name]
        if value is None:
            return None, taken
        if isinstance(value, (tuple, list)):
            places = []
            for i in range(len(value)):
                at, taken = self._place(value, i, taken)
                places.append(at)
            return tuple(places), taken
        if isinstance(value, Tensor):
            self.tensors.append((holder, name))
            return ~(2 + len(self.tensors)), taken
        return taken, taken + 1

    def _numbers(self) -> list[float]:
        flat: list[Any] = []
        for g in self.groups:
            for value in g.values[: len(g.rule.numbers)]:
                flat += value if isinstance(value, tuple) else (value,)
        return [float(x) for x in flat if x is not None and not isinstance(x, Tensor)]

    def current(self, optimizer: PlannedOptimizer) -> bool:
        """Whether the plan holds for the step to come; takes in numbers that have changed."""
        if any([p._grad is None for p in self.params]) or any([p._grad is not None for p in self.idle]):
            return False
        return self.holds(optimizer)

    def holds(self, optimizer: PlannedOptimizer) -> bool:
        """The same, whichever parameters have gradients."""
        state = optimizer.state
        groups = optimizer.param_groups
        if (
            state is not self.state
            or len(groups) != len(self.groups)
            or list(map(id, state.values())) != self.entries  # asking by tensor costs more
            or any([entry[name] is not x for entry, name, x in self.shared])
            or (self.params and self.params[0]._v.aval.device != self.device)
        ):
            return False
        changed = False
        for group, g in zip(groups, self.groups, strict=True):
            if group is not g.group or list(map(id, group["params"])) != g.ids:
                return False
            values = g.read()
            if values == g.values:
                continue
            before = g.fixed()
            g.values = values
            if g.fixed() != before or list(map(type, values)) != g.types:
                return False
            changed = True
        if changed:
            self.vector = runtime_scalar(self._numbers(), np.float64, self.device)  # type: ignore[arg-type]
        return True

    prepared: Any = None  # the operator and spec of the last step

    def run(self, optimizer: PlannedOptimizer) -> None:
        """Record the step."""
        params = self.params
        if not params:
            return
        given = vars(optimizer)
        states = [entry[name] for entry, name in self.slots]
        inputs = [
            self.vector,
            given.get("found_inf"),
            given.get("grad_scale"),
            *[holder[name] for holder, name in self.tensors],
            *params,
            *[p._grad for p in params],
            *states,
        ]
        absent = tuple([x is None for x in inputs])
        if self.prepared is None or absent != self.prepared[1][0].absent:
            self.prepared = prepared(self.name, program, self.structure, absent)
        op, spec = self.prepared
        present = [x for x in inputs if x is not None]
        started = not any(absent[-len(states) :]) if states else True
        made = update(op, spec, present, [*params, *states] if started else params)
        for (entry, name), x, new in zip(self.slots, states, made, strict=False):
            if x is None:
                entry[name] = new
            else:
                assign(x, new)
