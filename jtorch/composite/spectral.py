"""Frequencies of spectra, and the short-time Fourier transform with its inverse."""

import warnings
from typing import Any

import jtorch
from jtorch.composite.creation import create
from jtorch.composite.table import composite
from jtorch.ops import fft
from jtorch.ops import stft as stft_ops
from jtorch.settings import is_warn_always_enabled
from jtorch.tensor import bind

_stft = bind.generate(stft_ops.stft, function=True)
_istft = bind.generate(stft_ops.istft, function=True)


def _frequencies(op: Any, n: Any, d: Any, options: dict) -> Any:
    return create(op, bind.int_arg(n, "n", op.name), bind.float_arg(d, "d", op.name), **options)


@composite("fft")
def fftfreq(n: Any, d: Any = 1.0, **options: Any) -> Any:
    """``fftfreq(n, d=1.0, *, out, dtype, layout, device, requires_grad)``: the frequencies in an ``fft``'s result.

    ``n`` samples stand ``d`` apart. https://docs.pytorch.org/docs/stable/generated/torch.fft.fftfreq.html
    """
    return _frequencies(fft.fftfreq, n, d, options)


@composite("fft")
def rfftfreq(n: Any, d: Any = 1.0, **options: Any) -> Any:
    """``rfftfreq(n, d=1.0, *, out, dtype, layout, device, requires_grad)``: the frequencies in an ``rfft``'s result.

    https://docs.pytorch.org/docs/stable/generated/torch.fft.rfftfreq.html
    """
    return _frequencies(fft.rfftfreq, n, d, options)


# -- the short-time Fourier transform

_warned: set[str] = set()


def _warn_once(text: str) -> None:
    if text not in _warned or is_warn_always_enabled():
        _warned.add(text)
        warnings.warn(text, UserWarning, stacklevel=3)


_WINDOWLESS = (
    "A window was not provided. A rectangular window will be applied, {}. To suppress this warning and use a "
    "rectangular window, explicitly set `window=torch.ones(n_fft, device=<device>)`."
)


def _refuse(name: str, shown: str, problems: list[tuple[bool, str]], **arguments: Any) -> None:
    """Raise the first problem there is as torch does: with the call, its flags as 0 and 1, before it."""
    problem = next((text for there, text in problems if there), None)
    if problem is None:
        return
    texts = []
    for key, value in arguments.items():
        if isinstance(value, jtorch.Tensor):
            value = f"{jtorch.typename(value)}{{{list(value.shape)}}}"
        texts.append(f"{key}={int(value) if isinstance(value, bool) else value}")
    raise RuntimeError(f"{name}({shown}, {', '.join(texts)}) : {problem}")


def _full_window(window: Any, win_length: int, n_fft: int, like: Any) -> Any:
    """A window of ``n_fft`` elements, the given one in the middle."""
    if window is None:
        window = jtorch.ones(win_length, dtype=like.dtype.to_real(), device=like.device)
    left = (n_fft - win_length) // 2
    return jtorch.constant_pad_nd(window, (left, n_fft - win_length - left)) if win_length != n_fft else window


@composite("torch Tensor")
def stft(
    input: Any,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Any:
    """The spectra of a signal's windowed frames: (frequencies, frames), after a batch dimension if there is one.

    Args:
        input: (samples) or (batch, samples), floats or complex numbers.
        n_fft: the length of the transforms.
        hop_length: how far frames are apart; ``n_fft // 4`` by default.
        win_length: the window's length, at most ``n_fft``, which is the default; zeros fill it up at both ends.
        window: (win_length); ones by default, with a warning.
        center: whether frame t has sample ``t * hop_length`` in its middle; ``pad_mode`` pads the signal for that.
        normalized: whether to divide by the root of ``n_fft``.
        onesided: whether to give half the spectrum, which says all of a real signal; by default where it does.
        return_complex: False gives a last dimension of two in place of complex numbers. Required for real signals.
        align_to_window: whether, without ``center``, the first frame's window starts with the signal.

    RuntimeError for lengths that do not fit. https://docs.pytorch.org/docs/stable/generated/torch.stft.html
    """
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")

    def padded(x: Any, amount: int, mode: str) -> Any:
        wide = x.view([1] * (3 - x.ndim) + list(x.shape))
        wide = jtorch.nn.functional.pad(wide, (amount, amount), mode)
        return wide.view(wide.shape[wide.ndim - x.ndim :])

    x = padded(input, n_fft // 2, pad_mode) if center else input
    hop = n_fft // 4 if hop_length is None else hop_length
    length = n_fft if win_length is None else win_length
    samples = x.shape[-1] if x.ndim else 0
    if window is None:
        _warn_once(_WINDOWLESS.format("which is known to cause spectral leakage"))
    problems = [
        (not (x.is_floating_point() or x.is_complex()), "expected a tensor of floating point or complex values"),
        (x.ndim not in (1, 2), "expected a 1D or 2D tensor"),
        (not 0 < n_fft <= samples, f"expected 0 < n_fft < {samples}, but got n_fft={n_fft}"),
        (hop <= 0, f"expected hop_length > 0, but got hop_length={hop}"),
        (not 0 < length <= n_fft, f"expected 0 < win_length <= n_fft, but got win_length={length}"),
    ]
    if window is not None:
        need = f"expected a 1D window tensor of size equal to win_length={length}"
        problems.append((tuple(window.shape) != (length,), f"{need}, but got window with size {list(window.shape)}"))
    _refuse(
        "stft", f"{jtorch.typename(x)}{list(x.shape)}", problems, n_fft=n_fft, hop_length=hop, win_length=length,
        window=window, normalized=normalized, onesided=onesided, return_complex=return_complex,
        align_to_window=align_to_window,
    )  # fmt: skip
    is_complex = x.is_complex() or (window is not None and window.is_complex())
    if return_complex is None and not is_complex:
        raise RuntimeError(
            "stft requires the return_complex parameter be given for real inputs, and will further require that "
            "return_complex=True in a future PyTorch release."
        )
    if is_complex and onesided:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    if return_complex is False:
        _warn_once(
            "stft with return_complex=False is deprecated. In a future pytorch release, stft will return complex "
            "tensors for all inputs, and return_complex=False will raise an error.\nNote: you can still call "
            "torch.view_as_real on the complex output to recover the old return format."
        )
    if align_to_window:
        x = padded(x, (n_fft - length) // 2, "reflect")
    full = _full_window(window, length, n_fft, x)
    out = _stft(x, full, n_fft, hop, normalized, not is_complex if onesided is None else onesided)
    return jtorch.view_as_real(out) if return_complex is False else out


@composite("torch Tensor")
def istft(
    input: Any,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Any:
    """The signal, (samples) or (batch, samples), that :func:`stft` with the same arguments made ``input`` of.

    ``length`` is how many samples to give; by default as many as the frames cover, without the padding. RuntimeError
    for lengths that do not fit, and where the windows, squared and added up, are zero somewhere in the signal.
    https://docs.pytorch.org/docs/stable/generated/torch.istft.html
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    size = n_fft if win_length is None else win_length
    if window is None:
        _warn_once(_WINDOWLESS.format("which inverts an stft exactly only if that had none either"))
    if not input.is_complex():
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True."
        )
    frequencies = input.shape[-2] if input.ndim > 1 else 0
    half = frequencies != n_fft if onesided is None else onesided
    need = "n_fft / 2 + 1 when onesided=True" if half else "n_fft when onesided=False"
    problems = [
        (not input.numel(), "input tensor cannot be empty."),
        (input.ndim not in (2, 3), f"expected a tensor with 3 or 4 dimensions, but got {input.ndim + 1}"),
        (
            frequencies != (n_fft // 2 + 1 if half else n_fft),
            f"expected the frequency dimension (3rd to the last) of the input tensor to match {need}, "
            f"but got {frequencies}",
        ),
        (not 0 < hop <= size, "expected 0 < hop_length <= win_length"),
        (not 0 < size <= n_fft, "expected 0 < win_length <= n_fft"),
        (
            window is not None and tuple(window.shape) != (size,),
            "Invalid window shape. window has to be 1D and length of `win_length`",
        ),
    ]
    kind = jtorch.typename(input).split(".")[-1].removesuffix("Tensor")
    _refuse(
        "istft", f"{input.device.type.upper()}{kind}Type{list(input.shape)}", problems, n_fft=n_fft, hop_length=hop,
        win_length=size, window=window, center=center, normalized=normalized, onesided=onesided, length=length,
        return_complex=return_complex,
    )  # fmt: skip
    if return_complex and half:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    if not return_complex and window is not None and window.is_complex():
        raise RuntimeError("Complex windows are incompatible with return_complex=False")
    covered = n_fft + hop * (input.shape[-1] - 1)
    start = n_fft // 2 if center else 0
    stop = start + length if length is not None else covered - (n_fft // 2 if center else 0)
    if min(stop, covered) <= start:
        raise RuntimeError("min(): Expected reduction dim to be specified for input.numel() == 0.")
    spectra = input if half or return_complex else input.narrow(-2, 0, n_fft // 2 + 1)
    full = _full_window(window, size, n_fft, input)
    out = _istft(spectra, full, hop, start, min(stop, covered), normalized, not return_complex)
    if stop <= covered:
        return out
    warnings.warn(
        "The length of signal is shorter than the length parameter. Result is being padded with zeros in the tail. "
        "Please check your center and hop_length settings.",
        UserWarning,
        stacklevel=2,
    )
    return jtorch.constant_pad_nd(out, (0, stop - covered))
