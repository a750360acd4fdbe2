"""TOKEN_FILE is read again when it changes, and what cannot be read changes nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agent.http.tokens import LOOK_INTERVAL, PATIENCE, Tokens
from agent.settings.stamp import SETTLED_AFTER
from agent.settings.token_file import TokenFile
from tests.support.agents import START_DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from agent.settings.stamp import Stamp
    from agent.settings.token_file import Content

pytestmark = pytest.mark.anyio

LONG_AGO = 1_000_000_000  # seconds of Unix time


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A token file that was written long ago."""
    path = tmp_path / "token"
    write(path, "old\n")
    return path


def write(path: Path, content: str | bytes) -> None:
    """In place, and long ago."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, (LONG_AGO, LONG_AGO))


def renamed_over(path: Path) -> None:
    new = path.with_name("new")
    write(new, "two\n")
    new.rename(path)


def written_in_place(path: Path) -> None:
    path.write_text("two\n")


def rewritten_with_the_same_size_and_time(path: Path) -> None:
    """As `cp --preserve` and rename do: only the inode tells."""
    new = path.with_name("new")
    write(new, "two\n")
    assert new.stat().st_mtime_ns == path.stat().st_mtime_ns
    assert new.stat().st_size == path.stat().st_size
    new.rename(path)


CHANGES = [renamed_over, written_in_place, rewritten_with_the_same_size_and_time]


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_is_seen_at_the_next_look(path: Path, change: Callable[[Path], None]) -> None:
    tokens = Tokens(["fixed"], TokenFile(str(path)))
    assert tokens.in_force == {"fixed", "old"}
    await tokens.look()
    change(path)
    await tokens.look()
    assert tokens.in_force == {"fixed", "two"}


def new_version(folder: Path, version: str) -> None:
    """As Kubernetes does: token -> ..data/token, ..data -> a folder of its own, and a rename over ..data."""
    (folder / version).mkdir()
    write(folder / version / "token", version)
    (folder / "..data_tmp").symlink_to(version)
    (folder / "..data_tmp").rename(folder / "..data")


async def test_the_symlink_swap_of_kubernetes_is_seen(tmp_path: Path) -> None:
    new_version(tmp_path, "..1")
    (tmp_path / "token").symlink_to("..data/token")
    tokens = Tokens([], TokenFile(str(tmp_path / "token")))
    assert tokens.in_force == {"..1"}

    new_version(tmp_path, "..2")
    await tokens.look()

    assert tokens.in_force == {"..2"}


async def test_two_writes_within_one_tick_of_the_clock_are_both_seen(path: Path) -> None:
    """The second has the same size and mtime, in the same file: a young file is read at each look."""
    tokens = Tokens([], TokenFile(str(path)), clock=lambda: LONG_AGO + SETTLED_AFTER)
    write(path, "new\n")
    await tokens.look()
    assert tokens.in_force == {"new"}


async def test_a_file_that_stays_the_same_is_not_read(path: Path) -> None:
    """Only looked at: some hosts keep an account of who reads secrets."""
    at = iter([2_000_000_000.0, 2_000_000_005.0])
    tokens = Tokens([], TokenFile(str(path)), clock=lambda: next(at))
    await tokens.look()
    assert tokens.file_health == (True, 2_000_000_000)
    renamed_over(path)
    await tokens.look()
    assert tokens.file_health == (True, 2_000_000_005)


def removed(path: Path) -> None:
    path.unlink()


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def made_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def made_a_circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def made_endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def emptied(path: Path) -> None:
    path.write_text("")


def filled_with_garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def made_huge(path: Path) -> None:
    os.truncate(path, 1 << 40)


def half_of_it_garbage(path: Path) -> None:
    path.write_bytes(b"two\nthree\xff\n")


def mend(path: Path) -> None:
    """A file with two tokens again, whatever is in its place."""
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    write(path, "two\nthree\n")


SPOILT = [
    *[removed, made_a_folder, made_a_fifo, made_a_circle, made_endless],
    *[emptied, filled_with_garbage, made_huge, half_of_it_garbage],
]


@pytest.mark.parametrize("spoil", SPOILT)
async def test_a_file_that_cannot_be_used_changes_nothing(
    path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once, however often it is looked at, and once when it is well again."""
    tokens = Tokens([], TokenFile(str(path)))
    generation = tokens.generation
    with caplog.at_level(logging.INFO):
        spoil(path)
        await tokens.look()
        await tokens.look()
        assert (tokens.in_force, tokens.generation) == (frozenset({"old"}), generation)
        assert tokens.file_health
        assert not tokens.file_health.is_well
        mend(path)
        await tokens.look()
        await tokens.look()
    assert tokens.in_force == {"two", "three"}
    assert tokens.file_health.is_well
    (failed, mended) = caplog.messages
    assert failed.startswith(f"TOKEN_FILE is {str(path)!r}, which ")
    assert failed.endswith("; the tokens in force stay")
    assert mended == "TOKEN_FILE can be read again: 2 tokens are in force"


async def test_a_file_that_holds_the_token_for_metrics_changes_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It would open everything to a whole fleet's Prometheus."""
    tokens = Tokens([], TokenFile(str(path)), metrics_token="fleet")  # noqa: S106  made up
    write(path, "two\nfleet\n")
    await tokens.look()
    assert tokens.in_force == {"old"}
    assert caplog.messages[-1].endswith(
        "which holds METRICS_TOKEN, which would open everything; the tokens in force stay"
    )
    write(path, "two\n")
    await tokens.look()
    assert tokens.in_force == {"two"}


def moved(path: Path, to: Path) -> None:
    path.rename(to)


async def test_a_file_that_is_back_is_read_although_its_stamp_is_the_same(path: Path) -> None:
    """So is one that may be read again, or whose server is there again."""
    tokens = Tokens([], TokenFile(str(path)))
    moved(path, path.with_name("away"))
    await tokens.look()
    assert tokens.file_health
    assert not tokens.file_health.is_well
    moved(path.with_name("away"), path)
    await tokens.look()
    assert tokens.file_health.is_well


async def test_a_file_that_was_never_read_leaves_no_door_open(path: Path) -> None:
    """It was there when the settings were checked, and is gone since."""
    removed(path)
    tokens = Tokens([], TokenFile(str(path)))
    assert (tokens.are_wanted, tokens.in_force, tokens.file_health) == (True, frozenset(), (False, None))


async def test_no_token_is_in_the_log(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        tokens = Tokens([], TokenFile(str(path)))
        for content in ("hunter2", "hunter3\nhunter4", "hunter5\t", "hunter6"):
            write(path, content)
            await tokens.look()
    assert caplog.messages[0] == "TOKEN_FILE has changed: 1 token is in force"
    assert caplog.messages[1] == "TOKEN_FILE has changed: 2 tokens are in force"
    assert "hunter" not in caplog.text


class HangingFile(TokenFile):
    """On a server that is gone: to look at it does not return while it is `gone`."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.looks = 0
        self.back = threading.Event()
        self.back.set()

    def read_if_changed(self, known: Stamp | None) -> Content | None:
        self.looks += 1
        assert self.back.wait(START_DEADLINE)
        return super().read_if_changed(known)


async def test_a_file_that_does_not_answer_holds_up_nobody(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One thread waits for it, however often it is looked at; what it brings at last is taken."""
    assert PATIENCE == 2
    file = HangingFile(str(path))
    tokens = Tokens([], file, patience=0.05, clock=lambda: 1.0)
    file.back.clear()
    renamed_over(path)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            await tokens.look()
    assert (tokens.in_force, file.looks) == (frozenset({"old"}), 2)
    assert tokens.file_health == (False, 1)
    assert len(caplog.messages) == 1
    assert "has not been read within 0.05 s" in caplog.text
    (waiting,) = [thread for thread in threading.enumerate() if thread.name == "token file"]
    assert waiting.daemon, "the process ends without it"
    file.back.set()
    async with asyncio.timeout(START_DEADLINE):
        while tokens.in_force != {"two"}:
            await tokens.look()
    assert file.looks == 2


@asynccontextmanager
async def watched(tokens: Tokens) -> AsyncIterator[asyncio.Queue[frozenset[str]]]:
    """What is in force at each change, while the file is watched."""
    changes: asyncio.Queue[frozenset[str]] = asyncio.Queue()
    watching = asyncio.create_task(tokens.watch(lambda: changes.put_nowait(tokens.in_force)))
    try:
        yield changes
    finally:
        watching.cancel()


async def test_it_is_looked_at_every_five_seconds(path: Path) -> None:
    assert LOOK_INTERVAL == 5
    tokens = Tokens([], TokenFile(str(path)), look_interval=0.01)
    async with watched(tokens) as changes, asyncio.timeout(START_DEADLINE):
        for content in ("two", "three", "four"):
            write(path.with_name("new"), content)
            path.with_name("new").rename(path)
            assert await changes.get() == {content}


async def test_a_look_that_is_asked_for_comes_at_once_whatever_the_stamp(path: Path) -> None:
    """Between two looks of an hour."""
    file = HangingFile(str(path))
    tokens = Tokens([], file, look_interval=3600)
    async with watched(tokens) as changes, asyncio.timeout(START_DEADLINE):
        while file.looks < 2:  # noqa: ASYNC110  (a thread looks)
            await asyncio.sleep(0.001)
        for looks, content in ((3, "new"), (4, "other")):
            write(path, content)
            tokens.look_now()
            assert await changes.get() == {content}
            for _ in range(20):
                await asyncio.sleep(0)
            assert file.looks == looks, "one look is made for each that is asked for"


async def test_without_a_file_a_look_that_is_asked_for_is_told_to_be_of_no_use(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tokens = Tokens(["fixed"])
    with caplog.at_level(logging.INFO):
        tokens.look_now()
    await tokens.watch(lambda: None)  # ends at once
    assert caplog.messages == ["SIGHUP has no effect, because TOKEN_FILE is not set"]
    assert tokens.file_health is None
