"""User names: at once from the passwd file, later from the directory; a known name is never lost."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from agent.sources.procfs import Content
from agent.sources.user_names import UserNames, look_up, parse_passwd
from tests.support.agents import wait_until
from tests.support.directory import Directory

if TYPE_CHECKING:
    from pathlib import Path

MAX_NAMES = 4096  # containers can have any number of UIDs
MAX_PASSWD_BYTES = 1024 * 1024  # some 15,000 users; the thread looks up the users after them
MAX_RETRY_SECONDS = 60.0
RENEW_SECONDS = 600.0  # until a name is looked up again
RETRY_SECONDS = 10.0

ADA, BOB, LOCAL = 20001, 20002, 1000
NOBODY = 54321  # a number without a name


class World:
    """User names, with their own directory, passwd file and clock."""

    def __init__(self, folder: Path) -> None:
        self.directory = Directory({ADA: "ada", BOB: "bob"})
        self.file = folder / "passwd"
        self.file.write_text(f"root:x:0:0:root:/root:/bin/sh\nlocal:x:{LOCAL}:{LOCAL}::/home/local:/bin/sh\n")
        self.now = 0.0
        self.names = UserNames(clock=lambda: self.now, look_up=self.directory, local_users=str(self.file))

    def get(self, uid: int) -> str | None:
        """The name as the next reading shows it."""
        self.names.refresh()
        return self.names.get(uid)

    def answered(self, uid: int) -> str | None:
        """The name once the directory has answered."""
        self.get(uid)
        self.settle()
        return self.get(uid)

    def settle(self) -> None:
        """Wait until the directory has answered all requests."""

        def is_settled() -> bool:
            self.names.refresh()
            return not self.names.waiting

        wait_until(is_settled, "the directory has answered")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(b"ada:x:7:7:Ada:/home/ada:/bin/sh", {7: "ada"}, id="a user"),
        pytest.param(b"ada:x:7:7", {7: "ada"}, id="the shortest line"),
        pytest.param(b"ada:x:7:7::/:\nlovelace:x:7:7::/:", {7: "ada"}, id="two names of one number"),
        pytest.param(b"ada:x:7:7::/:\n\nbob:x:8:8::/:", {7: "ada", 8: "bob"}, id="an empty line"),
        pytest.param("größe:x:7:7::/:".encode(), {7: "größe"}, id="any language"),
        pytest.param(b"a\x1b[31m:x:7:7::/:", {7: r"a\x1b[31m"}, id="a name with a terminal escape"),
        pytest.param(b"+@staff:x:7:7::/:", {}, id="NIS"),
        pytest.param(b"#ada:x:7:7::/:", {}, id="a comment"),
        pytest.param(b"ada:x::7::/:", {}, id="no number"),
        pytest.param(b"ada:x:-7:7::/:", {}, id="a negative number"),
        pytest.param(b"ada:x:" + b"7" * 5000 + b":7::/:", {}, id="a number of 5000 digits"),
        pytest.param(b"ada:x:4294967295:7::/:", {4_294_967_295: "ada"}, id="the greatest number"),
        pytest.param(b"ada:x:00000000007:7::/:", {}, id="more digits than a number has"),
        pytest.param(b":x:7:7::/:", {}, id="no name"),
        pytest.param(b"ada:x:7", {}, id="too short"),
        pytest.param(b"ada", {}, id="no user"),
    ],
)
def test_the_passwd_file_is_read_as_the_c_library_reads_it(line: bytes, expected: dict[int, str]) -> None:
    assert parse_passwd(Content(line + b"\n")) == expected


def test_a_user_at_whose_line_the_file_is_cut_is_unknown() -> None:
    assert parse_passwd(Content(b"ada:x:7:7::/:\nbob:x:80", is_cut=True)) == {7: "ada"}


def test_local_users_are_known_at_once_without_the_directory(world: World) -> None:
    assert (world.get(0), world.get(LOCAL)) == ("root", "local")
    assert not world.directory.asked


def test_a_change_of_the_passwd_file_is_seen(world: World) -> None:
    assert world.get(LOCAL) == "local"
    world.file.write_text(f"renamed:x:{LOCAL}:{LOCAL}::/:/bin/sh\n")
    assert world.get(LOCAL) == "renamed"


@pytest.mark.parametrize("content", [None, ""], ids=["while it is being replaced", "once its line is gone"])
def test_a_local_user_keeps_the_name_when_the_file_or_the_line_is_gone(
    world: World, content: str | None
) -> None:
    world.get(LOCAL)
    world.file.unlink()
    if content is not None:
        world.file.write_text(content)
    assert world.get(LOCAL) == "local"
    assert world.answered(LOCAL) == "local"


def test_users_beyond_the_maximum_file_size_are_looked_up_in_the_directory(world: World) -> None:
    with world.file.open("a") as file:
        file.write("#" * MAX_PASSWD_BYTES + f"\nlast:x:{ADA}:1::/:\n")
    assert world.get(LOCAL) == "local"
    assert world.answered(ADA) == "ada", "from the directory"


def test_a_name_is_unknown_until_the_directory_answers(world: World) -> None:
    world.directory.stop()
    assert [world.get(ADA), world.get(BOB), world.get(LOCAL)] == [None, None, "local"]
    world.directory.go_on()
    assert [world.answered(ADA), world.answered(BOB)] == ["ada", "bob"]


def test_no_reading_waits_for_a_directory_that_does_not_answer(world: World) -> None:
    world.directory.stop()
    threads = threading.active_count()
    for uid in range(ADA, ADA + 1500):
        assert world.get(uid) is None
    assert threading.active_count() <= threads + 1
    assert world.directory.asked in ([], [ADA]), "one request at a time"
    world.directory.go_on()


def test_a_name_is_looked_up_again_after_ten_minutes(world: World) -> None:
    world.answered(ADA)
    world.now += RENEW_SECONDS - 1
    world.answered(ADA)
    assert world.directory.asked == [ADA]
    world.now += 1
    world.directory.names[ADA] = "ada-lovelace"
    assert world.get(ADA) == "ada", "until the new one arrives"
    assert world.answered(ADA) == "ada-lovelace"


def test_a_name_stays_known_while_the_directory_fails_and_is_looked_up_again_soon(world: World) -> None:
    world.answered(ADA)
    world.directory.is_away = True
    world.now += RENEW_SECONDS
    for _ in range(10):
        assert world.answered(ADA) == "ada"
        world.now += MAX_RETRY_SECONDS
    assert len(world.directory.asked) == 11
    world.directory.is_away = False
    world.directory.names[ADA] = "ada-lovelace"
    assert world.answered(ADA) == "ada-lovelace"


def test_an_unknown_user_is_looked_up_less_and_less_often(world: World) -> None:
    looked_up_at = []
    for second in range(0, 400, 5):
        world.now = float(second)
        before = len(world.directory.asked)
        assert world.answered(NOBODY) is None
        if len(world.directory.asked) > before:
            looked_up_at.append(second)
    assert looked_up_at[:4] == [0, RETRY_SECONDS, 3 * RETRY_SECONDS, 6 * RETRY_SECONDS]
    assert looked_up_at[-1] - looked_up_at[-2] == MAX_RETRY_SECONDS


@pytest.mark.parametrize("error", [OSError("away"), UnicodeError("odd"), RuntimeError("broken")])
def test_the_thread_survives_every_exception_of_a_look_up(tmp_path: Path, error: Exception) -> None:
    def fail_at_first(uid: int) -> str:
        if uid == ADA:
            raise error
        return "bob"

    world = World(tmp_path)
    world.names = UserNames(clock=lambda: world.now, look_up=fail_at_first, local_users=str(world.file))
    assert (world.answered(ADA), world.answered(BOB)) == (None, "bob")


def test_new_users_are_looked_up_before_known_and_unfound_ones(world: World) -> None:
    world.answered(ADA)
    world.answered(NOBODY)
    world.now += RENEW_SECONDS
    world.directory.stop()
    world.get(NOBODY + 1)
    wait_until(lambda: world.directory.asked[-1] == NOBODY + 1, "the thread is in a look-up")
    for uid in (ADA, NOBODY, BOB):
        world.get(uid)
    world.directory.go_on()
    world.settle()
    assert world.directory.asked[3] == BOB


def test_only_the_most_recently_used_names_are_kept(world: World) -> None:
    world.directory.names |= {uid: f"user-{uid}" for uid in range(ADA, ADA + MAX_NAMES + 1)}
    for uid in range(ADA, ADA + MAX_NAMES):
        world.names.get(uid)
    world.settle()
    world.directory.stop()
    assert world.get(ADA) == f"user-{ADA}"
    world.get(ADA + MAX_NAMES)
    assert world.get(ADA) == f"user-{ADA}", "it was used since"
    assert world.get(ADA + 1) is None, "the one that was not used for longest"
    world.directory.go_on()


def test_the_thread_ends_with_its_owner() -> None:
    others = set(threading.enumerate())
    names = UserNames(look_up=Directory())
    names.get(ADA)
    (mine,) = (one for one in set(threading.enumerate()) - others if one.name == "user names")
    del names
    wait_until(lambda: not mine.is_alive(), "it ends")


def test_users_of_this_machine_are_known() -> None:
    assert look_up(0) == "root"
    with pytest.raises(KeyError):
        look_up(NOBODY)
    names = UserNames()
    names.refresh()
    assert (names.get(0), names.get(None)) == ("root", None)


def test_a_name_from_before_the_start_is_known_at_once_and_looked_up_again() -> None:
    names = UserNames(look_up=lambda _uid: "adam", local_users="/dev/null", known={4711: "eve"})
    assert names.get(4711) == "eve"

    def is_renewed() -> bool:
        names.refresh()
        return names.get(4711) == "adam"

    wait_until(is_renewed, "the directory has answered")
