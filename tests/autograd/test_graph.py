"""Nodes, hooks on them, saved-tensor hooks, edges, anomaly mode."""

import re

import pytest

import jtorch
from jtorch.autograd import graph


def leaf(*values):
    return jtorch.tensor(values, requires_grad=True)


def test_nodes_name_what_they_are_and_what_comes_next():
    x = leaf(1.0, 2.0)
    y = (x * 2).sum()
    (following,) = y.grad_fn.next_functions
    assert isinstance(y.grad_fn, graph.Node) and y.grad_fn.name() == "SumBackward0"
    assert following[0].name() == "MulBackward0" and following[1] == 0
    (end, _), absent = following[0].next_functions
    assert end.variable is x and end.name() == "torch::autograd::AccumulateGrad" and absent == (None, 0)
    y.grad_fn.metadata["note"] = 1
    assert y.grad_fn.metadata == {"note": 1}


def test_names_stay_after_a_flush_and_after_backward():
    x = leaf(1.0)
    y = x.exp()
    y.item()
    assert y.grad_fn.name() == "ExpBackward0"
    y.backward()
    assert y.grad_fn.name() == "ExpBackward0"


def test_node_hooks_see_and_replace_gradients():
    x, seen = leaf(1.0, 2.0), []
    y = x * 2
    y.grad_fn.register_prehook(lambda cts: (cts[0] * 5,))
    handle = y.grad_fn.register_hook(lambda grads, cts: seen.append((grads[0].tolist(), grads[1], cts[0].tolist())))
    y.sum().backward()
    assert seen == [([10, 10], None, [5, 5])] and x.grad.tolist() == [10, 10]
    handle.remove()


def test_saved_tensors_go_through_the_hooks():
    x, w, packed = leaf(1.0, 2.0), leaf(3.0, 4.0), []

    def pack(t):
        packed.append(t)
        return len(packed) - 1

    with graph.saved_tensors_hooks(pack, lambda i: packed[i] * 10):
        y = (x * w).sum()
    y.backward()
    assert x.grad.tolist() == [30, 40] and w.grad.tolist() == [10, 20]


def test_hooks_are_for_their_own_thread_of_the_program():
    x, packed = leaf(1.0), []
    with graph.saved_tensors_hooks(lambda t: packed.append(t), lambda t: t):
        pass
    (x * x).backward()
    assert not packed and x.grad.item() == 2


def test_saving_on_the_cpu_changes_nothing():
    x = leaf(1.0, 2.0)
    with graph.save_on_cpu():
        y = (x**3).sum()
    (g,) = jtorch.autograd.grad(y, x, create_graph=True)
    (h,) = jtorch.autograd.grad(g.sum(), x)
    assert g.tolist() == [3, 12] and h.tolist() == [6, 12]


def test_hooks_can_be_forbidden():
    with graph.disable_saved_tensors_hooks("not here"), pytest.raises(RuntimeError, match="not here"):
        graph.save_on_cpu().__enter__()


def test_a_custom_function_s_tensors_are_packed_too():
    class Square(jtorch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    x = leaf(3.0)
    with graph.saved_tensors_hooks(lambda t: t + 1, lambda t: t):
        y = Square.apply(x)
    y.backward()
    assert x.grad.item() == 8


def test_a_hook_on_several_gradients_waits_for_all_that_come():
    a, b, c, seen = leaf(1.0), leaf(2.0), leaf(3.0), []
    handle = graph.register_multi_grad_hook(
        [a, b, c], lambda grads: seen.append([None if g is None else g.item() for g in grads])
    )
    (a * b).backward()
    (a * b * c).backward()
    handle.remove()
    (a * b * c).backward()
    assert seen == [[2, 1, None], [6, 3, 2]]


def test_edges_stand_for_tensors():
    x = leaf(1.0, 2.0)
    y = x * x
    edge = graph.get_gradient_edge(y)
    assert edge.node is y.grad_fn and edge.output_nr == 0
    assert [g.tolist() for g in jtorch.autograd.grad((y * 3).sum(), [edge, graph.get_gradient_edge(x)])] == [
        [3, 3],
        [6, 12],
    ]
    (g,) = jtorch.autograd.grad(graph.get_gradient_edge(x * x), x, jtorch.ones(2))
    assert g.tolist() == [2, 4]


def test_versions_count_writes():
    x = jtorch.ones(2)
    x.add_(1)
    graph.increment_version(x)
    assert x._version == 2


def test_anomaly_mode_names_the_forward_line():
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        mode = jtorch.autograd.detect_anomaly()
    here = re.escape(__file__)
    with (
        mode,
        pytest.warns(UserWarning, match=f"Error detected in SqrtBackward0.*{here}"),
        pytest.raises(RuntimeError, match="Function 'SqrtBackward0' returned nan values in its 0th output"),
    ):
        x = leaf(0.0)
        (x.sqrt() * 0).sum().backward()


def test_anomaly_mode_lets_sound_gradients_pass():
    with jtorch.autograd.set_detect_anomaly(True):
        x = leaf(4.0)
        x.sqrt().backward()
    assert x.grad.item() == 0.25 and not jtorch.autograd.anomaly_mode.is_anomaly_enabled()


def test_record_function_names_a_stretch():
    with jtorch.autograd.profiler.record_function("stretch"):
        assert (jtorch.ones(2) + 1).tolist() == [2, 2]
