"""Custom functions, forward mode, saved-tensor hooks and graph nodes against torch."""

import warnings

import pytest

from tests.conformance.alike import Programs, compare

program = Programs()


def mk(m):

    class Sq(m.autograd.Function):
        @staticmethod
        def forward(ctx, x, k):
            ctx.save_for_backward(x)
            ctx.k = k
            return x * x * k

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return (2 * x * g * ctx.k, None)

    return Sq


@program
def basic(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = mk(m).apply(x, 3)
    y.sum().backward()
    return (y, x.grad, y.grad_fn.name(), type(y.grad_fn).__name__, len(y.grad_fn.next_functions))


@program
def dbl(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = mk(m).apply(x, 3)
    (g,) = m.autograd.grad(y.sum(), x, create_graph=True)
    return m.autograd.grad(g.sum(), x)


@program
def twice(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = mk(m).apply(x, 3).sum()
    y.backward()
    y.backward()


@program
def setupctx(m):

    class F(m.autograd.Function):
        @staticmethod
        def forward(x, y):
            return (x * y, x + y)

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, a, b):
            x, y = ctx.saved_tensors
            return (a * y + b, a * x + b if ctx.needs_input_grad[1] else None)

    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = m.tensor([3.0, 4.0])
    p, q = F.apply(x, y)
    p.sum().backward()
    return (x.grad, p, q)


@program
def materialize(m):
    out = []

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return (x * 2, x * 3)

        @staticmethod
        def backward(ctx, a, b):
            out.append(b)
            return a * 2

    x = m.tensor([1.0, 2.0], requires_grad=True)
    F.apply(x)[0].sum().backward()
    return (out, x.grad)


@program
def nondiff(m):

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            i = x > 0
            v = x * 2
            s = x + 1
            ctx.mark_non_differentiable(i, s)
            return (v, i, s)

        @staticmethod
        def backward(ctx, g, _, __):
            return g * 2

    x = m.tensor([1.0, 2.0], requires_grad=True)
    v, i, s = F.apply(x)
    v.sum().backward()
    return (v, i, s, x.grad)


def doubled(m):
    """A function that doubles its argument in place."""

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    return F


@program
def dirty(m):
    F = doubled(m)
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    z = F.apply(y)
    z.sum().backward()
    return (z is y, y, x.grad)


@program
def dirty_leaf(m):

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = m.tensor([1.0, 2.0], requires_grad=True)
    return F.apply(x)


@program
def once(m):

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        @m.autograd.function.once_differentiable
        def backward(ctx, g):
            return g * 2

    x = m.tensor([1.0, 2.0], requires_grad=True)
    (g,) = m.autograd.grad(F.apply(x * x).sum(), x, create_graph=True)
    return m.autograd.grad(g.sum(), x)


@program
def wrongcount(m):

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    x = m.tensor([1.0, 2.0], requires_grad=True)
    F.apply(x, x).sum().backward()


@program
def wrongshape(m):

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return m.ones(3)

    x = m.tensor([1.0, 2.0], requires_grad=True)
    F.apply(x).sum().backward()


@program
def nobackward(m):

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    x = m.tensor([1.0, 2.0], requires_grad=True)
    F.apply(x).sum().backward()


@program
def returninput(m):

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 5

    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = F.apply(x)
    y.sum().backward()
    return (y is x, y, x.grad)


@program
def nontensor_out(m):

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return (x * 2, 7)

        @staticmethod
        def backward(ctx, g, _):
            return g * 5

    x = m.tensor([1.0, 2.0], requires_grad=True)
    y, k = F.apply(x)
    y.sum().backward()
    return (k, x.grad)


@program.loose
def modified_saved(m):

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x

    x = m.tensor([1.0, 2.0], requires_grad=True)
    w = x * 1
    y = F.apply(w)
    w.add_(1)
    y.sum().backward()


@program
def saved_output(m):

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            r = x.exp()
            ctx.save_for_backward(r)
            return r

        @staticmethod
        def backward(ctx, g):
            (r,) = ctx.saved_tensors
            return g * r

    x = m.tensor([1.0, 2.0], requires_grad=True)
    (g,) = m.autograd.grad(F.apply(x).sum(), x, create_graph=True)
    return (g, m.autograd.grad(g.sum(), x))


@program
def graderr(m):

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return 1.0

    x = m.tensor([1.0, 2.0], requires_grad=True)
    F.apply(x).sum().backward()


@program
def custom_grad_for_nontensor(m):

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x, k):
            return x * k

        @staticmethod
        def backward(ctx, g):
            return (g, g)

    x = m.tensor([1.0, 2.0], requires_grad=True)
    F.apply(x, 2).sum().backward()


@program
def custom_grad_for_nontensor2(m):

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x, k):
            return x * k

        @staticmethod
        def backward(ctx, g):
            return (g, g)

    x = m.tensor([1.0, 2.0], requires_grad=True)
    F.apply(x, m.tensor([1, 2])).sum().backward()
    return x.grad


@program
def nograd_inside(m):

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.detach().clone()

        @staticmethod
        def backward(ctx, g):
            return g

    x = m.tensor([1.0, 2.0], requires_grad=True)
    with m.no_grad():
        y = F.apply(x)
    return (y, F.apply(m.tensor([1.0])))


@program
def fjvp(m):
    fa = m.autograd.forward_ad

    class F(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_forward(x)
            ctx.x = x
            return x * x

        @staticmethod
        def jvp(ctx, t):
            return 2 * ctx.x * t * 10

    with fa.dual_level():
        d = fa.make_dual(m.tensor([1.0, 2.0]), m.tensor([1.0, 1.0]))
        y = F.apply(d)
        return fa.unpack_dual(y)


@program
def fjvp_none(m):
    fa = m.autograd.forward_ad
    with fa.dual_level():
        d = fa.make_dual(m.tensor([1.0, 2.0]), m.tensor([1.0, 1.0]))
        y = mk(m).apply(d, 2)
        return fa.unpack_dual(y)


@program
def dual(m):
    fa = m.autograd.forward_ad
    with fa.dual_level():
        d = fa.make_dual(m.tensor([1.0, 2.0]), m.tensor([1.0, 3.0]))
        y = (d * d).sin().sum()
        p, t = fa.unpack_dual(y)
        q = d[1:] * 2
        d2 = d.clone()
        d2.mul_(3)
        d2[0] = 5
        r = (p, t, fa.unpack_dual(q).tangent, fa.unpack_dual(d2).tangent)
    return (r, fa.unpack_dual(y).tangent if False else None)


@program
def dual_rev(m):
    fa = m.autograd.forward_ad
    x = m.tensor([1.0, 2.0], requires_grad=True)
    with fa.dual_level():
        d = fa.make_dual(x, m.tensor([1.0, 1.0]))
        t = fa.unpack_dual((d**3).sum()).tangent
        return (t, m.autograd.grad(t, x))


@program
def dual_nest(m):
    fa = m.autograd.forward_ad
    with fa.dual_level(), fa.dual_level():
        pass


@program
def hooks_saved2(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    with m.autograd.graph.save_on_cpu():
        y = (x * x).exp().sum()
    (g,) = m.autograd.grad(y, x, create_graph=True)
    return (g, m.autograd.grad(g.sum(), x))


@program
def hooks_saved3(m):
    with m.autograd.graph.disable_saved_tensors_hooks("no!"), m.autograd.graph.save_on_cpu():
        pass


@program
def hooks_saved4(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    with m.autograd.graph.saved_tensors_hooks(lambda t: 1, lambda t: t):
        y = (x * x).sum()
    y.backward()


@program
def multi(m):
    out = []
    a = m.tensor([1.0], requires_grad=True)
    b = m.tensor([2.0], requires_grad=True)
    c = m.tensor([2.0], requires_grad=True)
    h = m.autograd.graph.register_multi_grad_hook(
        [a, b, c], lambda gs: out.append([None if g is None else g.item() for g in gs])
    )
    (a * b).sum().backward()
    (a * b * c).sum().backward()
    h.remove()
    (a * b * c).sum().backward()
    return out


@program
def multiany(m):
    out = []
    a = m.tensor([1.0], requires_grad=True)
    b = m.tensor([2.0], requires_grad=True)
    m.autograd.graph.register_multi_grad_hook([a, b], lambda g: out.append(g.item()), mode="any")
    (a * b).sum().backward()
    (a * b).sum().backward()
    return len(out)


@program
def edge(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    e = m.autograd.graph.get_gradient_edge(y)
    z = (y * 3).sum()
    return (m.autograd.grad(z, [e, m.autograd.graph.get_gradient_edge(x)]), e.output_nr, type(e.node).__name__)


@program
def edge2(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    e = m.autograd.graph.get_gradient_edge(y)
    return m.autograd.grad(e, x, m.tensor([1.0, 1.0]))


@program
def anom(m):
    with warnings.catch_warnings(record=True) as w:
        warnings.simplefilter("always")
        try:
            with m.autograd.detect_anomaly():
                x = m.tensor([0.0], requires_grad=True)
                y = (x.sqrt() * 0).sum()
                y.backward()
        except RuntimeError as e:
            msg = str(e)
    return ([str(i.message).split(".")[0] for i in w], msg)


@program
def incver(m):
    x = m.tensor([1.0, 2.0])
    m.autograd.graph.increment_version(x)
    return x._version


@program
def node(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    return (isinstance(y.grad_fn, m.autograd.graph.Node), y.grad_fn.metadata, y.grad_fn is y.grad_fn)


@program
def acc_hook(m):
    out = []
    x = m.tensor([1.0, 2.0], requires_grad=True)
    y = x.expand_as(x)
    acc = y.grad_fn.next_functions[0][0]
    acc.register_hook(lambda gi, go: out.append((gi, go)))
    acc.register_prehook(lambda g: (g[0] * 3,))
    (x * 2).sum().backward()
    return (out, x.grad)


@program
def dictin(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    return m.autograd.grad((x * 2).sum(), {"x": x})


@program
def dirty_view(m):
    Doubled = doubled(m)
    a = m.tensor([1.0, 2.0], requires_grad=True)
    b = a * 1
    Doubled.apply(b[:1])
    (b * b).sum().backward()
    c = Doubled.apply(a * 1)
    return a.grad, b, c._version


@pytest.mark.parametrize("f,text", program.all, ids=program.names)
def test_program(f, text):
    compare(f, text=text)
