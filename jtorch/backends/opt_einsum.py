"""torch.backends.opt_einsum: XLA does without opt_einsum."""

__all__ = ["is_available"]


def is_available() -> bool:
    """False."""
    return False
