"""The kernel log, /dev/kmsg: each read gives one record, from the oldest that the kernel still has.

    4,360,56104254,c;NVRM: Xid (PCI:0000:00:06): 31, pid=495, name=python3, ...
     SUBSYSTEM=pci

In front of the semicolon: facility and level, number, microseconds of the kernel's clock (which stands still
while the machine is suspended), flags, perhaps more; behind it the text, in which bytes that are no printable
ASCII are written \\xHH; then lines of a dictionary, which begin with a space. Source: the kernel's
Documentation/ABI/testing/dev-kmsg.
"""

from __future__ import annotations

import errno
import os
import re
import select
import stat
import time
from typing import TYPE_CHECKING

from agent.readings import SourceError, seconds_since_boot
from agent.readings.kernel_lines import Batch, Logged
from agent.sources.kernel_lines import parse

if TYPE_CHECKING:
    from collections.abc import Callable

KMSG = "/dev/kmsg"
DEVICE = os.makedev(1, 11)  # in many containers the path is /dev/null, the console or an empty file
MAX_RECORD_BYTES = 16 * 1024  # the kernel's own are at most 8 KiB
MAX_RECORDS = 1000  # records of one read, so that a flood does not use all CPU time
END_OF_FILE_SECONDS = 0.2  # seconds between two reads at the end of a file, which happens only in tests
_HEAD = re.compile(rb"(\d{1,4}),(\d{1,20}),(\d{1,20}),[^;]{0,200};")
_OF_INTEREST = (b"NVRM: ", b"SXid", b": reset done", b"; giving up")
_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})")
_FACILITIES = 8  # a program that writes to /dev/kmsg gets another facility than the kernel, which has 0
_TODO = "see docs/kernel-log.md: the agent needs CAP_SYSLOG and the device /dev/kmsg; or leave KERNEL_LOG off"


class KernelLogSource:
    """One reader. `path` and `device` are another file for tests. One thread owns it."""

    def __init__(
        self,
        path: str = KMSG,
        *,
        device: int | None = DEVICE,
        since_boot: Callable[[], float] = seconds_since_boot,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._device = device
        self._since_boot = since_boot
        self._monotonic = monotonic
        self._file = -1
        self._number = -1  # of the last record
        self._oldest_at: float | None = None
        self._lost = 0
        self._caught_up_at = 0.0  # seconds since boot; whatever is read later was written after it
        self._half = b""  # of a record; the kernel's are whole
        self._has_ended = False  # a file, or a pipe that nobody writes to: never true of the kernel's

    def begin(self) -> None:
        """Open the log, from the oldest record that was not read yet. Raises SourceError."""
        self.close()
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise SourceError(self._why(error), todo=_TODO) from error
        kind = os.fstat(file)
        if self._device is not None and not (stat.S_ISCHR(kind.st_mode) and kind.st_rdev == self._device):
            os.close(file)
            raise SourceError(
                f"The kernel log cannot be read: {self._path} is not the kernel log here", todo=_TODO
            )
        self._file = file

    def wait(self, seconds: float) -> None:
        """Wait until there is something to read, at most this long."""
        poll = select.poll()
        if self._has_ended:
            seconds = min(seconds, END_OF_FILE_SECONDS)
        else:
            poll.register(self._file, select.POLLIN)
        poll.poll(seconds * 1000)

    def read(self) -> Batch:
        """The records since the last read, about MAX_RECORDS at most. Raises SourceError."""
        lines: list[Logged] = []
        suspended = self._since_boot() - self._monotonic()
        taken = 0
        while taken < MAX_RECORDS:
            before = self._since_boot()
            try:
                data = os.read(self._file, MAX_RECORD_BYTES)
                self._has_ended = not data
            except BlockingIOError:
                data, self._has_ended = b"", False
            except OSError as error:
                if error.errno in (errno.EPIPE, errno.EINVAL, errno.EINTR):
                    taken += 1
                    continue  # overwritten, or longer than any may be: the number of the next one shows it
                raise SourceError(self._why(error), todo=_TODO) from error
            if not data:
                self._caught_up_at = before
                return Batch(lines, self._oldest_at, self._lost, is_all=True)
            *whole, self._half = (self._half + data).split(b"\n")
            self._half = self._half[:MAX_RECORD_BYTES]
            taken += max(1, len(whole))
            for record in whole:
                self._take(record, suspended, lines)
        return Batch(lines, self._oldest_at, self._lost, is_all=False)

    def close(self) -> None:
        """Close the log; after the next `begin` reading continues after the last record."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self._half = -1, b""

    def _take(self, record: bytes, suspended: float, lines: list[Logged]) -> None:
        head = _HEAD.match(record)
        if head is None:  # a line of the dictionary, or none of the kernel's
            return
        number = int(head[2])
        if number <= self._number:  # read before it was opened again
            return
        if self._number >= 0:
            self._lost += number - self._number - 1
        self._number = number
        at = min(max(int(head[3]) / 1e6 + suspended, self._caught_up_at), self._since_boot())
        if self._oldest_at is None:
            self._oldest_at = at
        text = record[head.end() :]
        if int(head[1]) >= _FACILITIES or not any(word in text for word in _OF_INTEREST):
            return
        line = parse(_ESCAPE.sub(_byte, text).decode(errors="replace"))
        if line is not None:
            lines.append(Logged(at, line))

    def _why(self, error: OSError) -> str:
        if isinstance(error, FileNotFoundError):
            return f"The kernel log cannot be read: there is no {self._path}"
        return f"The kernel log cannot be read: {self._path}: {error.strerror}"


def _byte(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode())
