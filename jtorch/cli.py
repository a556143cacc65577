"""The command line: ``python -m jtorch script.py args`` runs a torch script on jtorch, as plain python would run it.

:func:`main` reads the options and the subcommands; :func:`run_script`, :func:`run_module` and :func:`run_code` set
``__main__``, ``sys.argv`` and ``sys.path`` as the interpreter does and run the program under the alias.
"""

import builtins
import importlib.machinery
import importlib.util
import io
import os
import sys
from collections.abc import Callable
from types import CodeType, ModuleType, TracebackType
from typing import Any

from jtorch import alias, version

_USAGE = """\
usage: python -m jtorch [-c code | -m module | script.py | -] [arguments]
       python -m jtorch COMMAND [arguments]

Runs a PyTorch program on JAX: inside it, `import torch` is jtorch.

commands:
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command line (``sys.argv[1:]`` by default) and return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        print(_usage(), end="")
        return 0 if argv else 2
    first, rest = argv[0], argv[1:]
    if first in ("-V", "--version"):
        print(f"jtorch {version.jtorch} (torch API {version.torch})")
        return 0
    if first in COMMANDS:
        return COMMANDS[first][1](rest)
    if first in ("-c", "-m"):
        if not rest:
            return _usage_error(f"argument expected for the {first} option")
        return (run_code if first == "-c" else run_module)(rest[0], rest[1:])
    if first != "-" and first.startswith("-"):
        return _usage_error(f"unknown option {first}")
    return run_script(first, rest)


def _usage() -> str:
    return _USAGE + "".join(f"  {name:<10} {text}\n" for name, (text, _) in COMMANDS.items())


def _usage_error(message: str) -> int:
    print(f"jtorch: {message}\n\n{_usage()}", end="", file=sys.stderr)
    return 2


def run_script(path: str, args: list[str]) -> int:
    """Run a file, a directory with a ``__main__.py``, or standard input (``-``)."""
    if path == "-":
        return _run(lambda: _compile(sys.stdin.read(), "<stdin>", {"__file__": "<stdin>"}), ["-", *args], "")
    if os.path.isdir(path):
        return _run_main_of(path, args)
    full = os.path.abspath(path)

    def prepare() -> tuple[CodeType, dict[str, Any]]:
        with io.open_code(full) as file:
            source = file.read()
        loader = importlib.machinery.SourceFileLoader("__main__", full)
        return compile(source, full, "exec", dont_inherit=True), {"__file__": full, "__loader__": loader}

    if not os.access(full, os.R_OK):
        try:
            open(full).close()
        except OSError as error:
            print(f"jtorch: can't open file {full!r}: [Errno {error.errno}] {error.strerror}", file=sys.stderr)
            return 2
    return _run(prepare, [path, *args], os.path.dirname(os.path.realpath(full)))


def run_code(source: str, args: list[str]) -> int:
    """Run a program given as a string."""
    return _run(lambda: _compile(source, "<string>"), ["-c", *args], "")


def run_module(name: str, args: list[str]) -> int:
    """Run a module, or a package's ``__main__``, found on ``sys.path``."""

    def prepare() -> tuple[CodeType, dict[str, Any]]:
        spec, code = _module_code(name)
        sys.argv[0] = spec.origin or name
        return code, {
            "__file__": spec.origin,
            "__loader__": spec.loader,
            "__package__": spec.parent,
            "__spec__": spec,
            "__cached__": spec.cached,
        }

    return _run(prepare, ["-m", *args], os.getcwd())


def _run_main_of(directory: str, args: list[str]) -> int:
    def prepare() -> tuple[CodeType, dict[str, Any]]:
        spec = importlib.machinery.PathFinder.find_spec("__main__", [directory])
        if spec is None or spec.loader is None:
            raise _NotRunnable(f"can't find '__main__' module in {directory!r}")
        code = spec.loader.get_code("__main__")  # type: ignore[attr-defined]
        return code, {"__file__": spec.origin, "__loader__": spec.loader, "__package__": "", "__spec__": spec}

    return _run(prepare, [directory, *args], os.path.abspath(directory))


class _NotRunnable(Exception):
    """What was asked for is not a program; said in one line, without a traceback."""


def _compile(source: str, filename: str, extra: dict[str, Any] | None = None) -> tuple[CodeType, dict[str, Any]]:
    attributes = {"__loader__": importlib.machinery.BuiltinImporter, **(extra or {})}
    return compile(source, filename, "exec", dont_inherit=True), attributes


def _module_code(name: str) -> tuple[importlib.machinery.ModuleSpec, CodeType]:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        raise _NotRunnable(f"Error while finding module specification for {name!r} ({error})") from None
    if spec is None:
        raise _NotRunnable(f"No module named {name}")
    if spec.submodule_search_locations is not None:
        if name.endswith(".__main__"):
            raise _NotRunnable("Cannot use package as __main__ module")
        return _module_code(name + ".__main__")
    get_code = getattr(spec.loader, "get_code", None)
    code = get_code(spec.name) if get_code else None
    if code is None:
        raise _NotRunnable(f"No code object available for {name}")
    return spec, code


def _run(prepare: Callable[[], tuple[CodeType, dict[str, Any]]], argv: list[str], path0: str) -> int:
    """Run what ``prepare`` gives as ``__main__`` under the alias, and report an exception as the interpreter does."""
    sys.argv[:] = argv
    if not sys.flags.safe_path:
        sys.path[0] = path0  # in place of the entry by which jtorch itself was found
    alias.enable()
    try:
        code, attributes = prepare()
        program = ModuleType("__main__")
        program.__dict__.update(
            {"__builtins__": builtins, "__annotations__": {}, "__spec__": None, "__package__": None, **attributes}
        )
        sys.modules["__main__"] = program
        exec(code, program.__dict__)
    except SystemExit:
        raise
    except _NotRunnable as error:
        print(f"{sys.executable}: {error}", file=sys.stderr)
        return 1
    except BaseException as error:
        shown = error.with_traceback(_without_runner(error.__traceback__))
        sys.excepthook(type(error), shown, shown.__traceback__)
        return 128 + 2 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _without_runner(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the program's first frame on; None when the program never began (a SyntaxError)."""
    runner = (__file__, "<frozen importlib._bootstrap_external>", "<frozen importlib._bootstrap>")
    while trace is not None and trace.tb_frame.f_code.co_filename in runner:
        trace = trace.tb_next
    return trace


def _check(args: list[str]) -> int:
    from jtorch.check import main as check

    return check(args)


def _coverage(args: list[str]) -> int:
    from jtorch.coverage import main as coverage

    return coverage(args)


# name -> (one line of help, what runs it on the arguments after its name)
COMMANDS: dict[str, tuple[str, Callable[[list[str]], int]]] = {
    "check": ("list the torch names that a script uses and jtorch lacks", _check),
    "coverage": ("count the public names of torch that jtorch has", _coverage),
}
