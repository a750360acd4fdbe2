"""The queue of requests that wait for GPUs, and which of them gets which GPUs when.

The queue is in order of arrival. Each Snapshot updates all entries in turn, and what was reserved for one
that leaves goes to the next at once:

- A GPU that was given to a request is withheld from all others for WITHHOLD_SECONDS: a job takes some time to
  show on its GPU, and until then the next request would be given the same one.
- Suitable GPUs are reserved for an entry that cannot be satisfied yet, so that a later, smaller wish
  never overtakes an earlier, larger one. They stay reserved while the request waits: less than a minute.
- Nothing is reserved for a wish that this host could never satisfy.

GPUs that are withheld or reserved are unavailable to everybody else. A request that does not wait gets what
one more entry at the end of the queue would get, and no GPU is withheld for it.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent.derive.candidates import candidates
from agent.derive.free import choose, could_ever

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agent.derive.candidates import Candidate
    from agent.derive.free import Offer, Wish
    from agent.readings import Snapshot

WITHHOLD_SECONDS = 30.0


class QueueEntry:
    """A request in the queue; `offer` is its offer from the newest Snapshot.

    GPUs given to an entry are free again when it leaves the queue, unless `delivered` says that the client
    was there to get them.
    """

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.reserved: frozenset[str] = frozenset()  # UUIDs
        self.delivered = False


class WaitingQueue:
    """Lives on the event loop: its methods may only be called there. `clock`: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[QueueEntry, None] = {}  # of those not satisfied, in order of arrival
        self._withheld_until: dict[str, float] = {}  # by UUID
        self._updated_at = float("-inf")  # of the newest Snapshot, seconds of the monotonic clock
        self._gpus: Sequence[Candidate] = ()

    def offer_now(self, wish: Wish, snapshot: Snapshot) -> Offer:
        """The offer for a request that does not wait."""
        self.update(snapshot)
        return choose(self._gpus, wish, self._unavailable())

    @contextmanager
    def join(self, wish: Wish, snapshot: Snapshot) -> Iterator[QueueEntry]:
        """An entry at the end of the queue, for as long as the context lasts."""
        entry = QueueEntry(self.offer_now(wish, snapshot))
        self._entries[entry] = None
        self._settle(entry)
        try:
            yield entry
        finally:
            self._entries.pop(entry, None)
            freed = entry.reserved
            if entry.offer.satisfied and not entry.delivered:
                freed = frozenset(entry.offer.uuids)
                for uuid in freed:
                    self._withheld_until.pop(uuid, None)
            self._pass_on(freed)

    def update(self, snapshot: Snapshot) -> None:
        """Make every entry a new offer in turn. A Snapshot counts once, and an older one not at all."""
        if snapshot.taken_monotonic <= self._updated_at:
            return
        self._updated_at, self._gpus = snapshot.taken_monotonic, candidates(snapshot)
        entries = list(self._entries)
        for entry in entries:
            entry.reserved = frozenset()
        unavailable = self._unavailable()
        for entry in entries:
            entry.offer = choose(self._gpus, entry.offer.wish, unavailable)
            unavailable |= self._settle(entry)

    def _pass_on(self, freed: frozenset[str]) -> None:
        """Offer the GPUs of an entry that left to the entries behind it, at once."""
        unavailable = self._unavailable() if freed else set()
        for entry in list(self._entries):
            if not freed:
                return
            unavailable -= entry.reserved  # reserved for no other entry
            entry.reserved = frozenset()
            entry.offer = choose(self._gpus, entry.offer.wish, unavailable)
            settled = self._settle(entry)
            unavailable |= settled
            freed -= settled

    def _settle(self, entry: QueueEntry) -> frozenset[str]:
        """Give an entry its offer, or reserve it; returns the UUIDs that nobody else may have then."""
        uuids = frozenset(entry.offer.uuids)
        if entry.offer.satisfied:
            del self._entries[entry]
            self._withheld_until |= dict.fromkeys(uuids, self._clock() + WITHHOLD_SECONDS)
            return uuids
        if could_ever(self._gpus, entry.offer.wish):
            entry.reserved = uuids
        return entry.reserved

    def _unavailable(self) -> set[str]:
        """UUIDs of the GPUs that are withheld or reserved now."""
        now = self._clock()
        self._withheld_until = {uuid: until for uuid, until in self._withheld_until.items() if until > now}
        return set(self._withheld_until).union(*(entry.reserved for entry in self._entries))
