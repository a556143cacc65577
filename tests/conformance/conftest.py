"""How much of torch's operator database is asked: float32 and float64 gradients, or every dtype."""

import pytest

USUAL = {"forward": ("float32",), "gradient": ("float64",), "inplace": ("float32",)}  # the others ask one dtype anyway


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-dtypes", action="store_true", help="test_opinfo with every dtype; takes about an hour")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what :data:`USUAL` does not name, unless all is asked for."""
    if config.getoption("--all-dtypes"):
        return
    left_out = [item for item in items if not _usual(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _usual(item)]


def _usual(item: pytest.Item) -> bool:
    function, _, case = item.name.partition("[")
    dtypes = USUAL.get(function.removeprefix("test_")) if "test_opinfo" in item.nodeid else None
    return dtypes is None or case.rstrip("]").rpartition("-")[2] in dtypes
