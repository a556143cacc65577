"""README says what the operator database has shown, and the list of gaps is short."""

from tests.conformance import coverage
from tests.conformance.opinfo import cases, gap

GAPS_ALLOWED = 25


def test_readme_has_the_table_of_now() -> None:
    text = coverage.README.read_text()
    assert coverage.written(text) == text, "run python -m tests.conformance.coverage --write"


def test_few_operators_are_gaps() -> None:
    missing = {op.name for case, op, _ in cases("forward") if case.endswith("-float32") and gap("forward", case)}
    assert len(missing) <= GAPS_ALLOWED, sorted(missing)
