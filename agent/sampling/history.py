"""What the GPUs did in the last hour: a bounded ring in memory, fine for the last minutes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, overload

from agent.readings import GpuSeries, HistoryReading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.readings import GpuSample, Snapshot

HISTORY_SECONDS = 3600.0
FINE_SECONDS = 300.0  # in which every Snapshot is kept; before, one for each interval
# Moments further apart than this many intervals have a gap between them, in which nothing is known.
GAP_INTERVALS = 3


class _Values(NamedTuple):
    """Of one GPU at one moment; in the order of GpuSeries."""

    gpu_utilization_percent: int | None = None
    memory_used_bytes: int | None = None
    temperature_celsius: int | None = None
    power_watts: float | None = None


class _Moment(NamedTuple):
    """All GPUs at one moment."""

    since_boot: float  # seconds
    gpus: dict[str, _Values]  # by UUID; a GPU that could not be read is not there


_UNKNOWN = _Values()


class History:
    """Fed with every Snapshot in turn; its clock is theirs."""

    def __init__(self, interval: float) -> None:
        self.interval = interval  # seconds between two moments, before the fine part
        self._coarse: deque[_Moment] = deque()
        self._fine: deque[_Moment] = deque()

    def add(self, snapshot: Snapshot) -> None:
        """Remember this Snapshot, and forget what is too old."""
        now = snapshot.taken_since_boot
        known = {
            gpu.identity.uuid: _values(gpu) for gpu in snapshot.gpus if gpu.identity.uuid and gpu.reading
        }
        self._fine.append(_Moment(now, known))
        while self._fine[0].since_boot < now - FINE_SECONDS:
            self._keep(self._fine.popleft())
        while self._coarse and self._coarse[0].since_boot < now - HISTORY_SECONDS:
            self._coarse.popleft()

    def read(self, snapshot: Snapshot, seconds: float, gpus: tuple[GpuSample, ...]) -> HistoryReading:
        """The last `seconds` before this Snapshot, of these GPUs."""
        moments = list(self._moments(snapshot.taken_since_boot - seconds))
        return HistoryReading(
            tuple(snapshot.booted_at + moment.since_boot for moment in moments), _AllSeries(gpus, moments)
        )

    def __len__(self) -> int:
        return len(self._coarse) + len(self._fine)

    def _keep(self, moment: _Moment) -> None:
        if not self._coarse or moment.since_boot - self._coarse[-1].since_boot >= self.interval * 0.9:
            self._coarse.append(moment)

    def _moments(self, since: float) -> Iterator[_Moment]:
        """The oldest first, with an empty one in each gap."""
        before: _Moment | None = None
        for moment in (*self._coarse, *self._fine):
            if moment.since_boot < since:
                continue
            if before and moment.since_boot - before.since_boot > GAP_INTERVALS * self.interval:
                yield _Moment(before.since_boot + self.interval, {})
            yield moment
            before = moment


class _AllSeries(Sequence[GpuSeries]):
    """Of each GPU its values at these moments, put together when they are asked for: an hour is long."""

    def __init__(self, gpus: tuple[GpuSample, ...], moments: list[_Moment]) -> None:
        self._gpus = gpus
        self._moments = moments

    def __len__(self) -> int:
        return len(self._gpus)

    @overload
    def __getitem__(self, place: int) -> GpuSeries: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[GpuSeries]: ...
    def __getitem__(self, place: int | slice) -> GpuSeries | Sequence[GpuSeries]:
        if isinstance(place, slice):
            return _AllSeries(self._gpus[place], self._moments)
        return _series(self._gpus[place], self._moments)


def _values(gpu: GpuSample) -> _Values:
    reading = gpu.values
    return _Values(
        reading.utilization.gpu_percent,
        reading.memory.used_bytes,
        reading.thermal.gpu_celsius,
        reading.power.usage_watts,
    )


def _series(gpu: GpuSample, moments: list[_Moment]) -> GpuSeries:
    uuid = gpu.identity.uuid
    rows = [moment.gpus.get(uuid or "", _UNKNOWN) for moment in moments]
    return GpuSeries(
        gpu.index,
        uuid,
        tuple(row.gpu_utilization_percent for row in rows),
        tuple(row.memory_used_bytes for row in rows),
        tuple(row.temperature_celsius for row in rows),
        tuple(row.power_watts for row in rows),
    )
