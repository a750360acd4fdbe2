"""Reads XID events in a thread of its own, because the driver reports each event only once."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol

from agent.derive.xid import ABOUT_MEMORY, meaning
from agent.readings import SourceError, XidCount, seconds_since_boot
from agent.readings.threads import has_started
from agent.sampling.kernel_log_tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.readings import Unknown

logger = logging.getLogger(__name__)

# Seconds until the driver, or a GPU without events, is tried again.
RETRY = 5.0
# Seconds since the last wait for events after which XIDs may have been missed. A retry takes less.
UNHEARD_AFTER = 2 * RETRY
# Seconds in which the same XID of a GPU is not logged again.
LOG_PACE = 60.0


class XidEvents(Protocol):
    """The interface of the source of events."""

    @property
    def uuids(self) -> frozenset[str]: ...
    def why_not(self, uuid: str | None) -> Unknown | None: ...
    def listen(self, gpu_count: int) -> None: ...
    def wait(self) -> tuple[str, int] | None: ...
    def close(self) -> None: ...


class XidWatch:
    """Counts the XIDs of each GPU by code, from the first `follow` on.

    `logged`: what the kernel log reports up to now.
    """

    def __init__(
        self,
        source: XidEvents,
        *,
        logged: Callable[[], Tally] = Tally,
        clock: Callable[[], float] = time.monotonic,
        since_boot: Callable[[], float] = seconds_since_boot,
    ) -> None:
        self._source = source
        self._logged = logged
        self._clock = clock
        self._since_boot = since_boot
        self._gpu_count = 0
        # By GPU UUID and code, how often, and when last in seconds since boot; replaced, not changed.
        self._counts: dict[str, Mapping[int, tuple[int, float]]] = {}
        self._logged_before: dict[str, Tally] = {}  # by GPU UUID, the time since which its events are read
        self._logged_at: dict[tuple[str, int], float] = {}
        self._waited_at = clock()  # when the last wait for events ended, or the watch was asked to begin
        self._awake = threading.Event()  # set to end a pause
        self._at_rest = threading.Event()  # set while the source is not in use
        self._at_rest.set()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="xid", daemon=True)

    def follow(self, gpu_count: int) -> None:
        """Take the driver's number of GPUs; the first call starts the thread."""
        if gpu_count == self._gpu_count or not has_started(self._thread):
            return
        self._gpu_count = gpu_count
        self._waited_at = self._clock()
        self._awake.set()

    def pause(self) -> bool:
        """Stop reading events until the next `follow`; returns whether it has stopped by now."""
        self._gpu_count = 0
        self._awake.set()
        return self._at_rest.is_set()

    def counts(self, uuid: str | None, booted_at: float) -> Mapping[int, XidCount] | None:
        """The XIDs of one GPU by code, since its events are read; None: they never were.

        `booted_at` converts times since boot to times of day.
        """
        counts = None if uuid is None else self._counts.get(uuid)
        if counts is None:
            return None
        return {xid: XidCount(times, booted_at + last) for xid, (times, last) in counts.items()}

    @property
    def is_listening(self) -> bool:
        """Whether no XID is missed. It is False if a call hangs, of whatever GPU, or if each wait fails."""
        is_paused = self._gpu_count == 0 and self._at_rest.is_set()
        return is_paused or self._clock() - self._waited_at <= UNHEARD_AFTER

    def about_memory(self, uuid: str | None) -> int:
        """The number of XIDs of one GPU about its memory, since its events are read."""
        counts = self._counts.get(uuid or "", {})
        return sum(times for xid, (times, _) in counts.items() if xid in ABOUT_MEMORY)

    def logged_before(self, uuid: str | None) -> Tally:
        """The XIDs of the kernel log from before the GPU's events were read; they are not counted here."""
        return self._logged_before.get(uuid or "") or Tally()

    def why_not(self, uuid: str | None) -> Unknown | None:
        """Why events of the GPU are not read; None: they are, or it was not tried yet."""
        return self._source.why_not(uuid)

    def stop(self) -> None:
        """Let the thread end after its present wait."""
        self._stopping = True
        self._awake.set()

    @property
    def ended(self) -> bool:
        """Whether the thread is gone, or never began."""
        return not self._thread.is_alive()

    def join(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for the thread to end."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _work(self) -> None:
        while not self._stopping:
            began_at = self._clock()
            self._at_rest.clear()
            try:
                self._listen()
            except SourceError as error:  # the driver is away, or a GPU fell off the bus
                logger.debug("%s", error)
            except Exception:  # a bug must not end the thread
                logger.exception("Listening for XID errors failed")
            self._source.close()
            self._at_rest.set()
            # Else start again at once: meanwhile no GPU's events are read.
            if self._clock() - began_at < RETRY:
                self._awake.wait(RETRY)

    def _listen(self) -> None:
        """Read events until the number of GPUs changes, or the driver fails."""
        self._awake.clear()
        tried_at = float("-inf")
        while not (self._awake.is_set() or self._stopping):
            if len(self._source.uuids) < self._gpu_count and self._clock() - tried_at >= RETRY:
                tried_at = self._clock()
                logged = self._logged()  # first: later XIDs may be in both sources
                self._source.listen(self._gpu_count)
                for uuid in self._source.uuids - self._counts.keys():
                    self._logged_before[uuid] = logged
                    self._counts[uuid] = {}
            if not self._source.uuids:
                return
            event = self._source.wait()
            self._waited_at = self._clock()
            if event is not None:
                self._count(*event)

    def _count(self, uuid: str, xid: int) -> None:
        before = self._counts[uuid]
        times, _ = before.get(xid, (0, None))
        self._counts[uuid] = {**before, xid: (times + 1, self._since_boot())}
        if self._clock() - self._logged_at.get((uuid, xid), float("-inf")) >= LOG_PACE:
            self._logged_at[uuid, xid] = self._clock()
            logger.warning("GPU %s reports XID %d: %s", uuid, xid, meaning(xid))
