"""torch.autograd against torch: backward, grad, hooks, in-place writes, inference mode."""

import warnings

import pytest

from tests.conformance.alike import Programs, compare

program = Programs()


@program
def twice(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    y.backward()


@program
def nonscalar(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    (x * 2).backward()


@program
def nograd(m):
    x = m.tensor([1.0, 2.0])
    (x * 2).sum().backward()


@program
def unused(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = m.tensor([1.0, 2.0], requires_grad=True)
    m.autograd.grad((x * 2).sum(), [x, y])


@program
def unused2(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = m.tensor([1.0, 2.0], requires_grad=True)
    return m.autograd.grad((x * 2).sum(), [x, y], allow_unused=True)


@program
def unused3(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = m.tensor([1.0, 2.0], requires_grad=True)
    return m.autograd.grad((x * 2).sum(), [x, y], materialize_grads=True)


@program
def batched(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = x**2
    return m.autograd.grad(y, x, m.tensor([[1.0, 0.0], [0.0, 1.0]]), is_grads_batched=True)


@program
def view_write(m):
    x = m.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    y[1:] *= 3
    z = (y * y).sum()
    z.backward()
    return (y, x.grad)


@program.loose
def version_err(m):
    x = m.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x.exp()
    y.add_(1)
    y.sum().backward()


@program.loose
def version_err2(m):
    x = m.tensor([1.0, 2.0, 3.0], requires_grad=True)
    w = x * 1
    y = w * w
    w.add_(1)
    y.sum().backward()


@program
def leaf_inplace(m):
    x = m.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x.add_(1)


@program
def leaf_view_inplace(m):
    x = m.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x[0] = 1


@program
def inputs_arg(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    w = m.tensor([3.0, 2.0], requires_grad=True)
    y = x * w
    y.sum().backward(inputs=[x])
    return (x.grad, w.grad)


@program
def inputs_nonleaf(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    z = (y * y).sum()
    z.backward(inputs=[y])
    return (x.grad, y.retains_grad)


@program
def hooks(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    out = []
    h = x.register_hook(lambda g: g * 2)
    y = x * 3
    y.register_hook(lambda g: out.append(g.clone()))
    y.retain_grad()
    y.sum().backward()
    h.remove()
    (x * 3).sum().backward()
    return (x.grad, out, y.grad)


@program
def posthook(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    out = []
    x.register_post_accumulate_grad_hook(lambda p: out.append(p.grad.clone()))
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    return out


@program
def nodehooks(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    out = []
    y.grad_fn.register_hook(lambda gi, go: out.append((gi, go)))
    y.grad_fn.register_prehook(lambda go: (go[0] * 5,))
    y.sum().backward()
    return (out, x.grad)


@program
def nf(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = (x * 2).sum()
    return (
        y.grad_fn.name(),
        [(f.name(), i) for f, i in y.grad_fn.next_functions],
        y.grad_fn.next_functions[0][0].next_functions[0][0].variable is x,
    )


@program
def nf2(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    w = m.tensor([1.0, 2.0])
    y = x * w
    return (y.grad_fn.next_functions[1], len(y.grad_fn.next_functions))


@program
def shape_mismatch(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    (x * 2).backward(m.tensor([1.0]))


@program
def tuples(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    m.autograd.backward([(x * 2).sum(), x * 3], [None, m.tensor([1.0, 2.0])])
    return x.grad


@program
def lens(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    m.autograd.backward([(x * 2).sum(), x * 3], [None])


@program
def grad_nograd(m):
    x = m.tensor([1.0, 2.0])
    w = m.tensor([3.0], requires_grad=True)
    m.autograd.grad((x * w).sum(), x)


@program
def noninput(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    return (m.autograd.grad(x.sum(), x), m.autograd.grad(x, x, m.tensor([1.0, 1.0])))


@program
def same_out(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    return m.autograd.grad([y.sum(), (y * y).sum()], [y, x])


@program
def backwardcreate(m):
    with warnings.catch_warnings(record=True) as w:
        warnings.simplefilter("always")
        x = m.tensor([1.0, 2.0], requires_grad=True)
        (x**2).sum().backward(create_graph=True)
        g = x.grad
    return ([str(i.message)[:60] for i in w], g.requires_grad, m.autograd.grad(g.sum(), x))


@program
def inference(m):
    m.tensor([1.0, 2.0], requires_grad=True)
    with m.inference_mode():
        x = m.tensor([1.0, 2.0]) * 2
    return (x.is_inference(), (x * 2).is_inference(), x.requires_grad)


@program
def inference2(m):
    w = m.tensor([1.0, 2.0], requires_grad=True)
    with m.inference_mode():
        x = m.tensor([1.0, 2.0]) * 2
    return w * x


@program
def inference3(m):
    with m.inference_mode():
        x = m.tensor([1.0, 2.0]) * 2
    x.add_(1)


@program
def inference4(m):
    with m.inference_mode():
        x = m.tensor([1.0, 2.0]) * 2
    x.requires_grad_()


@program
def inference5(m):
    with m.inference_mode():
        x = m.tensor([1.0, 2.0]) * 2
    return x._version


@program
def noninf(m):
    w = m.tensor([1.0, 2.0], requires_grad=True)
    with m.inference_mode():
        y = w.view(2, 1)
        w2 = w.detach()
        z = w * 2
    return (y.is_inference(), w2.is_inference(), z.requires_grad, z.is_inference())


@program
def batched_unused(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    z = m.tensor([1.0], requires_grad=True)
    return m.autograd.grad(x**3, [x, z], m.eye(2), is_grads_batched=True, materialize_grads=True)


@program
def batched_sizes(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = x**3
    m.autograd.grad([y, y.sum()], x, [m.eye(2), m.ones(3)], is_grads_batched=True)


@program
def batched_nothing(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = (x**3).sum()
    m.autograd.grad([y, y * 2], x, [None, m.ones(2)], is_grads_batched=True)


@program
def hook_size(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda g: m.ones(3))
    x.sum().backward()


@program
def hooks_order(m):
    log = []
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: (log.append("first"), g * 2)[1])
    y.retain_grad()
    y.register_hook(lambda g: (log.append("second"), g * 3)[1])
    y.grad_fn.register_prehook(lambda g: log.append("before"))
    y.grad_fn.register_hook(lambda i, o: log.append("after"))
    x.register_post_accumulate_grad_hook(lambda t: log.append("accumulated"))
    x.register_hook(lambda g: log.append("leaf"))
    y.sum().backward()
    return log, y.grad, x.grad


@program
def retain_of_written(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    y.sum().backward()
    return y.grad, x.grad, y.retains_grad


@program
def redrawn(m):
    m.manual_seed(0)
    x = m.ones(4, requires_grad=True)
    seen = []
    for draw in ("normal_", "uniform_", "exponential_", "bernoulli_", "cauchy_", "log_normal_", "random_"):
        y = x * 2
        getattr(y, draw)()
        y.sum().backward()
        seen.append((draw, y.requires_grad, y.grad_fn.name(), x.grad))
    y = x * 2
    y[:2].uniform_()
    (y * y).sum().backward()
    return seen, y, x.grad


@program
def version_of_result(m):
    x = m.ones(2, requires_grad=True)
    y = x.exp()
    y.add_(1)
    y.sum().backward()


@program
def version_of_detached(m):
    x = m.ones(4, dtype=m.float64, requires_grad=True)
    y = x.exp()
    y.detach().mul_(2)
    y.sum().backward()


@program
def grads_refused(m):
    x = m.ones(2, requires_grad=True)
    seen = []
    for g in (m.ones(3), m.ones(2, dtype=m.float64), 3, x):
        try:
            x.grad = g
        except (RuntimeError, TypeError) as error:
            seen.append((type(error).__name__, str(error)))
    return seen


@program
def packed_twice(m):
    log = []
    x = m.tensor([1.0, 2.0], requires_grad=True)
    with m.autograd.graph.saved_tensors_hooks(lambda t: (log.append(t.tolist()), t * 1)[1], lambda t: t):
        y = x * x
        z = y.sin()
    z.sum().backward()
    return log, x.grad


@pytest.mark.parametrize("f,text", program.all, ids=program.names)
def test_program(f, text):
    compare(f, text=text)
