"""Error counters of the NVLinks of one GPU. NVLink 5 has other counters than earlier ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml

from agent.sources.gpu.fields import field_values
from agent.sources.gpu.paces import FIXED_PACE, NVLINK_FACTS_PACE
from agent.sources.gpu.unknown import Refusal
from agent.sources.paced_value import JITTER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.sources.field_values import FieldKey
    from agent.sources.gpu.handle import Elements, GpuHandle

_FUNCTION = "nvmlDeviceGetNvLinkErrorCounter"
# Its counters, by the field of NvLink.
_COUNTERS = {
    "replay_errors": pynvml.NVML_NVLINK_ERROR_DL_REPLAY,
    "recovery_errors": pynvml.NVML_NVLINK_ERROR_DL_RECOVERY,
    "crc_flit_errors": pynvml.NVML_NVLINK_ERROR_DL_CRC_FLIT,
    "crc_data_errors": pynvml.NVML_NVLINK_ERROR_DL_CRC_DATA,
}
# The same as field values, whose scope is the link. Of CRC there is one field, the sum of both counters.
_BEFORE_5 = {
    "replay_errors": pynvml.NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY,
    "recovery_errors": pynvml.NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY,
}
# Those of NVLink 5 and newer, whose links carry packets.
_OF_PACKETS = {
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


class NvLinkErrors:
    """The error counters of all links of the GPU behind one handle."""

    def __init__(self, handle: GpuHandle) -> None:
        self._handle = handle
        self.are_of_packets: bool | None = None  # as those of NVLink 5; None: the driver failed to report it
        # Results of the function, by link and field of NvLink, and when to call it again.
        self._answers: dict[tuple[int, str], Any] = {}
        self._due_at: dict[tuple[int, str], float] = {}

    @property
    def fields(self) -> tuple[int, ...]:
        """Field values of the error counters of each link."""
        return tuple(self._by_field.values())

    @property
    def _by_field(self) -> Mapping[str, int]:
        return _OF_PACKETS if self.are_of_packets else _BEFORE_5

    def detect_kind(self) -> list[Refusal]:
        """Find out by the first link whether they count as NVLink 5 does; returns why that is unknown."""
        if self.are_of_packets is not None:
            return []
        answers = field_values(self._handle, [(field, 0) for field in _OF_PACKETS.values()])
        refused = [answer for answer in answers if isinstance(answer, Refusal)]
        failed = [refusal for refusal in refused if not refusal.is_absence]
        if len(refused) < len(answers):
            self.are_of_packets = True
        elif not failed:
            self.are_of_packets = False
        return failed if self.are_of_packets is None else []

    def read_link(
        self, link: int, values: Mapping[FieldKey, Any], elements: Elements, now: float, details_at: float
    ) -> Mapping[str, int | None]:
        """By the field of NvLink; `values` are the field values, by field and link.

        `details_at`: as `now`, but it stands still while nobody looks.
        """
        answers: dict[str, Any] = {name: values[field, link] for name, field in self._by_field.items()}
        for name in _COUNTERS:
            # Not where the field has failed in passing: another counter counts from elsewhere.
            if name not in answers or (isinstance(answers[name], Refusal) and answers[name].is_absence):
                answers[name] = self._read_counter(link, name, now if name in _BEFORE_5 else details_at)
        return {name: elements.take(answer) for name, answer in answers.items()}

    def _read_counter(self, link: int, name: str, now: float) -> Any:
        """One call for each counter of each link; seldom if no accuracy is lost."""
        place = link, name
        if now >= self._due_at.get(place, now):
            answer = self._handle.call(_FUNCTION, link, _COUNTERS[name])
            is_refused = isinstance(answer, Refusal)
            seldom = answer.is_absence if is_refused else name not in _BEFORE_5
            self._answers[place] = answer
            self._due_at[place] = now + (FIXED_PACE if seldom else NVLINK_FACTS_PACE) - JITTER
        return self._answers[place]

    def forget(self) -> None:
        """Links went down or came up: read all of them at the next `read_link`."""
        self._due_at.clear()
