from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from agent.sources.procfs import (
    PAGE_BYTES,
    Content,
    Stat,
    by_resident_bytes,
    exists,
    open_files,
    parse_resident_bytes,
    parse_stat,
    parse_uid,
    read_file,
    read_resident_bytes,
    read_stat,
    unmapped_uid,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "comm",
    [
        pytest.param(b"python3", id="plain"),
        pytest.param(b"tmux: server", id="with a space"),
        pytest.param(b"a) S 1 (b", id="with brackets"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\n", id="not text"),
    ],
)
def test_a_process_name_cannot_shift_the_fields_after_it(comm: bytes) -> None:
    line = b"42 (%s) R 1 42 42 0 -1 4194560 9 0 0 0 700 30 5 6 20 0 1 0 12345 8192 77 1 1 1\n" % comm
    assert parse_stat(line) == Stat(comm, cpu_ticks=730, start_ticks=12345, parent_pid=1, thread_count=1)


def test_resident_memory_is_in_bytes() -> None:
    assert parse_resident_bytes(b"8345 1571 1131 706 0 640 0\n") == 1571 * PAGE_BYTES


def test_a_pass_over_proc_lists_the_largest_first_and_skips_processes_without_memory(tmp_path: Path) -> None:
    for pid, pages in {"10": 5, "20": 50, "30": 0}.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "statm").write_bytes(b"100 %d 0 0 0 0 0\n" % pages)
    (tmp_path / "40").mkdir()  # ended during the pass
    (tmp_path / "sys").mkdir()
    assert by_resident_bytes(str(tmp_path), 5) == [(50 * PAGE_BYTES, 20), (5 * PAGE_BYTES, 10)]


def test_five_more_processes_than_requested_are_listed(tmp_path: Path) -> None:
    """A process that ends before it is described is replaced by the next."""
    for pid in range(1, 15):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "statm").write_bytes(b"100 %d 0 0 0 0 0\n" % pid)
    assert [pid for _, pid in by_resident_bytes(str(tmp_path), 3)] == [14, 13, 12, 11, 10, 9, 8, 7]


@pytest.mark.parametrize(("name", "most"), [("cgroup", 8192), ("cmdline", 4096), ("environ", 32_768)])
def test_a_file_of_a_process_is_read_up_to_its_maximum(tmp_path: Path, name: str, most: int) -> None:
    (tmp_path / "42").mkdir()
    (tmp_path / "42" / name).write_bytes(b"x" * most)
    assert read_file(str(tmp_path), 42, name) == (b"x" * most, False)
    (tmp_path / "42" / name).write_bytes(b"x" * most + b"y")
    assert read_file(str(tmp_path), 42, name) == (b"x" * most, True)


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        (Content(b"a b c", is_cut=False), b"a b c"),
        (Content(b"a b c", is_cut=True), b"a b"),
        (Content(b"abc", True), b""),
    ],
)
def test_the_last_part_of_a_cut_file_is_dropped(content: Content, whole: bytes) -> None:
    assert content.up_to(b" ") == whole


@pytest.mark.parametrize(
    ("mapped", "unmapped"),
    [("0 0 4294967295\n", None), ("0 1000 1\n", 65_534), ("0 0 4294967294\n", 65_534), (None, None)],
)
def test_an_unmapped_user_of_a_user_namespace_has_the_overflow_uid(
    tmp_path: Path, mapped: str | None, unmapped: int | None
) -> None:
    (tmp_path / "self").mkdir()
    if mapped is not None:
        (tmp_path / "self/uid_map").write_text(mapped)
    assert unmapped_uid(str(tmp_path)) == unmapped


def test_a_process_group_is_no_process() -> None:
    assert [exists(pid) for pid in (-1, 0, os.getpid(), 1, 2**70)] == [False, False, True, True, False]


def test_with_too_many_processes_none_is_listed_as_the_largest(tmp_path: Path) -> None:
    for pid in (10, 20, 30):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "statm").write_bytes(b"100 5 0 0 0 0 0\n")
    assert len(by_resident_bytes(str(tmp_path), 5, limit=3)) == 3
    assert by_resident_bytes(str(tmp_path), 5, limit=2) == []


def test_open_files_of_a_process_are_read_up_to_a_maximum(tmp_path: Path) -> None:
    (tmp_path / "42/fd").mkdir(parents=True)
    for number in range(9):
        (tmp_path / "42/fd" / str(number)).symlink_to("/dev/null")
    assert list(open_files(str(tmp_path), 42, limit=3)) == ["/dev/null"] * 3


def test_the_owner_is_the_real_user_whatever_the_process_name_contains() -> None:
    assert parse_uid(b"Name:\tUid: 0\nUmask:\t0022\nUid:\t1000\t0\t0\t0\nGid:\t7\t7\t7\t7\n") == 1000
    with pytest.raises(ValueError, match="without Uid"):
        parse_uid(b"Name:\tpython\nUid:\t10")  # cut: 1000, perhaps


def test_this_process_can_be_read() -> None:
    assert read_stat("/proc", os.getpid()).start_ticks > 0
    assert read_resident_bytes("/proc", os.getpid()) > 1_000_000
