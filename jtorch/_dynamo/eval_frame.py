"""Where torch keeps the class of compiled modules."""

from jtorch.compiler import OptimizedModule

__all__ = ["OptimizedModule"]
