"""Who waits for GPUs, and who gets them when.

One line, in order of arrival. With each Snapshot everybody in it is looked after in turn, and what somebody
who leaves had kept goes to the next at once:

- A GPU that is given to somebody who waited is withheld from everybody else for WITHHOLD_SECONDS: a job takes
  some time to show on its GPU, and until then the next would be given the same one.
- Who cannot be satisfied yet keeps the GPUs that would do, so that a later, smaller wish never overtakes an
  earlier, larger one. They are kept as long as the request waits, which is less than a minute.
- Who wants more than this host could ever give keeps nothing.

Who does not wait is answered as one more at the end of the line would be, and takes nothing.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent.derive.free import candidates, choose, could_ever

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agent.derive.free import Candidate, Offer, Wish
    from agent.readings import Snapshot

WITHHOLD_SECONDS = 30.0


class Place:
    """Somebody's place in the line; `offer` is what the newest Snapshot has for it.

    GPUs that were given to a place are free again when it is left, unless it says that they were `taken`.
    """

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.keeps: frozenset[str] = frozenset()  # UUIDs
        self.taken = False


class Line:
    """Lives on the event loop: no method may be called from elsewhere. `clock`: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._places: dict[Place, None] = {}  # of those not satisfied, in order of arrival
        self._withheld_until: dict[str, float] = {}  # by UUID
        self._seen_at = float("-inf")  # of the newest Snapshot, seconds of the monotonic clock
        self._gpus: Sequence[Candidate] = ()

    def look(self, wish: Wish, snapshot: Snapshot) -> Offer:
        """What there is for somebody who does not wait."""
        self.see(snapshot)
        return choose(self._gpus, wish, self._kept())

    @contextmanager
    def join(self, wish: Wish, snapshot: Snapshot) -> Iterator[Place]:
        """A place at the end of the line, until it is left."""
        place = Place(self.look(wish, snapshot))
        self._places[place] = None
        self._settle(place)
        try:
            yield place
        finally:
            self._places.pop(place, None)
            freed = place.keeps
            if place.offer.satisfied and not place.taken:
                freed = frozenset(place.offer.uuids)
                for uuid in freed:
                    self._withheld_until.pop(uuid, None)
            self._pass_on(freed)

    def see(self, snapshot: Snapshot) -> None:
        """Look after everybody in turn, once per Snapshot, whoever brings it."""
        if snapshot.taken_monotonic <= self._seen_at:
            return
        self._seen_at, self._gpus = snapshot.taken_monotonic, candidates(snapshot)
        places = list(self._places)
        for place in places:
            place.keeps = frozenset()
        kept = self._kept()
        for place in places:
            place.offer = choose(self._gpus, place.offer.wish, kept)
            kept |= self._settle(place)

    def _pass_on(self, freed: frozenset[str]) -> None:
        """What somebody who leaves had kept may be what the next one waits for: it has it at once."""
        kept = self._kept() if freed else set()
        for place in list(self._places):
            if not freed:
                return
            kept -= place.keeps  # nobody else keeps these
            place.keeps = frozenset()
            place.offer = choose(self._gpus, place.offer.wish, kept)
            settled = self._settle(place)
            kept |= settled
            freed -= settled

    def _settle(self, place: Place) -> frozenset[str]:
        """Give a place what it is offered, or let it keep that; returns what nobody else may have then."""
        uuids = frozenset(place.offer.uuids)
        if place.offer.satisfied:
            del self._places[place]
            self._withheld_until |= dict.fromkeys(uuids, self._clock() + WITHHOLD_SECONDS)
            return uuids
        if could_ever(self._gpus, place.offer.wish):
            place.keeps = uuids
        return place.keeps

    def _kept(self) -> set[str]:
        """The GPUs, by UUID, that nobody else may have now."""
        now = self._clock()
        self._withheld_until = {uuid: until for uuid, until in self._withheld_until.items() if until > now}
        return set(self._withheld_until).union(*(place.keeps for place in self._places))
