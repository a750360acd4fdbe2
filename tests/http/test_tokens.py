"""TOKEN_FILE is read again when it changes. An unreadable file does not change the tokens in force."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agent.http.tokens import PATIENCE, Tokens
from agent.settings.stamp import CHECK_INTERVAL, SETTLED_AFTER
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
    """Write in place, with a modification time long ago."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, (LONG_AGO, LONG_AGO))


def renamed_over(path: Path) -> None:
    new = path.with_name("new")
    write(new, "two\n")
    new.rename(path)


def write_now(path: Path, content: str) -> None:
    path.write_text(content)


def written_in_place(path: Path) -> None:
    write_now(path, "two\n")


def rewritten_with_the_same_size_and_time(path: Path) -> None:
    """Replace the file like `cp --preserve` and rename do, so that only the inode changes."""
    new = path.with_name("new")
    write(new, "two\n")
    assert new.stat().st_mtime_ns == path.stat().st_mtime_ns
    assert new.stat().st_size == path.stat().st_size
    new.rename(path)


CHANGES = [renamed_over, written_in_place, rewritten_with_the_same_size_and_time]


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_of_the_token_file_is_noticed_at_the_next_check(
    path: Path, change: Callable[[Path], None]
) -> None:
    tokens = Tokens(["fixed"], TokenFile(str(path)))
    assert tokens.in_force == {"fixed", "old"}
    await tokens.reload_if_changed()
    change(path)
    await tokens.reload_if_changed()
    assert tokens.in_force == {"fixed", "two"}


async def test_comments_that_are_tokens_are_logged_once_and_never_shown(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warning = "TOKEN_FILE has no comments: line 1 is a token although a # is in front"
    write_now(path, "# of the team\nold\n")  # until it has settled, each check reads it
    tokens = Tokens([], TokenFile(str(path)))
    for _ in range(3):
        await tokens.reload_if_changed()
    assert tokens.in_force == {"# of the team", "old"}
    assert caplog.messages == [warning]
    for content in ("old\n", "# of mine\n"):
        write_now(path, content)
        await tokens.reload_if_changed()
    assert caplog.messages == [warning, warning]


def new_version(folder: Path, version: str) -> None:
    """Write a version like Kubernetes: token -> ..data/token, ..data -> a folder, then rename ..data."""
    (folder / version).mkdir()
    write(folder / version / "token", version)
    (folder / "..data_tmp").symlink_to(version)
    (folder / "..data_tmp").rename(folder / "..data")


async def test_the_symlink_swap_of_kubernetes_is_noticed(tmp_path: Path) -> None:
    new_version(tmp_path, "..1")
    (tmp_path / "token").symlink_to("..data/token")
    tokens = Tokens([], TokenFile(str(tmp_path / "token")))
    assert tokens.in_force == {"..1"}

    new_version(tmp_path, "..2")
    await tokens.reload_if_changed()

    assert tokens.in_force == {"..2"}


async def test_two_writes_within_one_tick_of_the_clock_are_both_noticed(path: Path) -> None:
    """The second write does not change size, mtime or inode, so a recent file is read at each check."""
    tokens = Tokens([], TokenFile(str(path)), clock=lambda: LONG_AGO + SETTLED_AFTER)
    write(path, "new\n")
    await tokens.reload_if_changed()
    assert tokens.in_force == {"new"}


async def test_an_unchanged_token_file_is_not_read_again(path: Path) -> None:
    """Only its stamp is read: some hosts audit each read of a secret."""
    at = iter([2_000_000_000.0, 2_000_000_005.0])
    tokens = Tokens([], TokenFile(str(path)), clock=lambda: next(at))
    await tokens.reload_if_changed()
    assert tokens.file_health == (True, 2_000_000_000)
    renamed_over(path)
    await tokens.reload_if_changed()
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
    """Write a file with two tokens again, whatever is in its place."""
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
async def test_an_unusable_token_file_leaves_the_tokens_in_force(
    path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The fault is logged once, however often the file is checked, and once when it is over."""
    tokens = Tokens([], TokenFile(str(path)))
    generation = tokens.generation
    with caplog.at_level(logging.INFO):
        spoil(path)
        await tokens.reload_if_changed()
        await tokens.reload_if_changed()
        assert (tokens.in_force, tokens.generation) == (frozenset({"old"}), generation)
        assert tokens.file_health
        assert not tokens.file_health.is_well
        mend(path)
        await tokens.reload_if_changed()
        await tokens.reload_if_changed()
    assert tokens.in_force == {"two", "three"}
    assert tokens.file_health.is_well
    (failed, mended) = caplog.messages
    assert failed.startswith(f"TOKEN_FILE is {str(path)!r}, which ")
    assert failed.endswith("; the tokens in force stay")
    assert mended == "TOKEN_FILE can be read again: 2 tokens are in force"


async def test_a_token_file_with_the_metrics_token_leaves_the_tokens_in_force(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise the Prometheus of all hosts could read everything."""
    tokens = Tokens([], TokenFile(str(path)), metrics_token="fleet")  # noqa: S106  made up
    write(path, "two\nfleet\n")
    await tokens.reload_if_changed()
    assert tokens.in_force == {"old"}
    assert caplog.messages[-1].endswith(
        "which holds METRICS_TOKEN, which would open everything; the tokens in force stay"
    )
    write(path, "two\n")
    await tokens.reload_if_changed()
    assert tokens.in_force == {"two"}


def moved(path: Path, to: Path) -> None:
    path.rename(to)


async def test_a_token_file_that_is_back_is_read_even_if_its_stamp_is_the_same(path: Path) -> None:
    """The same holds for a file that is readable again, or whose server is back."""
    tokens = Tokens([], TokenFile(str(path)))
    moved(path, path.with_name("away"))
    await tokens.reload_if_changed()
    assert tokens.file_health
    assert not tokens.file_health.is_well
    moved(path.with_name("away"), path)
    await tokens.reload_if_changed()
    assert tokens.file_health.is_well


async def test_a_token_is_required_even_if_the_token_file_was_never_read(path: Path) -> None:
    """The file existed when the settings were checked, and has been removed since."""
    removed(path)
    tokens = Tokens([], TokenFile(str(path)))
    assert (tokens.are_required, tokens.in_force, tokens.file_health) == (True, frozenset(), (False, None))


async def test_no_token_is_in_the_log(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        tokens = Tokens([], TokenFile(str(path)))
        for content in ("hunter2", "hunter3\nhunter4", "hunter5\t", "hunter6"):
            write(path, content)
            await tokens.reload_if_changed()
    assert caplog.messages[0] == "TOKEN_FILE has changed: 1 token is in force"
    assert caplog.messages[1] == "TOKEN_FILE has changed: 2 tokens are in force"
    assert "hunter" not in caplog.text


class HangingFile(TokenFile):
    """A file on a server that does not answer: reading it hangs until the server is `back`."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.looks = 0
        self.back = threading.Event()
        self.back.set()

    def read_if_changed(self, known: Stamp | None) -> Content | None:
        self.looks += 1
        assert self.back.wait(START_DEADLINE)
        return super().read_if_changed(known)


async def test_a_token_file_on_a_hanging_server_blocks_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Only one thread waits for it, however often it is checked. Its result is used when it arrives."""
    assert PATIENCE == 2
    file = HangingFile(str(path))
    tokens = Tokens([], file, patience=0.05, clock=lambda: 1.0)
    file.back.clear()
    renamed_over(path)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            await tokens.reload_if_changed()
    assert (tokens.in_force, file.looks) == (frozenset({"old"}), 2)
    assert tokens.file_health == (False, 1)
    assert len(caplog.messages) == 1
    assert "has not been read within 0.05 s" in caplog.text
    (waiting,) = [thread for thread in threading.enumerate() if thread.name == "token file"]
    assert waiting.daemon, "the process ends without it"
    file.back.set()
    async with asyncio.timeout(START_DEADLINE):
        while tokens.in_force != {"two"}:
            await tokens.reload_if_changed()
    assert file.looks == 2


@asynccontextmanager
async def watched(tokens: Tokens) -> AsyncIterator[asyncio.Queue[frozenset[str]]]:
    """The tokens in force after each change, while the file is watched."""
    changes: asyncio.Queue[frozenset[str]] = asyncio.Queue()
    watching = asyncio.create_task(tokens.watch(lambda: changes.put_nowait(tokens.in_force)))
    try:
        yield changes
    finally:
        watching.cancel()


async def test_the_token_file_is_checked_every_five_seconds(path: Path) -> None:
    assert CHECK_INTERVAL == 5
    tokens = Tokens([], TokenFile(str(path)), check_interval=0.01)
    async with watched(tokens) as changes, asyncio.timeout(START_DEADLINE):
        for content in ("two", "three", "four"):
            write(path.with_name("new"), content)
            path.with_name("new").rename(path)
            assert await changes.get() == {content}


async def test_a_requested_check_is_immediate_and_ignores_the_stamp(path: Path) -> None:
    """The next regular check is an hour away."""
    file = HangingFile(str(path))
    tokens = Tokens([], file, check_interval=3600)
    async with watched(tokens) as changes, asyncio.timeout(START_DEADLINE):
        while file.looks < 2:  # noqa: ASYNC110  (a thread checks the file)
            await asyncio.sleep(0.001)
        for looks, content in ((3, "new"), (4, "other")):
            write(path, content)
            tokens.reload_now()
            assert await changes.get() == {content}
            for _ in range(20):
                await asyncio.sleep(0)
            assert file.looks == looks, "one look is made for each that is asked for"


async def test_without_a_token_file_a_requested_check_is_logged_as_having_no_effect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tokens = Tokens(["fixed"])
    with caplog.at_level(logging.INFO):
        tokens.reload_now()
    await tokens.watch(lambda: None)  # ends at once
    assert caplog.messages == ["SIGHUP has no effect, because TOKEN_FILE is not set"]
    assert tokens.file_health is None
