"""torch.backends: what programs ask and set about libraries that XLA uses or replaces."""

from jtorch.backends import cuda, cudnn, mkl, mkldnn, mps, openmp, opt_einsum

__all__ = ["cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "opt_einsum"]
