"""torch.backends.mkldnn: XLA does without oneDNN."""

__all__ = ["is_available"]


def is_available() -> bool:
    """False."""
    return False
