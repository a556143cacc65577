"""Classes that programs only ask about."""

import pytest

import jtorch
from jtorch.distributed.tensor import DTensor
from jtorch.nn.parallel.distributed import DistributedDataParallel


@pytest.mark.parametrize("kind", [DTensor, DistributedDataParallel, jtorch.cuda.CUDAGraph, jtorch.cuda.graph])
def test_it_has_no_instances(kind):
    assert not isinstance(jtorch.nn.Linear(1, 1), kind) and not isinstance(jtorch.ones(1), kind)
    with pytest.raises(NotImplementedError, match=kind.__name__):
        kind(jtorch.nn.Linear(1, 1))


def test_a_compiled_module_is_known_by_the_private_name_too():
    assert isinstance(jtorch.compile(jtorch.nn.Linear(1, 1)), jtorch._dynamo.eval_frame.OptimizedModule)
