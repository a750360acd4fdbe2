"""The NVLinks of one GPU: whether they are up, what they lead to, what they carry and what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pynvml

from agent.readings import NVSWITCH, NvLink, NvLinks, Reason
from agent.sources.gpu.fields import field_values
from agent.sources.gpu.handle import Elements
from agent.sources.gpu.identity import bus_id
from agent.sources.gpu.nvlink_counters import NvLinkCounters, ask_error_counters
from agent.sources.gpu.paces import NVLINK_FACTS_PACE, SLOW_PACE
from agent.sources.gpu.unknown import Refusal, gravest
from agent.sources.paced import Paced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.sources.gpu.handle import GpuHandle
    from agent.sources.gpu.seen import Seen

_COUNT = pynvml.NVML_FI_DEV_NVLINK_LINK_COUNT
_SPEED, _COMMON_SPEED = pynvml.NVML_FI_DEV_NVLINK_GET_SPEED, pynvml.NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON
_STATE = "nvmlDeviceGetNvLinkState"
# Of a link that is down, or whose other end a virtual machine does not see.
_LEADS_NOWHERE = Refusal("nvmlDeviceGetNvLinkRemotePciInfo", pynvml.NVML_SUCCESS)
_THERE_IS_NONE = _NO_SPEED = Refusal("nvmlDeviceGetFieldValues", pynvml.NVML_SUCCESS)


class _Facts(NamedTuple):
    """What hardly changes about one link."""

    version: int | None
    peer: str | None
    speed: int | None  # MB/s
    counts_packets: bool
    errors: Mapping[str, int | None]  # by the field of NvLink
    refusals: tuple[Refusal, ...]  # what was not told of it


class NvLinkSource:
    """The NVLinks of the GPU behind one handle. `clock`: seconds of the monotonic clock."""

    def __init__(self, handle: GpuHandle, clock: Callable[[], float]) -> None:
        self._handle = handle
        self._clock = clock
        self._states: tuple[bool, ...] = ()
        self._paced_count = Paced(NVLINK_FACTS_PACE, self._read_count)
        self._paced_facts = Paced(NVLINK_FACTS_PACE, self._read_facts)
        self._counters = NvLinkCounters(handle)
        self._most_active = 0  # of this card, as it was seen before
        self._paced_links = Paced(SLOW_PACE, self._read_links)

    def read(self, now: float, seen: Seen) -> NvLinks:
        """Every link. NVML: see the fields of NvLink. `seen` is what this card had before."""
        self._most_active = seen.nvlinks
        links = self._paced_links.get(now)
        seen.nvlinks = max(seen.nvlinks, sum(self._states))
        return NvLinks(links, seen.nvlinks)

    def _read_links(self) -> tuple[NvLink, ...] | None:
        now = self._clock()
        states = self._read_states(now)
        if isinstance(states, Refusal):
            self._handle.record.note("nvlink.links", states)
            return None
        if states != self._states:  # a link that came up has a peer now
            self._states, self._paced_facts = states, Paced(NVLINK_FACTS_PACE, self._read_facts)
        all_facts = self._paced_facts.get(now)
        rates, refused = self._counters.rates(now, len(states))
        refusals = [refusal for facts in all_facts for refusal in facts.refusals]
        self._handle.record.note("nvlink.links", gravest([*refusals, *refused]))
        return tuple(
            NvLink(
                link,
                states[link],
                version=facts.version,
                peer=facts.peer,
                speed_megabytes_per_second=facts.speed,
                counts_packets=facts.counts_packets,
                tx_kib_per_second=rates[2 * link],
                rx_kib_per_second=rates[2 * link + 1],
                **facts.errors,
            )
            for link, facts in enumerate(all_facts)
        )

    def _read_count(self) -> int | None:
        """NVML: field value 91; None where it is not told. It may say 0 of a GPU whose links are all down."""
        count = field_values(self._handle, [_COUNT])[0]
        return None if isinstance(count, Refusal) else count

    def _read_states(self, now: float) -> tuple[bool, ...] | Refusal:
        """Whether each link is up; the refusal of the first: there is none, or it is not told how many.

        Beyond the last that a GPU has, a driver may tell of links that are down: as many as the largest GPU
        of its generation has.
        """
        states: list[bool] = []
        count: int | None = None
        for link in range(pynvml.NVML_NVLINK_MAX_LINKS):
            state = self._handle.call(_STATE, link)
            if isinstance(state, Refusal):
                # Links are numbered without gaps: there are no more. Or the driver failed, and who knows.
                if states and state.reason is Reason.NOT_SUPPORTED:
                    break
                return state
            states.append(state == pynvml.NVML_FEATURE_ENABLED)
            if link == 0:  # most GPUs have none, and are not asked for their number
                count = self._paced_count.get(now)
            if len(states) == count:
                break
        if count == 0 and not any(states) and not self._most_active:
            return _THERE_IS_NONE
        return tuple(states)

    def _read_facts(self) -> tuple[_Facts, ...]:
        refusals: list[Refusal] = []
        of_packets = self._counters.are_of_packets(refusals)
        speeds = self._read_speeds()
        return tuple(
            self._facts(link, is_active, speeds[link], refusals, of_packets=of_packets)
            for link, is_active in enumerate(self._states)
        )

    def _read_speeds(self) -> list[Any]:
        """MB/s of each link, or a Refusal. NVML: field value 164, or 90 of all links that are up.

        Older drivers tell the second alone; 0 is that of a link that is down.
        """
        fields = [*((_SPEED, link) for link in range(len(self._states))), _COMMON_SPEED]
        *speeds, common = field_values(self._handle, fields)
        if isinstance(common, Refusal):
            return speeds
        return [common if isinstance(speed, Refusal) else speed for speed in speeds]

    def _facts(
        self, link: int, is_active: bool, speed: Any, refusals: list[Refusal], *, of_packets: bool
    ) -> _Facts:
        elements = Elements(self._handle)
        elements.refusals += refusals
        return _Facts(
            version=elements.ask("nvmlDeviceGetNvLinkVersion", link),
            peer=_peer(elements, link) if is_active else elements.take(_LEADS_NOWHERE),
            speed=elements.take(speed or _NO_SPEED) if is_active else None,
            counts_packets=of_packets,
            errors=ask_error_counters(elements, link, of_packets=of_packets),
            refusals=tuple(elements.refusals),
        )


def _peer(elements: Elements, link: int) -> str | None:
    """NVML: nvmlDeviceGetNvLinkRemoteDeviceType, nvmlDeviceGetNvLinkRemotePciInfo_v2."""
    handle = elements.handle
    if handle.call("nvmlDeviceGetNvLinkRemoteDeviceType", link) == pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH:
        return NVSWITCH
    # A driver that does not tell the type does tell the bus id; that of anything but a GPU is no GPU's.
    return bus_id(elements.ask("nvmlDeviceGetNvLinkRemotePciInfo", link)) or elements.take(_LEADS_NOWHERE)
