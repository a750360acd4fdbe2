"""The history of more than an hour, from the file: means of a minute for a day, of an hour for 90 days."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import GpuSeries, HistoryReading
from agent.sampling.history import GAP_INTERVALS, GPU_FIELDS, HOST_FIELDS
from agent.state.history import BY_HOUR, BY_MINUTE, GPU_COLUMNS, HOST_COLUMNS, Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from sqlite3 import Connection

    from agent.readings import GpuSample

    Values = tuple[float | None, ...]


def level_of(seconds: float) -> Level:
    """The finest level that reaches back this far."""
    return BY_MINUTE if seconds <= BY_MINUTE.kept else BY_HOUR


def query(
    connection: Connection,
    now: float,
    seconds: float,
    gpus: Sequence[GpuSample],
    fields: Sequence[str],
    *,
    interval: float,
) -> HistoryReading:
    """The last `seconds` before `now` (since the epoch), of these GPUs and fields of History.

    A moment is the beginning of the minute, or hour, that its values are the mean of. `interval`, that of the
    samples in seconds, may be longer.
    """
    level = level_of(seconds)
    span = (level.step, now - seconds, now)
    hosts = {
        at: tuple(values)
        for at, *values in connection.execute(
            f"SELECT at, {', '.join(HOST_COLUMNS)} FROM host_history"  # noqa: S608  our own names
            " WHERE step = ? AND at BETWEEN ? AND ? ORDER BY at",
            span,
        )
    }
    columns = [GPU_COLUMNS[GPU_FIELDS.index(field)] for field in fields]
    by_uuid: dict[str | None, dict[float, Values]] = {gpu.identity.uuid: {} for gpu in gpus}
    for at, uuid, *values in connection.execute(
        f"SELECT {', '.join(['at', 'uuid', *columns])} FROM gpu_history JOIN gpus ON id = gpu"  # noqa: S608
        " WHERE step = ? AND at BETWEEN ? AND ?",
        span,
    ):
        if uuid in by_uuid:
            by_uuid[uuid][at] = tuple(values)
    moments = tuple(_with_gaps(hosts, max(level.step, interval)))
    return HistoryReading(
        moments,
        tuple(
            GpuSeries(gpu.index, gpu.identity.uuid, _series(fields, by_uuid[gpu.identity.uuid], moments))
            for gpu in gpus
        ),
        _series(HOST_FIELDS, hosts, moments),
    )


def _with_gaps(moments: Iterable[float], step: float) -> Iterator[float]:
    """Adds a moment without values in each gap."""
    before: float | None = None
    for at in moments:
        if before is not None and at - before > GAP_INTERVALS * step:
            yield before + step
        yield at
        before = at


def _series(
    fields: Sequence[str], values: Mapping[float, Values], moments: Sequence[float]
) -> dict[str, tuple[float | None, ...]]:
    """By field, a value for each moment."""
    unknown = (None,) * len(fields)
    rows = [values.get(at, unknown) for at in moments]
    return {field: tuple(row[place] for row in rows) for place, field in enumerate(fields)}
