"""The names of users: at once from /etc/passwd; from a directory when its answer has arrived.

A directory (LDAP, by sssd) can take seconds for an answer, and while it does not answer, the C library
reports its users as non-existent. So look-ups run in a thread of their own, no reading waits for them, and
one that finds nothing changes nothing: the last known name stays, and the look-up is repeated soon.
"""

from __future__ import annotations

import os
import pwd
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import PriorityQueue, SimpleQueue
from typing import TYPE_CHECKING

from agent.readings.threads import has_started
from agent.sources.command_line import clean
from agent.sources.procfs import Content, read_beginning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LOCAL_USERS = "/etc/passwd"
MAX_PASSWD_BYTES = 1024 * 1024  # some 15,000 users; the thread looks up those after them
MAX_DIGITS = 10  # of a user number, which has 32 bits; to convert thousands is an error
MAX_NAMES = 4096  # containers bring numbers without end
RENEW_SECONDS = 600.0  # until a name is looked up again
# Until a look-up that found nothing is made again; longer each time, for some numbers have no name at all.
RETRY_SECONDS = 10.0
MAX_RETRY_SECONDS = 60.0
_END = -1  # in the queue instead of a user: ends the thread


def parse_passwd(content: Content) -> dict[int, str]:
    """Name by user number, in passwd(5); of several names the first, as the C library takes it."""
    names: dict[int, str] = {}
    for line in content.up_to(b"\n").split(b"\n"):
        fields = line.split(b":")
        if len(fields) < 4 or line.startswith((b"+", b"-", b"#")):
            continue  # a comment, or where NIS goes on
        name, uid = clean(os.fsdecode(fields[0])), fields[2]
        if name and uid.isdigit() and len(uid) <= MAX_DIGITS:
            names.setdefault(int(uid), name)
    return names


def look_up(uid: int) -> str:
    """In every database of users that nsswitch.conf(5) names. KeyError: in none, or one of them is away."""
    return pwd.getpwuid(uid).pw_name


@dataclass(slots=True)
class _User:
    """The last known state of a user."""

    name: str | None = None
    failures: int = 0  # of look-ups in a row
    due_at: float = float("-inf")  # seconds of the monotonic clock; from then on it is looked up again
    is_asked: bool = False  # the thread has the question, and has not answered yet


class UserNames:
    """Owned by the thread that asks; it never waits."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        look_up: Callable[[int], str] = look_up,
        local_users: str = LOCAL_USERS,
        known: Mapping[int, str] | None = None,
    ) -> None:
        """`known`: names by uid from the previous run; they are looked up too."""
        self.waiting = 0  # look-ups that are not answered yet
        self._clock = clock
        self._look_up = look_up
        self._local = _PasswdFile(local_users)
        # The most recently used last.
        self._users = {uid: _User(name) for uid, name in list((known or {}).items())[:MAX_NAMES]}
        # Users that were never looked up come before the others: a directory that is away is slow to say so.
        self._questions: PriorityQueue[tuple[bool, int]] = PriorityQueue()
        self._answers: SimpleQueue[tuple[int, str | None]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def __del__(self) -> None:
        self._questions.put((False, _END))

    def refresh(self) -> None:
        """Take the answers of the thread, and read /etc/passwd if it has changed."""
        self._local.refresh()
        while not self._answers.empty():
            self.waiting -= 1
            self._take_in(*self._answers.get())

    def get(self, uid: int | None) -> str | None:
        """The last known name of a user; None: not known yet, or never."""
        if uid is None:
            return None
        user = self._users[uid] = self._users.pop(uid) if uid in self._users else _User()
        if len(self._users) > MAX_NAMES:
            del self._users[next(iter(self._users))]
        local = self._local.names.get(uid)
        if local is not None:
            user.name, user.failures, user.due_at = local, 0, float("-inf")
        elif not user.is_asked and self._clock() >= user.due_at:
            user.is_asked = True
            self._request(uid, again=user.name is not None or user.failures > 0)
        return user.name

    def _request(self, uid: int, *, again: bool) -> None:
        self.waiting += 1
        self._questions.put((again, uid))
        if self._thread is None:
            job = (self._look_up, self._questions, self._answers)
            thread = threading.Thread(target=_work, args=job, name="user names", daemon=True)
            self._thread = thread if has_started(thread) else None

    def _take_in(self, uid: int, name: str | None) -> None:
        user = self._users.get(uid)
        if user is None:
            return  # forgotten meanwhile
        user.is_asked = False
        if name:
            user.name, user.failures = name, 0
            user.due_at = self._clock() + RENEW_SECONDS
        else:
            user.failures += 1
            user.due_at = self._clock() + min(RETRY_SECONDS * user.failures, MAX_RETRY_SECONDS)


class _PasswdFile:
    """The users of /etc/passwd, read again when it has changed; kept while it cannot be read."""

    def __init__(self, path: str) -> None:
        self.names: dict[int, str] = {}
        self._path = Path(path)
        self._version: tuple[int, ...] = ()

    def refresh(self) -> None:
        """Look whether it has changed."""
        try:
            status = self._path.stat()
            version = (status.st_ino, status.st_size, status.st_mtime_ns)
            if version != self._version:
                limit = min(status.st_size, MAX_PASSWD_BYTES)
                self.names = parse_passwd(read_beginning(str(self._path), limit))
                self._version = version
        except OSError:  # it is just being replaced, or there is none
            pass


def _work(
    look_up: Callable[[int], str],
    questions: PriorityQueue[tuple[bool, int]],
    answers: SimpleQueue[tuple[int, str | None]],
) -> None:
    while (uid := questions.get()[1]) != _END:
        try:
            name = clean(look_up(uid))
        except Exception:  # a name service module may raise anything; it must not end the thread
            name = None
        answers.put((uid, name))
