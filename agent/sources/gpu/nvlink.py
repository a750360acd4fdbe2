"""The NVLinks of one GPU: state, remote end, throughput and errors.

Field values report most of it for all links in one call. On older drivers and GPUs a function is called for
each value of each link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pynvml

from agent.readings import NVSWITCH, NvLink, NvLinks
from agent.sources.gpu.fields import field_values, fields_by_key
from agent.sources.gpu.fixed import Fixed
from agent.sources.gpu.handle import Elements
from agent.sources.gpu.identity import bus_id
from agent.sources.gpu.nvlink_counters import NvLinkCounters
from agent.sources.gpu.nvlink_errors import NvLinkErrors
from agent.sources.gpu.nvlink_states import NvLinkStates
from agent.sources.gpu.paces import NVLINK_FACTS_PACE, SLOW_PACE
from agent.sources.gpu.unknown import Refusal, gravest
from agent.sources.paced_value import Paced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.sources.gpu.handle import GpuHandle
    from agent.sources.gpu.moment import Moment
    from agent.sources.gpu.seen import Seen

_VERSION = pynvml.NVML_FI_DEV_NVLINK_GET_VERSION
_SPEED, _COMMON_SPEED = pynvml.NVML_FI_DEV_NVLINK_GET_SPEED, pynvml.NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON
# For a link that is down, or whose other end is hidden from a virtual machine.
_LEADS_NOWHERE = Refusal("nvmlDeviceGetNvLinkRemotePciInfo", pynvml.NVML_SUCCESS)
_NO_SPEED = Refusal("nvmlDeviceGetFieldValues", pynvml.NVML_SUCCESS)


class _Facts(NamedTuple):
    """Values of one link that change seldom."""

    speed: int | None  # MB/s
    errors: Mapping[str, int | None]  # by the field of NvLink
    refusals: Sequence[Refusal]  # what was not reported of it


class _Connection(NamedTuple):
    """Values of one link that change only when it goes down or comes up."""

    version: int | None
    peer: str | None
    refusals: Sequence[Refusal]


class NvLinkSource:
    """The NVLinks of the GPU behind one handle. `clock`: seconds of the monotonic clock."""

    def __init__(self, handle: GpuHandle, clock: Callable[[], float]) -> None:
        self._handle = handle
        self._clock = clock
        self._link_states = NvLinkStates(handle)
        self._counters = NvLinkCounters(handle)
        self._errors = NvLinkErrors(handle)
        self._states: tuple[bool, ...] = ()
        self._details_at = float("-inf")  # seconds of the monotonic clock
        self._most_active = 0  # of this card, as it was seen before
        self._paced_links = Paced(SLOW_PACE, self._read_links)
        self._forget_facts()

    def read(self, moment: Moment, seen: Seen) -> NvLinks:
        """Every link. NVML: see the fields of NvLink. `seen`: the highest numbers of this card so far."""
        self._most_active = seen.nvlinks
        if moment.details - self._details_at >= NVLINK_FACTS_PACE:  # there was no demand for a while
            self._paced_links.forget()
            self._facts.forget()
        self._details_at = moment.details
        links = self._paced_links.get(moment.now)
        seen.nvlinks = max(seen.nvlinks, sum(self._states))
        return NvLinks(links, seen.nvlinks)

    def _forget_facts(self) -> None:
        """Links went down or came up: read the rarely changing values again."""
        self._facts = Paced(NVLINK_FACTS_PACE, self._read_facts)
        self._connections = Fixed(self._handle, self._read_connections)
        self._errors.forget()

    def _read_links(self) -> tuple[NvLink, ...] | None:
        now = self._clock()
        states = self._link_states.read(now, self._counters.fields, some_were_up=self._most_active > 0)
        if isinstance(states, Refusal):
            self._handle.record.note("nvlink.links", states)
            return None
        if states != self._states:
            self._states = states
            self._forget_facts()
        facts, connections = self._facts.get(now), self._connections.get(self._details_at)
        of_packets = bool(self._errors.are_of_packets)
        rates, refusals = self._counters.rates(
            now, len(states), self._link_states.values, of_packets=of_packets
        )
        refusals += [refusal for fact in facts for refusal in fact.refusals]
        refusals += [refusal for connection in connections for refusal in connection.refusals]
        self._handle.record.note("nvlink.links", gravest(refusals))
        return tuple(
            NvLink(
                link,
                states[link],
                version=connection.version,
                peer=connection.peer,
                speed_megabytes_per_second=fact.speed,
                counts_packets=of_packets,
                tx_kib_per_second=sent,
                rx_kib_per_second=received,
                **fact.errors,
            )
            for link, (fact, connection, sent, received) in enumerate(
                zip(facts, connections, rates[::2], rates[1::2], strict=True)
            )
        )

    def _read_facts(self) -> tuple[_Facts, ...]:
        """NVML: field value 164 of each link, or 90 of all that are up; and see nvlink_errors.py.

        Older drivers report only the second; 0 is the speed of a link that is down.
        """
        links, now = range(len(self._states)), self._clock()
        why_not = self._errors.detect_kind()
        fields = [(field, link) for link in links for field in (_SPEED, *self._errors.fields)]
        values = fields_by_key(self._handle, [*fields, _COMMON_SPEED])
        facts = []
        for link in links:
            elements = Elements(self._handle)
            elements.refusals += why_not
            speed = values[_SPEED, link]
            if isinstance(speed, Refusal) and not isinstance(values[_COMMON_SPEED], Refusal):
                speed = values[_COMMON_SPEED]
            facts.append(
                _Facts(
                    speed=elements.take(speed or _NO_SPEED) if self._states[link] else None,
                    errors=self._errors.read_link(link, values, elements, now, self._details_at),
                    refusals=elements.refusals,
                )
            )
        return tuple(facts)

    def _read_connections(self) -> tuple[_Connection, ...]:
        """NVML: field value 166, else nvmlDeviceGetNvLinkVersion."""
        versions = field_values(self._handle, [(_VERSION, link) for link in range(len(self._states))])
        connections = []
        for link, (version, is_active) in enumerate(zip(versions, self._states, strict=True)):
            elements = Elements(self._handle)
            is_absent = isinstance(version, Refusal) and version.is_absence
            connections.append(
                _Connection(
                    elements.query("nvmlDeviceGetNvLinkVersion", link)
                    if is_absent
                    else elements.take(version),
                    _peer(elements, link) if is_active else elements.take(_LEADS_NOWHERE),
                    elements.refusals,
                )
            )
        return tuple(connections)


def _peer(elements: Elements, link: int) -> str | None:
    """NVML: nvmlDeviceGetNvLinkRemoteDeviceType, nvmlDeviceGetNvLinkRemotePciInfo_v2."""
    handle = elements.handle
    if handle.call("nvmlDeviceGetNvLinkRemoteDeviceType", link) == pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH:
        return NVSWITCH
    # A driver that does not report the type does report the bus id; only a GPU has the bus id of a GPU.
    return bus_id(elements.query("nvmlDeviceGetNvLinkRemotePciInfo", link)) or elements.take(_LEADS_NOWHERE)
