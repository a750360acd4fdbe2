"""`/usage`: GPU hours of each user, day or GPU, as JSON or CSV; unknown is null, or an empty field."""

from __future__ import annotations

import csv
import time
from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, Field

from agent.derive.rounding import tenths, thousandths, whole
from agent.derive.usage import hours, kwh, usage_of
from agent.readings import UsageBy
from agent.views.envelope import success
from agent.views.pieces import filled, to_json
from agent.views.units import mib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from agent.readings import UsageReading, UsageTotal

# Characters at which a spreadsheet takes a text for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Period(NamedTuple):
    """The days asked for."""

    first: str  # local dates of the host
    last: str
    zone: str  # of these dates
    # Time up to which hours are counted, seconds since the epoch; None: this agent has written nothing yet.
    written_at: float | None


class _UsedHours(BaseModel):
    hours_held: float | None = Field(
        description="GPU hours with a process; a GPU counts once, however many processes there are, a MIG"
        " instance by its share of the memory of its GPU; null: no list of processes was reported"
    )
    hours_used: float | None = Field(
        description="hours_told multiplied by SM utilization; null: never reported, as on MIG instances"
    )
    hours_told: float = Field(
        description="part of hours_held for which the driver reported the SM utilization of every process"
    )
    hours_idle: float | None = Field(
        description="part of hours_told in which no process did any work; null: never reported"
    )
    gpu_memory_mean_mb: float | None = Field(
        description="GPU memory on one GPU, mean over the time for which it was reported, MiB; of a day or a"
        " GPU all memory in use, held or not"
    )
    gpu_memory_peak_mb: float | None = Field(description="the most GPU memory on one GPU at a time, MiB")


class _Watched(BaseModel):
    hours_watched: float = Field(
        description="GPU hours for which all processes were known; the rest is unknown"
    )
    energy_kwh: float | None = Field(
        description="energy by the counter of the GPU, kWh; null: never reported"
    )


class _User(BaseModel):
    username: str | None = Field(description="last known name; null: unknown")
    uid: int | None = Field(description="uid of the user; null: all processes whose owner is unknown")


class _Day(BaseModel):
    day: str = Field(description="local date of the host, as in 2026-11-26")


class _Gpu(BaseModel):
    idx: int | None = Field(description="NVML index now; null: the GPU is not there now")
    uuid: str | None = Field(description="NVML UUID")
    name: str | None = Field(description="model; null: unknown")


# The fields of the last base class come first.
class UserUsage(_UsedHours, _User):
    """One user."""


class DayUsage(_Watched, _UsedHours, _Day):
    """One day, all GPUs and users together."""


class GpuUsage(_Watched, _UsedHours, _Gpu):
    """One GPU, all users together."""


class UsageHours(BaseModel):
    """GPU hours by user, by day or by GPU: the one list that `by` asks for is there."""

    by: UsageBy = Field(description="what each row is about")
    first_day: str = Field(description="first of the days asked for, a local date of the host")
    last_day: str = Field(description="last of them: today")
    zone: str = Field(description="time zone of these dates, as in Europe/Berlin")
    since: str | None = Field(description="first day for which data are kept; null: nothing is kept yet")
    written_at: int | None = Field(
        description="up to when hours are counted, milliseconds since the epoch: at most a minute ago, longer"
        " while STATE_DIR cannot be written; null: the agent has written nothing since it started"
    )
    hours_watched: float = Field(
        description="GPU hours on these days for which all processes were reported; 0: nothing is known"
    )
    left_out: int = Field(description="number of rows beyond 5,000, those with the least hours_held")
    users: list[UserUsage] | None = Field(default=None, description="only by=user: most hours_held first")
    days: list[DayUsage] | None = Field(
        default=None, description="only by=day: in their order; a day without a row was not watched"
    )
    gpus: list[GpuUsage] | None = Field(default=None, description="only by=gpu: most hours_held first")


_LISTS = {UsageBy.USER: "users", UsageBy.DAY: "days", UsageBy.GPU: "gpus"}
_ROWS: Mapping[UsageBy, type[BaseModel]] = {
    UsageBy.USER: UserUsage,
    UsageBy.DAY: DayUsage,
    UsageBy.GPU: GpuUsage,
}


def usage_json(
    by: UsageBy, period: Period, found: UsageReading, indices: Mapping[str, int]
) -> Iterator[bytes]:
    """The rows in the envelope; `indices` are those of the GPUs that are there now, by UUID."""
    shell = UsageHours(
        by=by,
        first_day=period.first,
        last_day=period.last,
        zone=period.zone,
        since=found.since,
        written_at=None if period.written_at is None else whole(period.written_at * 1000),
        hours_watched=thousandths(hours(found.watched_seconds)),
        left_out=found.left_out,
    )
    setattr(shell, _LISTS[by], [])
    rows = (to_json(_row(by, total, indices)) for total in found.totals)
    return filled(success(shell), **{_LISTS[by]: rows})


def usage_csv(
    by: UsageBy, period: Period, found: UsageReading, indices: Mapping[str, int]
) -> Iterator[bytes]:
    """CSV by RFC 4180, with a line of names; each line begins with its days and the kind of row."""
    yield _line(["first_day", "last_day", "zone", "since", "written_at", *_ROWS[by].model_fields])
    known = (period.first, period.last, period.zone, found.since, _utc(period.written_at))
    for total in found.totals:
        values = _row(by, total, indices).model_dump().values()
        yield _line([*known, *map(_cell, values)])


def _row(by: UsageBy, total: UsageTotal, indices: Mapping[str, int]) -> BaseModel:
    sums = usage_of(total.sums, watched=bool(total.watched_seconds))
    used = {
        "hours_held": thousandths(sums.hours_held),
        "hours_used": thousandths(sums.hours_used),
        "hours_told": thousandths(sums.hours_told),
        "hours_idle": thousandths(sums.hours_idle),
        "gpu_memory_mean_mb": tenths(mib(sums.memory_mean_bytes)),
        "gpu_memory_peak_mb": tenths(mib(sums.memory_peak_bytes)),
    }
    if by is UsageBy.USER:
        return UserUsage.model_validate({"username": total.name, "uid": total.key, **used})
    watched = {
        "hours_watched": thousandths(hours(total.watched_seconds or 0.0)),
        "energy_kwh": thousandths(kwh(total.energy_joules)),
    }
    if by is UsageBy.DAY:
        return DayUsage.model_validate({"day": total.key, **used, **watched})
    index = indices.get(str(total.key))
    gpu = {"idx": index, "uuid": total.key, "name": total.name}
    return GpuUsage.model_validate({**gpu, **used, **watched})


def _utc(at: float | None) -> str | None:
    """The time in ISO 8601."""
    return None if at is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _cell(value: object) -> object:
    """A cell; a name that a spreadsheet would take for a formula gets an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _line(cells: Iterable[object]) -> bytes:
    text = StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode("utf-8", errors="replace")
