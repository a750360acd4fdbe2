"""When a process is described again: soon after its start, then once a minute, or when it changes."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from agent.sources.descriptions import cgroup_window, description_window
from agent.sources.procfs import PAGE_BYTES
from tests.sources.fake_proc import FakeProc, read, reader_of
from tests.support.clock import Clock

if TYPE_CHECKING:
    from pathlib import Path

    from agent.sources.processes import ProcessReader

DESCRIPTION_SECONDS = 60.0  # between two descriptions of an old process


class Titles:
    """Process 42, which has another title at each moment, and its reader."""

    def __init__(self, root: Path) -> None:
        self.proc, self.clock = FakeProc(root), Clock()
        self.reader: ProcessReader = reader_of(self.proc, self.clock)
        self.began = self.clock.now
        self.proc.write()

    def is_described(self, at: float, *, watched: bool = True) -> bool:
        """Whether a reading this many seconds after the start has the title of that moment."""
        self.clock.now = self.began + at
        self.proc.say(f"title-{at}\0".encode())
        (process,) = self.reader.read(frozenset({42}), 1000 * PAGE_BYTES, watched=watched).values()
        return process.command == f"title-{at}"


@pytest.fixture
def titles(tmp_path: Path) -> Titles:
    return Titles(tmp_path)


def test_a_new_process_is_described_at_once_and_after_10_and_60_seconds(titles: Titles) -> None:
    described = [second for second in range(70) if titles.is_described(second)]

    assert described[:2] == [0, 10]
    assert described[2] == 60


def test_an_old_process_is_described_once_a_minute(titles: Titles) -> None:
    described = [second for second in range(1000) if titles.is_described(second)]

    assert len([second for second in described if second >= 120]) in (14, 15)
    assert {later - earlier for earlier, later in pairwise(described[4:])} == {60}


def test_an_unwatched_process_is_described_once(titles: Titles) -> None:
    assert titles.is_described(0, watched=False)
    assert not any(titles.is_described(second, watched=False) for second in range(10, 10_000, 10))
    assert titles.is_described(10_001), "at once, when it is watched"


@pytest.mark.parametrize("watched", [False, True])
def test_a_program_change_is_seen_at_once(titles: Titles, watched: bool) -> None:
    titles.is_described(0)
    assert not titles.is_described(1, watched=watched)
    titles.proc.write(comm="other")
    assert titles.is_described(2, watched=watched)
    titles.proc.write(comm="other", start_ticks=501)
    assert titles.is_described(3, watched=watched)


@pytest.mark.parametrize("watched", [False, True])
def test_a_control_group_change_is_seen_within_ten_seconds(titles: Titles, watched: bool) -> None:
    cgroup = titles.proc.root / "42/cgroup"
    cgroup.write_text("0::/user.slice/user-1000.slice/session-3.scope\n")
    titles.is_described(0, watched=watched)
    cgroup.write_text("0::/system.slice/train.service\n")

    assert any(
        [titles.is_described(second, watched=watched) for second in range(1, 10)]
        + [titles.is_described(10, watched=watched)]
    )
    assert read(titles.reader).belonging.systemd_unit == "train.service"


def test_an_unchanged_control_group_causes_no_new_description(titles: Titles) -> None:
    (titles.proc.root / "42/cgroup").write_text("0::/system.slice/train.service\n")
    titles.is_described(0)
    assert [second for second in range(1, 60) if titles.is_described(second)] == [10]


def test_descriptions_end_at_one_a_minute_and_control_groups_at_one_in_ten_seconds() -> None:
    assert [description_window(5, 0.0, at) for at in (0, 9.9, 10, 59.9, 60, 114.9, 115, 175)] == [
        0,
        0,
        1,
        1,
        3,
        3,
        4,
        5,
    ]
    assert [cgroup_window(5, at) for at in (4.9, 5, 14.9, 15)] == [0, 1, 1, 2]


def test_old_processes_are_described_at_different_moments() -> None:
    """So that many processes do not cost a single reading much time."""
    described = [
        sum(description_window(pid, 0.0, at) != description_window(pid, 0.0, at - 1) for pid in range(240))
        for at in range(1020, 1020 + int(DESCRIPTION_SECONDS))
    ]
    assert sum(described) == 240
    assert max(described) == 4
