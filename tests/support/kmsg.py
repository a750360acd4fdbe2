"""Records of the kernel log as /dev/kmsg gives them."""

from __future__ import annotations

import os
import time
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class KernelLogPipe:
    """A pipe instead of /dev/kmsg; each line is one record of the kernel's, written now."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "kmsg")
        os.mkfifo(self.path)
        self._end = os.open(
            self.path, os.O_RDWR | os.O_NONBLOCK
        )  # a reader of its own, so none is waited for
        self._numbers = count()

    def write(self, *lines: str) -> None:
        for line in lines:
            os.write(self._end, record(line, next(self._numbers), time.monotonic()).encode())

    def close(self) -> None:
        os.close(self._end)


def record(text: str, number: int, seconds: float, *, priority: int = 4) -> str:
    """One record, written at that time of the kernel's clock."""
    return f"{priority},{number},{int(seconds * 1e6)},-;{text}\n"


def xid(place: str, code: int, words: str = "pid='<unknown>', name=<unknown>, x") -> str:
    """The driver's line about an XID; `place` as in 0000:3b:00."""
    return f"NVRM: Xid (PCI:{place}): {code}, {words}"
