"""The NVLinks of one GPU, and whether each is up. Their counters are read in the same call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import Reason
from agent.sources.gpu.fields import field_values, fields_by_key
from agent.sources.gpu.paces import FIXED_PACE, NVLINK_FACTS_PACE
from agent.sources.gpu.unknown import Refusal
from agent.sources.paced_value import Paced

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent.sources.field_values import FieldKey
    from agent.sources.gpu.handle import GpuHandle

_COUNT, _STATE = pynvml.NVML_FI_DEV_NVLINK_LINK_COUNT, pynvml.NVML_FI_DEV_NVLINK_GET_STATE
# A link that sleeps wakes for traffic. One whose traffic is disabled (3) carries nothing.
_UP = frozenset({pynvml.NVML_NVLINK_STATE_ACTIVE, pynvml.NVML_NVLINK_STATE_SLEEP})
_THERE_IS_NONE = Refusal("nvmlDeviceGetFieldValues", pynvml.NVML_SUCCESS)


class NvLinkStates:
    """The links of the GPU behind one handle. After `read`, `values` has the other values of that call."""

    def __init__(self, handle: GpuHandle) -> None:
        self._handle = handle
        self._count = Paced(NVLINK_FACTS_PACE, self._read_count)
        self._by_function_until = float("-inf")  # no field value has them; seconds of the monotonic clock
        self.values: Mapping[FieldKey, Any] = {}  # by field and link: a number, or a Refusal

    def read(self, now: float, also: Sequence[int], *, some_were_up: bool) -> tuple[bool, ...] | Refusal:
        """Whether each link is up; or none, or the reason why it is not reported.

        `also`: fields of each link that are asked in the same call, if there is one for all of them.

        NVML: field value 165 (Hopper and newer, R520 and newer), else nvmlDeviceGetNvLinkState.
        """
        count = self._count.get(now)
        most = count or pynvml.NVML_NVLINK_MAX_LINKS
        states: tuple[bool, ...] | Refusal | None = None
        self.values = {}
        if now >= self._by_function_until:
            states = self._read_fields(most, also)
            if isinstance(states, Refusal) and states.is_absence:
                states, self._by_function_until = None, now + FIXED_PACE
        if states is None:
            states = _up_to_the_last_link(self._read_state(link) for link in range(most))
        # A driver may report links that the GPU lacks, as down: as many as the largest GPU has.
        if count == 0 and not isinstance(states, Refusal) and not any(states) and not some_were_up:
            return _THERE_IS_NONE
        return states

    def _read_count(self) -> int | None:
        """NVML: field value 91; None where not reported. It may be 0 for a GPU whose links are all down."""
        (count,) = field_values(self._handle, [_COUNT])
        return None if isinstance(count, Refusal) else count

    def _read_fields(self, most: int, also: Sequence[int]) -> tuple[bool, ...] | Refusal:
        links = range(most)
        self.values = fields_by_key(
            self._handle, [(field, link) for link in links for field in (_STATE, *also)]
        )
        states = (self.values[_STATE, link] for link in links)
        return _up_to_the_last_link(state if isinstance(state, Refusal) else state in _UP for state in states)

    def _read_state(self, link: int) -> bool | Refusal:
        state = self._handle.call("nvmlDeviceGetNvLinkState", link)
        return state if isinstance(state, Refusal) else state == pynvml.NVML_FEATURE_ENABLED


def _up_to_the_last_link(states: Iterable[bool | Refusal]) -> tuple[bool, ...] | Refusal:
    """Of the links that there are; the refusal of the first, or of one that the driver failed to report."""
    known: list[bool] = []
    for state in states:
        if isinstance(state, Refusal):
            # Links are numbered without gaps, so there are no more; or the driver failed, and it is unknown.
            if known and state.reason is Reason.NOT_SUPPORTED:
                break
            return state
        known.append(state)
    return tuple(known)
