"""For how long a condition has held."""

from __future__ import annotations


class ConditionTimer:
    """The time for which a condition has held without a break. All times are seconds since boot.

    Nothing is estimated: if the observations are more than `max_gap` seconds apart, it may not have held
    between them, and its time begins anew. So it does after a suspend of the computer.
    """

    def __init__(self, max_gap: float, *, since: float | None = None, until: float = float("-inf")) -> None:
        """`since`: an observer before this one has found that it held from then `until` then."""
        self._max_gap = max_gap
        self._observed_at = until
        self.since = since  # None: it does not hold, by the latest observation

    def add(self, is_so: bool | None, at: float) -> float:
        """Add what was observed; returns the seconds up to now, 0 if the condition does not hold.

        None is no observation: it changes nothing for `max_gap`.
        """
        if at - self._observed_at > self._max_gap:
            self.since = None
        if is_so is not None:
            self._observed_at = at
        if is_so is False:
            self.since = None
        elif is_so and self.since is None:
            self.since = at
        return 0.0 if self.since is None else at - self.since
