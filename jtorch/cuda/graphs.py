"""torch.cuda.graphs: classes without instances, for programs that name them; XLA's programs are such graphs already."""

from typing import Any, NoReturn

__all__ = ["CUDAGraph", "graph"]


def _refuse(name: str) -> NoReturn:
    raise NotImplementedError(f"torch.cuda.{name}; jtorch compiles what it records, torch.compile saves Python's time")


class CUDAGraph:
    """Making one raises NotImplementedError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refuse("CUDAGraph")


class graph:
    """Making one raises NotImplementedError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refuse("graph")
