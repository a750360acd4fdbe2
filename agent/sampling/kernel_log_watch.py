"""Reads the kernel log in a thread of its own: the lines since boot first, then each as it is written."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Protocol

from agent.readings import KernelLogReading, SourceError
from agent.readings.threads import has_started
from agent.readings.troubles import NO_THREAD
from agent.sampling.kernel_log_tally import Tally

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent.readings.kernel_lines import Batch

logger = logging.getLogger(__name__)

RETRY = 30.0  # seconds until a log that could not be opened, or broke off, is tried again
WAIT = 0.4  # seconds; the end of the agent waits for it
PAUSE = 0.05  # seconds between two reads while there is more: at most 20,000 lines a second are read


_NOT_YET = SourceError("The kernel log has not been read to its end yet")


class KernelLog(Protocol):
    """The interface of the source."""

    def begin(self) -> None: ...
    def wait(self, seconds: float) -> None: ...
    def read(self) -> Batch: ...
    def close(self) -> None: ...


class KernelLogWatch:
    """The events of the log for each GPU and NVSwitch. Any thread may call it."""

    def __init__(self, source: KernelLog, *, retry: float = RETRY) -> None:
        self._source = source
        self._retry = retry
        self._tally = Tally()
        self._copy: Tally | None = None  # until the next line
        self._lock = threading.Lock()  # of all that the thread writes
        self._error: SourceError | None = None  # why it is not read now
        self._has_begun = False  # all that had been written is known
        self._oldest_at: float | None = None  # seconds since boot
        self._lost = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="kernel log", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        if not has_started(self._thread):
            self._error = SourceError(NO_THREAD.what, todo=NO_THREAD.todo)

    def stop(self) -> None:
        """Let the thread end after its present wait."""
        self._ending.set()

    @property
    def ended(self) -> bool:
        """Whether the thread is gone, or never began."""
        return not self._thread.is_alive()

    def join(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for the thread to end."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    @property
    def is_read(self) -> bool:
        """Whether it is read now, and all that had been written before is known."""
        return self._has_begun and self._error is None

    def tally(self) -> Tally:
        """The present state, as a copy that must not be modified."""
        with self._lock:
            if self._copy is None:
                self._copy = self._tally.copy()
            return self._copy

    def reading(self, booted_at: float, listed: Collection[str] | None) -> KernelLogReading:
        """The events of none of the GPUs whose places are `listed`; None: not all places are known.

        `booted_at` converts times since boot to times of day.
        """
        with self._lock:
            error = self._error or (None if self._has_begun else _NOT_YET)
            return KernelLogReading(
                error=str(error) if error else None,
                todo=error.todo if error else None,
                reaches_back_to=None if self._oldest_at is None else booted_at + self._oldest_at,
                lost_lines=self._lost,
                switches=self._tally.switches(booted_at),
                fallen=()
                if listed is None
                else tuple(bus for bus in self._tally.fallen() if bus not in listed),
            )

    def _work(self) -> None:
        while not self._ending.is_set():
            try:
                self._follow()
            except SourceError as error:
                self._fail(error)
            except Exception as error:  # a bug must not end the thread
                logger.exception("Reading the kernel log failed")
                self._fail(SourceError(f"Reading the kernel log failed: {type(error).__name__}"))
            self._source.close()
            if not self._ending.is_set():
                self._ending.wait(self._retry)

    def _follow(self) -> None:
        """Read until an error, or until the agent ends. Raises SourceError."""
        self._source.begin()
        while not self._ending.is_set():
            batch = self._source.read()
            with self._lock:
                for at, line in batch.lines:
                    self._tally.take(at, line)
                    self._copy = None
                self._oldest_at, self._lost = batch.oldest_at, batch.lost
            if not batch.is_all:
                self._ending.wait(PAUSE)
                continue
            if not self.is_read:
                self._begin()
            self._source.wait(WAIT)

    def _begin(self) -> None:
        with self._lock:
            was_failing, self._error, self._has_begun = self._error, None, True
        logger.info("The kernel log %s", "can be read again" if was_failing else "is read")

    def _fail(self, error: SourceError) -> None:
        if self._error is None or str(error) != str(self._error):
            logger.warning("%s", "; ".join(filter(None, (str(error), error.todo))))
        self._error = error
