"""torch.func against torch."""

import pytest

from tests.conformance.alike import Programs, compare

program = Programs()


NAMES = (
    "functional_call functionalize grad grad_and_value hessian jacfwd jacrev jvp linearize stack_module_state vjp vmap"
)

EXPRESSIONS = [
    "vmap(lambda x:x)()",
    "vmap(lambda x:x, in_dims=(0,0))(M)",
    "vmap(lambda x:x, in_dims=5)(M)",
    "vmap(lambda x,y:x, in_dims=(0,0))(M,x)",
    "vmap(lambda x,y:x, in_dims=(0,0))(M,3)",
    "vmap(lambda x,y:x, in_dims=(None,None))(M,x)",
    'vmap(lambda x:x, in_dims="a")(M)',
    "vmap(lambda x:x, in_dims=[0])(M)",
    "vmap(lambda x:3)(M)",
    "vmap(lambda x:(x,3))(M)",
    "vmap(lambda x:x, out_dims=5)(M)",
    "vmap(lambda x:x, out_dims=(0,1))(M)",
    "vmap(lambda x:(x,x), out_dims=(0,))(M)",
    "vmap(lambda x:(x,x), out_dims=(0,1))(M)",
    'vmap(lambda x:x, out_dims="a")(M)',
    "vmap(lambda x:x+torch.randn(3))(M)",
    'vmap(lambda x:x, randomness="z")(M)',
    "vmap(lambda x:x,chunk_size=0)(M)",
    "vmap(lambda x:(x*2,x.sum()),chunk_size=1)(M)",
    "vmap(lambda x: x*2, out_dims=None)(M)",
    "vmap(lambda x: torch.ones(2), out_dims=None)(M)",
    "vmap(lambda x: torch.ones(2))(M)",
    "vmap(lambda x: x, in_dims=-1)(M)",
    "vmap(lambda x: x, out_dims=-1)(M)",
    "vmap(lambda d: d['a'], in_dims=({'a':0,'b':None},))({'a':M,'b':3})",
    "vmap(lambda d: d, in_dims=0)({'a':M})",
    "vmap(lambda x: [x,{'k':x}])(M)",
    "vmap(lambda x: x)(torch.ones(0,3))",
    "vmap(lambda x: x)(torch.tensor(1.))",
    "vmap(lambda x, k=2: x*k)(M, k=M)",
    "vmap(vmap(lambda x,y:x*y, in_dims=(0,None)), in_dims=(None,0))(x,x)",
    "grad(lambda x:x)(x)",
    "grad(lambda x:3)(x)",
    "grad(lambda x:x.sum(),argnums=1)(x)",
    "grad(lambda x,y:(x*y).sum(),argnums=(0,1))(x,x)",
    "grad(lambda x,y:(x*y).sum(),argnums=-1)(x,x*2)",
    "grad(lambda x:(x.sum(),x),has_aux=True)(x)",
    "grad(lambda x:(x.sum(),{'k':x*2}),has_aux=True)(x)",
    "grad(lambda x:x.sum(),has_aux=True)(x)",
    "grad(lambda x:(x['a']*2).sum())({'a':x})",
    "grad(lambda x:(x*1.0).sum())(torch.tensor([1,2]))",
    "grad(lambda x:(x*1.0).sum())(3.0)",
    'grad(lambda x:(x*1.0).sum(),argnums="a")(x)',
    "grad(lambda x:(x*x if x.sum()>0 else x).sum())(x)",
    "grad(lambda x:(x*x.sum().item()).sum())(x)",
    "grad(grad(lambda x:x.sin()))(torch.tensor(1.))",
    "grad(lambda x:(x*x.detach()).sum())(x)",
    "grad_and_value(lambda x:(x**2).sum())(x)",
    "grad_and_value(lambda x:((x**2).sum(),x*2),has_aux=True)(x)",
    "vjp(lambda x:x**2,x)[0]",
    "vjp(lambda x:x**2,x)[1](x)",
    "vjp(lambda x:x**2,x)[1](torch.ones(4))",
    "vjp(lambda x:(x,x*2),x)[1]((x,x))",
    "vjp(lambda x,y:(x*y),x,x)[1](x)",
    "vjp(lambda x:(x,x.sum()),x,has_aux=True)[::2]",
    "vjp(lambda x:3,x)",
    "vmap(vjp(lambda x:x**2,x)[1])(torch.eye(3))",
    "jvp(lambda x:x**2,(x,),(x,))",
    "jvp(lambda x:x**2,x,x)",
    "jvp(lambda x:x**2,(x,),(torch.ones(4),))",
    "jvp(lambda x:(x**2,x),(x,),(x,),has_aux=True)",
    "jvp(lambda x:torch.ones(2),(x,),(x,))",
    "jvp(lambda x:torch.ones(2),(x,),(x,),strict=True)",
    "jvp(lambda x:3,(x,),(x,))",
    "jacrev(lambda x:x**2)(x)",
    "jacfwd(lambda x:(x**2,x.sum()))(x)",
    "jacrev(lambda x:{'a':x**2})(x)",
    "jacrev(lambda x,y:x*y,argnums=(0,1))(x,x)",
    "jacrev(lambda x:(x**2,x),has_aux=True)(x)",
    "jacrev(lambda x:x**2,chunk_size=2)(x)",
    "jacrev(lambda x:x**2,chunk_size=0)(x)",
    "jacfwd(lambda x:(x**2,x),has_aux=True)(x)",
    "jacrev(lambda x:3)(x)",
    "jacfwd(lambda x:3)(x)",
    "hessian(lambda x:(x**3).sum())(x)",
    "hessian(lambda x,y:(x*y).sum(),argnums=(0,1))(x,x)",
    "vmap(hessian(lambda x:(x**3).sum()))(M)",
    "vmap(grad(lambda x:(x**3).sum()))(M)",
    "jacrev(jacfwd(lambda x:x.sin()))(x)",
    "linearize(lambda x:x**2,x)[1](x)",
    "linearize(lambda x:x**2,x)[1](torch.ones(4))",
    "linearize(lambda x:(x**2,{'a':x}),x)[1](x)",
    "functionalize(lambda x:x.add_(1))(x.clone())",
    "jacrev(lambda x:x, argnums=(0,0))(x)",
    "jacrev(lambda x:x, argnums=())(x)",
    "grad(lambda z:(z*z.conj()).real.sum())(torch.tensor([1+2j]))",
    "torch.vmap is vmap",
    "(vmap(lambda x: torch.autograd.grad(W.sin(), W, x, retain_graph=True)[0])(torch.eye(3)) if "
    "(W:=x.requires_grad_()) is not None else 0)",
    "torch.autograd.grad(grad(lambda y:(y**3).sum())(x.requires_grad_()).sum(), x)",
    "torch.autograd.grad(vmap(lambda y:(y**3).sum())(M.requires_grad_()).sum(), M)",
    "torch.autograd.grad(vmap(lambda y:(y*x).sum())(M).sum(), x.requires_grad_())",
    '(torch.manual_seed(0), vmap(lambda x: torch.rand(3), randomness="different")(M))[1]',
    '(torch.manual_seed(0), vmap(lambda x: torch.rand(3), randomness="same")(M), torch.rand(2))[1:]',
    '(torch.manual_seed(0), vmap(vmap(lambda x: torch.randn(2), randomness="different"), '
    'randomness="different")(M))[1]',
    "(torch.manual_seed(0), vmap(lambda x: torch.nn.functional.dropout(x,0.5), "
    'randomness="different")(M), torch.rand(2))[1:]',
    '(torch.manual_seed(0), vmap(lambda x: torch.randperm(3), randomness="different")(M))[1]',
    "(torch.manual_seed(0), grad(lambda x: (x*torch.rand(3)).sum())(x), torch.rand(2))[1:]",
    '(torch.manual_seed(0), vmap(lambda x: torch.bernoulli(x/10), randomness="different")(M), torch.rand(2))[1:]',
    '(torch.manual_seed(0), vmap(lambda x: torch.rand_like(x), randomness="different")(M), torch.rand(2))[1:]',
    '(torch.manual_seed(0), vmap(lambda x: torch.zeros(3).uniform_()+x, randomness="same")(M))[1]',
]
LOOSE = [
    "vmap(lambda x:x if x.sum()>0 else -x)(M)",
    "vmap(lambda x:x.sum().item())(M)",
    "vjp(lambda x:(x,x),x)[1](x)",
]


def inputs(lib):
    return lib.tensor([1.3, 2.6])


def ste(m, vmap_rule=None, jvp=False):

    class STE(m.autograd.Function):
        generate_vmap_rule = vmap_rule == "gen"

        @staticmethod
        def forward(x, k):
            return (x * k).round()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0])
            ctx.save_for_forward(inputs[0])
            ctx.k = inputs[1]

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return (g * ctx.k * x, None)

    if vmap_rule == "own":

        def vm(info, in_dims, x, k):
            return (STE.apply(x, k) * 1, in_dims[0])

        STE.vmap = staticmethod(vm)
    if jvp:
        STE.jvp = staticmethod(lambda ctx, t, _: t * ctx.saved_tensors[0] * 100)
    return STE.apply


@program
def g(m):
    f = ste(m)
    return m.func.grad(lambda x: f(x, 3.0).sum())(inputs(m))


@program
def gg(m):
    f = ste(m)
    return m.func.grad(lambda y: m.func.grad(lambda x: f(x, 3.0).sum())(y).sum())(inputs(m))


@program
def gv(m):
    f = ste(m)
    return m.func.vjp(lambda x: f(x, 3.0), inputs(m))[1](m.ones(2))


@program.loose
def v0(m):
    f = ste(m)
    return m.func.vmap(lambda x: f(x, 3.0))(inputs(m))


@program
def v1(m):
    f = ste(m, "gen")
    return m.func.vmap(lambda x: f(x, 3.0))(inputs(m))


@program
def v2(m):
    f = ste(m, "own")
    return m.func.vmap(lambda x: f(x, 3.0))(inputs(m))


@program
def vg(m):
    f = ste(m, "gen")
    return m.func.vmap(m.func.grad(lambda x: f(x, 3.0)))(inputs(m))


@program
def vgo(m):
    f = ste(m, "own")
    return m.func.vmap(m.func.grad(lambda x: f(x, 3.0)))(inputs(m))


@program
def gvv(m):
    f = ste(m, "gen")
    return m.func.grad(lambda x: m.func.vmap(lambda y: f(y, 3.0))(x).sum())(inputs(m))


@program
def j(m):
    f = ste(m, jvp=True)
    return m.func.jvp(lambda x: f(x, 3.0), (inputs(m),), (m.ones(2),))


@program
def jf(m):
    f = ste(m, "gen", jvp=True)
    return m.func.jacfwd(lambda x: f(x, 3.0))(inputs(m))


@program
def jr(m):
    f = ste(m, "gen")
    return m.func.jacrev(lambda x: f(x, 3.0))(inputs(m))


@program
def jnone(m):
    f = ste(m)
    return m.func.jvp(lambda x: f(x, 3.0), (inputs(m),), (m.ones(2),))


@program
def hs(m):
    f = ste(m, "gen", jvp=True)
    return m.func.hessian(lambda x: f(x, 3.0).sum())(inputs(m))


@program
def ext(m):
    f = ste(m, "gen")
    w = m.tensor([2.0, 3.0], requires_grad=True)
    r = m.func.vmap(lambda x: f(x * w, 3.0).sum())(inputs(m))
    return (r.detach(), m.autograd.grad(r.sum(), w))


@program
def ng(m):

    def f(x):
        with m.no_grad():
            c = x * 2
        return (x * c).sum()

    return m.func.grad(f)(inputs(m))


@program
def ng2(m):
    with m.no_grad():
        return m.func.grad(lambda x: (x * x).sum())(inputs(m))


@program
def fc(m):
    layer = m.nn.Linear(2, 1)
    p = {"weight": m.tensor([[1.0, 2.0]]), "bias": m.tensor([3.0])}
    x = m.tensor([[1.0, 2.0], [3.0, 4.0], [0.0, 1.0]])
    y = m.tensor([1.0, 2.0, 3.0])

    def loss(p, x, y):
        return ((m.func.functional_call(layer, p, (x,)).squeeze(-1) - y) ** 2).mean()

    g = m.func.grad(loss)(p, x, y)
    ps = m.func.vmap(m.func.grad(loss), in_dims=(None, 0, 0))(p, x, y)
    return (g, ps)


@program
def fce(m):
    layer = m.nn.Linear(2, 1)
    return m.func.functional_call(layer, {"weight": m.ones(1, 2), "q": m.ones(1)}, m.ones(1, 2), strict=True)


@program
def fce2(m):
    layer = m.nn.Linear(2, 1)
    return m.func.functional_call(layer, [{"weight": m.ones(1, 2)}, {"weight": m.ones(1, 2)}], m.ones(1, 2))


@program
def fce3(m):
    layer = m.nn.Linear(2, 1)
    return m.func.functional_call(layer, 3, m.ones(1, 2))


@program
def fce4(m):
    layer = m.nn.Linear(2, 1)
    return m.func.functional_call(layer, [{"weight": m.ones(1, 2)}, 3], m.ones(1, 2))


@program
def fcd(m):
    layer = m.nn.Linear(2, 1)
    return m.func.functional_call(layer, ({"weight": m.ones(1, 2)}, {"bias": m.ones(1)}), m.ones(1, 2))


@program
def sms(m):
    ms = [m.nn.Sequential(m.nn.Linear(2, 3), m.nn.BatchNorm1d(3)) for _ in range(3)]
    p, b = m.func.stack_module_state(ms)
    return (
        {k: (tuple(v.shape), v.requires_grad, v.is_leaf) for k, v in p.items()},
        {k: (tuple(v.shape), v.requires_grad) for k, v in b.items()},
    )


@program
def sms0(m):
    return m.func.stack_module_state([])


@program
def sms1(m):
    return m.func.stack_module_state([m.nn.Linear(1, 1), m.nn.Linear(1, 1).eval()])


@program
def sms2(m):
    return m.func.stack_module_state([m.nn.Linear(1, 1), m.nn.ReLU()])


@program
def ens(m):
    ms = [m.nn.Linear(2, 1) for _ in range(2)]
    for i, layer in enumerate(ms):
        with m.no_grad():
            layer.weight.fill_(i + 1.0)
            layer.bias.fill_(0.5)
    p, b = m.func.stack_module_state(ms)
    base = ms[0]
    r = m.vmap(lambda p, b, x: m.func.functional_call(base, (p, b), (x,)), in_dims=(0, 0, None))(
        p, b, m.tensor([[1.0, 2.0]])
    )
    r.sum().backward()
    return (r.detach(), p["weight"].grad)


@program
def inplace_vmap(m):
    return m.func.vmap(lambda x: m.zeros_like(x).add_(x))(inputs(m))


@program
def inplace_grad(m):

    def f(x):
        y = x * 1
        y[0] = y[1] * 3
        y.mul_(2)
        return y.sum()

    return m.func.grad(f)(inputs(m))


@program
def cplx(m):
    return (
        m.func.jacrev(lambda z: z * z)(m.tensor([1 + 2j])),
        m.func.vjp(lambda z: z * z, m.tensor([1 + 2j]))[1](m.tensor([1 + 1j])),
    )


@program
def nested(m):
    return (
        m.func.vmap(m.func.vmap(m.func.grad(lambda x: x.sin())))(m.tensor([[1.0, 2.0], [3.0, 4.0]])),
        m.func.jvp(m.func.grad(lambda x: (x**3).sum()), (inputs(m),), (m.ones(2),)),
        m.func.vmap(lambda t: m.func.jvp(lambda x: x**2, (inputs(m),), (t,))[1])(m.eye(2)),
    )


@program
def batchmm(m):
    return (
        m.vmap(m.dot)(m.ones(3, 4), m.ones(3, 4)),
        m.vmap(m.mm, in_dims=(0, None))(m.ones(2, 3, 4), m.ones(4, 5)).shape,
    )


@program
def samplerand(m):
    m.manual_seed(0)
    d = m.nn.Dropout(0.5)
    return m.func.vmap(d, randomness="same")(m.ones(3, 4))


@program
def no_grad_lets_tangents_pass(m):
    def f(x):
        with m.no_grad():
            c = x**2
        return (x * c).sum()

    x = m.tensor([1.0, 2.0])
    return m.func.jvp(f, (x,), (m.ones(2),)), m.func.jacfwd(f)(x), m.func.grad(f)(x), m.func.jacrev(f)(x)


@program
def captured_tensors_stay(m):
    c, x = m.zeros(2), m.tensor([1.0, 2.0])
    norm = m.nn.BatchNorm1d(3)
    seen = []
    for f in (
        lambda: m.func.grad(lambda x: (c.add_(x), (x * 2).sum())[1])(x),
        lambda: m.vmap(lambda v: (c[:1].add_(v[:1]), v)[1])(m.ones(3, 2)),
        lambda: m.vmap(norm)(m.arange(12.0).reshape(2, 2, 3)),
    ):
        try:
            f()
        except RuntimeError:
            seen.append("refused")
    return seen, c, c + 1, norm.running_mean


@pytest.mark.parametrize("f,text", program.all, ids=program.names)
def test_program(f, text):
    compare(f, text=text)


def evaluated(lib, text):
    names = {name: getattr(lib.func, name) for name in NAMES.split()}
    x, M = lib.tensor([1.0, 2.0, 3.0]), lib.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    return eval(text, {**names, "torch": lib, "x": x, "M": M})


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expression(text):
    compare(lambda lib: evaluated(lib, text))


@pytest.mark.parametrize("text", LOOSE)
def test_error_of_the_same_class(text):
    compare(lambda lib: evaluated(lib, text), text=False)
