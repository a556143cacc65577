"""The names and shapes of each workload's weights, as torch's ``state_dict`` has them."""

from benchmarks.workloads import GPTShape, Workload

Shapes = dict[str, tuple[int, ...]]


def shapes(load: Workload) -> Shapes:
    if load.gpt is not None:
        return _gpt(load.gpt)
    return {"mlp": _mlp, "cnn": _cnn, "lstm": _lstm, "resnet50": _resnet50}[load.name]()


def _linear(name: str, out: int, into: int, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (out, into)} | ({f"{name}.bias": (out,)} if bias else {})


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _batch_norm(name: str, width: int) -> Shapes:
    return _norm(name, width) | {f"{name}.running_mean": (width,), f"{name}.running_var": (width,)}


def _mlp() -> Shapes:
    return _linear("0", 256, 784) | _linear("2", 128, 256) | _linear("4", 10, 128)


def _cnn() -> Shapes:
    out: Shapes = {}
    for i, (into, width) in enumerate(((3, 32), (32, 64), (64, 128)), 1):
        out |= {f"conv{i}.weight": (width, into, 3, 3), f"conv{i}.bias": (width,)}
    return out | _linear("fc1", 512, 2048) | _linear("fc2", 10, 512)


def _lstm() -> Shapes:
    gates = {"weight_ih_l0": (1024, 64), "weight_hh_l0": (1024, 256), "bias_ih_l0": (1024,), "bias_hh_l0": (1024,)}
    return {f"lstm.{name}": shape for name, shape in gates.items()} | _linear("fc", 10, 256)


def _gpt(shape: GPTShape) -> Shapes:
    width = shape.width
    out: Shapes = {"token.weight": (shape.vocabulary, width), "position.weight": (shape.length, width)}
    for i in range(shape.layers):
        b = f"blocks.{i}."
        out |= _norm(b + "norm1", width) | _linear(b + "qkv", 3 * width, width) | _linear(b + "proj", width, width)
        out |= _norm(b + "norm2", width) | _linear(b + "up", 4 * width, width) | _linear(b + "down", width, 4 * width)
    return out | _norm("norm", width)


def _resnet50() -> Shapes:
    out: Shapes = {"conv1.weight": (64, 3, 7, 7)} | _batch_norm("bn1", 64)
    channels, index = 64, 0
    for stage, depth in enumerate((3, 4, 6, 3)):
        width = 64 << stage
        for _ in range(depth):
            b = f"blocks.{index}."
            sizes = ((width, channels, 1), (width, width, 3), (4 * width, width, 1))
            for i, (wide, into, kernel) in enumerate(sizes, 1):
                out |= {f"{b}conv{i}.weight": (wide, into, kernel, kernel)} | _batch_norm(f"{b}bn{i}", wide)
            if channels != 4 * width:
                out |= {f"{b}shortcut.0.weight": (4 * width, channels, 1, 1)}
                out |= _batch_norm(f"{b}shortcut.1", 4 * width)
            channels, index = 4 * width, index + 1
    return out | _linear("fc", 1000, channels)
