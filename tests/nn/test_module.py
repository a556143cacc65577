"""Module: registration, attributes, calls and hooks, state, conversion, copies and repr."""

import copy
import pickle
from collections import OrderedDict
from typing import Any

import pytest

import jtorch
from jtorch import nn
from jtorch.nn.modules import module as module_file


class Scale(nn.Module):
    """x times a parameter, plus a buffer."""

    def __init__(self, factor: float = 2.0) -> None:
        super().__init__()
        self.factor = nn.Parameter(jtorch.tensor([factor]))
        self.register_buffer("offset", jtorch.tensor([1.0]))
        self.register_buffer("scratch", jtorch.tensor([0.0]), persistent=False)

    def forward(self, x: Any) -> Any:
        return x * self.factor + self.offset


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.BatchNorm1d(4), Scale()))


# Registration and attributes


def test_what_is_assigned_is_registered() -> None:
    m = Scale()
    m.child = nn.Linear(1, 1)
    m.other = nn.Buffer(jtorch.zeros(2), persistent=False)
    assert [name for name, _ in m.named_parameters()] == ["factor", "child.weight", "child.bias"]
    assert [name for name, _ in m.named_buffers()] == ["offset", "scratch", "other"]
    assert [name for name, _ in m.named_children()] == ["child"]
    assert list(m.state_dict()) == ["factor", "offset", "child.weight", "child.bias"]


def test_assigning_over_a_name_changes_its_kind() -> None:
    m = Scale()
    m.offset = nn.Parameter(jtorch.zeros(1))
    assert "offset" in m._parameters and "offset" not in m._buffers
    m.offset = None
    assert m._parameters["offset"] is None
    m.factor = None
    assert list(m.parameters()) == []
    with pytest.raises(TypeError, match="as parameter 'offset'"):
        m.offset = nn.ReLU()
    del m.offset
    m.offset = nn.ReLU()
    assert "offset" in m._modules and "offset" not in m._parameters
    del m.offset
    assert not hasattr(m, "offset")


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda m: setattr(m, "factor", jtorch.ones(1)), TypeError, "'torch.FloatTensor' as parameter 'factor'"),
        (lambda m: setattr(m, "factor", 1), TypeError, "cannot assign 'int' as parameter 'factor'"),
        (lambda m: setattr(m, "offset", 1), TypeError, "cannot assign 'int' as buffer 'offset'"),
        (lambda m: m.register_parameter("a.b", None), KeyError, 'can\'t contain "."'),
        (lambda m: m.register_parameter("", None), KeyError, "can't be empty"),
        (lambda m: m.register_parameter("forward", None), KeyError, "attribute 'forward' already exists"),
        (lambda m: m.register_parameter("p", jtorch.ones(1)), TypeError, "cannot assign 'torch.FloatTensor' object"),
        (lambda m: m.register_buffer("b", 1), TypeError, "torch Tensor or None required"),
        (lambda m: m.register_buffer(1, None), TypeError, "buffer name should be a string. Got int"),
        (lambda m: m.add_module("m", 1), TypeError, "int is not a Module subclass"),
        (lambda m: m.missing, AttributeError, "'Scale' object has no attribute 'missing'"),
        (lambda m: m.get_submodule("a.b"), AttributeError, "Scale has no attribute `a`"),
        (lambda m: m.get_parameter("offset"), AttributeError, "`offset` is not an nn.Parameter"),
        (lambda m: m.get_buffer("factor"), AttributeError, "`factor` is not a buffer"),
        (lambda m: m.train("yes"), ValueError, "training mode is expected to be boolean"),
        (lambda m: m.share_memory(), NotImplementedError, "share_memory"),
        (lambda m: nn.Module()(1), NotImplementedError, 'missing the required "forward" function'),
        (lambda m: nn.Module(1), TypeError, "takes 1 positional argument but 2 were given"),
        (lambda m: m.to(jtorch.int32), TypeError, "only accepts floating point or complex dtypes"),
        (lambda m: m.to(1, 2, 3, 4, 5), TypeError, "invalid combination of arguments"),
        (lambda m: m.load_state_dict(3), TypeError, "Expected state_dict to be dict-like"),
    ],
)  # fmt: skip
def test_errors(act: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        act(Scale())
    assert message in str(caught.value.args[0])


def test_init_must_come_first() -> None:
    class Early(nn.Module):
        def __init__(self) -> None:
            self.weight = nn.Parameter(jtorch.zeros(1))

    with pytest.raises(AttributeError, match="cannot assign parameters before Module.__init__"):
        Early()


def test_lookups_by_path() -> None:
    m = net()
    assert m.get_submodule("2.1") is m[2][1]
    assert m.get_submodule("") is m
    assert m.get_parameter("2.1.factor") is m[2][1].factor
    assert m.get_buffer("2.0.running_mean") is m[2][0].running_mean
    m.set_submodule("2.1", nn.Tanh())
    assert isinstance(m[2][1], nn.Tanh)


def test_shared_modules_and_parameters_are_listed_once() -> None:
    layer = nn.Linear(2, 2)
    m = nn.Sequential(layer, layer)
    assert len(list(m.parameters())) == 2
    assert len(list(m.modules())) == 2
    names = [name for name, _ in m.named_parameters(remove_duplicate=False)]
    assert names == ["0.weight", "0.bias", "1.weight", "1.bias"]
    other = nn.Linear(2, 2)
    other.weight = layer.weight
    assert len(list(nn.Sequential(layer, other).parameters())) == 3


def test_dir_lists_members_but_no_numbers() -> None:
    names = dir(net())
    assert "0" not in names and "forward" in names
    assert {"factor", "offset"} <= set(dir(Scale()))


# Modes and gradients


def test_train_eval_and_requires_grad() -> None:
    m = net()
    assert not m.eval().training and not any(each.training for each in m.modules())
    assert all(each.training for each in m.train().modules())
    assert not any(p.requires_grad for p in m.requires_grad_(False).parameters())


def test_zero_grad() -> None:
    m = Scale()
    m(jtorch.ones(1)).backward()
    assert m.factor.grad.item() == 1.0
    m.zero_grad(set_to_none=False)
    assert m.factor.grad.item() == 0.0
    m.zero_grad()
    assert m.factor.grad is None


def test_apply_goes_from_the_leaves_up() -> None:
    seen: list[str] = []
    net().apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "ReLU", "BatchNorm1d", "Scale", "Sequential", "Sequential"]


# Conversion


def test_to_changes_floating_tensors_in_place() -> None:
    m = net()
    weight = m[0].weight
    assert m.to(jtorch.float64) is m
    assert m[0].weight is weight and weight.dtype == jtorch.float64
    assert m[2][0].running_mean.dtype == jtorch.float64
    assert m[2][0].num_batches_tracked.dtype == jtorch.int64
    assert m.half()[0].weight.dtype == jtorch.float16
    assert m.bfloat16()[0].weight.dtype == jtorch.bfloat16
    assert m.to(jtorch.ones(1))[0].weight.dtype == jtorch.float32
    assert m.double().float()[0].weight.dtype == jtorch.float32
    assert isinstance(m[0].weight, nn.Parameter) and m[0].weight.requires_grad


def test_gradients_move_along() -> None:
    m = Scale()
    m(jtorch.ones(1)).backward()
    m.double()
    assert m.factor.grad.dtype == jtorch.float64


def test_meta_modules_get_memory_from_to_empty() -> None:
    m = nn.Linear(2, 3, device="meta")
    assert m.weight.is_meta
    with pytest.raises(NotImplementedError, match="to_empty"):
        m.to("cpu")
    m.to_empty(device="cpu")
    assert not m.weight.is_meta and m.weight.shape == (3, 2)


# State


def test_state_dict_shares_storage() -> None:
    m = Scale()
    state = m.state_dict()
    with jtorch.no_grad():
        m.factor.fill_(5.0)
    assert state["factor"].item() == 5.0
    assert not state["factor"].requires_grad
    assert m.state_dict(keep_vars=True)["factor"] is m.factor
    assert list(m.state_dict(prefix="p.")) == ["p.factor", "p.offset"]
    assert dict(net().state_dict()._metadata)["2.0"] == {"version": 2}


def test_load_state_dict() -> None:
    m, other = net(), net()
    assert repr(m.load_state_dict(other.state_dict())) == "<All keys matched successfully>"
    for a, b in zip(m.state_dict().values(), other.state_dict().values(), strict=True):
        assert jtorch.equal(a, b)
    own = m[0].weight
    m.load_state_dict(other.state_dict(), assign=True)
    assert m[0].weight is not own and isinstance(m[0].weight, nn.Parameter)


def test_load_state_dict_says_what_is_wrong() -> None:
    m = Scale()
    with pytest.raises(RuntimeError) as caught:
        m.load_state_dict({"factor": jtorch.ones(2), "more": jtorch.ones(1)})
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Scale:\n"
        '\tMissing key(s) in state_dict: "offset". \n'
        '\tUnexpected key(s) in state_dict: "more". \n'
        "\tsize mismatch for factor: copying a param with shape torch.Size([2]) from checkpoint, the shape in current "
        "model is torch.Size([1])."
    )
    told = m.load_state_dict({"factor": jtorch.ones(1), "more": 1}, strict=False)
    assert told.missing_keys == ["offset"] and told.unexpected_keys == ["more"]


def test_extra_state_goes_with_it() -> None:
    class Extra(nn.Module):
        got = None

        def get_extra_state(self) -> Any:
            return {"n": 1}

        def set_extra_state(self, state: Any) -> None:
            self.got = state

    m = nn.Sequential(Extra())
    state = m.state_dict()
    assert state == {"0._extra_state": {"n": 1}}
    m.load_state_dict(state)
    assert m[0].got == {"n": 1}
    with pytest.raises(RuntimeError, match="0._extra_state"):
        m.load_state_dict({})


def test_state_hooks() -> None:
    m = Scale()
    seen: list[Any] = []
    m.register_state_dict_pre_hook(lambda module, prefix, keep_vars: seen.append(("pre", prefix)))
    m.register_state_dict_post_hook(lambda module, state, prefix, meta: state.__delitem__("offset"))
    m.register_load_state_dict_pre_hook(lambda module, state, *rest: state.setdefault("offset", jtorch.tensor([7.0])))
    m.register_load_state_dict_post_hook(lambda module, keys: seen.append(("post", keys.missing_keys)))
    state = m.state_dict()
    assert list(state) == ["factor"]
    m.load_state_dict(state)
    assert m.offset.item() == 7.0
    assert seen == [("pre", ""), ("post", [])]


# Hooks of a call


def test_forward_hooks_in_order() -> None:
    m = Scale()
    seen: list[Any] = []
    m.register_forward_pre_hook(lambda module, args: seen.append("b"))
    m.register_forward_pre_hook(lambda module, args: seen.append("a"), prepend=True)
    m.register_forward_hook(lambda module, args, out: seen.append("c"))
    m.register_forward_hook(lambda module, args, kwargs, out: seen.append(sorted(kwargs)), with_kwargs=True)
    remove = module_file.register_module_forward_pre_hook(lambda module, args: seen.append("global"))
    try:
        m(x=jtorch.ones(1))
    finally:
        remove.remove()
    assert seen == ["global", "a", "b", "c", ["x"]]


def test_hooks_replace_arguments_and_results() -> None:
    m = Scale()
    first = m.register_forward_pre_hook(lambda module, args: args[0] * 10)
    m.register_forward_hook(lambda module, args, out: out + 100)
    assert m(jtorch.ones(1)).item() == 121.0
    first.remove()
    assert m(jtorch.ones(1)).item() == 103.0
    m.register_forward_pre_hook(lambda module, args, kwargs: ((), {"x": jtorch.zeros(1)}), with_kwargs=True)
    assert m(jtorch.ones(1)).item() == 101.0


def test_an_always_called_hook_runs_after_an_error() -> None:
    m = nn.Sequential()
    m.forward = None  # type: ignore[assignment]
    seen: list[Any] = []
    m.register_forward_hook(lambda module, args, out: seen.append(out), always_call=True)
    with pytest.raises(TypeError):
        m(1)
    assert seen == [None]


def test_full_backward_hooks() -> None:
    m = Scale(3.0)
    seen: list[Any] = []
    m.register_full_backward_pre_hook(lambda module, grads: (grads[0] * 2,))
    m.register_full_backward_hook(lambda module, *grads: seen.append([g[0].item() for g in grads]))
    m.register_full_backward_hook(lambda module, grad_in, grad_out: (grad_in[0] + 1,))
    x = jtorch.ones(1, requires_grad=True)
    m(x).backward()
    assert seen == [[6.0, 2.0]]
    assert x.grad.item() == 7.0
    assert m.factor.grad.item() == 2.0


def test_a_full_backward_hook_fires_without_input_gradients() -> None:
    m = Scale()
    seen: list[Any] = []
    m.register_full_backward_hook(lambda module, grad_in, grad_out: seen.append(grad_in))
    with pytest.warns(UserWarning, match="Full backward hook is firing"):
        m(jtorch.ones(1)).backward()
    assert seen == [(None,)]


def test_backward_hooks_of_both_kinds_do_not_mix() -> None:
    m = Scale()
    m.register_full_backward_hook(lambda *args: None)
    with pytest.raises(RuntimeError, match="Cannot use both regular backward hooks and full backward hooks"):
        m.register_backward_hook(lambda *args: None)


def test_registration_hooks() -> None:
    seen: list[Any] = []
    handles = [
        module_file.register_module_parameter_registration_hook(lambda m, name, p: seen.append(name)),
        module_file.register_module_buffer_registration_hook(lambda m, name, b: seen.append(name)),
        module_file.register_module_module_registration_hook(lambda m, name, c: seen.append(name)),
    ]
    try:
        nn.Sequential(Scale())
    finally:
        for handle in handles:
            handle.remove()
    assert seen == ["factor", "offset", "scratch", "0"]


# Copies, pickles, repr


def test_deepcopy_is_independent_and_keeps_sharing() -> None:
    m = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    m[1].weight = m[0].weight
    twin = copy.deepcopy(m)
    assert twin[1].weight is twin[0].weight and twin[0].weight is not m[0].weight
    before = twin[0].weight.clone()
    with jtorch.no_grad():
        m[0].weight.zero_()
    assert jtorch.equal(twin[0].weight, before)
    assert isinstance(twin[0].weight, nn.Parameter)


def test_state_survives_getstate() -> None:
    m = Scale()
    twin = Scale.__new__(Scale)
    state = m.__getstate__()
    del state["_forward_hooks_always_called"]  # as files of older versions are
    twin.__setstate__(state)
    assert twin(jtorch.ones(1)).item() == 3.0


def test_pickle() -> None:
    m = nn.Sequential(OrderedDict(a=nn.Dropout(0.25), b=nn.Flatten()))
    twin = pickle.loads(pickle.dumps(m))
    assert repr(twin) == repr(m)


def test_repr() -> None:
    assert repr(nn.Module()) == "Module()"
    assert repr(net()) == (
        "Sequential(\n"
        "  (0): Linear(in_features=3, out_features=4, bias=True)\n"
        "  (1): ReLU()\n"
        "  (2): Sequential(\n"
        "    (0): BatchNorm1d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)\n"
        "    (1): Scale()\n"
        "  )\n"
        ")"
    )


def test_parameter() -> None:
    t = jtorch.ones(2)
    p = nn.Parameter(t)
    assert p.requires_grad and p.is_leaf and isinstance(p, jtorch.Tensor)
    t.add_(1)
    assert p.tolist() == [2.0, 2.0]
    assert repr(p) == "Parameter containing:\ntensor([2., 2.], requires_grad=True)"
    assert not nn.Parameter(jtorch.tensor([1]), requires_grad=False).requires_grad
    with pytest.raises(RuntimeError, match="floating point and complex"):
        nn.Parameter(jtorch.tensor([1]))
    assert isinstance(nn.Buffer(t), nn.Buffer) and not isinstance(t, nn.Buffer)
