"""Which operators cast their result to the dtype of an ``out=`` tensor; the others want one of the result's dtype.

As in torch, those that compute element by element in a common dtype cast, and of the rest the ones listed here.
"""

_CASTING = """
    all any cholesky cholesky_inverse cholesky_solve clamp clamp_max clamp_min cumprod cumsum fft_fft fft_fft2
    fft_fftn fft_hfft fft_hfft2 fft_hfftn fft_ifft fft_ifft2 fft_ifftn fft_ihfft fft_ihfft2 fft_ihfftn fft_irfft
    fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftn float_power geqrf hash_tensor isneginf isposinf ldexp lerp
    linalg_eig linalg_eigvals linalg_householder_product linalg_lstsq linalg_matrix_power linalg_matrix_rank
    linalg_pinv linalg_tensorinv linalg_tensorsolve logical_and logical_not logical_or logical_xor max mean min
    nanmean nansum pow prod signbit square std sub sum var
"""
_CAST = frozenset(_CASTING.split())
_KEEP = frozenset(("bucketize", "max.dim", "min.dim", "searchsorted", "where"))


def casts(name: str, promotes: bool) -> bool:
    """Whether the operator of that name in the table casts to the dtype of ``out=``."""
    names = {name, name.split(".")[0]}
    return not names & _KEEP and (promotes or not names.isdisjoint(_CAST))
