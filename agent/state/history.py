"""The history of GPUs and host: an hour of samples, a day by the minute, 90 days by the hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.readings.restored import KeptMoment
from agent.sampling.history import HISTORY_SECONDS
from agent.state import gpus
from agent.state.subject import DAY_SECONDS, Rows, Subject

if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection

    from agent.readings import Snapshot
    from agent.sampling.history import History
    from agent.state.subject import Ageing, Row

LONGEST_SECONDS = 90 * DAY_SECONDS

# Columns, by the fields of History in their order. They are part of the file: a new field needs a step in
# schema.py.
GPU_COLUMNS = (
    "utilization_percent",
    "memory_used_bytes",
    "temperature_celsius",
    "power_watts",
    "sm_percent",
    "tensor_percent",
    "graphics_mhz",
    "memory_mhz",
    "pcie_tx_kib_per_second",
    "pcie_rx_kib_per_second",
    "fan_percent",
)
HOST_COLUMNS = ("cpu_percent", "memory_used_bytes")


class Level(NamedTuple):
    """How finely history is kept, and for how long."""

    step: int  # seconds that one row is the mean of; 0: a sample
    kept: float  # seconds


SAMPLED = Level(0, HISTORY_SECONDS)
BY_MINUTE = Level(60, DAY_SECONDS)
BY_HOUR = Level(3600, LONGEST_SECONDS)

# By time first, so that rows that are written together are stored together.
CREATE = (
    """
    CREATE TABLE gpu_history (
        step INTEGER, at REAL, gpu INTEGER, utilization_percent, memory_used_bytes, temperature_celsius,
        power_watts, sm_percent, tensor_percent, graphics_mhz, memory_mhz, pcie_tx_kib_per_second,
        pcie_rx_kib_per_second, fan_percent, PRIMARY KEY (step, at, gpu)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE host_history (
        step INTEGER, at REAL, cpu_percent, memory_used_bytes, PRIMARY KEY (step, at)
    ) WITHOUT ROWID
    """,
)


class HistoryPart:
    """The rows that were added to the History since the last call, or since `began` (seconds since boot)."""

    def __init__(self, history: History, began: float) -> None:
        self._history = history
        self._began = began
        self._last: float | None = None  # seconds since boot

    def __call__(self, snapshot: Snapshot) -> Rows | None:
        """The rows: of the host, with None instead of a UUID, and of each GPU."""
        moments = self._history.since(self._began, self._last)
        if not moments:
            return None
        self._last = moments[-1].since_boot
        rows: list[Row] = []
        for moment in moments:
            at = round(snapshot.booted_at + moment.since_boot, 1)
            rows.append((at, None, *moment.host))
            rows += [(at, uuid, *values) for uuid, values in moment.gpus.items()]
        return Rows(SUBJECT, tuple(rows))


def restore(connection: Connection, now: float, booted_at: float) -> list[KeptMoment]:
    """The last hour before `now`, as it was sampled. Times are seconds since the epoch."""
    span = (now - HISTORY_SECONDS, now)
    hosts = connection.execute(
        f"SELECT at, {', '.join(HOST_COLUMNS)} FROM host_history"  # noqa: S608  our own names
        " WHERE step = 0 AND at BETWEEN ? AND ? ORDER BY at",
        span,
    ).fetchall()
    by_time: dict[float, dict[str, tuple[float | None, ...]]] = {}
    for at, uuid, *values in connection.execute(
        f"SELECT at, uuid, {', '.join(GPU_COLUMNS)} FROM gpu_history JOIN gpus ON id = gpu"  # noqa: S608
        " WHERE step = 0 AND at BETWEEN ? AND ?",
        span,
    ):
        by_time.setdefault(at, {})[uuid] = tuple(values)
    return [KeptMoment(at - booted_at, by_time.get(at, {}), tuple(host)) for at, *host in hosts]


def _write(connection: Connection, rows: Sequence[Row]) -> None:
    gpus.SUBJECT.write(connection, [(uuid,) for _, uuid, *_ in rows if uuid is not None])
    hosts = [(at, *values) for at, uuid, *values in rows if uuid is None]
    connection.executemany("INSERT OR REPLACE INTO host_history VALUES (0, ?, ?, ?)", hosts)
    connection.executemany(
        "INSERT OR REPLACE INTO gpu_history VALUES"  # noqa: S608  our own number of places
        f" (0, ?, (SELECT id FROM gpus WHERE uuid = ?){', ?' * len(GPU_COLUMNS)})",
        [row for row in rows if row[1] is not None],
    )
    times = [float(at or 0) for at, *_ in hosts]
    for finer, level in ((SAMPLED, BY_MINUTE), (BY_MINUTE, BY_HOUR)):
        _roll_up(connection, finer, level, min(times), max(times))


def _roll_up(connection: Connection, finer: Level, level: Level, since: float, until: float) -> None:
    """Write the means of every step of this level that the span touches."""
    step = level.step
    span = (finer.step, since // step * step, until // step * step + step)
    for table, key, columns in (
        ("host_history", "", HOST_COLUMNS),
        ("gpu_history", ", gpu", GPU_COLUMNS),
    ):
        means = ", ".join(f"avg({column})" for column in columns)  # of what is known: avg() leaves out NULL
        connection.execute(
            f"INSERT OR REPLACE INTO {table}"  # noqa: S608  our own names
            f" SELECT {step}, CAST(at / {step} AS INTEGER) * {step}{key}, {means}"
            f" FROM {table} WHERE step = ? AND at >= ? AND at < ? GROUP BY 2{key}",
            span,
        )


def _age(connection: Connection, ageing: Ageing) -> None:
    """Keep the samples of an hour. Minutes and hours are kept by number, so a wrong clock deletes none."""
    for table in ("gpu_history", "host_history"):
        connection.execute(
            f"DELETE FROM {table} WHERE step = ? AND at NOT BETWEEN ? AND ?",  # noqa: S608  our own name
            (SAMPLED.step, ageing.now - SAMPLED.kept, ageing.now + SAMPLED.kept),
        )
        for step, kept in (BY_MINUTE, BY_HOUR):
            connection.execute(
                f"DELETE FROM {table} WHERE step = ? AND at < (SELECT at FROM host_history"  # noqa: S608
                " WHERE step = ? AND at <= ? ORDER BY at DESC LIMIT 1 OFFSET ?)",
                (step, step, ageing.now, kept // step),
            )


SUBJECT = Subject("history", CREATE, _write, _age)
