"""GPU hours by day and user: which time counts, for whom, and for which day; with manual clocks."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import pytest

from agent.readings import (
    GpuDay,
    GpuProcess,
    GpuSample,
    GpuState,
    LedgerReading,
    ProcessType,
    ProcessUse,
    Snapshot,
    UsageDays,
    UsageSums,
    UserDay,
)
from agent.sampling.usage import UsageMeter
from tests.support.readings import reading

BERLIN = ZoneInfo("Europe/Berlin")
NOON = dt.datetime(2026, 11, 26, 12, tzinfo=BERLIN).timestamp()
TODAY = "2026-11-26"
ALICE, BOB = 1001, 1002
GIB = 2**30


def process(pid: int, sm: int | None = 50) -> GpuProcess:
    return GpuProcess(pid, ProcessType.COMPUTE, GIB, sm, 0, 0, 0)


def gpu(*processes: GpuProcess, uuid: str | None = "GPU-0", joules: float | None = None) -> GpuSample:
    known = reading(
        identity_uuid=uuid,
        identity_name="H100",
        processes=processes,
        memory_used_bytes=2 * GIB,
        power_energy_joules=joules,
    )
    return GpuSample(0, GpuState.OK, known)


@dataclass
class Watch:
    """A meter and its clocks. Process 1 belongs to alice, 2 to bob; other owners are unknown."""

    meter: UsageMeter = field(default_factory=lambda: UsageMeter(30.0, BERLIN))
    at: float = NOON  # seconds since the epoch, by the wall clock
    now: float = 0.0  # seconds of the monotonic clock

    def sample(self, *gpus: GpuSample, after: float = 10.0) -> None:
        """A Snapshot `after` seconds from the last."""
        self.now += after
        self.at += after
        owners = {1: ALICE, 2: BOB}
        uses = {
            (one.identity.uuid or "", process.pid): ProcessUse(0.0, 0.0, uid=owners.get(process.pid))
            for one in gpus
            for process in (one.reading.processes or () if one.reading else ())
        }
        self.meter.update(Snapshot(self.at, self.now, gpus=gpus, ledger=LedgerReading(uses)))

    def user(self, uid: int | None, day: str = TODAY) -> UsageSums | None:
        """The sums of this user on that day."""
        found = [one.sums for one in self.meter.days().users if (one.day, one.uid) == (day, uid)]
        return found[0] if found else None

    def gpu(self, uuid: str = "GPU-0", day: str = TODAY) -> GpuDay:
        """The sums of that GPU on that day."""
        (found,) = [one for one in self.meter.days().gpus if (one.day, one.uuid) == (day, uuid)]
        return found

    def held(self, uid: int | None, day: str = TODAY) -> float:
        """The held seconds of a user; 0.0 for a user without sums."""
        sums = self.user(uid, day)
        return sums.held_seconds if sums else 0.0


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_time_between_two_snapshots_is_counted(watch: Watch) -> None:
    watch.sample(gpu(process(1)))
    assert watch.meter.days().users == ()
    watch.sample(gpu(process(1)))
    watch.sample(gpu(process(1)))
    assert watch.user(ALICE) == UsageSums(20.0, 20.0, 10.0, 0.0, 20.0, 20.0 * GIB, GIB)
    assert watch.gpu() == GpuDay(
        TODAY, "GPU-0", "H100", 20.0, None, UsageSums(20.0, 20.0, 10.0, 0.0, 20.0, 40.0 * GIB, 2 * GIB)
    )


def test_a_gpu_missing_for_a_moment_has_the_time_until_its_return() -> None:
    watch = Watch(now=1000.0)
    for gpus in ([gpu(process(1))], [], [gpu(process(1))]):
        watch.sample(*gpus)
    assert watch.held(ALICE) == 20.0


def test_two_snapshots_of_the_same_moment_count_nothing(watch: Watch) -> None:
    watch.sample(gpu(process(1)))
    watch.sample(gpu(process(1)), after=0.0)
    assert watch.meter.days() == UsageDays((), ())


@pytest.mark.parametrize(("before_midnight", "is_of_today"), [(6.0, True), (4.0, False)])
def test_time_counts_for_the_day_of_its_middle(before_midnight: float, is_of_today: bool) -> None:
    watch = Watch(at=NOON + 12 * 3600 - before_midnight)
    watch.sample(gpu(process(1)), after=0.0)
    watch.sample(gpu(process(1)))
    assert watch.held(ALICE) == (10.0 if is_of_today else 0.0)
    assert watch.held(ALICE, "2026-11-27") == (0.0 if is_of_today else 10.0)


def test_time_counts_only_for_users_present_at_both_ends(watch: Watch) -> None:
    watch.sample(gpu())
    watch.sample(gpu(process(1)))
    watch.sample(gpu(process(2)))
    assert (watch.held(ALICE), watch.held(BOB)) == (0.0, 0.0)
    assert watch.gpu().watched_seconds == 20.0
    assert watch.gpu().sums.held_seconds == 10.0, "the users held it one after the other"


def test_each_gpu_counts_separately(watch: Watch) -> None:
    for _ in range(2):
        watch.sample(gpu(process(1)), gpu(process(1), process(2), uuid="GPU-1"))
    assert (watch.held(ALICE), watch.held(BOB)) == (20.0, 10.0)
    assert watch.gpu("GPU-1").sums.held_seconds == 10.0


def test_processes_without_a_known_user_count_for_user_none(watch: Watch) -> None:
    for _ in range(2):
        watch.sample(gpu(process(77), process(78)))
    assert watch.meter.days().users == (
        UserDay(TODAY, None, UsageSums(10.0, 10.0, 10.0, 0.0, 10.0, 20.0 * GIB, 2 * GIB)),
    )


@pytest.mark.parametrize(("after", "counted"), [(30.0, 30.0), (31.0, 0.0), (0.0, 0.0)])
def test_the_time_between_snapshots_too_far_apart_is_not_counted(
    watch: Watch, after: float, counted: float
) -> None:
    watch.sample(gpu(process(1), joules=5.0))
    watch.sample(gpu(process(1), joules=9.0), after=after)
    assert watch.held(ALICE) == counted


@pytest.mark.parametrize("state", [GpuState.STALE, GpuState.STUCK, GpuState.LOST])
def test_a_late_gpu_has_its_time_once_it_is_read_again(watch: Watch, state: GpuState) -> None:
    watch.sample(gpu(process(1)))
    watch.sample(replace(gpu(process(1)), state=state))
    assert watch.held(ALICE) == 0.0
    watch.sample(gpu(process(1)))
    assert watch.held(ALICE) == 20.0
    for _ in range(3):
        watch.sample(replace(gpu(process(1)), state=state))
    watch.sample(gpu(process(1)))
    assert watch.held(ALICE) == 20.0, "it was away for too long"


def test_an_unreported_process_list_is_a_gap_on_both_sides(watch: Watch) -> None:
    unreported = replace(gpu(), reading=reading(identity_uuid="GPU-0"))
    for one in (gpu(process(1)), unreported, gpu(process(1)), gpu(process(1))):
        watch.sample(one)
    assert watch.held(ALICE) == 10.0
    assert watch.gpu().watched_seconds == 10.0


def test_a_gpu_without_a_uuid_counts_for_nobody(watch: Watch) -> None:
    for _ in range(2):
        watch.sample(gpu(process(1), uuid=None))
    assert watch.meter.days() == ((), ())


def test_midnight_is_that_of_the_host(watch: Watch) -> None:
    watch.at = dt.datetime(2026, 11, 26, 23, 59, 30, tzinfo=BERLIN).timestamp()
    for _ in range(6):
        watch.sample(gpu(process(1)))
    assert watch.held(ALICE, TODAY) == 20.0
    assert watch.held(ALICE, "2026-11-27") == 30.0


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), (TODAY, 24)], ids=["short", "long", "usual"]
)
def test_a_day_has_the_hours_of_the_local_time_zone(day: str, hours: int) -> None:
    begin = dt.datetime.fromisoformat(day).replace(tzinfo=BERLIN)
    watch = Watch(UsageMeter(3600.0, BERLIN), at=begin.timestamp() - 1800)
    end = (begin + dt.timedelta(days=1)).timestamp()
    while watch.at < end + 3600:
        watch.sample(gpu(process(1)), after=1800)
    assert watch.held(ALICE, day) / 3600 == hours


def test_setting_the_wall_clock_changes_the_day_and_not_the_time(watch: Watch) -> None:
    watch.sample(gpu(process(1)))
    watch.at += 86_400
    watch.sample(gpu(process(1)))
    watch.at -= 86_400
    watch.sample(gpu(process(1)))
    assert (watch.held(ALICE), watch.held(ALICE, "2026-11-27")) == (10.0, 10.0)


def test_today_can_still_be_written_after_the_wall_clock_was_set_back_and_forth(watch: Watch) -> None:
    watch.sample(gpu(process(1)))
    watch.sample(gpu(process(1)))
    for days in (-2, 2, 1):  # back, to today again, and to tomorrow
        watch.at += days * 86_400
        watch.sample(gpu(process(1)))
    assert {one.day for one in watch.meter.days().users} == {TODAY, "2026-11-27"}
    assert watch.held(ALICE) == 20.0


def test_only_today_and_the_day_before_are_in_memory(watch: Watch) -> None:
    watch.sample(gpu(process(1)))
    for _ in range(5):
        watch.at += 86_400
        watch.sample(gpu(process(1)))
    assert {one.day for one in watch.meter.days().users} == {"2026-11-30", "2026-12-01"}


def test_the_number_of_users_is_bounded(watch: Watch) -> None:
    uses = {("GPU-0", pid): ProcessUse(0.0, 0.0, uid=pid) for pid in range(1000 + 50)}
    many = gpu(*(process(pid, 0) for _, pid in uses))
    for now in (10.0, 20.0):
        watch.meter.update(Snapshot(NOON, now, gpus=(many,), ledger=LedgerReading(uses)))
    users = watch.meter.days().users
    assert len(users) == 1000 + 1
    (rest,) = [one for one in users if one.uid is None]
    assert rest.sums.held_seconds == 500.0


def test_energy_is_the_increase_of_the_counter(watch: Watch) -> None:
    watch.sample(gpu())
    watch.sample(gpu())
    assert watch.gpu().energy_joules is None
    for joules in (1000.0, 1500.0, None, 1700.0, 20.0, 50.0):
        watch.sample(gpu(joules=joules))
    assert watch.gpu().energy_joules == 530.0, "neither unknown values nor a restart of the counter count"


def test_energy_is_unknown_until_the_counter_grows(watch: Watch) -> None:
    for joules, energy in ((1000.0, None), (1000.0, None), (1200.0, 200.0), (1200.0, 200.0)):
        watch.sample(gpu(joules=joules))
        watch.sample(gpu(joules=joules))
        assert watch.gpu().energy_joules == energy
