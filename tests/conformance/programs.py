"""Random programs: straight lines of torch statements over a handful of tensors, drawn by Hypothesis, runnable as text.

A program is a list of lines such as ``t3 = t1 + t2`` or ``t2[1:, 0] = 5.0``. It is run line by line with a library as
``torch``; after each line every variable is looked at, so that aliasing shows as well as values.
"""

from typing import Any

from hypothesis import strategies as st

DTYPES = ("float32", "float32", "float64", "int64", "int32", "uint8", "bool")
SHAPES = ("(3, 4)", "(4,)", "(2, 3, 4)", "()", "(1, 4)", "(3, 1)")
SCALARS = ("2", "-3", "0.5", "-1.5", "True", "0", "1")

BINARY = (
    "{a} + {b}", "{a} - {b}", "{a} * {b}", "torch.maximum({a}, {b})", "{a} > {b}", "{a} == {b}",
    "torch.where({a} > {b}, {a}, {b})", "{a} / ({b}.abs() + 1)", "torch.add({a}, {b}, alpha=2)",
    "torch.cat([{a}, {b}])", "{a} @ {b}", "torch.minimum({a}, {b})", "torch.where({a} > 0, {b}, {a})",
    "{a}.lerp({b}, 0.5)", "torch.addcmul({a}, {a}, {b})", "{a} % ({b}.abs() + 1)",
)  # fmt: skip
SCALED = (
    "{a} + {s}", "{s} - {a}", "{a} * {s}", "{a} > {s}", "{a}.clamp(min={s})", "{a} ** 2", "{a} // 2",
    "torch.where({a} > 0, {a}, {s})", "{a}.masked_fill({a} > 0, {s})", "{a} / 2", "{a}.long() % 3", "{a} < {s}",
)  # fmt: skip
UNARY = (
    "-{a}", "{a}.abs()", "{a}.exp()", "{a}.sin()", "torch.relu({a})", "{a}.sum()", "{a}.mean()", "{a}.sum(0)",
    "{a}.max()", "{a}.cumsum(0)", "{a}.float()", "{a}.long()", "{a}.double()", "{a}.clone()", "{a}.sigmoid()",
    "{a}.argmax()", "{a}.sort()[0]", "{a}.prod()", "{a}.bool()", "{a}.std()", "torch.softmax({a}.float(), 0)",
    "torch.cat([{a}, {a}])", "torch.stack([{a}, {a}])", "{a}.flip(0)", "{a}.roll(1)", "{a}.tanh()", "{a}.min()",
    "{a}.int()", "{a}.tril()", "{a}.tile(2)", "{a}.index_select(0, torch.tensor([0]))", "{a}.amax(-1)", "{a}.var(-1)",
    "{a}.round()", "{a}.topk(1)[0]", "{a}.nan_to_num()", "{a}.gather(0, {a}.long().clamp(0, 0))",
    "{a}.square()", "{a}.logical_not()", "{a}.sign()", "{a}.repeat(2, 1, 1)", "torch.zeros_like({a})",
    "{a}.new_ones(2)", "{a}.norm()", "{a}.contiguous()", "{a}.mean(-1, keepdim=True)",
)  # fmt: skip
VIEWS = (
    "{a}[0]", "{a}[-1]", "{a}[1:]", "{a}[::2]", "{a}[..., 0]", "{a}[..., 1:3]", "{a}[None]", "{a}.t()",
    "{a}.transpose(0, -1)", "{a}.view(-1)", "{a}.reshape(-1)", "{a}.unsqueeze(0)", "{a}.squeeze()", "{a}.detach()",
    "{a}.flatten()", "{a}.T", "{a}.diagonal()", "{a}.narrow(0, 0, 1)", "{a}.expand(2, *{a}.shape)",
    "{a}.permute(*range({a}.dim())[::-1])", "{a}.chunk(2)[0]", "{a}.split(1)[-1]", "{a}.unbind()[0]",
    "{a}.select(0, 0)", "{a}.movedim(0, -1)", "{a}.view_as({a})", "{a}.expand_as({b})", "{a}.unflatten(0, (1, -1))",
    "{a}.mT", "{a}.swapaxes(0, -1)", "{a}.diagonal(1)", "{a}.data", "{a}.view(1, -1)", "{a}.squeeze(0)",
    "{a}.as_strided((2,), (1,))", "{a}.unfold(0, 1, 1)", "{a}[..., None]", "{a}[:, 0]", "{a}.tensor_split(2)[0]",
    "{a}.real", "{a}[:, None, -1]", "{a}.view(2, -1)", "{a}.reshape(-1, 1)",
)  # fmt: skip
GETS = (
    "{a}[{a} > 0]", "{a}[torch.tensor([0, -1])]", "{a}[[0, 0]]", "{a}[..., torch.tensor([-1, 0])]",
)  # fmt: skip
WRITES = (
    "{a}.add_({s})", "{a}.mul_({b})", "{a}.zero_()", "{a}.fill_({s})", "{a}[0] = {s}", "{a}[..., -1] = {s}",
    "{a}[{a} > 0] = {s}", "{a}[torch.tensor([0])] = {s}", "{a}.copy_({b})", "{a} += {s}", "{a} *= {s}",
    "{a}[1:] = {b}", "{a}.sub_({b})", "{a}[0] += {s}", "{a}.clamp_(-1, 1)", "{a}.t_()", "{a}.neg_()",
    "{a}.transpose_(0, -1)", "{a}.abs_()", "{a}.index_fill_(0, torch.tensor([0]), {s})",
    "{a}.masked_fill_({a} > 0, {s})", "{a}.relu_()", "{a}.exp_()",
    "{a}.index_add_(0, torch.tensor([0]), {b}[:1].clone())",
    "{a}.scatter_(0, torch.zeros_like({a}, dtype=torch.long), {s})", "{a}.pow_(2)", "{a}.div_(2)",
    "{a}.unsqueeze_(0)", "{a}.squeeze_()", "{a}.fill_diagonal_({s})", "{a}.data.add_({s})", "{a}.detach().mul_({s})",
    "with torch.no_grad(): {a}.add_({b})", "with torch.no_grad(): {a}[0] = {s}", "{a}.lerp_({a}.flip(0), 0.5)",
    "{a}.addcmul_({a}, {a})", "{a}[..., 0] = {b}[..., 0]", "{a} -= {b}", "{a} //= 2",
    "torch.add({a}, {b}, out={a})", "{a}[{b} > 0] += 1", "{a}[torch.tensor([0])] += {s}", "{a}.set_({b}.detach())",
    "{a}.sigmoid_()", "{a}[:] = {a}.flip(0)", "{a}[0].zero_()", "{a}.view(-1)[0] = {s}", "{a}.T[0] = {s}",
    "{a}[None].add_({a})", "{a}.copy_({a})", "{a}.clamp_(min=0).add_({s})",
)  # fmt: skip
LOOKS = (
    "{a}.sum().item()", "bool({a}.any())", "{a}.tolist()", "repr({a})", "{a}.shape", "{a}.dtype",
    "{a}.is_contiguous()",
)  # fmt: skip
GRADS = (
    "{a} = {a}.detach().clone().requires_grad_()", "{a}.sum().backward(retain_graph=True)",
    "({a} * {a}).sum().backward(retain_graph=True)", "({a} ** 2).sum().backward(retain_graph=True)",
    "{a}.mean().backward(retain_graph=True)", "{a}.grad = None", "{a}.grad.zero_()",
    "{a}.retain_grad()",
    "seen = torch.autograd.grad({a}.sum(), [{b}], allow_unused=True, retain_graph=True)[0]", "{a} = {a}.detach()",
)  # fmt: skip


@st.composite
def programs(draw: Any) -> list[str]:
    """A program of 5 to 40 lines; every line may fail, which it then does in both libraries."""
    lines = []
    names: list[str] = []
    for i in range(draw(st.integers(1, 3))):
        name = f"t{i}"
        shape, dtype = draw(st.sampled_from(SHAPES)), draw(st.sampled_from(DTYPES))
        low, high = (0, 2) if dtype == "bool" else (0, 9) if dtype == "uint8" else (-5, 5)
        lines.append(f"{name} = torch.randint({low}, {high}, {shape}).to(torch.{dtype})")
        names.append(name)
    if draw(st.booleans()):
        lines.append(f"{draw(st.sampled_from(names))}.requires_grad_()")
    for _ in range(draw(st.integers(4, 36))):
        kind = draw(
            st.sampled_from(
                ("binary", "scaled", "unary", "view", "view", "get", "write", "write", "write", "look", "grad")
            )
        )
        table = {
            "binary": BINARY, "scaled": SCALED, "unary": UNARY, "view": VIEWS, "get": GETS, "write": WRITES,
            "look": LOOKS, "grad": GRADS,
        }[kind]  # fmt: skip
        text = draw(st.sampled_from(table)).format(
            a=draw(st.sampled_from(names)), b=draw(st.sampled_from(names)), s=draw(st.sampled_from(SCALARS))
        )
        if kind in ("binary", "scaled", "unary", "view", "get"):
            name = f"t{len(names)}"
            names.append(name)
            text = f"{name} = {text}"
        elif kind == "look":
            text = f"seen = {text}"
        lines.append(text)
    return lines
