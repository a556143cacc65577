"""No test begins with what another one has left pending."""

import pytest

from jtorch.engine import flush


@pytest.fixture(autouse=True)
def _nothing_pending():
    flush.flush_all("a test begins")
