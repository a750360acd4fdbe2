"""The history of GPUs and host over the last hour: a bounded ring in memory, finer for the last minutes."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, overload

from agent.readings import GpuSeries, GpuState, HistoryReading
from agent.readings.restored import KeptMoment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent.readings import GpuSample, Snapshot

HISTORY_SECONDS = 3600.0
FINE_SECONDS = 300.0  # seconds for which every Snapshot is kept; before that, one for each interval
# Moments further apart than this many intervals have a gap of unknown values between them.
GAP_INTERVALS = 3

# Fields of a GpuReading and of a HostReading, each a number.
GPU_FIELDS = (
    "utilization.gpu_percent",
    "memory.used_bytes",
    "thermal.gpu_celsius",
    "power.usage_watts",
    "gpm.sm_activity_percent",
    "gpm.tensor_activity_percent",
    "clocks.graphics_mhz",
    "clocks.memory_mhz",
    "pcie.tx_kib_per_second",
    "pcie.rx_kib_per_second",
    "fans.speed_percent",
)
HOST_FIELDS = ("cpu_percent", "memory_used_bytes")

_of_gpu = attrgetter(*GPU_FIELDS)
_of_host = attrgetter(*HOST_FIELDS)
_NO_GPU = (None,) * len(GPU_FIELDS)
_NO_HOST = (None,) * len(HOST_FIELDS)
_UNKNOWN = float("nan")  # within the ring, where a number has no room for None


class _Moment(NamedTuple):
    """All numbers of one moment in a row: of the host, then of one GPU after the other."""

    since_boot: float  # seconds
    gpus: tuple[_Name, ...]  # the same object as long as the GPUs are the same
    row: array[float]


class _Name(NamedTuple):
    """The identity of a GPU. An index alone may mean another GPU after a reset."""

    uuid: str | None
    bus_id: str | None = None
    gpu_index: int | None = None

    def means(self, other: _Name) -> bool:
        """Whether both are one GPU, as far as either is known."""
        if self.uuid and other.uuid:
            return self.uuid == other.uuid
        if self.bus_id or other.bus_id:
            return self.bus_id == other.bus_id
        return not (self.uuid or other.uuid) and self.gpu_index == other.gpu_index


class _Run(NamedTuple):
    """Moments in a row that have the same GPUs."""

    gpus: tuple[_Name, ...]
    rows: list[array[float]]

    def begin(self, name: _Name) -> int | None:
        """The position of this GPU's numbers in each row; None: it was not there."""
        for place, other in enumerate(self.gpus):
            if name.means(other):
                return len(HOST_FIELDS) + place * len(GPU_FIELDS)
        return None


class History:
    """Fed with every Snapshot in turn; uses their clock."""

    def __init__(self, interval: float) -> None:
        self.interval = interval  # seconds between two moments, before the fine part
        self._coarse: deque[_Moment] = deque()
        self._fine: deque[_Moment] = deque()
        self._gpus: tuple[_Name, ...] = ()

    def add(self, snapshot: Snapshot) -> None:
        """Add this Snapshot, and drop what is too old."""
        now = snapshot.taken_since_boot
        gpus = tuple(_name(gpu) for gpu in snapshot.gpus)
        if gpus != self._gpus:
            self._gpus = gpus
        self._fine.append(_Moment(now, self._gpus, _row(snapshot)))
        while self._fine[0].since_boot < now - FINE_SECONDS:
            self._keep(self._fine.popleft())
        while self._coarse and self._coarse[0].since_boot < now - HISTORY_SECONDS:
            self._coarse.popleft()

    def restore(self, moments: Iterable[KeptMoment]) -> None:
        """Start with the history of the previous run, the oldest first."""
        gpus: tuple[_Name, ...] = ()
        for moment in moments:
            names = tuple(_Name(uuid) for uuid in moment.gpus)
            gpus = gpus if names == gpus else names
            values = (*moment.host, *(value for row in moment.gpus.values() for value in row))
            self._coarse.append(_Moment(moment.since_boot, gpus, _array(values)))

    def since(self, began: float, last: float | None) -> list[KeptMoment]:
        """The moments after `began`, one for each interval, of GPUs with a known UUID.

        `last` is the last moment that was returned before. Both are seconds since boot.
        """
        kept: list[KeptMoment] = []
        for moment in (*self._coarse, *self._fine):
            if moment.since_boot > began and (
                last is None or moment.since_boot - last >= self.interval * 0.9
            ):
                kept.append(_kept_moment(moment))
                last = moment.since_boot
        return kept

    def read(
        self,
        snapshot: Snapshot,
        seconds: float,
        gpus: tuple[GpuSample, ...],
        fields: Sequence[str] = GPU_FIELDS,
    ) -> HistoryReading:
        """The last `seconds` before this Snapshot, of these GPUs."""
        moments = list(self._moments(snapshot.taken_since_boot - seconds))
        runs = _runs(moments)
        return HistoryReading(
            tuple(snapshot.booted_at + moment.since_boot for moment in moments),
            _AllSeries(gpus, runs, fields),
            {field: _column(runs, [place] * len(runs)) for place, field in enumerate(HOST_FIELDS)},
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
                yield _Moment(before.since_boot + self.interval, (), _GAP)
            yield moment
            before = moment


class _AllSeries(Sequence[GpuSeries]):
    """The values of each GPU at these moments, assembled only when they are used, because an hour is long."""

    def __init__(self, gpus: tuple[GpuSample, ...], runs: list[_Run], fields: Sequence[str]) -> None:
        self._gpus = gpus
        self._runs = runs
        self._fields = fields

    def __len__(self) -> int:
        return len(self._gpus)

    @overload
    def __getitem__(self, place: int) -> GpuSeries: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[GpuSeries]: ...
    def __getitem__(self, place: int | slice) -> GpuSeries | Sequence[GpuSeries]:
        if isinstance(place, slice):
            return _AllSeries(self._gpus[place], self._runs, self._fields)
        return _series(self._gpus[place], self._runs, self._fields)


def _name(gpu: GpuSample) -> _Name:
    return _Name(gpu.identity.uuid, gpu.identity.pci_bus_id, gpu.index)


def _row(snapshot: Snapshot) -> array[float]:
    values: list[float | None] = [*(_NO_HOST if snapshot.host is None else _of_host(snapshot.host))]
    for gpu in snapshot.gpus:
        # Values that are repeated because the driver is late are not current.
        reading = gpu.reading if gpu.state is GpuState.OK else None
        values += _NO_GPU if reading is None else _of_gpu(reading)
    return _array(values)


def _array(values: Iterable[float | None]) -> array[float]:
    return array("d", [_UNKNOWN if value is None else value for value in values])


def _kept_moment(moment: _Moment) -> KeptMoment:
    values = [None if number != number else number for number in moment.row]
    begins = range(len(HOST_FIELDS), len(values), len(GPU_FIELDS))
    return KeptMoment(
        moment.since_boot,
        {
            name.uuid: tuple(values[begin : begin + len(GPU_FIELDS)])
            for name, begin in zip(moment.gpus, begins, strict=True)
            if name.uuid is not None
        },
        tuple(values[: len(HOST_FIELDS)]),
    )


_GAP = array("d", [_UNKNOWN] * len(HOST_FIELDS))


def _runs(moments: list[_Moment]) -> list[_Run]:
    return [
        _Run(gpus, [moment.row for moment in together])
        for gpus, together in groupby(moments, key=attrgetter("gpus"))
    ]


def _series(gpu: GpuSample, runs: list[_Run], fields: Sequence[str]) -> GpuSeries:
    name = _name(gpu)
    begins = [run.begin(name) for run in runs]
    columns = {}
    for field in fields:
        offset = GPU_FIELDS.index(field)
        columns[field] = _column(runs, [None if begin is None else begin + offset for begin in begins])
    return GpuSeries(gpu.index, gpu.identity.uuid, columns)


def _column(runs: list[_Run], places: Sequence[int | None]) -> tuple[float | None, ...]:
    """The numbers at these places, one for each run, of every moment; None: it has no place there."""
    numbers: list[float | None] = []
    for run, place in zip(runs, places, strict=True):
        if place is None:
            numbers += [None] * len(run.rows)
        else:
            at_place = [row[place] for row in run.rows]
            numbers += [None if number != number else number for number in at_place]
    return tuple(numbers)
