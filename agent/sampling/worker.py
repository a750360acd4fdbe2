"""One daemon thread that owns one source and publishes its newest reading.

A driver call can hang for ever, and a thread inside it cannot be killed. So each source has a thread of its
own, which is its only caller, and every wait for it has a limit: `busy_since` is the start of the running
call. It is a daemon thread, because the interpreter joins the threads of an executor at exit and would hang.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

from agent.readings import SourceError, seconds_since_boot
from agent.readings.threads import has_started
from agent.readings.troubles import AGENT_FAULT, NO_THREAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.readings import GpuReading

logger = logging.getLogger(__name__)

Reading = TypeVar("Reading")


@dataclass(frozen=True, slots=True)
class ReadResult(Generic[Reading]):
    """The result of the latest read: a reading, or one sentence that says why there is none."""

    reading: Reading | None
    error: str | None
    started_at: float  # seconds of the monotonic clock
    seconds: float | None = None  # that the read took; None: it failed
    todo: str | None = None  # what to do about `error`
    code: int | None = None  # nvmlReturn_t, where NVML refused
    lasting: GpuReading | None = None  # values that stay known for a GPU that could not be read
    started_since_boot: float = 0.0  # `started_at`, in seconds since the machine booted, suspended or not


@dataclass(frozen=True, slots=True)
class _Job(Generic[Reading]):
    read: Callable[[], Reading]
    after_read: Callable[[], None] | None


class Worker(Generic[Reading]):
    """Runs reads one after the other; each result replaces the previous one.

    `answered` is called in the worker's thread after each read: it must only hand over to the event loop.
    """

    def __init__(
        self,
        name: str,
        answered: Callable[[Worker[Reading]], None],
        clock: Callable[[], float],
        since_boot: Callable[[], float] = seconds_since_boot,
    ) -> None:
        self.name = name
        self.result: ReadResult[Reading] | None = None
        self.busy_since: float | None = None  # seconds of the monotonic clock
        self._answered = answered
        self._clock = clock
        self._since_boot = since_boot
        self._jobs: SimpleQueue[_Job[Reading] | None] = SimpleQueue()
        self._logged: str | None = None
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        has_started(self._thread)

    def reading_from(self, earliest: float) -> Reading | None:
        """The latest reading, unless it began before then; seconds since boot, suspended or not."""
        result = self.result
        return result.reading if result is not None and result.started_since_boot >= earliest else None

    def request(self, read: Callable[[], Reading], after_read: Callable[[], None] | None = None) -> bool:
        """Ask for a reading; returns False if an earlier read is still running, or there can be no thread.

        `after_read` runs in the same thread after the result is published: for slow work that no caller waits
        for.
        """
        if self.busy_since is not None:
            return False
        if not has_started(self._thread):
            self.result = ReadResult(None, NO_THREAD.what, self._clock(), todo=NO_THREAD.todo)
            return False
        self.busy_since = self._clock()
        self._jobs.put(_Job(read, after_read))
        return True

    def stop(self) -> None:
        """End the thread after its present job."""
        self._jobs.put(None)

    @property
    def ended(self) -> bool:
        """Whether the thread is gone, or never began."""
        return not self._thread.is_alive()

    def join(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for the thread to end."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._read(job.read)
            if job.after_read is not None:
                self._do_after_read(job.after_read)

    def _read(self, read: Callable[[], Reading]) -> None:
        started_at, since_boot = self._clock(), self._since_boot()
        try:
            reading = read()
            seconds = self._clock() - started_at
            self.result = ReadResult(reading, None, started_at, seconds, started_since_boot=since_boot)
        except SourceError as error:
            self.result = ReadResult(
                None, str(error), started_at, todo=error.todo, code=error.code, lasting=error.lasting
            )
        except Exception as error:  # a bug must not end the thread
            self.result = ReadResult(None, AGENT_FAULT.what, started_at, todo=AGENT_FAULT.todo)
            self._log(error)
        self.busy_since = None
        self._answered(self)

    def _do_after_read(self, after_read: Callable[[], None]) -> None:
        try:
            after_read()
        except Exception as error:  # as above
            self._log(error)

    def _log(self, error: Exception) -> None:
        """Log each kind of error once, because it may occur every second."""
        if repr(error) != self._logged:
            self._logged = repr(error)
            logger.error("Reading %s failed", self.name, exc_info=error)
