"""Throughput of the NVLinks of one GPU, from their byte counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pynvml

from agent.sources.gpu.fields import fields_by_key
from agent.sources.gpu.unknown import Refusal
from agent.sources.rates import gap, rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.sources.field_values import FieldKey
    from agent.sources.gpu.handle import GpuHandle


class _Sizes(NamedTuple):
    """Field values that count what a link sends and what it receives."""

    sent: int
    received: int
    per_kib: int


_KIB = _Sizes(pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, 1)
# Of NVLink 5 and newer, whose links carry packets.
_BYTES = _Sizes(
    pynvml.NVML_FI_DEV_NVLINK_COUNT_XMIT_BYTES, pynvml.NVML_FI_DEV_NVLINK_COUNT_RCV_BYTES, per_kib=1024
)


class _Counted(NamedTuple):
    """Sent and received by the first link, by the second, ... since the driver was loaded."""

    at: float  # seconds of the monotonic clock
    sizes: tuple[int | None, ...]
    unit: _Sizes


class NvLinkCounters:
    """The counters of all links of the GPU behind one handle."""

    def __init__(self, handle: GpuHandle) -> None:
        self._handle = handle
        self._unit = _KIB
        self._last: _Counted | None = None

    @property
    def fields(self) -> tuple[int, int]:
        """The field values of the byte counters of each link."""
        return self._unit.sent, self._unit.received

    def rates(
        self, now: float, links: int, values: Mapping[FieldKey, Any], *, of_packets: bool
    ) -> tuple[list[float | None], list[Refusal]]:
        """KiB a second sent and received by each link, one after the other; and why some are unknown.

        `values`: field values that were asked before, by field and link.
        """
        answers = self._read_counters(links, values)
        if of_packets and self._unit is _KIB and all(map(_is_absent, answers)):
            self._unit = _BYTES
            answers = self._read_counters(links, values)
        sizes = tuple(None if isinstance(answer, Refusal) else answer for answer in answers)
        earlier, self._last = self._last, _Counted(now, sizes, self._unit)
        return _rates(earlier, self._last), [answer for answer in answers if isinstance(answer, Refusal)]

    def _read_counters(self, links: int, values: Mapping[FieldKey, Any]) -> list[Any]:
        """A number or a Refusal for each direction of each link."""
        keys: list[FieldKey] = [(field, link) for link in range(links) for field in self.fields]
        if any(key not in values for key in keys):
            values = fields_by_key(self._handle, keys)
        return [values[key] for key in keys]


def _is_absent(answer: object) -> bool:
    return isinstance(answer, Refusal) and answer.is_absence


def _rates(earlier: _Counted | None, later: _Counted) -> list[float | None]:
    if earlier is None or len(earlier.sizes) != len(later.sizes) or earlier.unit is not later.unit:
        return [None] * len(later.sizes)
    seconds = gap(earlier.at, later.at)
    return [
        _kib(rate(before, after, seconds), later.unit)
        for before, after in zip(earlier.sizes, later.sizes, strict=True)
    ]


def _kib(size: float | None, unit: _Sizes) -> float | None:
    return None if size is None else size / unit.per_kib
