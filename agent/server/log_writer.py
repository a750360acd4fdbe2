"""Writes the log in a thread of its own, so that a full pipe never blocks the agent."""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
from queue import SimpleQueue

from agent.server.plain_text import PlainFormatter

MAX_WAITING = 2000  # lines; above that, or above so many bytes, lines are dropped
MAX_WAITING_BYTES = 1024 * 1024
FLUSH_TIMEOUT = 0.2  # seconds that the end waits for what is not yet written


class LogWriter(logging.Handler):
    """Formats a record in the thread that logs it; a thread of its own writes the lines.

    The descriptor stays in blocking mode: O_NONBLOCK would affect every process that shares it, such as the
    shell.
    """

    def __init__(self, descriptor: int, encoding: str = "utf-8") -> None:
        super().__init__()
        self._descriptor = descriptor
        self._encoding = encoding
        self._has_ended = False
        # Lines dropped because the queue was full; each counter is written by one thread.
        self._overflowed = 0
        self._failed = 0  # lines that could not be written: the reader is gone, or the disk is full
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()  # None: the end
        self._put_bytes = 0
        self._taken_bytes = 0
        self._thread: threading.Thread | None = None

    @property
    def dropped(self) -> int:
        """Lines that were never written."""
        return self._overflowed + self._failed

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record without waiting. Python calls this with the handler's lock held."""
        line = self._line(record)
        if self._has_ended or not self._is_working() or not self._has_room(len(line)):
            self._overflowed += 1
        else:
            self._put_bytes += len(line)
            self._waiting.put(line)

    def close(self) -> None:
        """Wait a moment for the last lines. Called by `logging.shutdown`, also when Python ends."""
        if not self._has_ended:
            self._has_ended = True
            if self._thread is not None and self._thread.is_alive():
                self._waiting.put(None)
                self._thread.join(FLUSH_TIMEOUT)
        super().close()

    def _line(self, record: logging.LogRecord) -> bytes:
        try:
            text = self.format(record)
        except Exception:  # as in every handler, an error in a log call is not raised
            what = {"msg": f"The log record of {record.pathname}, line {record.lineno}, cannot be formatted"}
            text = PlainFormatter().format(logging.makeLogRecord({**what, "exc_info": sys.exc_info()}))
        return f"{text}\n".encode(self._encoding, "backslashreplace")

    def _has_room(self, size: int) -> bool:
        waiting_bytes = self._put_bytes - self._taken_bytes
        return self._waiting.qsize() < MAX_WAITING and waiting_bytes + size <= MAX_WAITING_BYTES

    def _is_working(self) -> bool:
        """Whether there is a thread; starts it at first, and again in a forked worker."""
        if self._thread is not None and self._thread.is_alive():
            return True
        self._waiting = SimpleQueue()  # after a fork, lines in the old queue belong to the parent
        self._put_bytes = self._taken_bytes = 0
        self._thread = threading.Thread(
            target=self._work, args=(self._waiting,), name=f"log{self._descriptor}", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:  # Python is ending, or this user may have no more threads
            return False
        return True

    def _work(self, waiting: SimpleQueue[bytes | None]) -> None:
        reported = self.dropped
        chunk: list[bytes] = []  # lines that are written together
        line: bytes | None = b""
        while line is not None:
            line = waiting.get()
            if line is not None:
                self._taken_bytes += len(line)
                if sum(map(len, chunk)) + len(line) > select.PIPE_BUF:  # else nobody's lines come in between
                    self._write(chunk)
                chunk.append(line)
            if line is None or waiting.empty():
                written = self._write(chunk)
                if written and waiting.empty() and (dropped := self.dropped) > reported:
                    self._write([self._notice(dropped - reported)])
                    reported = dropped

    def _notice(self, dropped: int) -> bytes:
        """Not through a logger, because `close` holds this handler's lock."""
        what = {"name": "agent", "levelno": logging.ERROR, "levelname": "ERROR", "args": (dropped,)}
        msg = "%d log lines were dropped because nobody read them"
        return self._line(logging.makeLogRecord({**what, "msg": msg}))

    def _write(self, lines: list[bytes]) -> bool:
        """Write the lines and drop them; returns whether all were written."""
        rest, number = b"".join(lines), len(lines)
        lines.clear()
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # another process that shares it has set O_NONBLOCK
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                poll.poll()
            except OSError:
                self._failed += number
                return False
        return True
