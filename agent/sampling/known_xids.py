"""The XIDs of each GPU from NVML's events and from the kernel log, each of them counted once.

The driver reports an XID in both or in one of them: events start with the agent, and the log may have been
overwritten. From the time at which events of a GPU are read, the greater of both counts is used; earlier ones
of the log are added. So no XID counts twice, even if one source is late.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from agent.derive.xid import ABOUT_MEMORY
from agent.readings import XidCount, XidSource
from agent.sampling.kernel_log_tally import Tally
from agent.sampling.restored_xids import with_restored

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent.readings import GpuSample, HostProcess, ProcessesReading, Unknown
    from agent.readings.restored import KeptXid
    from agent.sampling.kernel_log_tally import LoggedXid

# A program that ends because of an XID is missing in the next sample, and its line may be read later.
SAMPLES_OF_PROCESSES = 4
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Seconds by which the kernel log's clock may differ from any other: it follows none.
CLOCKS_DIFFER = 5.0

_NOTHING = Tally()
NONE_RESTORED: Mapping[str, Mapping[int, KeptXid]] = MappingProxyType({})


class Events(Protocol):
    """The interface of XidWatch."""

    @property
    def is_listening(self) -> bool: ...
    def counts(self, uuid: str | None, booted_at: float) -> Mapping[int, XidCount] | None: ...
    def about_memory(self, uuid: str | None) -> int: ...
    def logged_before(self, uuid: str | None) -> Tally: ...
    def why_not(self, uuid: str | None) -> Unknown | None: ...


class Log(Protocol):
    """The interface of KernelLogWatch."""

    @property
    def is_read(self) -> bool: ...
    def tally(self) -> Tally: ...


class KnownXids:
    """Combines both for each sample.

    Lives on the event loop. `pids_are_the_hosts`: whether pids here equal those in the kernel log.
    `restored`: the XIDs of this boot that the previous run counted, by GPU UUID and code.
    """

    def __init__(
        self,
        events: Events | None,
        log: Log | None,
        *,
        pids_are_the_hosts: bool = True,
        restored: Mapping[str, Mapping[int, KeptXid]] = NONE_RESTORED,
    ) -> None:
        self._events = events
        self._log = log
        self._pids_are_the_hosts = pids_are_the_hosts
        self._restored = restored
        self._about_memory: dict[str | None, int] = {}  # by GPU UUID, in the last sample
        self._processes: deque[Mapping[int, HostProcess]] = deque(maxlen=SAMPLES_OF_PROCESSES)
        # By pid and time in seconds since boot: programs that were blamed, as they were then.
        self._blamed: dict[tuple[int, float], HostProcess] = {}

    def with_xids(
        self, gpus: Sequence[GpuSample], booted_at: float, processes: ProcessesReading | None
    ) -> tuple[GpuSample, ...]:
        """The GPUs with their XIDs. `booted_at` converts times since boot to times of day."""
        if (
            processes is not None
            and self._pids_are_the_hosts
            and (not self._processes or processes.gpu_processes is not self._processes[-1])
        ):
            self._processes.append(processes.gpu_processes)
        blamed, self._blamed = self._blamed, {}
        logged = self._log.tally() if self._log is not None else _NOTHING
        known = tuple(self._gpu_with_xids(gpu, booted_at, logged, blamed) for gpu in gpus)
        self._about_memory = {gpu.identity.uuid: _about_memory(gpu) for gpu in known}
        return known

    def about_memory(self, uuid: str | None) -> int:
        """A number that grows with each XID of one GPU about its memory: at the event or a sample later."""
        heard = self._events.about_memory(uuid) if self._events is not None else 0
        return max(heard, self._about_memory.get(uuid, heard))

    def _gpu_with_xids(
        self, gpu: GpuSample, booted_at: float, logged: Tally, blamed: Mapping[tuple[int, float], HostProcess]
    ) -> GpuSample:
        uuid, bus = gpu.identity.uuid, place_of(gpu.identity.pci_bus_id)
        events = self._events.counts(uuid, booted_at) if self._events is not None else None
        lines = logged.xids(uuid, bus)
        restored = self._restored.get(uuid or "", {})
        # Without an XID it must be known that there was none.
        would_be_heard = events is not None and self._events is not None and self._events.is_listening
        would_be_read = bus is not None and self._log is not None and self._log.is_read
        if not (events or lines or restored or would_be_heard or would_be_read):
            return self._without_xids(gpu, uuid)
        lines = {code: self._described(seen, blamed) for code, seen in lines.items()}
        before = (self._events.logged_before(uuid) if self._events is not None else _NOTHING).xids(uuid, bus)
        reset_at = logged.reset_at(uuid, bus)
        xids = {
            code: _logged_xid(
                seen,
                before[code].times if code in before else 0,
                (events or {}).get(code),
                booted_at,
                reset_at,
            )
            for code, seen in lines.items()
        }
        for code, count in (events or {}).items():
            if code not in lines:  # which the log does not have, or not yet
                ended = reset_at is not None and count.last_at < booted_at + reset_at
                xids[code] = count._replace(was_reset=ended)
        if restored:
            # Until its events are read, all lines count as earlier ones.
            known = {code: seen.times for code, seen in (lines if events is None else before).items()}
            xids = with_restored(xids, restored, known, booted_at, reset_at)
        return replace(gpu, xids=xids)

    def _without_xids(self, gpu: GpuSample, uuid: str | None) -> GpuSample:
        why_not = self._events.why_not(uuid) if self._events is not None else None
        if why_not is None or gpu.reading is None:
            return gpu
        return replace(gpu, reading=replace(gpu.reading, unknown={**gpu.reading.unknown, "xids": why_not}))

    def _described(self, seen: LoggedXid, described: Mapping[tuple[int, float], HostProcess]) -> LoggedXid:
        """Adds what the host reports, or reported, about the blamed program."""
        if seen.blamed is None or seen.blamed.pid is None:
            return seen
        key = (seen.blamed.pid, seen.last_at)
        host = self._find(*key) or described.get(key)
        if host is None:
            return seen
        self._blamed[key] = host
        blamed = seen.blamed._replace(username=host.username, belonging=host.belonging)
        return seen._replace(blamed=blamed)

    def _find(self, pid: int, at: float) -> HostProcess | None:
        """The process with this pid that ran at that time, because pids are reused."""
        for processes in reversed(self._processes):
            host = processes.get(pid)
            if host is None or host.start_ticks is None:
                continue
            if host.start_ticks / TICKS_PER_SECOND <= at + CLOCKS_DIFFER:
                return host
        return None


def _about_memory(gpu: GpuSample) -> int:
    return sum(count.times for code, count in (gpu.xids or {}).items() if code in ABOUT_MEMORY)


def place_of(pci_bus_id: str | None) -> str | None:
    """00000000:3B:00.0 as the driver writes it into the log: 0000:3b:00."""
    domain, _, rest = (pci_bus_id or "").partition(":")
    try:
        return f"{int(domain, 16):04x}:{rest.partition('.')[0].lower()}"
    except ValueError:
        return None


def places_of(gpus: Iterable[GpuSample]) -> frozenset[str] | None:
    """The places of these GPUs on the PCI bus; None: one of them is unknown."""
    places = {place_of(gpu.identity.pci_bus_id) for gpu in gpus}
    return None if None in places else frozenset(filter(None, places))


def _logged_xid(
    line: LoggedXid, before: int, event: XidCount | None, booted_at: float, reset_at: float | None
) -> XidCount:
    """An XID in the log. `before`: its count in the log when reading events began."""
    last_at = booted_at + line.last_at
    if event is None:
        return XidCount(line.times, last_at, XidSource.KERNEL_LOG, line.blamed, line.was_reset)
    since = max(0, line.times - before)
    lacks_some = since < event.times
    times = before + max(since, event.times)
    # An event is heard a moment after its line. Much later it is another one, even if the log, which may have
    # several lines of one fault, has as many.
    if event.last_at > last_at + (0.0 if lacks_some else CLOCKS_DIFFER):
        was_reset = reset_at is not None and event.last_at < booted_at + reset_at
        return XidCount(times, event.last_at, XidSource.BOTH, was_reset=was_reset)
    blamed = None if lacks_some else line.blamed
    return XidCount(times, last_at, XidSource.BOTH, blamed, line.was_reset)
