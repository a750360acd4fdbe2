"""Values across Snapshots: idle time, GPU-seconds and peaks, exact and in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from agent.readings import (
    DriverReading,
    GpuProcess,
    GpuSample,
    GpuState,
    HostProcess,
    Lately,
    LedgerReading,
    ProcessesReading,
    ProcessType,
    ProcessUse,
    Snapshot,
    UserUse,
)
from agent.sampling.ledger import Ledger, max_gap
from tests.support.readings import reading

MAX_USERS = 1000

EPOCH = 1_757_926_800.0  # seconds since the epoch when the monotonic clock is 0
UUID = "GPU-0"


def process(
    pid: int, sm: int | None = 0, *, memory: int | None = 2**30, dram: int | None = 0, encoder: int | None = 0
) -> GpuProcess:
    return GpuProcess(pid, ProcessType.COMPUTE, memory, sm, dram, encoder, 0)


def gpu(*processes: GpuProcess, uuid: str | None = UUID, utilization: int | None = 0) -> GpuSample:
    known = reading(identity_uuid=uuid, utilization_gpu_percent=utilization, processes=processes)
    return GpuSample(0, GpuState.OK, known)


@dataclass
class Watch:
    """A ledger and its clock; by default, processes belong to alice and started at tick 5.

    Each user name has its own UID; the name None has none.
    """

    ledger: Ledger = field(default_factory=lambda: Ledger(sample_interval=1.0, history_interval=10.0))
    now: float = 0.0
    set_by: float = 0.0  # seconds by which the wall clock has been set
    users: dict[int, str | None] = field(default_factory=dict)
    uids: dict[str | None, int | None] = field(default_factory=lambda: {None: None})
    starts: dict[int, int | None] = field(default_factory=dict)
    reported_uids: dict[str | None, tuple[int, ...]] = field(
        default_factory=dict
    )  # by name, in the last reading
    reported_owners: dict[tuple[str, int], int | None] = field(
        default_factory=dict
    )  # by GPU and pid, in the last reading
    began_at: float | None = None  # in the last reading

    def sample(
        self, *gpus: GpuSample, after: float = 10.0, host: bool = True, driver: bool = True
    ) -> LedgerReading:
        """A Snapshot `after` seconds from the last, for which each GPU was read unless it says when.

        UIDs and the start go into the fields of this object.
        """
        self.now += after
        gpus = tuple(self.read_now(gpu) for gpu in gpus)
        pids = {
            process.pid for gpu in gpus for process in (gpu.reading.processes or () if gpu.reading else ())
        }
        described = {pid: self.described(pid, self.users.get(pid, "alice")) for pid in pids}
        reading = ProcessesReading(described) if host else None
        contact = DriverReading(len(gpus)) if driver else None
        seen = self.ledger.update(
            Snapshot(
                EPOCH + self.now + self.set_by,
                self.now,
                contact,
                gpus=gpus,
                processes=reading,
                taken_since_boot=self.now,
            )
        )
        self.reported_uids = {name: use.uids for name, use in seen.users.items()}
        self.began_at = seen.began_at
        users = {name: replace(use, uids=()) for name, use in seen.users.items()}
        self.reported_owners = {on: use.uid for on, use in seen.processes.items()}
        processes = {on: use._replace(uid=None) for on, use in seen.processes.items()}
        return replace(seen, processes=processes, users=users, began_at=None)

    def read_now(self, gpu: GpuSample) -> GpuSample:
        known = gpu.reading
        if known is None or known.sampled_since_boot:
            return gpu
        return replace(gpu, reading=replace(known, sampled_since_boot=self.now))

    def described(self, pid: int, user: str | None) -> HostProcess:
        """A process as the host describes it."""
        uid = self.uids.setdefault(user, 1000 + len(self.uids))
        return HostProcess(pid, user, uid=uid, start_ticks=self.starts.get(pid, 5))

    def idle(self, *processes: GpuProcess, after: float = 10.0) -> float | None:
        """The idle seconds of the first of these processes, on one GPU."""
        return self.sample(gpu(*processes), after=after).processes[UUID, processes[0].pid].idle_seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.mark.parametrize(("sample", "history", "seconds"), [(1, 10, 30), (20, 10, 60), (0.5, 1, 3)])
def test_snapshots_may_be_three_of_the_longer_intervals_apart(
    sample: float, history: float, seconds: float
) -> None:
    assert max_gap(sample, history) == seconds


def test_a_gpu_without_a_uuid_does_not_hide_others() -> None:
    watch = Watch()
    seen = watch.sample(gpu(process(7), uuid=None), gpu(process(8)))

    assert seen.processes.keys() == {(UUID, 8)}


def test_the_start_of_counting_moves_with_the_wall_clock(watch: Watch) -> None:
    watch.sample()
    watch.sample(gpu(process(7)))
    assert watch.began_at == EPOCH + 10
    watch.set_by = 3600.0
    watch.sample()
    assert watch.began_at == EPOCH + 3610


# Idle time


def test_a_gpu_is_idle_since_a_time_that_moves_with_the_wall_clock(watch: Watch) -> None:
    assert watch.sample(gpu()).idle_since == {UUID: EPOCH + 10}
    assert watch.sample(gpu()).idle_since == {UUID: EPOCH + 10}
    watch.set_by = 3600.0
    assert watch.sample(gpu()).idle_since == {UUID: EPOCH + 10 + 3600}
    assert watch.sample(gpu(utilization=60)).idle_since == {}
    assert watch.sample(gpu(), after=500.0).idle_since == {UUID: EPOCH + 540 + 3600}
    assert watch.sample(gpu(), after=500.0).idle_since == {UUID: EPOCH + 1040 + 3600}, "a gap may hide work"
    assert watch.sample(gpu(uuid=None)).idle_since == {}


def test_a_gpu_that_is_asleep_shows_no_idle_time_but_the_time_counts(watch: Watch) -> None:
    asleep = GpuSample(0, GpuState.ASLEEP, lasting=reading(identity_uuid=UUID))
    assert watch.sample(gpu()).idle_since == {UUID: EPOCH + 10}
    assert watch.sample(asleep).idle_since == {}
    assert watch.sample(gpu()).idle_since == {UUID: EPOCH + 10}


@pytest.mark.parametrize(("pauses", "since"), [(2, 10), (3, 60)])
@pytest.mark.parametrize("unnamed", [False, True], ids=["the driver is away", "the UUID is unknown"])
def test_a_gpu_that_was_not_seen_for_long_is_idle_only_since_its_return(
    watch: Watch, unnamed: bool, pauses: int, since: float
) -> None:
    watch.sample(gpu())
    assert watch.sample(gpu()).idle_since == {UUID: EPOCH + 10}
    nothing = [gpu(uuid=None)] if unnamed else []
    for _ in range(pauses):
        assert watch.sample(*nothing, driver=unnamed).idle_since == {}
    assert watch.sample(gpu()).idle_since == {UUID: EPOCH + since}


def test_an_idle_holder_is_idle_until_it_works(watch: Watch) -> None:
    watch.idle(process(7))
    assert [watch.idle(process(7)) for _ in range(90)] == [10.0 * step for step in range(1, 91)]
    assert [watch.idle(now) for now in (process(7, 1), process(7), process(7))] == [0, 0, 10]


@pytest.mark.parametrize(
    ("now", "idle"),
    [
        pytest.param(process(7), 30, id="no work"),
        pytest.param(process(7, 1), 0, id="SMs"),
        pytest.param(process(7, 0, dram=40), 0, id="memory is moved without SMs"),
        pytest.param(process(7, 0, encoder=1), 0, id="a video engine works without SMs"),
        pytest.param(process(7, None, encoder=1), 0, id="a video engine, SMs unknown"),
        pytest.param(process(7, 0, encoder=None), 30, id="only the SMs are known"),
        pytest.param(process(7, None), None, id="unknown"),
        pytest.param(process(7, memory=0), 0, id="holds nothing"),
        pytest.param(process(7, memory=None), 30, id="holds an unknown amount"),
    ],
)
def test_a_process_that_holds_memory_without_work_is_idle(
    watch: Watch, now: GpuProcess, idle: float | None
) -> None:
    watch.idle(process(7))
    watch.idle(process(7))
    watch.idle(process(7))
    assert watch.idle(now) == idle


def test_unknown_utilization_may_be_work_and_ends_idle_time(watch: Watch) -> None:
    seen = [process(7), process(7), process(7, None), process(7), process(7)]
    assert [watch.idle(now) for now in seen] == [0, 10, None, 0, 10]


SILENT = {
    "the driver is away": [],
    "the GPU has no reading": [GpuSample(0, GpuState.STUCK, lasting=reading(identity_uuid=UUID))],
    "the list is not reported": [GpuSample(0, GpuState.OK, reading(identity_uuid=UUID))],
    "the process is not on a partial list": [
        GpuSample(0, GpuState.OK, reading(identity_uuid=UUID, processes=(), process_list_is_partial=True))
    ],
    "the reading is repeated": [
        replace(gpu(process(7)), reading=replace(gpu(process(7)).values, sampled_since_boot=20.0))
    ],
}


@pytest.mark.parametrize("what", SILENT)
def test_a_process_that_was_not_observed_for_long_is_idle_only_since_then(watch: Watch, what: str) -> None:
    """It may have worked meanwhile: it would be wrong to say that its owner has held the GPU idle."""
    assert [watch.idle(process(7)) for _ in range(2)] == [0, 10]
    for _ in range(2):
        watch.sample(*SILENT[what], driver=bool(SILENT[what]))
    assert watch.idle(process(7)) == 40, "for 30 s"
    watch = Watch()
    assert [watch.idle(process(7)) for _ in range(2)] == [0, 10]
    for _ in range(3):
        watch.sample(*SILENT[what], driver=bool(SILENT[what]))
    assert [watch.idle(process(7)) for _ in range(2)] == [0, 10], "for 40 s"


def test_an_idle_holder_is_observed_for_all_its_idle_time(watch: Watch) -> None:
    assert [watch.idle(process(7)) for _ in range(85)][-1] == 14 * 60
    watch.idle(process(7), after=8 * 3600.0)
    assert [watch.idle(process(7)) for _ in range(7)][-1] == 70


def test_a_process_is_followed_on_each_gpu_separately(watch: Watch) -> None:
    for _ in range(4):
        seen = watch.sample(gpu(process(7), uuid="GPU-0"), gpu(process(7, 50), uuid="GPU-1"))
    assert (seen.processes["GPU-0", 7].idle_seconds, seen.processes["GPU-1", 7].idle_seconds) == (30, 0)


@pytest.mark.parametrize(
    ("intervals", "gap", "counted", "idle"),
    [
        pytest.param((1.0, 10.0), 30.0, 30.0, 31.0, id="three history intervals"),
        pytest.param((1.0, 10.0), 30.1, 0.0, 0.0, id="more than three"),
        pytest.param((5.0, 1.0), 15.0, 15.0, 16.0, id="three sample intervals, where those are longer"),
        pytest.param((5.0, 1.0), 15.1, 0.0, 0.0, id="more than three sample intervals"),
        pytest.param((1.0, 10.0), 0.0, 0.0, 1.0, id="no time"),
        pytest.param((1.0, 10.0), -5.0, 0.0, 0.0, id="back"),
    ],
)
def test_a_gap_between_snapshots_is_not_counted_and_ends_idle_time(
    intervals: tuple[float, float], gap: float, counted: float, idle: float
) -> None:
    watch = Watch(Ledger(sample_interval=intervals[0], history_interval=intervals[1]))
    watch.idle(process(7))
    assert watch.idle(process(7), after=1) == 1
    seen = watch.sample(gpu(process(7)), after=gap)
    assert seen.processes[UUID, 7].idle_seconds == idle
    assert seen.users["alice"].gpu_seconds_held == 1 + counted


# Identity of processes and users


def test_a_reused_pid_is_counted_from_zero(watch: Watch) -> None:
    watch.idle(process(7))
    assert watch.idle(process(7)) == 10
    watch.starts[7], watch.users[7] = 999, "bob"
    seen = watch.sample(gpu(process(7)))
    assert seen.processes[UUID, 7] == ProcessUse(EPOCH + 30, 0, 0, 0)
    assert seen.users == {"alice": UserUse(10, 0, 10), "bob": UserUse(0, 0, 0)}


def test_a_process_that_comes_back_is_counted_from_zero(watch: Watch) -> None:
    watch.idle(process(7))
    watch.sample(gpu())
    assert watch.idle(process(7)) == 0


def test_a_host_that_does_not_answer_in_time_changes_no_count(watch: Watch) -> None:
    watch.idle(process(7))
    watch.sample(gpu(process(7)), host=False)
    watch.starts[7] = watch.users[7] = None  # the host answers, but cannot read this process
    watch.sample(gpu(process(7)))
    del watch.starts[7], watch.users[7]
    seen = watch.sample(gpu(process(7)))
    assert (seen.processes[UUID, 7].idle_seconds, seen.users) == (30, {"alice": UserUse(30, 0, 30)})


def test_the_owner_stays_known_while_the_host_does_not_answer(watch: Watch) -> None:
    watch.sample(gpu(process(7)))
    watch.sample(gpu(process(7)), host=False)
    assert watch.reported_owners == {(UUID, 7): watch.uids["alice"]}


def test_a_pid_reused_while_the_host_did_not_answer_is_counted_from_zero(watch: Watch) -> None:
    watch.idle(process(7))
    watch.sample(gpu(process(7)), host=False)
    watch.starts[7] = 999
    assert watch.idle(process(7)) == 0


def test_a_process_that_is_described_later_keeps_its_counts(watch: Watch) -> None:
    watch.sample(gpu(process(7)), host=False)
    watch.sample(gpu(process(7)), host=False)
    seen = watch.sample(gpu(process(7)))
    assert seen.processes[UUID, 7].idle_seconds == 20
    assert seen.users == {None: UserUse(10, 0, 10), "alice": UserUse(0, 0, 0)}


def test_a_user_name_that_arrives_later_has_all_time_of_its_user(watch: Watch) -> None:
    watch.users[7] = None
    watch.uids[None] = 20001
    watch.sample(gpu(process(7, 50)))
    assert watch.sample(gpu(process(7, 50))).users == {None: UserUse(10, 5, 10)}
    watch.users[7] = "ada"
    watch.uids["ada"] = 20001
    seen = watch.sample(gpu(process(7, 50)))
    assert seen.users["ada"] == UserUse(20, 10, 20)
    assert seen.users[None] == UserUse(10, 5, 10), "a counter never goes back"


def test_a_changed_or_lost_user_name_does_not_split_the_user(watch: Watch) -> None:
    watch.sample(gpu(process(7, 50)))
    watch.users[7] = "alice-lovelace"
    watch.uids["alice-lovelace"] = watch.uids["alice"]
    assert watch.sample(gpu(process(7, 50))).users == {"alice-lovelace": UserUse(10, 5, 10)}
    watch.users[7] = None
    watch.uids[None] = watch.uids["alice"]
    assert watch.sample(gpu(process(7, 50))).users == {"alice-lovelace": UserUse(20, 10, 20)}


def test_users_without_a_name_are_one_row_in_which_a_gpu_counts_once(watch: Watch) -> None:
    watch.users |= {7: None, 8: None}
    for _ in range(2):
        seen = watch.sample(gpu(process(7, 30), process(8, 20)))
    assert seen.users == {None: UserUse(10, 5, 10)}


def test_two_users_with_the_same_name_are_one_row_with_their_sum(watch: Watch) -> None:
    """For example, a name in the passwd file and, with another UID, in the directory."""
    for uid, sm in ((1000, 30), (20001, 50)):
        watch.uids["alice"] = uid
        watch.sample(gpu(process(uid, sm)))
        seen = watch.sample(gpu(process(uid, sm)))
    assert seen.users == {"alice": UserUse(20, 8, 20)}
    assert watch.reported_uids == {"alice": (1000, 20001)}


def test_a_process_that_changes_its_user_counts_for_the_new_one(watch: Watch) -> None:
    watch.users[7] = "root"
    watch.sample(gpu(process(7)))
    watch.users[7] = "alice"
    watch.sample(gpu(process(7)))
    assert watch.sample(gpu(process(7))).users == {"root": UserUse(0, 0, 0), "alice": UserUse(10, 0, 10)}


@pytest.mark.parametrize("known", [False, True], ids=["no reading", "a reading without a list"])
def test_a_gpu_that_does_not_report_its_processes_keeps_them(watch: Watch, known: bool) -> None:
    silent = GpuSample(0, GpuState.STUCK, lasting=reading(identity_uuid=UUID))
    if known:
        silent = GpuSample(0, GpuState.OK, reading(identity_uuid=UUID))
    watch.idle(process(7))
    watch.idle(process(7))
    assert watch.sample(silent).processes == {}
    watch.sample(silent)
    seen = watch.sample(gpu(process(7)))
    assert (seen.processes[UUID, 7].first_seen_at, seen.users["alice"].gpu_seconds_held) == (EPOCH + 10, 20)


def partial(*processes: GpuProcess) -> GpuSample:
    """A GPU with a refused process list."""
    known = reading(identity_uuid=UUID, processes=processes, process_list_is_partial=True)
    return GpuSample(0, GpuState.OK, known)


def test_a_partial_list_keeps_the_processes_of_the_last_full_list(watch: Watch) -> None:
    watch.idle(process(7), process(8))
    watch.idle(process(7), process(8))
    for _ in range(3):
        seen = watch.sample(partial(process(8)))
    assert {pid: use.gpu_seconds_held for (_, pid), use in seen.processes.items()} == {8: 40}
    seen = watch.sample(gpu(process(7), process(8)))
    assert {pid: use.gpu_seconds_held for (_, pid), use in seen.processes.items()} == {7: 20, 8: 50}


def test_endless_partial_lists_leave_nothing_behind(watch: Watch) -> None:
    watch.sample(gpu(process(1)))
    for pid in range(2, 600):
        watch.sample(partial(process(pid, 1)), after=1)
        assert sizes(watch.ledger) == (1, 2, 1)
    watch.sample(gpu(), after=1)
    assert sizes(watch.ledger) == (1, 0, 1)


@pytest.mark.parametrize("unnamed", [False, True], ids=["the driver is away", "the UUID is unknown"])
def test_a_gpu_that_is_missing_for_a_moment_keeps_its_values(watch: Watch, unnamed: bool) -> None:
    busy = gpu(process(7), utilization=97)
    for _ in range(3):
        before = watch.sample(busy)
    nothing = [gpu(uuid=None)] if unnamed else []
    watch.sample(*nothing, after=1, driver=unnamed)
    after = watch.sample(gpu(process(7)), after=1)
    assert after.processes[UUID, 7].first_seen_at == before.processes[UUID, 7].first_seen_at
    assert after.processes[UUID, 7].idle_seconds == 22.0
    assert after.peak_utilization_percent[UUID] == 97


def test_a_gpu_without_a_uuid_is_not_followed(watch: Watch) -> None:
    assert watch.sample(gpu(process(7), uuid=None)) == LedgerReading()


# GPU-seconds


def test_gpu_seconds_of_a_process_are_held_and_used_time(watch: Watch) -> None:
    for sm in (0, 50, 100, None, 25):
        seen = watch.sample(gpu(process(7, sm)))
    assert seen.processes[UUID, 7] == ProcessUse(EPOCH + 10, 40, 0.5 * 10 + 10 + 0.25 * 10, 0)


def test_use_that_is_never_reported_is_unknown_and_not_0(watch: Watch) -> None:
    for _ in range(3):
        seen = watch.sample(gpu(process(7, None)))
    assert seen.processes[UUID, 7] == ProcessUse(EPOCH + 10, 20, None, None)
    assert seen.users == {"alice": UserUse(20, None)}


@pytest.mark.parametrize(
    ("gpus", "held", "used", "told"),
    [
        pytest.param([[30]], 10, 3, 10, id="one process"),
        pytest.param([[30, 20]], 10, 5, 10, id="two on one GPU: held once, used together"),
        pytest.param([[80, 70]], 10, 10, 10, id="together at most the whole GPU"),
        pytest.param([[30], [20]], 20, 5, 20, id="two GPUs"),
        pytest.param([[None, 40]], 10, 4, 10, id="one unknown utilization"),
        pytest.param([[None], [40]], 20, 4, 10, id="one unknown utilization, on two GPUs"),
    ],
)
def test_gpu_seconds_of_a_user_count_each_gpu_once(
    watch: Watch, gpus: list[list[int | None]], held: float, used: float, told: float
) -> None:
    samples = [
        gpu(*(process(10 * at + number, sm) for number, sm in enumerate(percents)), uuid=f"GPU-{at}")
        for at, percents in enumerate(gpus)
    ]
    watch.sample(*samples)
    (user,) = watch.sample(*samples).users.values()
    assert (user.gpu_seconds_held, user.gpu_seconds_told) == (held, told)
    assert user.gpu_seconds_used == pytest.approx(used)


def test_two_users_on_one_gpu_both_hold_it(watch: Watch) -> None:
    watch.users[8] = "bob"
    watch.sample(gpu(process(7, 30), process(8, 50)))
    assert watch.sample(gpu(process(7, 30), process(8, 50))).users == {
        "alice": UserUse(10, 3, 10),
        "bob": UserUse(10, 5, 10),
    }


def test_successive_processes_of_a_user_hold_the_gpu_without_a_gap(watch: Watch) -> None:
    """A user with many short jobs holds the GPU all the time."""
    for pid in range(10):
        seen = watch.sample(gpu(process(pid, 100)))
    assert seen.users == {"alice": UserUse(90, 90, 90)}


def test_a_user_s_totals_stay_after_the_last_process_has_ended(watch: Watch) -> None:
    watch.sample(gpu(process(7, 50)))
    watch.sample(gpu(process(7, 50)))
    idle = {UUID: EPOCH + 10}
    assert watch.sample(gpu()) == LedgerReading(
        {}, {"alice": UserUse(10, 5, 10)}, {UUID: 0}, idle_since=idle, lately={UUID: Lately()}
    )
    assert watch.sample() == LedgerReading({}, {"alice": UserUse(10, 5, 10)}, {})


def test_a_process_on_two_mig_instances_is_counted_once(watch: Watch) -> None:
    twice = gpu(process(7, None), process(7, None))
    watch.sample(twice)
    seen = watch.sample(twice)
    assert seen.processes == {(UUID, 7): ProcessUse(EPOCH + 10, 10, None, None)}


# Peaks


def test_each_gpu_has_its_own_peak_utilization(watch: Watch) -> None:
    watch.sample(gpu(uuid="GPU-0", utilization=90), gpu(uuid="GPU-1", utilization=None))
    seen = watch.sample(gpu(uuid="GPU-0", utilization=10), gpu(uuid="GPU-1", utilization=3))
    assert seen.peak_utilization_percent == {"GPU-0": 90, "GPU-1": 3}
    stuck = GpuSample(0, GpuState.STUCK, lasting=reading(identity_uuid="GPU-0"))
    assert watch.sample(stuck).peak_utilization_percent == {"GPU-0": 90}
    assert watch.sample(stuck, after=60).peak_utilization_percent == {"GPU-0": None}


def test_a_reading_in_later_snapshots_counts_for_the_peak_when_it_was_sampled(watch: Watch) -> None:
    """A GPU whose reads take long is shown with its last reading, for up to three intervals."""
    busy = gpu(utilization=90)
    late = replace(busy, reading=replace(busy.values, sampled_since_boot=10.0))
    for _ in range(3):
        watch.sample(late)
    assert watch.sample(gpu(utilization=3), after=40).peak_utilization_percent == {UUID: 90}, "60 s ago"
    assert watch.sample(gpu(utilization=3), after=1).peak_utilization_percent == {UUID: 3}


# Memory


def sizes(ledger: Ledger) -> tuple[int, int, int]:
    """The numbers of GPUs, processes and users in memory."""
    gpus = ledger._gpus.values()  # noqa: SLF001  what must be bounded is inside
    return len(gpus), sum(len(gpu.processes) for gpu in gpus), len(ledger._users)  # noqa: SLF001  as above


def test_a_hundred_processes_a_second_leave_nothing_behind(watch: Watch) -> None:
    for second in range(600):
        listed = [process(100 * second + number, 1) for number in range(100)]
        seen = watch.sample(gpu(*listed), after=1)
        assert sizes(watch.ledger) == (1, 100, 1)
        assert len(seen.processes) == 100
    watch.sample(gpu())
    assert sizes(watch.ledger) == (1, 0, 1)
    watch.sample()
    assert sizes(watch.ledger) == (0, 0, 1)


def test_the_number_of_users_is_bounded_and_the_smallest_totals_are_dropped_first(watch: Watch) -> None:
    """For example, if containers use their own UIDs."""
    watch.users[1] = "alice"
    for _ in range(3):
        watch.sample(gpu(process(1)))
    watch.users |= {pid: f"user{pid}" for pid in range(3, MAX_USERS)}
    watch.sample(gpu(*(process(pid) for pid in range(3, MAX_USERS))))
    for number in range(50):
        watch.users[2], watch.starts[2] = str(number), number
        seen = watch.sample(gpu(process(2)))
        assert len(seen.users) <= MAX_USERS
    assert seen.users["alice"].gpu_seconds_held == 20


def test_a_user_with_a_process_is_never_dropped(watch: Watch) -> None:
    watch.users |= {pid: f"user{pid}" for pid in range(MAX_USERS + 5)}
    watch.sample(gpu(process(0)))
    watch.sample(gpu(process(0)))
    seen = watch.sample(gpu(*(process(pid) for pid in range(1, MAX_USERS + 5))))
    assert seen.users.keys() == {f"user{pid}" for pid in range(1, MAX_USERS + 5)}


def test_recent_conditions_of_a_gpu_are_reported_while_it_can_be_read(watch: Watch) -> None:
    def hot() -> GpuSample:
        margins = {"thermal_margin_celsius": -3, "thermal_slowdown_margin_celsius": -2}
        return GpuSample(0, GpuState.OK, reading(identity_uuid=UUID, **margins))

    watch.sample(hot())

    assert watch.sample(hot()).lately == {UUID: Lately(low_margin_seconds=10)}
    assert watch.sample(replace(hot(), state=GpuState.LOST, reading=None, lasting=hot().reading)).lately == {}
    assert watch.sample(hot()).lately == {UUID: Lately(low_margin_seconds=30)}, "a short loss does not end it"
    assert watch.sample(hot(), after=100).lately == {UUID: Lately()}
