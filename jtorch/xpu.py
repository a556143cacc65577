"""torch.xpu: there is none; JAX computes on the CPU, on GPUs and on TPUs."""

__all__ = ["device_count", "is_available"]


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """Zero."""
    return 0
