"""What jtorch does not do as torch's operator database has it: ``kind:operator-dtype`` patterns, each with its reason.

A test that is listed and passes fails the suite, so the list only shrinks.
"""

GAPS: dict[str, str] = {}
