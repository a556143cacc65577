"""What operators say about dtypes they do not take."""

import ml_dtypes
import numpy as np
import pytest

from jtorch.ops.errors import FLOATS, REAL, only, scalar_type, unsupported


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (np.bool_, "Bool"), (np.uint8, "Byte"), (np.int64, "Long"), (ml_dtypes.bfloat16, "BFloat16"),
        (np.float32, "Float"), (np.complex128, "ComplexDouble"),
    ],
)  # fmt: skip
def test_scalar_types(dtype, name):
    assert scalar_type(dtype) == name
    assert str(unsupported("frob_cpu", dtype)) == f"\"frob_cpu\" not implemented for '{name}'"


def test_only_lets_its_categories_through():
    @only(FLOATS, "frob_cpu")
    def frob(x, shift=0):
        return x + shift

    assert frob(np.ones(1), shift=2) == 3
    with pytest.raises(NotImplementedError, match="\"frob_cpu\" not implemented for 'Long'"):
        frob(np.ones(1, np.int64))
    with pytest.raises(RuntimeError, match="no complex frobs"):
        only(REAL, RuntimeError("no complex frobs"))(abs)(np.ones(1, np.complex64))
