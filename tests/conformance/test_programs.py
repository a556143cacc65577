"""Random programs on torch and on jtorch, in the trace and with ``JTORCH_EAGER=1``: every value after every line."""

import warnings
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import jtorch
from jtorch.engine import record
from tests.conformance.opinfo import back, flat
from tests.conformance.programs import programs

warnings.filterwarnings("ignore")
torch.set_warn_always(True)


# torch refuses to look at a view whose base has changed, where it was one of several or taken under no_grad
STALE = "its base or another view of its base has been modified inplace"


class Undefined(Exception):
    """What a program does from here on depends on how torch goes about it."""


class Machine:
    """Runs a program line by line with one library."""

    def __init__(self, lib: Any) -> None:
        self.lib = lib
        self.error: Exception | None = None
        self.names: dict[str, Any] = {"torch": lib}
        lib.manual_seed(0)

    def run(self, line: str) -> str | None:
        """Run a line; the class of the error it raises, None where it raises none."""
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                exec(line, self.names)
            self.order(line)
            if any("on expanded tensors is deprecated" in str(w.message) for w in told):
                raise Undefined
        except Exception as error:
            self.error = error
            return type(error).__name__
        return None

    def order(self, line: str) -> None:
        """Lay the elements of a new result in order, as jtorch does: torch's lie as its operand's did."""
        name, is_new, _ = line.partition(" = ")
        made = self.names.get(name)
        if not is_new or not isinstance(made, torch.Tensor) or made.is_contiguous():
            return
        place = made.untyped_storage().data_ptr()
        if not any(
            isinstance(x, torch.Tensor) and x.untyped_storage().data_ptr() == place
            for other, x in self.names.items()
            if other != name
        ):
            leaf = made.requires_grad and made.is_leaf
            self.names[name] = made.detach().contiguous().requires_grad_() if leaf else made.contiguous()


def look(ours: Any, theirs: Any) -> None:
    """Two values of one variable: the same type, dtype, shape, requires_grad and elements, and gradient."""
    if not isinstance(theirs, torch.Tensor):
        for mine, right in zip(flat(ours), flat(theirs), strict=True):
            assert mine == pytest.approx(right, nan_ok=True) if isinstance(right, float) else str(mine) == str(right)
        return
    assert isinstance(ours, jtorch.Tensor)
    if theirs.is_floating_point():  # torch says so too of integers that were copied from what requires a gradient
        assert ours.requires_grad == theirs.requires_grad, f"requires_grad is {ours.requires_grad}"
        assert ours.is_leaf == theirs.is_leaf, f"is_leaf is {ours.is_leaf}"
    torch.testing.assert_close(back(ours), theirs.detach(), equal_nan=True, rtol=1e-5, atol=1e-5)
    assert (ours._grad is None) == (theirs.grad is None if theirs.is_leaf else ours._grad is None), "gradient"
    if theirs.is_leaf and theirs.grad is not None:
        torch.testing.assert_close(back(ours.grad), theirs.grad, equal_nan=True, rtol=1e-4, atol=1e-4)


def check(lines: list[str], looks: list[int]) -> None:
    """Run a program in both; variables are compared after the lines in ``looks``, and all at the end."""
    theirs, ours = Machine(torch), Machine(jtorch)
    done = 0
    try:
        for done, line in enumerate(lines):
            wanted, got = theirs.run(line), ours.run(line)
            if isinstance(theirs.error, Undefined) or STALE in str(theirs.error):
                return
            if got != wanted:
                told = f"{ours.error!r}" if got else f"nothing, torch raises {theirs.error!r}"
                raise AssertionError(f"the last line raises {told}")
            if done in looks or done == len(lines) - 1:
                for name, value in theirs.names.items():
                    if name[0] == "t" and name != "torch" or name == "seen":
                        try:
                            look(ours.names[name], value)
                        except AssertionError as error:
                            raise AssertionError(f"{name}: {error}") from None
                        except RuntimeError as error:
                            if STALE not in str(error):
                                raise
    except AssertionError as error:
        program = "\n".join(["import torch", "torch.manual_seed(0)", *lines[: done + 1]])
        raise AssertionError(f"{error}\n\n{program}") from None


@pytest.mark.parametrize("eager", [False, True], ids=["trace", "eager"])
@pytest.mark.parametrize("host", [True, False], ids=["host", "device"])
def test_programs(eager: bool, host: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """``host`` allows the NumPy way for small tensors; without it everything is traced."""
    from jtorch.tensor import call, storage

    monkeypatch.setattr(record, "eager", eager)
    if not host:
        monkeypatch.setattr(call, "HOST_LIMIT", -1)
        monkeypatch.setattr(storage, "HOST_LIMIT", -1)

    @settings(
        max_examples=150 if host and not eager else 40,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs(), st.lists(st.integers(0, 40), max_size=6))
    def run(lines: list[str], looks: list[int]) -> None:
        check(lines, looks)

    run()
