"""What the NVLinks of one GPU count: bytes, and errors. NVLink 5 counts other errors than those before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pynvml

from agent.readings import Reason
from agent.sources.gpu.fields import field_values
from agent.sources.gpu.unknown import Refusal
from agent.sources.rates import gap, rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.sources.gpu.handle import Elements, GpuHandle

# By the field of NvLink.
_ERRORS = {
    "replay_errors": pynvml.NVML_NVLINK_ERROR_DL_REPLAY,
    "recovery_errors": pynvml.NVML_NVLINK_ERROR_DL_RECOVERY,
    "crc_flit_errors": pynvml.NVML_NVLINK_ERROR_DL_CRC_FLIT,
    "crc_data_errors": pynvml.NVML_NVLINK_ERROR_DL_CRC_DATA,
}
# The same of NVLink 5 and newer, whose links carry packets: ids of field values, whose scope is the link.
_ERRORS_OF_PACKETS = {
    "recovery_errors": pynvml.NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS,
    "malformed_packet_errors": pynvml.NVML_FI_DEV_NVLINK_COUNT_MALFORMED_PACKET_ERRORS,
    "buffer_overrun_errors": pynvml.NVML_FI_DEV_NVLINK_COUNT_BUFFER_OVERRUN_ERRORS,
    "receive_errors": pynvml.NVML_FI_DEV_NVLINK_COUNT_RCV_ERRORS,
    "receive_remote_errors": pynvml.NVML_FI_DEV_NVLINK_COUNT_RCV_REMOTE_ERRORS,
    "receive_general_errors": pynvml.NVML_FI_DEV_NVLINK_COUNT_RCV_GENERAL_ERRORS,
    "local_link_integrity_errors": pynvml.NVML_FI_DEV_NVLINK_COUNT_LOCAL_LINK_INTEGRITY_ERRORS,
    "transmit_discards": pynvml.NVML_FI_DEV_NVLINK_COUNT_XMIT_DISCARDS,
    "failed_recoveries": pynvml.NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS,
    "effective_errors": pynvml.NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_ERRORS,
    "symbol_errors": pynvml.NVML_FI_DEV_NVLINK_COUNT_SYMBOL_ERRORS,
}
_ABSENT = (Reason.NOT_SUPPORTED, Reason.MISSING)


class _Sizes(NamedTuple):
    """Field values that count what a link sends and what it receives."""

    sent: int
    received: int
    per_kib: int


_KIB = _Sizes(pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, 1)
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
        self._of_packets: bool | None = None  # None: the driver failed to tell
        self._last: _Counted | None = None

    def are_of_packets(self, refusals: list[Refusal]) -> bool:
        """Whether the links count as NVLink 5 does, by the first of them. Adds why that is unknown."""
        if self._of_packets is None:
            answers = field_values(self._handle, [(field, 0) for field in _ERRORS_OF_PACKETS.values()])
            refused = [answer for answer in answers if isinstance(answer, Refusal)]
            failed = [refusal for refusal in refused if refusal.reason not in _ABSENT]
            if len(refused) < len(answers):
                self._of_packets = True
            elif failed:
                refusals.append(failed[0])
            else:
                self._of_packets = False
        return bool(self._of_packets)

    def rates(self, now: float, links: int) -> tuple[list[float | None], list[Refusal]]:
        """KiB a second sent and received by each link, one after the other; and why some are unknown."""
        answers = self._read(links)
        if self._of_packets and self._unit is _KIB and all(map(_is_absent, answers)):
            self._unit = _BYTES
            answers = self._read(links)
        sizes = tuple(None if isinstance(answer, Refusal) else answer for answer in answers)
        earlier, self._last = self._last, _Counted(now, sizes, self._unit)
        return _rates(earlier, self._last), [answer for answer in answers if isinstance(answer, Refusal)]

    def _read(self, links: int) -> list[Any]:
        """A number or a Refusal for each direction of each link."""
        both = (self._unit.sent, self._unit.received)
        return field_values(self._handle, [(field, link) for link in range(links) for field in both])


def ask_error_counters(elements: Elements, link: int, *, of_packets: bool) -> Mapping[str, int | None]:
    """By the field of NvLink. NVML: nvmlDeviceGetNvLinkErrorCounter; of NVLink 5 field values."""
    answers: dict[str, Any] = {}
    if of_packets:
        fields = [(field, link) for field in _ERRORS_OF_PACKETS.values()]
        answers = dict(zip(_ERRORS_OF_PACKETS, field_values(elements.handle, fields), strict=True))
    errors: dict[str, int | None] = {name: elements.take(answer) for name, answer in answers.items()}
    for name, counter in _ERRORS.items():
        # Not where the field has failed in passing: another counter counts from elsewhere.
        if name not in answers or _is_absent(answers[name]):
            errors[name] = elements.ask("nvmlDeviceGetNvLinkErrorCounter", link, counter)
    return errors


def _is_absent(answer: object) -> bool:
    return isinstance(answer, Refusal) and answer.reason in _ABSENT


def _rates(earlier: _Counted | None, later: _Counted) -> list[float | None]:
    if earlier is None or len(earlier.sizes) != len(later.sizes) or earlier.unit is not later.unit:
        return [None] * len(later.sizes)
    seconds = gap(earlier.at, later.at)
    return [
        None if before is None or after is None else _kib(rate(before, after, seconds), later.unit)
        for before, after in zip(earlier.sizes, later.sizes, strict=True)
    ]


def _kib(size: float | None, unit: _Sizes) -> float | None:
    return None if size is None else size / unit.per_kib
