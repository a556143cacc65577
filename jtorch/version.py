"""Which jtorch this is, and which version of the torch API it answers for.

``__version__`` is torch's number with jtorch's own as the local part, so that a package that asks for
``torch >= 2.1`` gets a true answer and a bug report still says what ran.
"""

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "jtorch", "rocm", "torch", "xpu"]

jtorch = "0.1.0"
torch = "2.13.0"
__version__ = f"{torch}+jtorch.{jtorch}"

debug = False
git_version: str | None = None
hip: str | None = None
rocm: str | None = None
xpu: str | None = None


def _cuda() -> str | None:
    """The CUDA release of the installed JAX plugin, as in ``13.0``; found without starting a device."""
    from importlib.metadata import PackageNotFoundError, version

    for major in (13, 12):
        try:
            version(f"jax-cuda{major}-plugin")
        except PackageNotFoundError:
            continue
        try:
            return ".".join(version("nvidia-cuda-runtime" + ("-cu12" if major == 12 else "")).split(".")[:2])
        except PackageNotFoundError:
            return f"{major}.0"
    return None


cuda = _cuda()
