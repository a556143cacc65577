"""What torch.save and torch.load do unless told otherwise: checksums, memory maps, and leaving out the numbers."""

import mmap

_crc32 = True
_skipping = False


def get_crc32_options() -> bool:
    """Whether torch.save writes checksums, and torch.load checks them."""
    return _crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """Choose whether torch.save writes checksums, and torch.load checks them."""
    global _crc32
    _crc32 = bool(compute_crc32)


def get_default_mmap_options() -> int:
    """How ``torch.load(mmap=True)`` maps a file: privately, so that no write to a tensor reaches it."""
    return mmap.MAP_PRIVATE


class set_default_mmap_options:
    """Choose it, for good or within a ``with`` block.

    Raises ValueError for what is no such choice, and NotImplementedError for ``mmap.MAP_SHARED``: an in-place write
    makes a new array here, so none could change the file.
    """

    def __init__(self, flags: int) -> None:
        if flags == mmap.MAP_SHARED:
            raise NotImplementedError("set_default_mmap_options(mmap.MAP_SHARED): in jtorch no write reaches a file")
        if flags != mmap.MAP_PRIVATE:
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or mmap.MAP_SHARED, "
                f"but got {flags}"
            )

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        pass


def skipping() -> bool:
    """Whether the numbers of tensors are left out."""
    return _skipping


class skip_data:
    """Within it torch.save leaves zeros where the numbers of tensors belong, and torch.load does not read them: the
    tensors it makes hold zeros. For zip files. ``materialize_fake_tensors`` is about fake tensors, which jtorch has
    none of.
    """

    def __init__(self, materialize_fake_tensors: bool = False) -> None:
        self.materialize_fake_tensors = materialize_fake_tensors

    def __enter__(self) -> None:
        global _skipping
        self._before, _skipping = _skipping, True

    def __exit__(self, *exc: object) -> None:
        global _skipping
        _skipping = self._before


class SourceChangeWarning(Warning):
    """Was given where the source of a saved model's class had changed; programs still filter it."""
