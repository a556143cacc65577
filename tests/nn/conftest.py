"""The helpers of these tests compare many small programs at one line, which elsewhere is worth a warning."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of this folder recompile."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::jtorch.engine.report.RecompileWarning"))
