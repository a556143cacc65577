"""Each test of the engine starts with nothing known."""

import pytest

from jtorch.engine import flush, report, trace


@pytest.fixture(autouse=True)
def _afresh():
    flush.flush_all("a test begins")
    trace._roots.clear()
    report.reset()
