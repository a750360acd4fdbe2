"""How far the values of a GPU can be trusted. Pure, so that every case is a line in a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from agent.readings import GpuIdentity, GpuReading, GpuSample, GpuState
from agent.readings.troubles import silent_gpu, stuck_gpu

if TYPE_CHECKING:
    from agent.sampling.worker import ReadResult

# A GPU whose reading came just too late for this round is `ok`, with its true age. Past two sample intervals
# it is `stale`. Past three of the longest interval in force its values are no longer shown: a GPU that takes
# longer than a request waits must not be unknown for ever to somebody who looks seldom.
OK_INTERVALS = 2
STALE_INTERVALS = 3


class Patience(NamedTuple):
    """Seconds after which a GPU is late, no longer shown, and stuck."""

    sample_interval: float
    stale_after: float
    sample_timeout: float


def judge_state(
    index: int,
    result: ReadResult[GpuReading | None] | None,
    busy_since: float | None,
    last: GpuReading | None,
    *,
    now: float,
    since_boot: float,
    booted_at: float,
    patience: Patience,
) -> GpuSample:
    """The GPU as a Snapshot taken at `now` shows it; `now` and `busy_since` are of the monotonic clock.

    `since_boot` is the same moment in seconds since boot, and `booted_at` makes the time of day of it.
    `result` is how the latest read ended, `last` the latest reading there ever was, for age and what lasts.
    """
    sampled_at = None if last is None else booted_at + last.sampled_since_boot
    age = None if last is None else since_boot - last.sampled_since_boot
    age_ms = None if age is None else int(age * 1000)

    def sample(
        state: GpuState, reading: GpuReading | None, error: str | None = None, todo: str | None = None
    ) -> GpuSample:
        seconds = result.seconds if result is not None and reading is not None else None
        lasting = _lasting(last, result) if reading is None else None
        return GpuSample(index, state, reading, lasting, sampled_at, age_ms, error, seconds, todo)

    if busy_since is not None and now - busy_since >= patience.sample_timeout:
        stuck = stuck_gpu(now - busy_since)
        return sample(GpuState.STUCK, None, stuck.what, stuck.todo)
    if result is None:
        return sample(GpuState.STARTING, None, "The GPU has not answered yet")
    if result.reading is None or age is None:
        return sample(GpuState.LOST, None, result.error, result.todo)
    if age <= OK_INTERVALS * patience.sample_interval:
        return sample(GpuState.OK, result.reading)
    if age <= patience.stale_after:
        return sample(GpuState.STALE, result.reading)
    silent = silent_gpu(age)
    return sample(GpuState.STALE, None, silent.what, silent.todo)


def asleep(
    index: int, last: GpuReading | None, *, bus_id: str | None, since_boot: float, booted_at: float
) -> GpuSample:
    """A GPU that sleeps: which one it is, and nothing else.

    `last` is the latest reading there ever was; where there was none, `bus_id` is known of it.
    """
    if last is None:
        known = GpuReading(since_boot, identity=GpuIdentity(pci_bus_id=bus_id))
        return GpuSample(index, GpuState.ASLEEP, lasting=known)
    return GpuSample(
        index,
        GpuState.ASLEEP,
        lasting=GpuReading(last.sampled_since_boot, identity=last.identity),
        sampled_at=booted_at + last.sampled_since_boot,
        age_ms=int((since_boot - last.sampled_since_boot) * 1000),
    )


def _lasting(last: GpuReading | None, result: ReadResult[GpuReading | None] | None) -> GpuReading | None:
    """What is known of a GPU without a reading: what lasts, and what the failed read found."""
    found = None if result is None else result.lasting
    if last is None or found is None:
        return found if last is None else last.lasting()
    return replace(last.lasting(), driver_errors=found.driver_errors)
