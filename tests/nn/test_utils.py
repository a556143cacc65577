"""nn.utils: clipping, vectors, packing, parametrizations, norms, pruning, fusion, functional calls."""

import copy
import pickle
from typing import Any

import pytest

import jtorch
from jtorch import nn
from jtorch.nn import utils
from jtorch.nn.utils import parametrizations, parametrize, prune, stateless
from jtorch.nn.utils import rnn as packing


def close(a: Any, b: Any, tol: float = 1e-5) -> bool:
    return bool(jtorch.allclose(a, b, rtol=tol, atol=tol))


def params(*grads: Any) -> list:
    made = []
    for grad in grads:
        p = nn.Parameter(jtorch.zeros_like(grad))
        p.grad = grad
        made.append(p)
    return made


# Clipping


def test_clip_grad_norm() -> None:
    ps = params(jtorch.tensor([3.0, 0.0]), jtorch.tensor([[4.0]]))
    assert utils.clip_grad_norm_(ps, 10.0).item() == pytest.approx(5.0)
    assert ps[0].grad.tolist() == [3.0, 0.0]  # small enough: multiplied by 1
    grad = ps[1].grad
    assert utils.clip_grad_norm_(ps, 1.0).item() == pytest.approx(5.0)
    assert ps[1].grad is grad and grad.item() == pytest.approx(0.8, abs=1e-5)
    assert utils.get_total_norm([p.grad for p in ps]).item() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(("order", "norm"), [(1, 8.0), (float("inf"), 4.0), (3, (27 + 64 + 1) ** (1 / 3)), (0, 3.0)])
def test_other_norms(order: float, norm: float) -> None:
    tensors = [jtorch.tensor([3.0, -4.0]), jtorch.tensor([1.0])]
    expected = 2.0 if order == 0 else norm  # of order 0: how many of the two norms are not 0
    assert utils.get_total_norm(tensors, order).item() == pytest.approx(expected, rel=1e-5)


def test_clipping_edges() -> None:
    assert utils.clip_grad_norm_([], 1.0).item() == 0.0
    bad = params(jtorch.tensor([float("nan")]))
    assert utils.clip_grad_norm_(bad, 1.0).isnan().item()
    with pytest.raises(RuntimeError, match="The total norm of order 2.0 for gradients from `parameters` is non-finite"):
        utils.clip_grad_norm_(bad, 1.0, error_if_nonfinite=True)
    ps = params(jtorch.tensor([-5.0, 0.5, 5.0]))
    utils.clip_grad_value_(ps, 2)
    assert ps[0].grad.tolist() == [-2.0, 0.5, 2.0]
    with pytest.warns(FutureWarning, match="deprecated in favor of `torch.nn.utils.clip_grad_norm_`"):
        utils.clip_grad_norm(ps, 1.0)
    with pytest.warns(UserWarning, match="empty generator"):
        utils.clip_grad_norm_((p for p in []), 1.0)


def test_parameters_as_a_vector() -> None:
    m = nn.Linear(2, 3)
    vector = utils.parameters_to_vector(m.parameters())
    assert jtorch.equal(vector, jtorch.cat([m.weight.flatten(), m.bias]))
    utils.vector_to_parameters(jtorch.arange(9.0), m.parameters())
    assert m.weight.tolist() == [[0, 1], [2, 3], [4, 5]] and m.bias.tolist() == [6, 7, 8]
    with pytest.raises(TypeError, match="expected torch.Tensor, but got: list"):
        utils.vector_to_parameters([1.0], m.parameters())


def test_skip_init() -> None:
    assert utils.skip_init(nn.Linear, 2, 3).weight.shape == (3, 2)
    with pytest.raises(RuntimeError, match="must support a 'device' arg"):
        utils.skip_init(nn.ReLU)


# Packed sequences


def test_pack_and_pad() -> None:
    x = jtorch.arange(12.0).view(3, 2, 2)
    packed = packing.pack_padded_sequence(x, [2, 3], enforce_sorted=False)
    assert packed.data.tolist() == [[2, 3], [0, 1], [6, 7], [4, 5], [10, 11]]
    assert packed.batch_sizes.tolist() == [2, 2, 1]
    assert packed.sorted_indices.tolist() == packed.unsorted_indices.tolist() == [1, 0]
    padded, lengths = packing.pad_packed_sequence(packed, padding_value=-1.0)
    assert lengths.tolist() == [2, 3] and padded[2, 0].tolist() == [-1, -1]
    assert jtorch.equal(padded[:2], x[:2])
    assert packing.pad_packed_sequence(packed, batch_first=True, total_length=5)[0].shape == (2, 5, 2)
    assert packed.double().data.dtype == jtorch.float64 and packed.cpu() is packed
    with pytest.raises(RuntimeError, match="must be sorted in decreasing order"):
        packing.pack_padded_sequence(x, [2, 3])
    with pytest.raises(RuntimeError, match="has to be greater than 0"):
        packing.pack_padded_sequence(x, [3, 0])
    with pytest.raises(RuntimeError, match="Expected `len.lengths.` to be equal to batch_size"):
        packing.pack_padded_sequence(x, [3])
    with pytest.raises(ValueError, match="Expected total_length to be at least the length of the longest sequence"):
        packing.pad_packed_sequence(packed, total_length=2)


def test_pad_and_unpad_sequences() -> None:
    sequences = [jtorch.ones(2), jtorch.ones(3)]
    assert packing.pad_sequence(sequences).tolist() == [[1, 1], [1, 1], [0, 1]]
    assert packing.pad_sequence(sequences, True, 5.0, "left").tolist() == [[5, 1, 1], [1, 1, 1]]
    back = packing.unpad_sequence(packing.pad_sequence(sequences), jtorch.tensor([2, 3]))
    assert [t.tolist() for t in back] == [[1, 1], [1, 1, 1]]
    assert packing.invert_permutation(jtorch.tensor([2, 0, 1])).tolist() == [1, 2, 0]
    with pytest.raises(RuntimeError, match="padding_side to be one of left or right"):
        packing.pad_sequence(sequences, padding_side="top")


# Parametrizations


class Symmetric(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.triu() + x.triu(1).mT

    def right_inverse(self, x: Any) -> Any:
        return x.triu()


class Split(nn.Module):
    def forward(self, a: Any, b: Any) -> Any:
        return a + b

    def right_inverse(self, x: Any) -> tuple:
        return x / 2, x / 2


class Double(nn.Module):
    def forward(self, x: Any) -> Any:
        return 2 * x


def test_parametrization() -> None:
    m = nn.Linear(3, 3)
    weight = m.weight
    parametrize.register_parametrization(m, "weight", Symmetric())
    assert jtorch.equal(m.weight, m.weight.mT)
    assert m.parametrizations.weight.original is weight
    assert parametrize.is_parametrized(m, "weight") and not parametrize.is_parametrized(m, "bias")
    assert type(m).__name__ == "ParametrizedLinear" and isinstance(m, nn.Linear)
    assert parametrize.type_before_parametrizations(m) is nn.Linear
    assert list(m.state_dict()) == ["bias", "parametrizations.weight.original"]
    m(jtorch.ones(1, 3)).sum().backward()
    assert (weight.grad.tril(-1) == 0).all() and (weight.grad != 0).any()
    m.weight = jtorch.ones(3, 3)
    assert jtorch.equal(m.weight, jtorch.ones(3, 3)) and weight.tolist()[2] == [0, 0, 1]
    with parametrize.cached():
        assert m.weight is m.weight
    assert m.weight is not m.weight
    twin = copy.deepcopy(m)
    assert twin.parametrizations.weight.original is not weight and close(twin.weight, m.weight)
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        pickle.dumps(m)
    parametrize.remove_parametrizations(m, "weight")
    assert type(m) is nn.Linear and m.weight is weight and jtorch.equal(weight, jtorch.ones(3, 3))


def test_parametrizations_stack_and_split() -> None:
    m = nn.Linear(3, 3)
    before = m.weight.detach().clone()
    parametrize.register_parametrization(m, "weight", Split())
    parametrize.register_parametrization(m, "weight", Double())
    assert [n for n, _ in m.named_parameters()] == [
        "bias", "parametrizations.weight.original0", "parametrizations.weight.original1",
    ]  # fmt: skip
    assert close(m.weight, 2 * before)
    with pytest.raises(RuntimeError, match="Double does not implement right_inverse"):
        m.weight = before
    with pytest.raises(ValueError, match="Cannot leave unparametrized"):
        parametrize.remove_parametrizations(m, "weight", leave_parametrized=False)


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda x: x[:1], "may not change the shape of the tensor"),
        (lambda x: x.double(), "may not change the dtype of the tensor"),
        (lambda x: 3, "A parametrization must return a tensor. Got int."),
    ],
)
def test_unsafe_parametrizations(forward: Any, message: str) -> None:
    wrong = nn.Module()
    wrong.forward = forward  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=message):
        parametrize.register_parametrization(nn.Linear(3, 3), "weight", wrong)


@pytest.mark.parametrize("shape", [(3, 3), (3, 5), (5, 3)])
@pytest.mark.parametrize("how", ["matrix_exp", "cayley", "householder"])
def test_orthogonal(shape: tuple, how: str) -> None:
    m = parametrizations.orthogonal(nn.Linear(*shape), orthogonal_map=how)

    def check() -> None:
        w = m.weight if m.weight.shape[0] <= m.weight.shape[1] else m.weight.mT
        assert close(w @ w.mT, jtorch.eye(w.shape[0]), 1e-4)

    check()
    if how != "householder":
        with jtorch.no_grad():
            m.parametrizations.weight.original.add_(0.3 * jtorch.randn(m.weight.shape))
        check()
    target = nn.init.orthogonal_(jtorch.empty(m.weight.shape))
    m.weight = target
    assert close(m.weight, target, 1e-4)
    with pytest.raises(ValueError, match="orthogonal_map has to be one of"):
        parametrizations.orthogonal(nn.Linear(2, 2), orthogonal_map="x")


def test_weight_norm() -> None:
    m = nn.Linear(4, 3)
    weight = m.weight.detach().clone()
    parametrizations.weight_norm(m)
    assert close(m.weight, weight)
    g, v = m.parametrizations.weight.original0, m.parametrizations.weight.original1
    assert close(g.flatten(), weight.norm(dim=1)) and g.shape == (3, 1)
    with jtorch.no_grad():
        g.mul_(2)
        v.mul_(5)
    assert close(m.weight, 2 * weight)
    with pytest.warns(FutureWarning, match="deprecated in favor of"):
        older = utils.weight_norm(nn.Linear(4, 3))
    assert list(older.state_dict()) == ["bias", "weight_g", "weight_v"]
    m.load_state_dict(older.state_dict())
    x = jtorch.ones(1, 4)
    assert close(m(x), older(x))
    utils.remove_weight_norm(older)
    assert isinstance(older.weight, nn.Parameter) and close(m(x), older(x))
    with pytest.raises(ValueError, match="weight_norm of 'weight' not found"):
        utils.remove_weight_norm(older)


def test_spectral_norm() -> None:
    for make in (parametrizations.spectral_norm, utils.spectral_norm):
        m = make(nn.Linear(4, 3), n_power_iterations=30)
        m(jtorch.ones(1, 4)).sum().backward()
        assert jtorch.linalg.svdvals(m.weight.detach())[0].item() == pytest.approx(1.0, abs=1e-4)
        m.eval()
        assert close(m(jtorch.ones(1, 4)), m(jtorch.ones(1, 4)))
    assert list(m.state_dict()) == ["bias", "weight_orig", "weight_u", "weight_v"]
    utils.remove_spectral_norm(m)
    assert list(m.state_dict()) == ["bias", "weight"] and not m._forward_pre_hooks
    with pytest.raises(ValueError, match="Expected n_power_iterations to be positive"):
        parametrizations.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)


# Pruning


def test_prune_and_remove() -> None:
    m = nn.Linear(2, 2)
    with jtorch.no_grad():
        m.weight.copy_(jtorch.tensor([[1.0, -4.0], [3.0, -2.0]]))
    original = m.weight
    prune.l1_unstructured(m, "weight", amount=0.5)
    assert m.weight.tolist() == [[0, -4], [3, 0]] and m.weight_mask.tolist() == [[0, 1], [1, 0]]
    assert m.weight_orig is original and prune.is_pruned(m)
    m(jtorch.ones(1, 2)).sum().backward()
    assert original.grad.tolist() == [[0, 1], [1, 0]]
    prune.l1_unstructured(m, "weight", amount=1)  # on top: only of what is left
    assert m.weight.tolist() == [[0, -4], [0, 0]] and len(m._forward_pre_hooks) == 1
    prune.remove(m, "weight")
    assert m.weight is original and original.tolist() == [[0, -4], [0, 0]] and not prune.is_pruned(m)
    with pytest.raises(ValueError, match="has to be pruned before pruning can be removed"):
        prune.remove(m, "weight")


def test_other_pruning_methods() -> None:
    m = nn.Linear(4, 3)
    assert prune.random_unstructured(m, "weight", 5).weight_mask.sum().item() == 7
    rows = prune.ln_structured(nn.Linear(4, 3), "weight", amount=1, n=2, dim=0)
    weakest = rows.weight_orig.norm(dim=1).argmin().item()
    assert rows.weight_mask.sum(1).tolist() == [0 if i == weakest else 4 for i in range(3)]
    assert prune.random_structured(nn.Linear(4, 3), "weight", 2, 1).weight_mask.sum(0).count_nonzero().item() == 2
    mask = jtorch.tensor([1.0, 0.0, 1.0])
    assert prune.custom_from_mask(m, "bias", mask).bias[1].item() == 0
    assert (prune.identity(nn.Linear(2, 2), "weight").weight_mask == 1).all()
    a, b = nn.Linear(4, 3), nn.Linear(3, 2)
    prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=9)
    assert a.weight_mask.sum().item() + b.weight_mask.sum().item() == 12 + 6 - 9


@pytest.mark.parametrize(
    ("amount", "error", "message"),
    [
        (7, ValueError, "amount=7 should be smaller than the number of parameters to prune=6"),
        (1.5, ValueError, "should either be a float in the range"),
        ("all", TypeError, "Invalid type for amount: all"),
    ],
)
def test_pruning_errors(amount: Any, error: type[Exception], message: str) -> None:
    m = nn.Linear(2, 3)
    with pytest.raises(error, match=message):
        prune.l1_unstructured(m, "weight", amount)
    assert list(m.state_dict()) in (["weight", "bias"], ["bias", "weight"])
    m(jtorch.ones(1, 2))


# Fusion and functional calls


def test_fusing_batch_norm() -> None:
    bn = nn.BatchNorm2d(3).eval()
    bn.running_mean.copy_(jtorch.tensor([1.0, 2.0, 3.0]))
    bn.running_var.copy_(jtorch.tensor([4.0, 5.0, 6.0]))
    nn.init.uniform_(bn.weight)
    x = jtorch.randn(2, 2, 5, 5)
    for conv, transpose in ((nn.Conv2d(2, 3, 3), False), (nn.ConvTranspose2d(2, 3, 3, bias=False), True)):
        fused = utils.fuse_conv_bn_eval(conv.eval(), bn, transpose)
        assert close(fused(x), bn(conv(x)), 1e-4)
    flat = nn.BatchNorm1d(3).eval()
    linear = nn.Linear(2, 3).eval()
    assert close(utils.fuse_linear_bn_eval(linear, flat)(jtorch.ones(4, 2)), flat(linear(jtorch.ones(4, 2))))
    with pytest.raises(AssertionError, match="Fusion only for eval!"):
        utils.fuse_linear_bn_eval(nn.Linear(2, 3), flat)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(2, 2, bias=False)
        self.b = nn.Linear(2, 2, bias=False)
        self.b.weight = self.a.weight

    def forward(self, x: Any) -> tuple:
        return self.a(x), self.b(x)


def test_functional_call() -> None:
    m = nn.Linear(2, 3)
    own = m.weight
    state = {"weight": jtorch.ones(3, 2), "bias": jtorch.zeros(3)}
    assert stateless._functional_call(m, state, jtorch.ones(1, 2)).tolist() == [[2, 2, 2]]
    assert m.weight is own
    a, b = stateless._functional_call(Tied(), {"a.weight": jtorch.ones(2, 2)}, jtorch.ones(1, 2))
    assert a.tolist() == b.tolist() == [[2, 2]]
    with pytest.raises(ValueError, match="which are tied. Consider using tie_weights=False"):
        stateless._functional_call(Tied(), {"a.weight": jtorch.ones(2, 2), "b.weight": jtorch.zeros(2, 2)}, None)
    with pytest.raises(RuntimeError) as caught:
        stateless._functional_call(m, {"more": jtorch.ones(1)}, jtorch.ones(1, 2), strict=True)
    assert "Unexpected key(s): 'more'." in str(caught.value)
    assert "Missing key(s): 'bias', 'weight'." in str(caught.value)
    with pytest.warns(FutureWarning, match="Please use `torch.func.functional_call` instead"):
        stateless.functional_call(m, state, jtorch.ones(1, 2))


def test_swapped_tensors_see_the_updates_of_buffers() -> None:
    m = nn.BatchNorm1d(2)
    state = {name: buffer.clone() for name, buffer in m.named_buffers()}
    with stateless.swapped(m, state):
        m(jtorch.randn(4, 2))
    assert state["num_batches_tracked"].item() == 1 and m.num_batches_tracked.item() == 0


def test_prefixes_in_state_dicts() -> None:
    from jtorch.nn.modules.utils import consume_prefix_in_state_dict_if_present

    state = nn.DataParallel(nn.Linear(2, 3)).state_dict()
    consume_prefix_in_state_dict_if_present(state, "module.")
    assert list(state) == ["weight", "bias"]
    nn.Linear(2, 3).load_state_dict(state)
