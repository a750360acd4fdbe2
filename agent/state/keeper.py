"""Decides when what is remembered goes to the file: once a minute, at the end, and at once what is urgent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.state import gpus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.readings import Snapshot
    from agent.state.subject import Batch, Rows

    # A part of what is remembered: its rows, with this Snapshot the newest; None: none.
    Part = Callable[[Snapshot], Rows | None]

PACE = 60.0  # seconds from one batch to the next


class Keeper:
    """Fed with every Snapshot in turn; its clock is theirs. `put` has the batches written.

    `parts` are asked once a minute and at the end, `urgent` ones with every Snapshot.
    """

    def __init__(
        self, put: Callable[[Batch], None], parts: Sequence[Part], urgent: Sequence[Part] = ()
    ) -> None:
        self._put = put
        self._parts = parts
        self._urgent = urgent
        self._due: float | None = None  # seconds of the monotonic clock
        self._newest: Snapshot | None = None

    def add(self, snapshot: Snapshot) -> None:
        """Take in the newest Snapshot."""
        self._newest = snapshot
        now = snapshot.taken_monotonic
        if self._due is None:
            self._due = now + PACE
        is_due = now >= self._due
        self._hand_over(snapshot, self._parts if is_due else ())
        if is_due:
            self._due = now + PACE

    def end(self) -> None:
        """Hand over what has come since the last batch."""
        if self._newest is not None:
            self._hand_over(self._newest, self._parts)

    def _hand_over(self, snapshot: Snapshot, parts: Sequence[Part]) -> None:
        found = (part(snapshot) for part in (*self._urgent, *parts))
        batch = tuple(rows for rows in found if rows is not None)
        if batch:
            self._put((gpus.rows(snapshot), *batch))
