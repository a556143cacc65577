"""The compiled program of a training step, by hand in JAX and as jtorch records it: its kernels, and what a call costs.

python benchmarks/program_text.py --model mlp --device cuda --out out/hlo
"""

import argparse
import re
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.workloads import WORKLOADS  # noqa: E402


def entry_kinds(text: str) -> Counter[str]:
    """How often each kind of instruction stands in the program's entry, parameters and tuples left out."""
    entry = text[text.index("ENTRY") :]
    kinds = re.findall(r"= [^=\n]*? ([a-z][\w-]*)\(", entry)
    return Counter(k for k in kinds if k not in ("parameter", "tuple", "get-tuple-element", "bitcast", "constant"))


def cost(call: Any, args: Any, seconds: float = 0.5) -> tuple[float, float]:
    """Microseconds a call, of the calling thread and by the clock; the best of three rounds."""
    import jax

    jax.block_until_ready(call(*args))
    best = [float("inf"), float("inf")]
    for _ in range(3):
        n, began, thread = 0, time.perf_counter(), time.thread_time()
        while time.perf_counter() - began < seconds:
            for _ in range(20):
                out = call(*args)
            n += 20
            jax.block_until_ready(out)
        best = [min(best[0], (time.thread_time() - thread) / n), min(best[1], (time.perf_counter() - began) / n)]
    return best[0] * 1e6, best[1] * 1e6


def show(name: str, call: Any, args: Any, out: Path | None) -> None:
    """Print the kinds of kernels and the cost of a call; keep the text."""
    text = call.lower(*args).compile().as_text()
    kinds = entry_kinds(text)
    print(f"{name}: {sum(kinds.values())} instructions, {dict(kinds.most_common(12))}")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.txt").write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(WORKLOADS), default="mlp")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    import jax

    from benchmarks import by_hand

    load = WORKLOADS[options.model]
    hand = by_hand.build(load)
    compiled: Any = hand.step
    step = compiled.__wrapped__
    args = (hand.params, hand.state, hand.optimizer.init(hand.params), hand.key, *hand.batches[0])
    show(f"{options.model}-jax", hand.step, args, options.out)
    print("  a call without donation, us of the thread and by the clock:", cost(jax.jit(step), args))

    import jtorch
    from jtorch.engine import flush, program

    jtorch.enable()
    from benchmarks import programs

    seen: dict[str, Any] = {}
    make = program.program

    def watched(end: Any, device: str, outputs: Any, donate: Any) -> Any:
        ready, new = make(end, device, outputs, donate)
        seen.update(end=end, outputs=ready.outputs, ready=ready, device=device)
        call = ready.call

        def keep(*given: Any) -> Any:
            seen["args"] = [jax.numpy.array(x) for x in given]
            return call(*given)

        shown = SimpleNamespace(call=keep, checked=ready.checked, outputs=ready.outputs, steps=ready.steps)
        return shown, new

    trained = programs.build(load, options.device)
    trained.run(12)
    flush.program = watched  # type: ignore[assignment]
    trained.run(2)
    flush.program = make
    ready, given = seen["ready"], seen["args"]
    show(f"{options.model}-jtorch", ready.call, given, options.out)
    steps = program.needed_steps(seen["end"].path(), seen["outputs"])
    plain = jax.jit(program.lower(steps, list(seen["end"].leaves()[0]), seen["outputs"], ready.checked))
    print("  a call without donation, us of the thread and by the clock:", cost(plain, given))
    print("  results:", len(seen["outputs"]), "inputs:", len(given))


if __name__ == "__main__":
    main()
