"""A thread for reads that may hang; a hung thread is abandoned.

/proc/PID/cmdline and environ take the lock of that process's memory map, cgroup one of the kernel's: a reader
waits as long as a process that is stuck in the driver holds the lock, and cannot be interrupted.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from agent.readings.threads import has_started

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

T = TypeVar("T")

DEADLINE = 0.5  # seconds; what does not hang takes a millisecond, on a busy host some dozens
PATIENCE = 1.0  # seconds for all reads of one round: many that are slow shall not add up
MAX_LEFT_BEHIND = 4


@dataclass(slots=True)
class _Job(Generic[T]):
    reads: Iterator[T]
    found: list[T] = field(default_factory=list)
    error: Exception | None = None
    done: threading.Event = field(default_factory=threading.Event)


class SideThread:
    """One daemon thread, replaced when it hangs. Owned by the thread that reads through it."""

    def __init__(self, deadline: float = DEADLINE, patience: float = PATIENCE) -> None:
        self._deadline = deadline
        self._patience = patience
        self._patient_until = float("inf")  # seconds of the monotonic clock
        self._jobs: SimpleQueue[_Job[Any] | None] | None = None  # of the present thread
        self._out: dict[Hashable, threading.Event] = {}  # what has hung, by key; set when it comes back

    def __del__(self) -> None:
        if self._jobs is not None:
            self._jobs.put(None)

    def begin_round(self) -> None:
        """Start a round, in which all reads together have PATIENCE."""
        self._patient_until = time.monotonic() + self._patience

    def read(self, key: Hashable, reads: Iterator[T]) -> list[T]:
        """What `reads` yields until the deadline.

        Nothing while an earlier read of the same key has not returned, which would hang again, while
        MAX_LEFT_BEHIND of any key have not, when patience has run out, or without a thread. Raises what
        `reads` raises.
        """
        self._out = {out: done for out, done in self._out.items() if not done.is_set()}
        is_patient = time.monotonic() < self._patient_until
        if key in self._out or len(self._out) >= MAX_LEFT_BEHIND or not is_patient:
            return []
        if self._jobs is None:
            jobs: SimpleQueue[_Job[Any] | None] = SimpleQueue()
            if not has_started(threading.Thread(target=_work, args=(jobs,), name="side thread", daemon=True)):
                return []
            self._jobs = jobs
        job = _Job(reads)
        self._jobs.put(job)
        if not job.done.wait(self._deadline):
            self._out[key] = job.done
            self._jobs.put(None)  # if the read ever returns, the thread ends
            self._jobs = None
        if job.error is not None:
            raise job.error
        return list(job.found)


def _work(jobs: SimpleQueue[_Job[Any] | None]) -> None:
    while (job := jobs.get()) is not None:
        try:
            for found in job.reads:
                job.found.append(found)  # one by one: what was read before a read that hangs is known
        except Exception as error:  # raised where it was asked for
            job.error = error
        finally:
            job.done.set()
        del job  # and what it read
