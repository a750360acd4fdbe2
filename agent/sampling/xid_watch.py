"""Listens for XID errors in a thread of its own: the driver reports each once, to whoever waits for it."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol

from agent.derive.xid import ABOUT_MEMORY, meaning
from agent.readings import SourceError, XidCount, seconds_since_boot
from agent.sampling.kernel_log_tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.readings import Unknown

logger = logging.getLogger(__name__)

# Seconds until a GPU that could not be listened to, or the driver, is tried again.
RETRY = 5.0
# Seconds in which a GPU that reports the same XID again and again is not logged again.
LOG_PACE = 60.0


class XidEvents(Protocol):
    """What is needed of the source of events."""

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
        self._logged_before: dict[str, Tally] = {}  # by GPU UUID, when it began to be listened to
        self._logged_at: dict[tuple[str, int], float] = {}
        self._awake = threading.Event()  # set to end a pause
        self._at_rest = threading.Event()  # set while the source is not in use
        self._at_rest.set()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="xid", daemon=True)

    def follow(self, gpu_count: int) -> None:
        """The driver counts this many GPUs now; the first time, begin."""
        if gpu_count == self._gpu_count:
            return
        self._gpu_count = gpu_count
        self._awake.set()
        if self._thread.ident is None:
            self._thread.start()

    def pause(self) -> bool:
        """Listen to nobody until the next `follow`; says whether that is so by now."""
        self._gpu_count = 0
        self._awake.set()
        return self._at_rest.is_set()

    def counts(self, uuid: str | None, booted_at: float) -> Mapping[int, XidCount] | None:
        """The XIDs of one GPU by code, since the agent listens; None while nobody has listened to it.

        `booted_at` makes the time of day of a moment since boot.
        """
        counts = None if uuid is None else self._counts.get(uuid)
        if counts is None:
            return None
        return {xid: XidCount(times, booted_at + last) for xid, (times, last) in counts.items()}

    def about_memory(self, uuid: str | None) -> int:
        """How many XIDs of one GPU have spoken of its memory, since the agent listens."""
        counts = self._counts.get(uuid or "", {})
        return sum(times for xid, (times, _) in counts.items() if xid in ABOUT_MEMORY)

    def logged_before(self, uuid: str | None) -> Tally:
        """What the kernel log reported before the GPU was listened to: none of it is counted here."""
        return self._logged_before.get(uuid or "") or Tally()

    def why_not(self, uuid: str | None) -> Unknown | None:
        """Why the GPU is not listened to; None: it is, or nobody has tried."""
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
            except Exception:  # the thread must outlive a fault of ours
                logger.exception("Listening for XID errors failed")
            self._source.close()
            self._at_rest.set()
            if self._clock() - began_at < RETRY:  # else begin at once: meanwhile nobody listens to the others
                self._awake.wait(RETRY)

    def _listen(self) -> None:
        """Until the number of GPUs changes, or the driver does not let us."""
        self._awake.clear()
        tried_at = float("-inf")
        while not (self._awake.is_set() or self._stopping):
            if len(self._source.uuids) < self._gpu_count and self._clock() - tried_at >= RETRY:
                tried_at = self._clock()
                logged = self._logged()  # first: what happens from here on may be told twice
                self._source.listen(self._gpu_count)
                for uuid in self._source.uuids - self._counts.keys():
                    self._logged_before[uuid] = logged
                    self._counts[uuid] = {}
            if not self._source.uuids:
                return
            event = self._source.wait()
            if event is not None:
                self._count(*event)

    def _count(self, uuid: str, xid: int) -> None:
        before = self._counts[uuid]
        times, _ = before.get(xid, (0, None))
        self._counts[uuid] = {**before, xid: (times + 1, self._since_boot())}
        if self._clock() - self._logged_at.get((uuid, xid), float("-inf")) >= LOG_PACE:
            self._logged_at[uuid, xid] = self._clock()
            logger.warning("GPU %s reports XID %d: %s", uuid, xid, meaning(xid))
