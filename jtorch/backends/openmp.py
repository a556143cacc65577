"""torch.backends.openmp: XLA does without OpenMP."""

__all__ = ["is_available"]


def is_available() -> bool:
    """False."""
    return False
