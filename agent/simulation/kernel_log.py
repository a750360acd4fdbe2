"""The kernel log of a simulated host: a pipe of records as /dev/kmsg gives them, read by the real reader."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from contextlib import suppress
from itertools import count

MAX_KEPT = 200  # lines from before the reader attaches


class SimulatedKernelLog:
    """Accepts lines, and keeps the latest until a reader attaches. Any thread may write."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = count()
        self._kept: deque[bytes] = deque(maxlen=MAX_KEPT)
        self._ends: tuple[int, int] | None = None  # of the pipe

    def write(self, text: str) -> None:
        """Write one line of the kernel. An unread line is lost, as when the real log is overwritten."""
        with self._lock:
            micros = time.monotonic_ns() // 1000
            record = f"4,{next(self._numbers)},{micros},-;{text}\n".encode()
            if self._ends is None:
                self._kept.append(record)
            else:
                with suppress(BlockingIOError):
                    os.write(self._ends[1], record)

    def attach(self) -> str:
        """The path by which it can be read, once, until `close`."""
        with self._lock:
            if self._ends is None:
                self._ends = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
                for record in self._kept:
                    os.write(self._ends[1], record)
                self._kept.clear()
            return f"/dev/fd/{self._ends[0]}"

    def close(self) -> None:
        """Detach the reader."""
        with self._lock:
            for end in self._ends or ():
                os.close(end)
            self._ends = None
