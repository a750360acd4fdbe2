"""An XID from NVML's events, the kernel log or both is counted once; the log has the program."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.readings import (
    Belonging,
    Blamed,
    GpuIdentity,
    GpuReading,
    GpuSample,
    GpuState,
    HostProcess,
    ProcessesReading,
    Reason,
    Unknown,
    XidCount,
    XidSource,
)
from agent.readings.kernel_lines import ResetLine, XidLine
from agent.sampling.kernel_log_tally import Tally
from agent.sampling.known_xids import TICKS_PER_SECOND, KnownXids, place_of

UUID, BUS_ID, PLACE = "GPU-a", "00000000:3B:00.0", "0000:3b:00"
BOOTED_AT = 1_000_000.0
GPU = GpuSample(0, GpuState.OK, GpuReading(0.0, GpuIdentity(UUID, pci_bus_id=BUS_ID)))


class Log:
    """A kernel log, as far as it has been read."""

    def __init__(self) -> None:
        self.logged = Tally()
        self.is_read = True

    def tally(self) -> Tally:
        return self.logged.copy()

    def xid(self, at: float, code: int, pid: int | None = None) -> None:
        self.logged.take(at, XidLine(PLACE, code, pid, f"program-{pid}" if pid else None))


class Events:
    """XID events of NVML."""

    def __init__(self, log: Log) -> None:
        self.heard: dict[int, tuple[int, float]] | None = {}
        self.reason: Unknown | None = None
        self.before = log.tally()
        self.is_listening = True

    def counts(self, _uuid: str | None, booted_at: float) -> dict[int, XidCount] | None:
        heard = self.heard
        if heard is None:
            return None
        return {code: XidCount(times, booted_at + last) for code, (times, last) in heard.items()}

    def about_memory(self, _uuid: str | None) -> int:
        return sum(times for code, (times, _) in (self.heard or {}).items() if code == 48)

    def logged_before(self, _uuid: str | None) -> Tally:
        return self.before

    def why_not(self, _uuid: str | None) -> Unknown | None:
        return self.reason

    def hear(self, at: float, code: int) -> None:
        assert self.heard is not None
        times, _ = self.heard.get(code, (0, 0.0))
        self.heard[code] = (times + 1, at)


def known(events: Events | None, log: Log | None, *samples: ProcessesReading) -> dict[int, XidCount] | None:
    """The XIDs of the GPU in the last of these samples; all log lines exist from the first on."""
    xids = KnownXids(events, log)
    for processes in samples or (None,):
        (gpu,) = xids.with_xids([GPU], BOOTED_AT, processes)
    return None if gpu.xids is None else dict(gpu.xids)


def test_an_xid_from_both_sources_counts_once_in_either_order() -> None:
    log = Log()
    events = Events(log)
    events.hear(20.7, 31)
    assert known(events, log) == {31: XidCount(1, BOOTED_AT + 20.7)}
    log.xid(20.2, 31)
    assert known(events, log) == {31: XidCount(1, BOOTED_AT + 20.2, XidSource.BOTH)}
    log.xid(25.2, 31)
    assert known(events, log) == {31: XidCount(2, BOOTED_AT + 25.2, XidSource.BOTH)}
    events.hear(25.9, 31)

    assert known(events, log) == {31: XidCount(2, BOOTED_AT + 25.2, XidSource.BOTH)}


def test_no_xid_is_known_only_while_it_would_be_heard_or_read() -> None:
    log = Log()
    events = Events(log)
    assert known(events, None) == {}
    events.is_listening = False
    assert known(events, None) is None
    assert known(events, log) == {}
    log.is_read = False
    assert known(events, log) is None
    events.hear(20.0, 31)
    assert known(events, log) == {31: XidCount(1, BOOTED_AT + 20.0)}, "what was counted stays"


def test_xids_from_before_the_agent_are_added() -> None:
    log = Log()
    log.xid(1.0, 31)
    log.xid(2.0, 31)
    log.xid(3.0, 13)
    events = Events(log)
    events.hear(50.5, 31)
    assert known(events, log) == {
        13: XidCount(1, BOOTED_AT + 3.0, XidSource.KERNEL_LOG),
        31: XidCount(3, BOOTED_AT + 50.5, XidSource.BOTH),
    }
    log.xid(50.1, 31)

    assert (known(events, log) or {})[31] == XidCount(3, BOOTED_AT + 50.1, XidSource.BOTH)


def test_an_event_soon_after_a_line_from_before_the_agent_is_another_xid() -> None:
    log = Log()
    log.xid(5.0, 79)
    events = Events(log)
    events.hear(7.0, 79)

    assert known(events, log) == {79: XidCount(2, BOOTED_AT + 7.0, XidSource.BOTH)}


def test_xids_that_the_log_has_lost_are_still_counted() -> None:
    log = Log()
    log.xid(1.0, 31, pid=7)
    events = Events(log)
    for at in (50.0, 51.0, 52.0):
        events.hear(at, 31)
    log.xid(50.0, 31, pid=8)

    assert known(events, log) == {31: XidCount(4, BOOTED_AT + 52.0, XidSource.BOTH)}, (
        "the program of the last is unknown"
    )


def test_xids_that_nvml_does_not_report_are_counted_from_the_log() -> None:
    """One fault may take several lines, and some XIDs are no events."""
    log = Log()
    events = Events(log)
    for _ in range(3):
        log.xid(20.0, 13)
    events.hear(20.5, 13)

    assert known(events, log) == {13: XidCount(3, BOOTED_AT + 20.0, XidSource.BOTH)}


@pytest.mark.parametrize("has_events", [True, False], ids=["not supported", "HISTORY_INTERVAL=0"])
def test_without_events_the_log_alone_counts_xids(has_events: bool) -> None:
    log = Log()
    events = Events(log) if has_events else None
    if events:
        events.heard = None
    assert known(events, log) == {}
    log.xid(5.0, 79)

    assert known(events, log) == {79: XidCount(1, BOOTED_AT + 5.0, XidSource.KERNEL_LOG)}


def test_without_both_sources_the_xids_are_unknown() -> None:
    log = Log()
    log.is_read = False
    events = Events(log)
    events.heard = None
    events.reason = Unknown(Reason.NOT_SUPPORTED, "f", "e", "w", 0.0, reported_before=False)

    (gpu,) = KnownXids(events, log).with_xids([GPU], BOOTED_AT, None)

    assert gpu.xids is None
    assert gpu.reading is not None
    assert gpu.reading.unknown["xids"] is events.reason
    assert known(None, None) is None


def test_without_a_bus_id_the_xids_are_unknown() -> None:
    nameless = GpuSample(0, GpuState.LOST, error="lost")

    (gpu,) = KnownXids(None, Log()).with_xids([nameless], BOOTED_AT, None)

    assert gpu.xids is None


def test_a_gpu_lost_from_the_start_has_the_xids_of_its_slot() -> None:
    log = Log()
    log.xid(5.0, 79)
    lasting = GpuReading(0.0, GpuIdentity(None, None, BUS_ID))

    (gpu,) = KnownXids(Events(log), log).with_xids(
        [GpuSample(0, GpuState.LOST, lasting=lasting)], BOOTED_AT, None
    )

    assert (gpu.xids or {}).keys() == {79}


def test_a_reset_ends_an_xid_unless_nvml_has_reported_more() -> None:
    log = Log()
    events = Events(log)
    log.xid(5.0, 48)
    events.hear(5.5, 48)
    events.hear(6.0, 63)  # the log has no line of it
    log.logged.take(30.0, ResetLine(PLACE))
    ended = {code: seen.was_reset for code, seen in (known(events, log) or {}).items()}
    assert ended == {48: True, 63: True}
    events.hear(40.0, 48)
    events.hear(30.0, 63)  # at the moment of the reset: it may have come after it

    ended = {code: seen.was_reset for code, seen in (known(events, log) or {}).items()}
    assert ended == {48: False, 63: False}


def test_a_reset_ends_an_xid_of_which_the_log_has_lost_lines() -> None:
    log = Log()
    events = Events(log)
    events.hear(20.5, 79)
    events.hear(21.5, 79)
    log.xid(20.0, 79)
    log.logged.take(100.0, ResetLine(PLACE))

    expected = XidCount(2, BOOTED_AT + 21.5, XidSource.BOTH, was_reset=True)
    assert known(events, log) == {79: expected}


def test_an_event_long_after_the_last_line_is_another_xid() -> None:
    """The log has several lines of one fault, and then breaks off."""
    log = Log()
    events = Events(log)
    log.xid(20.0, 79, pid=7)
    log.xid(20.1, 79, pid=7)
    events.hear(20.6, 79)
    log.logged.take(100.0, ResetLine(PLACE))
    assert (known(events, log) or {})[79].was_reset
    events.hear(500.0, 79)

    assert known(events, log) == {79: XidCount(2, BOOTED_AT + 500.0, XidSource.BOTH)}


@pytest.mark.parametrize(("heard", "last"), [(25.0, 20.0), (25.5, 25.5)])
def test_an_event_up_to_five_seconds_after_its_line_is_the_same_xid(heard: float, last: float) -> None:
    log = Log()
    events = Events(log)
    for _ in range(2):
        log.xid(20.0, 79)
    events.hear(20.5, 79)
    events.hear(heard, 79)

    assert (known(events, log) or {})[79].last_at == BOOTED_AT + last


@pytest.mark.parametrize("has_events", [True, False])
def test_an_xid_about_memory_from_the_log_alone_has_error_counts_read(has_events: bool) -> None:
    log = Log()
    xids = KnownXids(Events(log) if has_events else None, log)
    numbers = []
    for code in (31, 48, 48):
        xids.with_xids([GPU], BOOTED_AT, None)
        numbers.append(xids.about_memory(UUID))
        log.xid(20.0, code)
    xids.with_xids([GPU], BOOTED_AT, None)

    assert [*numbers, xids.about_memory(UUID)] == [0, 0, 1, 2]


def test_an_event_about_memory_has_error_counts_read_before_the_next_sample() -> None:
    log = Log()
    events = Events(log)
    xids = KnownXids(events, log)
    events.hear(20.0, 48)

    assert xids.about_memory(UUID) == 1


# The program that is blamed

POD = Belonging(container_id="c1", pod_name="trainer-0")


def processes(pid: int, started_at: float | None, username: str | None = "alice") -> ProcessesReading:
    ticks = None if started_at is None else int(started_at * TICKS_PER_SECOND)
    host = HostProcess(pid, username=username, name="other", start_ticks=ticks, belonging=POD)
    return ProcessesReading({pid: host})


NONE = ProcessesReading()
BLAMED = Blamed(7, "program-7", "alice", POD)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ((processes(7, 10.0),), BLAMED),
        ((processes(7, 10.0), NONE), BLAMED),
        ((processes(7, 10.0), *[NONE] * 20), BLAMED),
        ((processes(7, 10.0, None), processes(7, 10.0), NONE), BLAMED),
        ((NONE, processes(7, 10.0)), BLAMED),
        ((processes(7, 55.0),), BLAMED),
        ((processes(7, 55.5),), Blamed(7, "program-7")),
        ((processes(7, None),), Blamed(7, "program-7")),
        ((processes(8, 10.0),), Blamed(7, "program-7")),
    ],
    ids=[
        "still running",
        "ended since",
        "ended long ago",
        "user name known later",
        "described later",
        "clocks differ",
        "started later",
        "unknown start",
        "other",
    ],
)
def test_the_blamed_program_has_user_and_container_if_it_was_seen(
    samples: tuple[ProcessesReading, ...], expected: Blamed
) -> None:
    log = Log()
    log.xid(50.0, 31, pid=7)

    assert (known(None, log, *samples) or {})[31].blamed == expected


@pytest.mark.parametrize(("samples_without", "expected"), [(3, BLAMED), (4, Blamed(7, "program-7"))])
def test_a_program_seen_up_to_three_samples_before_its_line_is_known(
    samples_without: int, expected: Blamed
) -> None:
    log = Log()
    xids = KnownXids(None, log)
    xids.with_xids([GPU], BOOTED_AT, processes(7, 10.0))
    for _ in range(samples_without - 1):
        xids.with_xids([GPU], BOOTED_AT, ProcessesReading({}))
    log.xid(50.0, 31, pid=7)

    (gpu,) = xids.with_xids([GPU], BOOTED_AT, ProcessesReading({}))

    assert (gpu.xids or {})[31].blamed == expected


def test_a_pid_of_the_host_names_no_process_of_a_container() -> None:
    """In a container without --pid=host, the log still has the pids of the host."""
    log = Log()
    log.xid(50.0, 31, pid=7)

    (gpu,) = KnownXids(None, log, pids_are_the_hosts=False).with_xids([GPU], BOOTED_AT, processes(7, 10.0))

    assert (gpu.xids or {})[31].blamed == Blamed(7, "program-7")


@pytest.mark.parametrize(
    ("bus_id", "place"),
    [(BUS_ID, PLACE), ("00010000:01:00.0", "10000:01:00"), (None, None), ("", None), ("x:y", None)],
)
def test_a_bus_id_is_converted_to_the_form_of_the_driver_s_log(bus_id: str | None, place: str | None) -> None:
    assert place_of(bus_id) == place


def test_all_other_values_of_a_sample_stay_unchanged() -> None:
    (gpu,) = KnownXids(None, Log()).with_xids([GPU], BOOTED_AT, None)

    assert replace(gpu, xids=None) == GPU


def test_without_sources_no_xid_is_about_memory() -> None:
    assert KnownXids(None, None).about_memory(UUID) == 0
