"""Runs one program on real torch and on jtorch: what it returns, or the error it raises, is to print alike."""

import warnings
from collections.abc import Callable
from typing import Any

import torch

import jtorch
from jtorch.engine.report import RecompileWarning


def outcome(program: Callable, lib: Any) -> tuple[str | None, str]:
    """The class of the error, if there is one, and the text of it or of the result."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RecompileWarning)
            for name in ("torch.jit.script", "Attempted to insert a get_attr"):  # from within torch
                warnings.filterwarnings("ignore", f".*{name}")
            return None, repr(program(lib))
    except Exception as error:
        return type(error).__name__, str(error)


def compare(program: Callable, *, text: bool = True) -> None:
    """Run ``program(lib)`` in both; without ``text`` only the class of an error counts."""
    (their_error, theirs), (our_error, ours) = outcome(program, torch), outcome(program, jtorch)
    assert our_error == their_error, f"{our_error}: {ours}\n\ntorch: {their_error}: {theirs}"
    if text:
        assert ours == theirs, f"{ours}\n\ntorch: {theirs}"


class Programs:
    """A table of programs, filled by decorating them."""

    def __init__(self) -> None:
        self.all: list[tuple[Callable, bool]] = []

    def __call__(self, f: Callable) -> Callable:
        self.all.append((f, True))
        return f

    def loose(self, f: Callable) -> Callable:
        """A program whose error's text need not be torch's."""
        self.all.append((f, False))
        return f

    @property
    def names(self) -> list[str]:
        """The names of the programs, as test ids."""
        return [f.__name__ for f, _ in self.all]
