"""torch.func: composable function transformations."""

from jtorch.func.derivatives import (
    functionalize,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    vjp,
)
from jtorch.func.stateless import functional_call, replace_all_batch_norm_modules_, stack_module_state
from jtorch.func.vectorize import vmap

__all__ = [
    "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize",
    "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]  # fmt: skip
