"""torch.return_types: the classes of the named tuples that operators with several results return."""

from typing import Any

from jtorch.ops.table import TABLE as _TABLE
from jtorch.tensor.call import return_type as _return_type

_kinds = {op.name.split(".")[0]: op.schema.returns for op in _TABLE.values() if len(op.schema.returns) > 1}
globals().update({name: _return_type(name, fields) for name, fields in _kinds.items() if all(fields)})


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'torch.return_types' has no attribute '{name}' (jtorch has none)")
