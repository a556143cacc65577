"""torch.backends.mkl: XLA does without oneMKL."""

__all__ = ["is_available"]


def is_available() -> bool:
    """False."""
    return False
