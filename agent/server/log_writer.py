"""Writes the log in a thread of its own: a pipe that nobody reads must not stop the agent."""

from __future__ import annotations

import logging
import os
import select
import threading
from queue import SimpleQueue

MAX_WAITING = 2000  # lines; past that they are dropped
MAX_WRITE = 64 * 1024  # characters, about: what a pipe takes at once
FLUSH_TIMEOUT = 0.2  # seconds that the end waits for what is not yet written

logger = logging.getLogger("agent")


class LogWriter(logging.Handler):
    """Formats a record where it is logged; its thread writes the lines as fast as the descriptor takes them.

    The descriptor stays as it is: O_NONBLOCK would hold for everybody who shares it, as the shell does.
    """

    def __init__(self, descriptor: int, encoding: str = "utf-8") -> None:
        super().__init__()
        self._descriptor = descriptor
        self._encoding = encoding
        self._closed = False
        self._overflowed = 0  # lines that found the queue full; each count has one thread that writes it
        self._failed = 0  # lines that the descriptor refused: its reader is gone, or its disk is full
        self._waiting: SimpleQueue[str | None] = SimpleQueue()  # None: the end
        self._thread: threading.Thread | None = None

    @property
    def dropped(self) -> int:
        """Lines that were never written."""
        return self._overflowed + self._failed

    def emit(self, record: logging.LogRecord) -> None:
        """Never waits. Python calls it under the handler's lock."""
        try:
            line = self.format(record)
        except Exception:  # as every handler of `logging` does: a fault in a log call must not go further
            self.handleError(record)
            return
        if self._thread is None or not self._thread.is_alive():  # none yet, or this is a forked worker
            self._start()
        if self._closed or self._waiting.qsize() >= MAX_WAITING:
            self._overflowed += 1
        else:
            self._waiting.put(line)

    def close(self) -> None:
        """Waits a moment for the last lines. Called by `logging.shutdown`, also when Python ends."""
        if not self._closed:
            self._closed = True
            if self._thread is not None and self._thread.is_alive():
                self._waiting.put(None)
                self._thread.join(FLUSH_TIMEOUT)
        super().close()

    def _start(self) -> None:
        if self._closed:
            return
        self._waiting = SimpleQueue()  # after a fork the lines in the old one are the parent's
        self._thread = threading.Thread(
            target=self._work, args=(self._waiting,), name=f"log{self._descriptor}", daemon=True
        )
        self._thread.start()

    def _work(self, waiting: SimpleQueue[str | None]) -> None:
        told = self.dropped
        while (line := waiting.get()) is not None:
            lines, size = [line], len(line)
            while size < MAX_WRITE and not waiting.empty() and (line := waiting.get()) is not None:
                lines.append(line)
                size += len(line)
            written = self._write("".join(f"{line}\n" for line in lines))
            if not written:
                self._failed += len(lines)
            elif waiting.empty() and (dropped := self.dropped) > told:
                logger.error("%d log lines were dropped because nobody read them", dropped - told)
                told = dropped
            if line is None:
                return

    def _write(self, text: str) -> bool:
        """Says whether all of it was taken."""
        rest = text.encode(self._encoding, "backslashreplace")
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # somebody else who shares it has set O_NONBLOCK
                select.select((), (self._descriptor,), ())
            except OSError:
                return False
        return True
