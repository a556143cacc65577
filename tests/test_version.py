"""Versions: torch's number with jtorch's own behind it, comparing as versions do."""

import operator

import pytest

from jtorch import version
from jtorch.torch_version import TorchVersion, __version__


def test_the_version_names_both():
    assert __version__ == f"{version.torch}+jtorch.{version.jtorch}"
    assert isinstance(__version__, str) and isinstance(__version__, TorchVersion)
    assert __version__ >= "2.2" and __version__ > (2, 2) and __version__ < "3"
    assert __version__.split("+")[0] == version.torch


# PEP 440's order.
ORDER = ["1.0.dev1", "1.0a1.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0+cpu", "1.0+1", "1.0.post1", "1.2", "1.13"]


@pytest.mark.parametrize("i", range(len(ORDER)))
def test_order(i):
    assert all(TorchVersion(ORDER[i]) > other for other in ORDER[:i])
    assert all(TorchVersion(ORDER[i]) < other for other in ORDER[i + 1 :])
    assert TorchVersion(ORDER[i]) == ORDER[i]
    assert not operator.ne(TorchVersion(ORDER[i]), ORDER[i])


def test_equal_in_value():
    assert TorchVersion("2.13.0") == "2.13" and TorchVersion("2.13.0") == (2, 13)
    assert TorchVersion("2.13") >= "2.13.0" and TorchVersion("2.13") <= [2, "13"]
    assert hash(TorchVersion("2.1")) == hash("2.1")


def test_what_is_no_version_compares_as_text():
    assert TorchVersion("2.13.0") < "parrot"
    with pytest.raises(TypeError):
        TorchVersion("2.13.0") > 2  # noqa: B015
