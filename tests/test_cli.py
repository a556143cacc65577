"""The runner behaves as plain python does: each case is run both ways and compared."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from jtorch import cli, version

ROOT = Path(__file__).parent.parent


def start(*command: str, cwd: Path, stdin: str | None = None) -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=cwd, env=env, input=stdin)


def both(*command: str, cwd: Path, stdin: str | None = None) -> subprocess.CompletedProcess:
    """Run under plain python and under ``python -m jtorch``; the results must be equal. Returns jtorch's."""
    plain = start(*command, cwd=cwd, stdin=stdin)
    ours = start("-m", "jtorch", *command, cwd=cwd, stdin=stdin)
    assert ours.stdout == plain.stdout
    assert ours.stderr == plain.stderr
    assert ours.returncode == plain.returncode
    return ours


def write(folder: Path, name: str, source: str) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source))
    return name


SHOW = """
import sys
print(sys.argv, sys.path[0], __name__, __file__, __package__, __spec__ and __spec__.name, type(__loader__).__name__)
print(sorted(k for k in globals() if k != "__cached__"))
print(sys.modules["__main__"].__dict__ is globals())
"""


def test_script(tmp_path):
    write(tmp_path, "helper.py", "value = 5")
    name = write(tmp_path, "sub/show.py", SHOW)
    done = both(name, "a", "-b", "--c=1", cwd=tmp_path)
    assert "['sub/show.py', 'a', '-b', '--c=1']" in done.stdout


def test_script_behind_a_link(tmp_path):
    write(tmp_path, "real/beside.py", "value = 5")
    write(tmp_path, "real/show.py", "import beside\nprint(beside.value)" + SHOW)
    (tmp_path / "link.py").symlink_to("real/show.py")
    both("link.py", cwd=tmp_path)


def test_code(tmp_path):
    assert "['-c', 'a']" in both("-c", SHOW.replace("__file__", "'-'"), "a", cwd=tmp_path).stdout


def test_standard_input(tmp_path):
    both("-", "a", cwd=tmp_path, stdin=SHOW.replace("__file__", "'-'"))


def test_module(tmp_path):
    write(tmp_path, "pack/__init__.py", "")
    write(tmp_path, "pack/__main__.py", SHOW)
    write(tmp_path, "pack/inner.py", "from . import __main__\n")
    assert both("-m", "pack", "a", cwd=tmp_path).returncode == 0
    both("-m", "pack.inner", cwd=tmp_path)


def test_directory(tmp_path):
    write(tmp_path, "app/__main__.py", "import sys, beside; print(sys.argv, sys.path[0], __name__, __package__)")
    write(tmp_path, "app/beside.py", "")
    both("app", "a", cwd=tmp_path)


@pytest.mark.parametrize("value", ["0", "7", "None", "'some message'", "True"])
def test_system_exit(tmp_path, value):
    both("-c", f"import sys; sys.exit({value})", cwd=tmp_path)


def test_exception_shows_only_the_program(tmp_path):
    name = write(
        tmp_path,
        "fails.py",
        """
        def inner(x):
            return x["key"]

        try:
            inner({})
        except KeyError as error:
            raise ValueError("outer") from error
        """,
    )
    done = both(name, cwd=tmp_path)
    assert done.returncode == 1
    assert 'return x["key"]' in done.stderr and "jtorch" not in done.stderr


def test_syntax_error(tmp_path):
    assert both(write(tmp_path, "bad.py", "def (:\n"), cwd=tmp_path).returncode == 1


def test_interrupt(tmp_path):
    done = start("-m", "jtorch", "-c", "raise KeyboardInterrupt", cwd=tmp_path)
    assert done.returncode == 130 and done.stderr.endswith("KeyboardInterrupt\n")


def test_the_programs_own_excepthook_is_called(tmp_path):
    both(
        write(
            tmp_path,
            "hook.py",
            """
            import sys
            def hook(kind, value, trace):
                print(kind, value, trace.tb_frame.f_code.co_name, trace.tb_next)
            sys.excepthook = hook
            raise OSError("x")
            """,
        ),
        cwd=tmp_path,
    )


def test_exit_handlers_and_pickles_of_main(tmp_path):
    both(
        write(
            tmp_path,
            "late.py",
            """
            import atexit, pickle
            class Point:
                def __init__(self, x): self.x = x
            @atexit.register
            def late():
                print(pickle.loads(pickle.dumps(Point(3))).x, Point.__module__)
            """,
        ),
        cwd=tmp_path,
    )


def test_a_missing_file(tmp_path):
    done = start("-m", "jtorch", "nothing.py", cwd=tmp_path)
    assert done.returncode == 2 and "can't open file" in done.stderr and "No such file" in done.stderr


def test_a_missing_module(tmp_path):
    both("-m", "no_such_module", cwd=tmp_path)


def test_import_torch_is_jtorch(tmp_path):
    done = start("-m", "jtorch", "-c", "import torch; print(torch.__name__)", cwd=tmp_path)
    assert done.stdout == "jtorch\n", done.stderr


def test_help_version_and_bad_usage(capsys):
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in cli.COMMANDS)
    assert cli.main(["--version"]) == 0
    assert version.jtorch in capsys.readouterr().out
    assert cli.main([]) == 2
    for wrong in (["-m"], ["-c"], ["--unknown"]):
        assert cli.main(wrong) == 2
        assert "usage:" in capsys.readouterr().err
