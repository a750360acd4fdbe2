"""The state of a GPU: whether its values are current. Pure, so that tests can be tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from agent.readings import GpuIdentity, GpuReading, GpuSample, GpuState
from agent.readings.troubles import silent_gpu, stuck_driver, stuck_gpu

if TYPE_CHECKING:
    from agent.readings.troubles import Trouble
    from agent.sampling.worker import ReadResult

# A GPU whose reading came just too late for this round is `ok`, with its true age. Past two sample intervals
# it is `stale`. After three of the longest interval in force its values are no longer shown. That is long
# enough for a slow GPU and a client that asks seldom.
OK_INTERVALS = 2
STALE_INTERVALS = 3
NOT_YET = "The GPU has not answered yet"
DRIVER_RELEASED = "The GPU has not been read since the driver was let go, while nobody looked"


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
    silent_since: float | None = None,
) -> GpuSample:
    """The GPU in a Snapshot taken at `now`; `now`, `busy_since` and `silent_since` are monotonic.

    `silent_since` is the start of a running call without which there is no contact with the driver.

    `since_boot` is the same moment in seconds since boot, and `booted_at` converts it to a time of day.
    `result` is the result of the latest read, `last` the latest reading, for its age and lasting values.
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

    for since, trouble in ((busy_since, stuck_gpu), (silent_since, stuck_driver)):
        if since is not None and now - since >= patience.sample_timeout:
            stuck = trouble(now - since)
            return sample(GpuState.STUCK, None, stuck.what, stuck.todo)
    if result is None:
        return sample(GpuState.STARTING, None, NOT_YET if last is None else DRIVER_RELEASED)
    if result.reading is None or age is None:
        return sample(GpuState.LOST, None, result.error, result.todo)
    if age <= OK_INTERVALS * patience.sample_interval:
        return sample(GpuState.OK, result.reading)
    if age <= patience.stale_after:
        return sample(GpuState.STALE, result.reading)
    silent = silent_gpu(age)
    return sample(GpuState.STALE, None, silent.what, silent.todo)


def unread(
    index: int,
    state: GpuState,
    last: GpuReading | None,
    *,
    bus_id: str | None,
    since_boot: float,
    booted_at: float,
    trouble: Trouble | None = None,
    before: GpuSample | None = None,
) -> GpuSample:
    """A GPU that is not read, because that would wake it: only its identity.

    `last` is the latest reading; without one, its `bus_id` is known. `before` is the GPU as it was last read.
    """
    error, todo = (trouble.what, trouble.todo) if trouble is not None else (None, None)
    if last is None:
        known = GpuReading(since_boot, identity=GpuIdentity(pci_bus_id=bus_id))
        return GpuSample(index, state, lasting=known, error=error, todo=todo, before=before)
    return GpuSample(
        index,
        state,
        lasting=GpuReading(last.sampled_since_boot, identity=last.identity),
        sampled_at=booted_at + last.sampled_since_boot,
        age_ms=int((since_boot - last.sampled_since_boot) * 1000),
        error=error,
        todo=todo,
        before=before,
    )


def _lasting(last: GpuReading | None, result: ReadResult[GpuReading | None] | None) -> GpuReading | None:
    """The values of a GPU without a reading: lasting ones, and those of the failed read."""
    found = None if result is None else result.lasting
    if last is None or found is None:
        return found if last is None else last.lasting()
    return replace(last.lasting(), driver_errors=found.driver_errors)
