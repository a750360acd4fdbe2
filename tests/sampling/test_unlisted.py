"""Which samples of a GPU without a listed process count, and how soon after a job its GPU is offered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent.derive.candidates import candidates
from agent.derive.free import Wish, why_not
from agent.derive.health import examine
from agent.readings import DriverReading, GpuProcess, GpuReading, GpuSample, GpuState, ProcessType, Snapshot
from agent.sampling.ledger import Ledger
from agent.sampling.unlisted import Unlisted
from agent.simulation import SimulatedProcess
from tests.sources.one_gpu import one_gpu
from tests.support.readings import reading

if TYPE_CHECKING:
    from collections.abc import Sequence

UNLISTED = "in use by a process that is not listed"
NONE: tuple[GpuProcess, ...] = ()
SOME = (GpuProcess(7, ProcessType.COMPUTE),)


def sample(at: float, percent: int | None, processes: tuple[GpuProcess, ...] | None = NONE) -> GpuReading:
    return reading(sampled_since_boot=at, utilization_gpu_percent=percent, processes=processes)


@pytest.mark.parametrize(
    ("seen", "now", "peak"),
    [
        pytest.param([sample(1, 44)], 1, None, id="one is too few"),
        pytest.param([sample(1, 44), sample(2, 0)], 2, 44, id="two are enough"),
        pytest.param([sample(1, 44), sample(1, 44)], 1, None, id="the same reading again is no second one"),
        pytest.param([sample(1, 44), sample(50, 1), sample(61, 2)], 61, 44, id="a minute old"),
        pytest.param([sample(1, 44), sample(50, 1), sample(61.5, 2)], 61.5, 2, id="older than a minute"),
        pytest.param([sample(1, 44), sample(2, 0)], 61, 44, id="both are young enough"),
        pytest.param([sample(1, 44), sample(2, 0)], 61.5, None, id="only one is young enough"),
        pytest.param([sample(1, 44), sample(2, None)], 2, None, id="one utilization is unknown"),
        pytest.param([sample(1, 44), sample(2, 0, None)], 2, None, id="one process list is unknown"),
        pytest.param([sample(1, 44), sample(2, 0, SOME)], 2, None, id="one lists a process"),
        pytest.param(
            [sample(1, 44), sample(2, 44), sample(3, 0, SOME), sample(4, 9), sample(5, 9), sample(6, 9)],
            6,
            None,
            id="samples before a listed process, or just after it, do not count",
        ),
        pytest.param(
            [sample(3, 97, SOME), sample(4, 97), sample(6.9, 50), sample(7, 1), sample(8, 2)],
            8,
            2,
            id="from 3 s after it left",
        ),
        pytest.param(
            [
                sample(3, 97, SOME),
                sample(4, 0, None),
                sample(6, 0),
                sample(8, 50),
                sample(9, 1),
                sample(10, 2),
            ],
            10,
            2,
            id="an unknown list does not show that the process left",
        ),
    ],
)
def test_the_peak_is_that_of_samples_without_a_listed_process(
    seen: Sequence[GpuReading], now: float, peak: int | None
) -> None:
    unlisted = Unlisted()
    for one in seen:
        unlisted.add(one)

    assert unlisted.peak(now) == peak


# Ghosts


def ghost(at: float, **changed: Any) -> GpuReading:
    return reading(
        **{
            "sampled_since_boot": at,
            "utilization_gpu_percent": 97,
            "memory_used_bytes": 0,
            "processes": (),
            **changed,
        }
    )


@pytest.mark.parametrize(
    ("seen", "is_ghost"),
    [
        pytest.param([ghost(0), ghost(30), ghost(60)], True, id="a minute"),
        pytest.param([ghost(0), ghost(30), ghost(59)], False, id="less"),
        pytest.param(
            [ghost(0), ghost(30, utilization_gpu_percent=89), ghost(60)], False, id="it was less busy"
        ),
        pytest.param([ghost(0), ghost(30, processes=SOME), ghost(60)], False, id="there was a process"),
        pytest.param([ghost(0), ghost(30, processes=None), ghost(60)], False, id="processes were unknown"),
        pytest.param(
            [ghost(0), ghost(30, memory_used_bytes=1 << 30), ghost(60)], False, id="memory was used"
        ),
        pytest.param([ghost(0), ghost(60.5)], False, id="a minute without samples"),
        pytest.param([*map(ghost, range(61)), ghost(61, utilization_gpu_percent=0)], False, id="it is over"),
    ],
)
def test_ghost_utilization_lasts_a_minute_without_a_break(seen: Sequence[GpuReading], is_ghost: bool) -> None:
    unlisted = Unlisted()
    for one in seen:
        unlisted.add(one)

    assert unlisted.is_ghost is is_ghost


# Through the ledger


class Watch:
    """Snapshots of one GPU, whose UUID is GPU-0."""

    def __init__(self) -> None:
        self._ledger = Ledger(sample_interval=1.0, history_interval=10.0)

    def sample(self, one: GpuReading | None, at: float) -> Snapshot:
        state = GpuState.OK if one else GpuState.STUCK
        snapshot = Snapshot(
            at,
            at,
            DriverReading(1),
            gpus=(GpuSample(0, state, one, reading(identity_uuid="GPU-0")),),
            taken_since_boot=at,
        )
        return replace(snapshot, ledger=self._ledger.update(snapshot))


def why(snapshot: Snapshot, wish: Wish | None = None) -> str | None:
    return why_not(candidates(snapshot)[0], wish or Wish())


def test_ghost_utilization_is_a_warning_on_a_gpu_that_is_offered() -> None:
    watch = Watch()
    verdicts = []
    for at in range(0, 71, 10):
        snapshot = watch.sample(ghost(at, identity_uuid="GPU-0"), at)
        names = [finding.name for finding in examine(snapshot)[0].findings]
        verdicts.append((names, why(snapshot)))

    assert verdicts[:6] == [([], UNLISTED)] * 6
    assert verdicts[6:] == [(["ghost_utilization"], None)] * 2
    assert examine(watch.sample(None, 80))[0].findings[0].name == "stuck"
    assert len(examine(watch.sample(None, 81))[0].findings) == 1, (
        "a GPU that cannot be read has no ghost utilization"
    )


@pytest.mark.parametrize("begins", [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75])
@pytest.mark.parametrize("shows_for", [0.0, 1.0], ids=["at once", "utilization is a mean of a second"])
def test_a_gpu_is_offered_within_5_seconds_of_its_job_s_end(begins: float, shows_for: float) -> None:
    """The end may be at any time between two process lists, which are two seconds apart."""
    watch = Watch()
    with one_gpu() as one:
        one.gpu.fix(gpu_utilization=97, memory_used=40 << 30)
        one.gpu.processes = [SimulatedProcess(7, "C", 40 << 30, sm_utilization=97)]

        def reason(after: float) -> str | None:
            one_reading = one.read(after=after)
            return why(watch.sample(one_reading, one.clock.now))

        assert {reason(1.0) for _ in range(30)} == {"a compute process runs on it"}
        one.clock.now += begins
        one.gpu.processes = []
        one.gpu.fix(gpu_utilization=97 if shows_for else 0, memory_used=0)
        ended = one.clock.now
        reasons: dict[float, str | None] = {}
        while one.clock.now - ended < 70:
            wait = 1.0 - begins % 1.0 if not reasons else 1.0
            if one.clock.now + wait - ended > shows_for:
                one.gpu.fix(gpu_utilization=0)
            reasons[one.clock.now + wait - ended] = reason(wait)

    refused = [after for after, found in reasons.items() if found is not None]
    offered = [after for after, found in reasons.items() if found is None]
    assert max(refused, default=0) < min(offered) <= 5


def test_an_unlisted_job_withholds_its_gpu_for_at_most_a_minute_after_its_end() -> None:
    """For example, in a container in which the processes of others are not listed."""
    watch = Watch()
    load = {at: 44 if at <= 100 else 0 for at in range(0, 200, 10)}
    reasons = {
        at: why(
            watch.sample(
                reading(
                    identity_uuid="GPU-0",
                    sampled_since_boot=at,
                    utilization_gpu_percent=percent,
                    processes=(),
                ),
                at,
            )
        )
        for at, percent in load.items()
    }

    assert [at for at, reason in reasons.items() if reason == UNLISTED] == [*range(0, 161, 10)]
    assert {reason for at, reason in reasons.items() if at > 160} == {None}
