"""torch.backends.cuda: the precision of matrix products, and the choice among attention kernels."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from jtorch.engine import config
from jtorch.nn import attention

__all__ = [
    "cudnn_sdp_enabled", "enable_cudnn_sdp", "enable_flash_sdp", "enable_math_sdp", "enable_mem_efficient_sdp",
    "flash_sdp_enabled", "is_built", "is_flash_attention_available", "math_sdp_enabled", "matmul",
    "mem_efficient_sdp_enabled", "sdp_kernel",
]  # fmt: skip


class _Matmul:
    """``allow_tf32`` lets float32 products run in TF32, as set_float32_matmul_precision("high") does.

    XLA sums products of halves in float32 whatever the other two say; they are kept as set.
    """

    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True

    @property
    def allow_tf32(self) -> bool:
        """Whether float32 products may run in TF32."""
        return config.matmul_precision != "highest"

    @allow_tf32.setter
    def allow_tf32(self, on: bool) -> None:
        config.set_matmul_precision("high" if on else "highest")


matmul = _Matmul()


def is_built() -> bool:
    """True: JAX finds its GPU plugin by itself."""
    return True


def is_flash_attention_available() -> bool:
    """False: XLA has kernels of its own."""
    return False


# -- the kernels of scaled dot product attention that are allowed, as torch.nn.attention keeps them


def _allow(backend: attention.SDPBackend, enabled: bool) -> None:
    allowed = [b for b in attention._cur_sdpa_kernel_backends() if b is not backend]
    attention._allowed = [*allowed, backend] if enabled else allowed


def _is_allowed(backend: attention.SDPBackend) -> bool:
    return backend in attention._cur_sdpa_kernel_backends()


def flash_sdp_enabled() -> bool:
    """Whether flash attention is allowed."""
    return _is_allowed(attention.SDPBackend.FLASH_ATTENTION)


def enable_flash_sdp(enabled: bool) -> None:
    """Allow flash attention, or not."""
    _allow(attention.SDPBackend.FLASH_ATTENTION, enabled)


def mem_efficient_sdp_enabled() -> bool:
    """Whether memory-efficient attention is allowed."""
    return _is_allowed(attention.SDPBackend.EFFICIENT_ATTENTION)


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Allow memory-efficient attention, or not."""
    _allow(attention.SDPBackend.EFFICIENT_ATTENTION, enabled)


def math_sdp_enabled() -> bool:
    """Whether attention by plain products is allowed."""
    return _is_allowed(attention.SDPBackend.MATH)


def enable_math_sdp(enabled: bool) -> None:
    """Allow attention by plain products, or not."""
    _allow(attention.SDPBackend.MATH, enabled)


def cudnn_sdp_enabled() -> bool:
    """Whether cuDNN's attention is allowed."""
    return _is_allowed(attention.SDPBackend.CUDNN_ATTENTION)


def enable_cudnn_sdp(enabled: bool) -> None:
    """Allow cuDNN's attention, or not."""
    _allow(attention.SDPBackend.CUDNN_ATTENTION, enabled)


@contextmanager
def sdp_kernel(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True, enable_cudnn: bool = True
) -> Iterator[dict]:
    """The older ``torch.nn.attention.sdpa_kernel``."""
    warnings.warn(
        "`torch.backends.cuda.sdp_kernel()` is deprecated. In the future, this context manager will be removed. Please "
        "see `torch.nn.attention.sdpa_kernel()` for the new context manager, with updated signature.",
        FutureWarning,
        stacklevel=3,
    )
    kinds = attention.SDPBackend
    chosen = (
        (kinds.FLASH_ATTENTION, enable_flash), (kinds.MATH, enable_math),
        (kinds.EFFICIENT_ATTENTION, enable_mem_efficient), (kinds.CUDNN_ATTENTION, enable_cudnn),
    )  # fmt: skip
    with attention.sdpa_kernel([kind for kind, on in chosen if on]) as inner:
        yield inner
