"""Records of the kernel log, in the format of /dev/kmsg."""

from __future__ import annotations

import os
import time
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class KernelLogPipe:
    """A pipe instead of /dev/kmsg. Each line becomes a record of the kernel with the present time."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "kmsg")
        os.mkfifo(self.path)
        self._end = os.open(
            self.path, os.O_RDWR | os.O_NONBLOCK
        )  # open for reading too, so that it does not wait for a reader
        self._numbers = count()

    def write(self, *lines: str) -> None:
        for line in lines:
            os.write(self._end, record(line, next(self._numbers), time.monotonic()).encode())

    def close(self) -> None:
        os.close(self._end)


def record(text: str, number: int, seconds: float, *, priority: int = 4) -> str:
    """One record with this time of the kernel's clock."""
    return f"{priority},{number},{int(seconds * 1e6)},-;{text}\n"


def xid(place: str, code: int, words: str = "pid='<unknown>', name=<unknown>, x") -> str:
    """The driver's line about an XID; `place` is a PCI address such as 0000:3b:00."""
    return f"NVRM: Xid (PCI:{place}): {code}, {words}"
