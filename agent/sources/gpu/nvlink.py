"""The NVLinks of one GPU: whether they are up, what they lead to, what they carry and what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pynvml

from agent.readings import NVSWITCH, NvLink, NvLinks, Reason
from agent.sources.gpu.fields import field_values
from agent.sources.gpu.handle import Elements
from agent.sources.gpu.identity import bus_id
from agent.sources.gpu.paces import NVLINK_FACTS_PACE, SLOW_PACE
from agent.sources.gpu.unknown import Refusal, gravest
from agent.sources.paced import Paced
from agent.sources.rates import gap, rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.sources.gpu.handle import GpuHandle
    from agent.sources.gpu.seen import Seen

_ERROR_COUNTERS = (
    pynvml.NVML_NVLINK_ERROR_DL_REPLAY,
    pynvml.NVML_NVLINK_ERROR_DL_RECOVERY,
    pynvml.NVML_NVLINK_ERROR_DL_CRC_FLIT,
    pynvml.NVML_NVLINK_ERROR_DL_CRC_DATA,
)
# Of a link that is down, or whose other end a virtual machine does not see.
_LEADS_NOWHERE = Refusal("nvmlDeviceGetNvLinkRemotePciInfo", pynvml.NVML_SUCCESS)


class _Facts(NamedTuple):
    """What hardly changes about one link."""

    version: int | None
    peer: str | None
    errors: tuple[int | None, ...]  # by _ERROR_COUNTERS
    refusals: tuple[Refusal, ...]  # what was not told of it


class _Counters(NamedTuple):
    """KiB since the driver was loaded, sent and received by each link, at one moment."""

    at: float  # seconds of the monotonic clock
    kib: tuple[int | None, ...]  # sent and received by the first link, by the second, ...


class NvLinkSource:
    """The NVLinks of the GPU behind one handle. `clock`: seconds of the monotonic clock."""

    def __init__(self, handle: GpuHandle, clock: Callable[[], float]) -> None:
        self._handle = handle
        self._clock = clock
        self._states: tuple[bool, ...] = ()
        self._paced_facts = Paced(NVLINK_FACTS_PACE, self._read_facts)
        self._counters: _Counters | None = None
        self._paced_links = Paced(SLOW_PACE, self._read_links)

    def read(self, now: float, seen: Seen) -> NvLinks:
        """Every link. NVML: see the fields of NvLink. `seen` is what this card had before."""
        links = self._paced_links.get(now)
        seen.nvlinks = max(seen.nvlinks, sum(self._states))
        return NvLinks(links, seen.nvlinks)

    def _read_links(self) -> tuple[NvLink, ...] | None:
        now = self._clock()
        states = self._read_states()
        if isinstance(states, Refusal):
            self._handle.record.note("nvlink.links", states)
            return None
        if states != self._states:  # a link that came up has a peer now
            self._states, self._paced_facts = states, Paced(NVLINK_FACTS_PACE, self._read_facts)
        counted = self._read_counters()
        refused = [answer for answer in counted if answer.__class__ is Refusal]
        if refused:
            counted = [None if answer.__class__ is Refusal else answer for answer in counted]
        rates = self._rates(_Counters(now, tuple(counted)))
        all_facts = self._paced_facts.get(now)
        refusals = [refusal for facts in all_facts for refusal in facts.refusals]
        self._handle.record.note("nvlink.links", gravest([*refusals, *refused]))
        return tuple(
            NvLink(
                link,
                states[link],
                facts.version,
                facts.peer,
                rates[2 * link],
                rates[2 * link + 1],
                *facts.errors,
            )
            for link, facts in enumerate(all_facts)
        )

    def _read_states(self) -> tuple[bool, ...] | Refusal:
        """Whether each link is up; the refusal of the first: there is none, or it is not told how many."""
        states: list[bool] = []
        for link in range(pynvml.NVML_NVLINK_MAX_LINKS):
            state = self._handle.call("nvmlDeviceGetNvLinkState", link)
            if isinstance(state, Refusal):
                # Links are numbered without gaps: there are no more. Or the driver failed, and who knows.
                return tuple(states) if states and state.reason is Reason.NOT_SUPPORTED else state
            states.append(state == pynvml.NVML_FEATURE_ENABLED)
        return tuple(states)

    def _read_facts(self) -> tuple[_Facts, ...]:
        return tuple(self._facts(link, is_active) for link, is_active in enumerate(self._states))

    def _facts(self, link: int, is_active: bool) -> _Facts:
        elements = Elements(self._handle)
        return _Facts(
            version=elements.ask("nvmlDeviceGetNvLinkVersion", link),
            peer=_peer(elements, link) if is_active else elements.take(_LEADS_NOWHERE),
            errors=tuple(
                elements.ask("nvmlDeviceGetNvLinkErrorCounter", link, counter) for counter in _ERROR_COUNTERS
            ),
            refusals=tuple(elements.refusals),
        )

    def _read_counters(self) -> list[Any]:
        """KiB sent and received by each link; a Refusal for each that is not told."""
        fields = [
            (field, link)
            for link in range(len(self._states))
            for field in (
                pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX,
                pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX,
            )
        ]
        return field_values(self._handle, fields)

    def _rates(self, later: _Counters) -> list[float | None]:
        earlier = self._counters
        self._counters = later
        if earlier is None or len(earlier.kib) != len(later.kib):
            return [None] * len(later.kib)
        seconds = gap(earlier.at, later.at)
        return [
            None if before is None or after is None else rate(before, after, seconds)
            for before, after in zip(earlier.kib, later.kib, strict=True)
        ]


def _peer(elements: Elements, link: int) -> str | None:
    """NVML: nvmlDeviceGetNvLinkRemoteDeviceType, nvmlDeviceGetNvLinkRemotePciInfo_v2."""
    handle = elements.handle
    if handle.call("nvmlDeviceGetNvLinkRemoteDeviceType", link) == pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH:
        return NVSWITCH
    # A driver that does not tell the type does tell the bus id; that of anything but a GPU is no GPU's.
    return bus_id(elements.ask("nvmlDeviceGetNvLinkRemotePciInfo", link)) or elements.take(_LEADS_NOWHERE)
