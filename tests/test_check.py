"""``jtorch check``: the torch names a program uses, followed from its imports, and those that jtorch lacks."""

import textwrap

import pytest

from jtorch import check, cli


def names(source: str) -> list[tuple[int, str]]:
    return [(use.line, use.name) for use in check.uses(textwrap.dedent(source))]


def test_names_are_followed_from_every_form_of_import():
    assert names(
        """\
        import torch
        import torch.nn as nn
        import torch.nn.functional
        import torch as th, numpy
        from torch import optim
        from torch.utils.data import DataLoader as Loader
        torch.ones(2).sum()
        nn.functional.relu(th.zeros(1))
        optim.SGD
        def f(x: nn.Module = torch.nn.functional.gelu) -> "x":
            return Loader.thing
        numpy.torch.zeros
        """
    ) == [
        (1, "torch"),
        (2, "torch.nn"),
        (3, "torch.nn.functional"),
        (4, "torch"),
        (5, "torch.optim"),
        (6, "torch.utils.data.DataLoader"),
        (7, "torch.ones"),
        (8, "torch.nn.functional.relu"),
        (8, "torch.zeros"),
        (9, "torch.optim.SGD"),
        (10, "torch.nn.Module"),
        (10, "torch.nn.functional.gelu"),
        (11, "torch.utils.data.DataLoader.thing"),
    ]


def test_what_is_not_torchs_is_not_looked_at():
    assert names("import torchvision, numpy as torch2\nfrom . import torch\ntorch2.ones\nx.torch.ones") == []


def test_writing_to_a_name_is_no_use_of_it():
    assert names("import torch\ntorch.my_flag = 1") == [(1, "torch")]


def test_missing_names_are_cut_at_the_first_missing_part():
    found = check.uses("import torch\ntorch.version.nope.deeper\ntorch.version.cuda.whatever\ntorch.nope()\n")
    assert check.missing(found) == [check.Use("torch.version.nope", 2), check.Use("torch.nope", 4)]


@pytest.mark.parametrize(
    ("source", "status", "said"),
    [
        ("import torch.version\n", 0, "1 torch names used, 0 missing"),
        ("import torch\ntorch.nope\n", 1, "script.py:2: torch.nope"),
        ("from torch.nope import *\n", 1, "script.py:1: torch.nope"),
        ("def (\n", 2, "invalid syntax"),
    ],
)
def test_the_command(tmp_path, capsys, source, status, said):
    path = tmp_path / "script.py"
    path.write_text(source)
    assert cli.main(["check", str(path)]) == status
    assert said in capsys.readouterr().out
    assert cli.main(["check", str(tmp_path)]) == status


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert cli.main(["check", str(tmp_path / "none.py")]) == 2
    assert "No such file" in capsys.readouterr().out
