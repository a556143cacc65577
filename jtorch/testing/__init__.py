"""torch.testing: comparing results, and making tensors to test with (docs.pytorch.org/docs/stable/testing.html)."""

from jtorch.testing._comparison import assert_allclose, assert_close
from jtorch.testing._creation import make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]
