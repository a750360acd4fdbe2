"""The NVLinks of one GPU: whether they are up, what they lead to, what they carry and what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pynvml

from agent.readings import NVSWITCH, NvLink, NvLinks
from agent.sources.gpu.identity import bus_id
from agent.sources.gpu.paces import NVLINK_FACTS_PACE, SLOW_PACE
from agent.sources.nvml import field_values, query_or_none
from agent.sources.paced import Paced
from agent.sources.rates import gap, rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.sources.gpu.seen import Seen

_ERROR_COUNTERS = (
    pynvml.NVML_NVLINK_ERROR_DL_REPLAY,
    pynvml.NVML_NVLINK_ERROR_DL_RECOVERY,
    pynvml.NVML_NVLINK_ERROR_DL_CRC_FLIT,
    pynvml.NVML_NVLINK_ERROR_DL_CRC_DATA,
)


class _Facts(NamedTuple):
    """What hardly changes about one link."""

    version: int | None
    peer: str | None
    errors: tuple[int | None, ...]  # by _ERROR_COUNTERS


class _Counters(NamedTuple):
    """KiB since the driver was loaded, sent and received by each link, at one moment."""

    at: float  # seconds of the monotonic clock
    kib: tuple[int | None, ...]  # sent and received by the first link, by the second, ...


class NvLinkSource:
    """The NVLinks of the GPU behind one handle. `clock`: seconds of the monotonic clock."""

    def __init__(self, handle: Any, clock: Callable[[], float]) -> None:
        self._handle = handle
        self._clock = clock
        self._states: tuple[bool, ...] = ()
        self._paced_facts = Paced(NVLINK_FACTS_PACE, self._read_facts)
        self._counters: _Counters | None = None
        self._paced_links = Paced(SLOW_PACE, self._read_links)

    def read(self, now: float, seen: Seen) -> NvLinks:
        """Every link. NVML: see the fields of NvLink. `seen` is what this card had before."""
        links = self._paced_links.get(now)
        seen.nvlinks = max(seen.nvlinks, sum(link.is_active for link in links or ()))
        return NvLinks(links, seen.nvlinks)

    def _read_links(self) -> tuple[NvLink, ...] | None:
        now = self._clock()
        states = tuple(self._read_states())
        if not states:
            return None
        if states != self._states:  # a link that came up has a peer now
            self._states, self._paced_facts = states, Paced(NVLINK_FACTS_PACE, self._read_facts)
        rates = self._rates(now)
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
            for link, facts in enumerate(self._paced_facts.get(now))
        )

    def _read_states(self) -> Iterator[bool]:
        for link in range(pynvml.NVML_NVLINK_MAX_LINKS):
            state = query_or_none("nvmlDeviceGetNvLinkState", self._handle, link)
            if state is None:  # links are numbered without gaps: there are no more, or none at all
                return
            yield state == pynvml.NVML_FEATURE_ENABLED

    def _read_facts(self) -> tuple[_Facts, ...]:
        handle = self._handle
        return tuple(
            _Facts(
                version=query_or_none("nvmlDeviceGetNvLinkVersion", handle, link),
                peer=_peer(handle, link) if is_active else None,
                errors=tuple(
                    query_or_none("nvmlDeviceGetNvLinkErrorCounter", handle, link, counter)
                    for counter in _ERROR_COUNTERS
                ),
            )
            for link, is_active in enumerate(self._states)
        )

    def _rates(self, now: float) -> list[float | None]:
        fields = [
            (field, link)
            for link in range(len(self._states))
            for field in (
                pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX,
                pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX,
            )
        ]
        earlier, later = self._counters, _Counters(now, tuple(field_values(self._handle, fields)))
        self._counters = later
        if earlier is None or len(earlier.kib) != len(later.kib):
            return [None] * len(later.kib)
        seconds = gap(earlier.at, later.at)
        return [
            None if before is None or after is None else rate(before, after, seconds)
            for before, after in zip(earlier.kib, later.kib, strict=True)
        ]


def _peer(handle: Any, link: int) -> str | None:
    """NVML: nvmlDeviceGetNvLinkRemoteDeviceType, nvmlDeviceGetNvLinkRemotePciInfo_v2."""
    kind = query_or_none("nvmlDeviceGetNvLinkRemoteDeviceType", handle, link)
    if kind == pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH:
        return NVSWITCH
    # A driver that does not tell the type does tell the bus id; that of anything but a GPU is no GPU's.
    return bus_id(query_or_none("nvmlDeviceGetNvLinkRemotePciInfo", handle, link))
