"""The writing thread: a fault is one word and one line in the log, and no row is lost."""

from __future__ import annotations

import asyncio
import errno
import logging
import sqlite3
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.state import gpus, names
from agent.state.file import open_file
from agent.state.folder import Refused, StateFolder
from agent.state.keeper import Keeper
from agent.state.reader import (
    MAX_WAITING,
    PATIENCE,
    QUERY_SECONDS,
    STEPS,
    Reader,
    StoreBusy,
    StoreUnreadable,
)
from agent.state.store import END_SECONDS, SLOW_SECONDS, START_SECONDS, Store
from agent.state.subject import Rows, Subject, failed
from agent.state.writer import AGEING_PACE, MAX_BATCHES, Writer
from tests.sampling.test_history import snapshot
from tests.support.agents import wait_until
from tests.support.clock import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from sqlite3 import Connection

    from agent.readings import Snapshot
    from agent.state.subject import Batch, Row

pytestmark = pytest.mark.anyio
NAME = "agent.sqlite3"


class Folder(StateFolder):
    """A folder that can stop working."""

    error: Exception | None = None

    @property
    def is_gone(self) -> bool:
        return self.error is not None or super().is_gone

    def take(self) -> None:
        if self.error is not None:
            raise self.error
        super().take()


def gpu(uuid: str) -> Batch:
    return (Rows(gpus.SUBJECT, ((uuid,),)),)


def uuids(connection: Connection) -> list[str]:
    return [uuid for (uuid,) in connection.execute("SELECT uuid FROM gpus ORDER BY id")]


def writer(folder: StateFolder) -> Writer:
    return Writer(folder, NAME, days=400, boot="boot", run=1, users=True)


def in_file(tmp_path: Path) -> list[str]:
    connection = open_file(tmp_path / NAME)
    try:
        return uuids(connection)
    finally:
        connection.close()


def files_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def is_open(file: Path) -> bool:
    """Whether this process has it open."""
    return file in [descriptor.resolve() for descriptor in Path("/proc/self/fd").iterdir()]


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("full", OSError(errno.ENOSPC, "No space left on device")),
        ("full", OSError(errno.EDQUOT, "Disk quota exceeded")),
        ("read_only", OSError(errno.EROFS, "Read-only file system")),
        ("read_only", OSError(errno.EACCES, "Permission denied")),
        ("gone", OSError(errno.ENOENT, "No such file or directory")),
        ("gone", OSError(errno.EIO, "Input/output error")),
        ("refused", Refused("is in use by another agent")),
        ("failed", OSError(errno.EMFILE, "Too many open files")),
    ],
)
def test_batches_that_cannot_be_written_are_written_later_and_logged_once(
    tmp_path: Path, word: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = Folder(str(tmp_path))
    one = writer(folder)
    one.write(gpu("a"))
    folder.error = error
    for uuid in "bcd":
        one.write(gpu(uuid))
        assert one.trouble is not None
        assert (one.trouble.fault, one.failures) == (word, "abcd".index(uuid))
    folder.error = None
    one.write(gpu("e"))
    one.close()

    assert one.trouble is None
    assert in_file(tmp_path) == list("abcde")
    assert len(caplog.messages) == 2
    assert caplog.messages[0].startswith(f"STATE_DIR '{tmp_path}' ")
    assert "in memory until" in caplog.messages[0]
    assert caplog.messages[1] == "STATE_DIR can be written again"


def test_the_limits_of_the_file_have_these_values() -> None:
    assert (SLOW_SECONDS, START_SECONDS, END_SECONDS) == (5, 5, 0.5)
    assert (PATIENCE, MAX_WAITING, QUERY_SECONDS, STEPS) == (1, 4, 5, 10_000)
    assert (MAX_BATCHES, AGEING_PACE) == (60, 3600)


def test_old_rows_are_deleted_with_the_first_write_and_then_once_an_hour(tmp_path: Path) -> None:
    clock = Clock(0.0)
    one = Writer(
        StateFolder(str(tmp_path)), NAME, days=1, boot="", run=1, users=True, now=lambda: 1e9, clock=clock
    )

    def known() -> list[tuple[int]]:
        old: Batch = (Rows(names.SUBJECT, ((7, "alice", 0.0),)),)
        one.write(old)
        connection = one.open()
        assert connection is not None
        return connection.execute("SELECT uid FROM names").fetchall()

    found = {}
    for clock.now in (0.0, 3599.9, 3600.0, 7199.9, 7200.0):
        found[clock.now] = known()
    one.close()

    assert found == {0.0: [], 3599.9: [(7,)], 3600.0: [], 7199.9: [(7,)], 7200.0: []}
    assert one.written_at == 1e9


def test_the_size_of_the_file_includes_its_log(tmp_path: Path) -> None:
    one = writer(StateFolder(str(tmp_path)))
    assert one.file_bytes is None
    one.write(gpu("a"))
    sizes = [(tmp_path / f"{NAME}{kind}").stat().st_size for kind in ("", "-wal")]
    assert all(sizes)
    assert one.file_bytes == sum(sizes)
    one.close()
    assert files_in(tmp_path) == [NAME], "the log is in the file"
    StateFolder(str(tmp_path), patience=0.0).take()


def test_an_hour_of_batches_waits_in_memory_and_the_oldest_is_lost(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    one = writer(folder)
    folder.error = OSError(errno.ENOSPC, "full")
    for number in range(MAX_BATCHES + 3):
        one.write(gpu(f"{number}"))
    assert one.lost_batches == 3
    folder.error = None
    one.write(gpu("last"))
    one.close()

    assert in_file(tmp_path)[0] == "4"
    assert one.lost_batches == 4


def test_a_deleted_folder_is_noticed_and_a_new_file_started(tmp_path: Path) -> None:
    one = writer(StateFolder(str(tmp_path / "state")))
    one.write(gpu("a"))
    (tmp_path / "state").rename(tmp_path / "away")
    one.write(gpu("b"))
    one.close()

    assert in_file(tmp_path / "state") == ["b"]
    assert in_file(tmp_path / "away") == ["a"]


@pytest.mark.parametrize("becomes", ["gone", "another"])
def test_a_file_that_is_replaced_in_its_folder_is_noticed(tmp_path: Path, becomes: str) -> None:
    one = writer(StateFolder(str(tmp_path)))
    one.write(gpu("a"))
    (tmp_path / NAME).rename(tmp_path / "away")
    if becomes == "another":
        open_file(tmp_path / NAME).close()
    one.write(gpu("b"))
    one.close()

    assert in_file(tmp_path) == ["b"]


def test_earlier_users_are_deleted_even_if_the_file_can_be_opened_only_later(tmp_path: Path) -> None:
    file = open_file(tmp_path / NAME)
    names.SUBJECT.write(file, [(1000, "alice", time.time())])
    file.close()
    folder = Folder(str(tmp_path))
    for users, left in ((True, [("alice",)]), (False, [])):
        folder.error = OSError(errno.EIO, "Input/output error")
        one = Writer(folder, NAME, days=400, boot="boot", run=1, users=users)
        assert one.open() is None
        folder.error = None
        one.write(gpu("a"))
        one.close()
        assert open_file(tmp_path / NAME).execute("SELECT name FROM names").fetchall() == left


def test_the_file_is_closed_after_a_failure(tmp_path: Path) -> None:
    def fail(_connection: Connection, _rows: Sequence[Row]) -> None:
        assert is_open(tmp_path / NAME)
        raise OSError(errno.EIO, "Input/output error")

    one = writer(StateFolder(str(tmp_path)))
    one.write((Rows(Subject("fails", (), fail), ()),))
    assert one.trouble is not None
    assert one.trouble.fault == "gone"
    assert not is_open(tmp_path / NAME)
    one.close()


@pytest.mark.parametrize("users", [True, False])
def test_the_number_of_a_process_tells_whether_it_keeps_hours_of_users(tmp_path: Path, users: bool) -> None:
    store = Store(StateFolder(str(tmp_path)), NAME, days=400, boot="boot", users=users)
    assert (store.run > 0) is users


@pytest.mark.parametrize(
    "error",
    [sqlite3.IntegrityError("NOT NULL constraint failed"), OverflowError("int too large"), KeyError("a")],
    ids=lambda error: type(error).__name__,
)
def test_rows_that_no_file_accepts_are_lost_alone_and_logged(
    tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    one = writer(StateFolder(str(tmp_path)))
    for uuid in "ab":
        one.write((failed(error), *gpu(uuid)))
        assert one.trouble is not None
        assert one.trouble.fault == "failed"
    assert (one.lost_batches, one.written_at) == (2, None)
    assert caplog.text.count("could not be made") == 1
    one.write(gpu("c"))
    one.close()

    assert in_file(tmp_path) == ["a", "b", "c"]
    assert (one.lost_batches, one.trouble) == (2, None)


def test_a_part_that_raises_does_not_stop_sampling(tmp_path: Path) -> None:
    def fails(_snapshot: Snapshot) -> Rows | None:
        raise OverflowError("cannot convert float infinity to integer")

    one = writer(StateFolder(str(tmp_path)))
    keeper = Keeper(lambda batch, **_: one.write(batch), [gpus.rows], [fails])
    keeper.add(snapshot(0, 1))
    keeper.end()
    one.close()

    assert in_file(tmp_path) == ["a"]
    assert one.trouble is not None
    assert "float infinity" in one.trouble.sentence


def test_many_urgent_batches_do_not_displace_a_batch_of_a_minute(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    one = writer(folder)
    folder.error = OSError(errno.ENOSPC, "full")
    one.write(gpu("a minute"))
    for number in range(2 * MAX_BATCHES):
        one.write((), gpu(f"{number}"))
    folder.error = None
    one.write((), gpu("the newest"))
    one.close()

    assert in_file(tmp_path) == ["a minute", "the newest"]
    assert one.lost_batches == 0


def test_an_urgent_write_does_not_count_as_everything_written(tmp_path: Path) -> None:
    one = writer(StateFolder(str(tmp_path)))
    one.write((), gpu("a"))
    assert one.written_at is None
    one.write(gpu("b"))
    assert one.written_at is not None
    one.close()


def new_store(folder: StateFolder, clock: Callable[[], float] = time.monotonic) -> Store:
    return Store(folder, NAME, days=400, boot="boot", users=True, clock=clock)


@asynccontextmanager
async def started(tmp_path: Path, folder: StateFolder | None = None) -> AsyncIterator[Store]:
    store = new_store(folder or StateFolder(str(tmp_path)))
    await store.start(uuids)
    try:
        yield store
    finally:
        store.close()


async def test_batches_are_written_at_the_end_and_found_at_the_next_start(tmp_path: Path) -> None:
    async with started(tmp_path) as store:
        for uuid in "abc":
            store.put(gpu(uuid))
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "state"]
        assert thread.daemon, "a disk that does not answer keeps nobody from the end"
    store = new_store(StateFolder(str(tmp_path)))

    assert await store.start(uuids) == list("abc")
    assert store.close()
    assert "state" not in {thread.name for thread in threading.enumerate()}


async def test_an_agent_without_a_usable_folder_starts_and_writes_when_it_can(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    folder.error = OSError(errno.EROFS, "Read-only file system")
    async with started(tmp_path, folder) as store:
        assert store.reading.trouble is not None
        assert store.reading.trouble.fault == "read_only"
        folder.error = None
        store.put(gpu("a"))
        wait_until(lambda: store.reading.written_at, "the batch is written")

        assert await store.read(uuids) == ["a"]
        assert store.reading.trouble is None
        assert (store.reading.file_bytes or 0) > 4096


async def test_a_disk_that_does_not_answer_is_slow_and_delays_nothing(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hang(_connection: Connection, _rows: Sequence[Row]) -> None:
        entered.set()
        leave.wait(20)

    now = 100.0
    store = new_store(StateFolder(str(tmp_path)), lambda: now)
    await store.start(uuids)
    store.put((Rows(Subject("hangs", (), hang), ()),))
    await asyncio.to_thread(entered.wait, 20)
    assert store.reading.trouble is None
    now = 104.9
    assert store.reading.trouble is None
    now = 105.0
    assert store.reading.trouble is not None
    assert store.reading.trouble == ("slow", f"STATE_DIR '{tmp_path}' has not answered for 5 s")
    for number in range(MAX_BATCHES + 5):
        store.put(gpu(f"{number}"))
        store.put(gpu(f"urgent {number}"), urgent=True)
    assert store.reading.lost_batches == 5
    leave.set()
    wait_until(lambda: store.reading.trouble is None, "the batch is written")
    assert store.close()
    written = in_file(tmp_path)
    assert {"0", f"{MAX_BATCHES - 1}"} <= set(written)
    assert [uuid for uuid in written if "urgent" in uuid] == [f"urgent {MAX_BATCHES + 4}"], "the newest"


async def test_of_many_queries_some_wait_and_the_others_are_refused(tmp_path: Path) -> None:
    leave = threading.Event()

    def slow(_connection: Connection) -> str:
        leave.wait(20)
        return "found"

    async with started(tmp_path) as store:
        first = asyncio.create_task(store.read(slow))
        await asyncio.sleep(0)
        others = [asyncio.create_task(store.read(slow)) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(StoreBusy, match=f"{MAX_WAITING} requests wait"):
            await store.read(slow)
        for other in others:
            with pytest.raises(StoreBusy):
                await other
        leave.set()

        assert await first == "found"
        assert await store.read(slow) == "found"


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
LONG = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 9000) SELECT count(*) FROM n"


async def test_a_query_that_takes_more_than_five_seconds_is_given_up(tmp_path: Path) -> None:
    open_file(tmp_path / NAME).close()
    times = iter([100.0, 105.0, 105.1])
    reader = Reader(tmp_path / NAME, clock=lambda: next(times))
    with pytest.raises(StoreBusy, match="takes too long") as busy:
        await reader.read(lambda connection: connection.execute(ENDLESS).fetchall())
    assert next(times, None) is None
    assert not is_open(tmp_path / NAME), busy

    times = iter([100.0, *[105.0] * 1000])
    assert await reader.read(lambda connection: connection.execute(LONG).fetchall()) == [(9000,)]
    assert next(times) == 105.0


async def test_an_urgent_batch_wakes_the_thread(tmp_path: Path) -> None:
    async with started(tmp_path) as store:
        store.put(gpu("a"), urgent=True)
        wait_until(lambda: store.reading.file_bytes, "the batch is written")
        assert await store.read(uuids) == ["a"]


async def test_an_agent_starts_although_what_was_kept_cannot_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_connection: Connection) -> str:
        raise ValueError("unforeseen")

    store = new_store(StateFolder(str(tmp_path)))
    assert await store.start(fail) is None
    assert caplog.messages == ["Reading STATE_DIR failed"]
    store.put(gpu("a"))
    assert store.close()
    assert files_in(tmp_path) == [NAME], "the file is closed"
    assert in_file(tmp_path) == ["a"]


def test_a_store_that_was_never_started_releases_its_folder(tmp_path: Path) -> None:
    folder = StateFolder(str(tmp_path))
    folder.take()
    assert new_store(folder).close()
    StateFolder(str(tmp_path), patience=0.0).take()


async def test_a_query_cannot_write(tmp_path: Path) -> None:
    async with started(tmp_path) as store:
        with pytest.raises(StoreUnreadable):
            await store.read(lambda connection: connection.execute("INSERT INTO gpus (uuid) VALUES ('a')"))
        assert await store.read(uuids) == []


async def test_without_a_file_a_query_fails(tmp_path: Path) -> None:
    store = new_store(StateFolder(str(tmp_path)))

    with pytest.raises(StoreUnreadable):
        await store.read(uuids)
