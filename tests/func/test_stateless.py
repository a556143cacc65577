"""functional_call and stack_module_state: per-sample gradients and ensembles."""

import numpy as np
import pytest

import jtorch
from jtorch import nn
from jtorch.func import functional_call, grad, stack_module_state, vmap


def test_per_sample_gradients_add_up():
    jtorch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    params = {k: v.detach() for k, v in model.named_parameters()}
    x, y = jtorch.randn(5, 3), jtorch.randn(5, 1)

    def loss(params, x, y):
        return ((functional_call(model, params, (x,)) - y) ** 2).sum()

    each = vmap(grad(loss), in_dims=(None, 0, 0))(params, x, y)
    ((model(x) - y) ** 2).sum().backward()
    assert list(each) == list(params)
    for name, p in model.named_parameters():
        assert each[name].shape == (5, *p.shape)
        np.testing.assert_allclose(each[name].sum(0).numpy(), p.grad.numpy(), rtol=1e-4, atol=1e-5)


def test_an_ensemble_is_one_vmap():
    models = [nn.Linear(2, 1) for _ in range(3)]
    params, buffers = stack_module_state(models)
    x = jtorch.tensor([[1.0, 2.0]])
    out = vmap(lambda p, b: functional_call(models[0], (p, b), (x,)))(params, buffers)
    np.testing.assert_allclose(out.detach().numpy(), jtorch.stack([m(x) for m in models]).detach().numpy(), rtol=1e-6)
    out.sum().backward()
    assert params["weight"].grad.tolist() == [[[1, 2]]] * 3 and params["weight"].is_leaf


def test_the_module_gets_its_own_back():
    layer = nn.Linear(2, 1)
    own = layer.weight
    functional_call(layer, {"weight": jtorch.zeros(1, 2)}, jtorch.ones(1, 2))
    assert layer.weight is own


def test_tied_weights():
    model = nn.Module()
    model.a = nn.Linear(2, 2, bias=False)
    model.b = nn.Linear(2, 2, bias=False)
    model.b.weight = model.a.weight
    model.forward = lambda x: model.b(model.a(x))
    x = jtorch.ones(1, 2)
    twice = {"a.weight": jtorch.eye(2) * 2}
    assert functional_call(model, twice, x).tolist() == [[4, 4]]
    with jtorch.no_grad():
        model.a.weight.copy_(jtorch.eye(2))
    assert functional_call(model, twice, x, tie_weights=False).tolist() == [[2, 2]]


def test_batch_norms_without_running_statistics():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    assert jtorch.func.replace_all_batch_norm_modules_(model) is model
    assert model[1].running_mean is None and not model[1].track_running_stats and not dict(model.named_buffers())
    params = {k: v.detach() for k, v in model.named_parameters()}
    batches = jtorch.arange(24.0).reshape(3, 4, 2)
    each = vmap(lambda x: functional_call(model, params, (x,)))(batches)
    np.testing.assert_allclose(each[1].numpy(), model(batches[1]).detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "call,error,text",
    [
        (
            lambda layer: functional_call(layer, 3, jtorch.ones(1, 2)),
            ValueError,
            "to be a dict, or a list/tuple of dicts",
        ),
        (lambda layer: functional_call(layer, [{}, 3], jtorch.ones(1, 2)), ValueError, "to be dictionaries"),
        (
            lambda layer: functional_call(layer, [{"bias": jtorch.ones(1)}] * 2, jtorch.ones(1, 2)),
            ValueError,
            "appeared in multiple dictionaries",
        ),
        (
            lambda layer: functional_call(layer, {"q": jtorch.ones(1)}, jtorch.ones(1, 2), strict=True),
            RuntimeError,
            "Unexpected key",
        ),
        (lambda layer: stack_module_state([]), RuntimeError, "Expected at least one model"),
        (lambda layer: stack_module_state([layer, nn.ReLU()]), RuntimeError, "to be of the same class"),
        (lambda layer: stack_module_state([layer, nn.Linear(2, 1).eval()]), RuntimeError, "training/eval mode"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call(nn.Linear(2, 1))
