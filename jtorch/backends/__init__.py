"""torch.backends: what programs ask and set about libraries that XLA uses or replaces."""

from types import SimpleNamespace

from jtorch.engine import config
from jtorch.engine.devices import devices


class _CuDNN:
    """cuDNN is XLA's affair: it picks and tunes algorithms itself. The switches are kept as set."""

    enabled = True
    benchmark = False
    deterministic = False
    benchmark_limit = 10

    @property
    def allow_tf32(self) -> bool:
        """Whether convolutions of float32 may run in TF32."""
        return config.conv_tf32

    @allow_tf32.setter
    def allow_tf32(self, on: bool) -> None:
        config.set_conv_tf32(on)

    @staticmethod
    def is_available() -> bool:
        """Whether there is a GPU."""
        return bool(devices("cuda"))

    @staticmethod
    def version() -> int | None:
        """Unknown to JAX's public API."""
        return None


class _CudaMatmul:
    """``allow_tf32`` lets float32 products run in TF32, as set_float32_matmul_precision("high") does."""

    @property
    def allow_tf32(self) -> bool:
        """Whether float32 products may run in TF32."""
        return config.matmul_precision != "highest"

    @allow_tf32.setter
    def allow_tf32(self, on: bool) -> None:
        config.set_matmul_precision("high" if on else "highest")


cudnn = _CuDNN()
cuda = SimpleNamespace(matmul=_CudaMatmul(), is_built=lambda: True)
mps = SimpleNamespace(is_available=lambda: False, is_built=lambda: False)
mkldnn = SimpleNamespace(is_available=lambda: False)
openmp = SimpleNamespace(is_available=lambda: False)

__all__ = ["cuda", "cudnn", "mkldnn", "mps", "openmp"]
