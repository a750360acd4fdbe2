"""Handles: opaque to callers; here a number that encodes the driver load and the device."""

from __future__ import annotations

_TAG = 0x51 << 40  # far from small integers and null pointers
_EPOCH_SHIFT = 16
_INDEX_SHIFT = 8
_WHOLE_GPU = 0xFF


def encode(epoch: int, index: int, mig_index: int | None = None) -> int:
    """The handle of GPU `index`, or of one of its MIG instances, given out by the `epoch`th driver load."""
    part = _WHOLE_GPU if mig_index is None else mig_index
    return _TAG | epoch << _EPOCH_SHIFT | index << _INDEX_SHIFT | part


def decode(handle: int) -> tuple[int, int, int | None]:
    """Epoch (0 for no handle of ours), index and MIG index."""
    if handle >> 40 != _TAG >> 40:
        return 0, 0, None
    part = handle & 0xFF
    epoch = (handle & (1 << 40) - 1) >> _EPOCH_SHIFT
    return epoch, handle >> _INDEX_SHIFT & 0xFF, None if part == _WHOLE_GPU else part
