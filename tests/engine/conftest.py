"""Each test of the engine starts with nothing known."""

import pytest

from jtorch.engine import report, trace


@pytest.fixture(autouse=True)
def _afresh(_nothing_pending):
    trace._roots.clear()
    report.reset()
