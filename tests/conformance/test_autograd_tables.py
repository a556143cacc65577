"""grad_fn by operator, torch.autograd.functional and gradcheck against torch."""

import pytest

from tests.conformance.alike import compare

GRAPHS = [
    "x+x",
    "x+1",
    "x-x",
    "1-x",
    "x*x",
    "x*2",
    "x/x",
    "x/2",
    "x**2",
    "x**x",
    "-x",
    "abs(x)",
    "x@x.t()",
    "m.mm(x,x.t())",
    "m.bmm(x[None],x.t()[None])",
    "m.addmm(s,x,x.t())",
    "m.dot(v,v)",
    "m.mv(x,v)",
    "x.sum()",
    "x.sum(0)",
    "x.mean()",
    "x.mean(1)",
    "x.prod()",
    "x.var()",
    "x.std(0)",
    "x.max()",
    "x.max(0)[0]",
    "x.min()",
    "x.amax(0)",
    "m.max(x,x)",
    "m.maximum(x,x)",
    "x.norm()",
    "x.exp()",
    "x.log()",
    "x.sqrt()",
    "x.rsqrt()",
    "x.sin()",
    "x.cos()",
    "x.tanh()",
    "x.sigmoid()",
    "x.relu()",
    "x.abs()",
    "x.clamp(0,1)",
    "x.clamp(min=0.)",
    "x.pow(3)",
    "x.square()",
    "x.reciprocal()",
    "x.erf()",
    "x.softmax(1)",
    "x.log_softmax(1)",
    "x.logsumexp(1)",
    "x.cumsum(0)",
    "x.view(-1)",
    "x.reshape(3,2)",
    "x.t()",
    "x.T",
    "x.transpose(0,1)",
    "x.permute(1,0)",
    "x.unsqueeze(0)",
    "x[None]",
    "x[0]",
    "x[:,1]",
    "x[m.tensor([0,1])]",
    "x[x>0]",
    "x.squeeze()",
    "x.expand(2,2,3)",
    "x.flatten()",
    "x.clone()",
    "x.contiguous()",
    "x.float()",
    "x.double()",
    "m.cat([x,x])",
    "m.stack([x,x])",
    "x.split(1)[0]",
    "x.chunk(2)[0]",
    "x.unbind(0)[0]",
    "x.index_select(0,m.tensor([0]))",
    "x.gather(0,m.tensor([[0,0,0]]))",
    "x.masked_fill(x>1,0.)",
    "m.where(x>1,x,x*2)",
    "m.where(x>1,x,0.)",
    "x.tril()",
    "x.repeat(2,1)",
    "x.flip(0)",
    "x.roll(1)",
    "x.sort()[0]",
    "x.topk(1)[0]",
    "x.narrow(0,0,1)",
    "x.select(0,0)",
    "x.detach().requires_grad_()*x",
    "m.linalg.norm(x)",
    "m.nn.functional.gelu(x)",
    "m.nn.functional.silu(x)",
    "m.nn.functional.leaky_relu(x)",
    "m.nn.functional.elu(x)",
    "m.nn.functional.softplus(x)",
    "m.nn.functional.relu(x)",
    "m.nn.functional.mse_loss(x,x*2)",
    "m.nn.functional.l1_loss(x,x*2)",
    "m.nn.functional.cross_entropy(x,m.tensor([0,1]))",
    "m.nn.functional.nll_loss(x,m.tensor([0,1]))",
    "m.nn.functional.binary_cross_entropy_with_logits(x,x.detach())",
    "m.nn.functional.layer_norm(x,(3,))",
    "m.nn.functional.batch_norm(x,None,None,training=True)",
    "m.nn.functional.conv2d(x[None,None],x[None,None])",
    "m.nn.functional.max_pool2d(x[None],2)",
    "m.nn.functional.avg_pool2d(x[None],2)",
    "m.nn.functional.embedding(m.tensor([0,1]),x)",
    "m.nn.functional.pad(x,(1,1))",
    "m.nn.functional.normalize(x)",
    "m.nn.functional.one_hot(m.tensor([0]),3)*x[0]",
    "(lambda y:(y.add_(1),y)[1])(x*2)",
    "(lambda y:(y.mul_(2),y)[1])(x*2)",
    "(lambda y:(y.copy_(x),y)[1])(m.ones(2,3))",
    "(lambda y:(y.relu_(),y)[1])(x*2)",
    "m.lerp(x,x,0.5)",
    "m.addcmul(x,x,x)",
    "m.complex(x,x)",
    "m.atan2(x,x)",
    "m.hypot(x,x)",
    "m.cross(x,x,1)",
    "m.trace(x)",
    "m.linalg.inv(x@x.t()+m.eye(2))",
    "m.linalg.det(x@x.t())",
    "m.nn.functional.linear(x, x, v[:2]).sum()",
]


def shape(node):
    """A node's name, and those of the nodes after it."""
    return node.name(), [(None if f is None else f.name(), i) for f, i in node.next_functions]


@pytest.mark.parametrize("text", GRAPHS)
def test_grad_fn(text):
    def program(m):
        x = m.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
        v = m.tensor([1.0, 2.0, 3.0], requires_grad=True)
        s = m.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        made = eval(text, {"m": m, "x": x, "v": v, "s": s})
        return None if made.grad_fn is None else (type(made.grad_fn).__name__, shape(made.grad_fn))

    compare(program)


def square(x):
    return x**2


def cubes(x):
    return (x**3).sum()


FUNCTIONAL = {
    "jac": lambda m, F, x: F.jacobian(square, x),
    "jac2": lambda m, F, x: F.jacobian(lambda a, b: (a * b, a.sum()), (x, x)),
    "hes2": lambda m, F, x: F.hessian(lambda a, b: (a * b * b).sum(), (x, x)),
    "hes": lambda m, F, x: F.hessian(cubes, x),
    "hesv": lambda m, F, x: F.hessian(cubes, x, vectorize=True),
    "vjp0": lambda m, F, x: F.vjp(square, x),
    "vjp1": lambda m, F, x: F.vjp(square, x, x),
    "vjp2": lambda m, F, x: F.vjp(cubes, x),
    "vjpt": lambda m, F, x: F.vjp(lambda x: (x, x * 2), x),
    "vjpt2": lambda m, F, x: F.vjp(square, x, m.tensor([1.0, 2.0, 3.0])),
    "jvp": lambda m, F, x: F.jvp(square, x, x),
    "jvp0": lambda m, F, x: F.jvp(square, x),
    "jvps": lambda m, F, x: F.jvp(cubes, m.tensor(2.0)),
    "jvp22": lambda m, F, x: F.jvp(lambda a, b: (a * b, a + b), (x, x), (x, x)),
    "jvpl": lambda m, F, x: F.jvp(square, (x, x), x),
    "hvp": lambda m, F, x: F.hvp(cubes, x, x),
    "vhp": lambda m, F, x: F.vhp(cubes, x, x),
    "vhp2": lambda m, F, x: F.vhp(lambda a, b: (a * b * b).sum(), (x, x), (x, x)),
    "hvpe": lambda m, F, x: F.hvp(square, x, x),
    "hese": lambda m, F, x: F.hessian(square, x),
    "jacz": lambda m, F, x: F.jacobian(lambda x: m.tensor([1.0, 1.0]), x),
    "jaczs": lambda m, F, x: F.jacobian(lambda x: m.tensor([1.0, 1.0]), x, strict=True),
    "jacss": lambda m, F, x: F.jacobian(lambda x, y: x * 2, (x, x), strict=True),
    "jacss2": lambda m, F, x: F.jacobian(lambda x: x * 2, x, strict=True, create_graph=True),
    "jact": lambda m, F, x: F.jacobian(lambda x: 3, x),
    "jact2": lambda m, F, x: F.jacobian(square, 3),
    "jact3": lambda m, F, x: F.jacobian(square, [x, 3]),
    "jact4": lambda m, F, x: F.jacobian(square, (x, 3)),
    "jaccg": lambda m, F, x: F.jacobian(square, x, create_graph=True).requires_grad,
    "jaccg2": lambda m, F, x: m.autograd.grad(F.jacobian(square, x.requires_grad_(), create_graph=True).sum(), x),
    "jaccg3": lambda m, F, x: m.autograd.grad(
        F.jacobian(square, x.requires_grad_(), create_graph=True, vectorize=True).sum(), x
    ),
    "jacf": lambda m, F, x: F.jacobian(square, x, strategy="forward-mode"),
    "jacv": lambda m, F, x: F.jacobian(lambda a, b: (a * b, a.sum()), (x, x), vectorize=True),
    "jacv1": lambda m, F, x: F.jacobian(lambda a: (a, a.sum()), x, vectorize=True),
    "jacvs": lambda m, F, x: F.jacobian(square, x, vectorize=True, strict=True),
    "jacx": lambda m, F, x: F.jacobian(square, x, strategy="x"),
    "hvplin": lambda m, F, x: F.hvp(lambda x: x.sum(), x, x),
    "hvplins": lambda m, F, x: F.hvp(lambda x: x.sum(), x, x, strict=True),
    "vhplins": lambda m, F, x: F.vhp(lambda x: x.sum(), x, x, strict=True),
    "heslins": lambda m, F, x: F.hessian(lambda x: x.sum(), x, strict=True),
    "jvps1": lambda m, F, x: F.jvp(lambda x: m.tensor([1.0, 1.0]), x, x, strict=True),
    "vjps1": lambda m, F, x: F.vjp(lambda x: m.tensor([1.0, 1.0]), x, x, strict=True),
    "jvpcg": lambda m, F, x: m.autograd.grad(
        F.jvp(lambda x: x**3, x.requires_grad_(), x.detach(), create_graph=True)[1].sum(), x
    ),
}


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_functional(name):
    compare(lambda m: FUNCTIONAL[name](m, m.autograd.functional, m.tensor([1.0, 2.0])), text=name != "jacf")


def bad(m):

    class Bad(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    return Bad.apply


def bad2(m):

    class Bad2(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * (x * x * 3).detach()

    return Bad2.apply


def bad3(m):

    class B(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 3

    return B.apply


def doubles(m):
    return m.tensor([1.0, 2.0], dtype=m.float64, requires_grad=True)


def complexes(m):
    return m.tensor([1 + 2j], dtype=m.complex128, requires_grad=True)


GRADCHECK = {
    "g1": lambda m, g, d: g(square, d),
    "g2": lambda m, g, d: g(bad(m), d),
    "g3": lambda m, g, d: g(bad(m), d, raise_exception=False),
    "g4": lambda m, g, d: g(square, m.tensor([1.0])),
    "g5": lambda m, g, d: g(bad(m), d, fast_mode=True),
    "g6": lambda m, g, d: g(square, d, fast_mode=True),
    "g7": lambda m, g, d: g(lambda x: x.detach(), d),
    "g8": lambda m, g, d: g(
        square,
        d,
        check_forward_ad=True,
        check_batched_grad=True,
        check_batched_forward_grad=True,
        check_grad_dtypes=True,
    ),
    "g9": lambda m, g, d: g(bad(m), d, check_forward_ad=True),
    "g10": lambda m, g, d: m.autograd.gradgradcheck(square, d),
    "g11": lambda m, g, d: m.autograd.gradgradcheck(bad2(m), d),
    "g12": lambda m, g, d: g(bad2(m), d),
    "g13": lambda m, g, d: g(lambda z: z * z.conj(), complexes(m)),
    "g14": lambda m, g, d: g(lambda z: z.abs(), complexes(m)),
    "g15": lambda m, g, d: g(bad3(m), complexes(m)),
    "g16": lambda m, g, d: g(lambda a, b: (a * b, a.sum()), (d, doubles(m))),
    "g17": lambda m, g, d: m.autograd.gradgradcheck(lambda z: z * z * z.conj(), complexes(m)),
    "g18": lambda m, g, d: g(
        lambda a, b: a @ b,
        (d.reshape(1, 2).detach().requires_grad_(), doubles(m)),
        check_forward_ad=True,
        fast_mode=True,
    ),
    "g19": lambda m, g, d: m.autograd.gradgradcheck(lambda x: x.sin(), d, check_fwd_over_rev=True),
}


@pytest.mark.parametrize("name", GRADCHECK)
def test_gradcheck(name):
    compare(lambda m: GRADCHECK[name](m, m.autograd.gradcheck, doubles(m)), text=name not in ("g5", "g11"))
