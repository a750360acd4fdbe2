"""Decides when state is written to the file: once a minute, at the end, and urgent rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.state import gpus
from agent.state.subject import Rows, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from agent.readings import Snapshot
    from agent.state.subject import Batch

    class Put(Protocol):
        """Writes a batch later. An urgent batch replaces urgent ones that still wait."""

        def __call__(self, batch: Batch, *, urgent: bool) -> None: ...

    # A part of the state: its rows as of this Snapshot; None: nothing to write.
    Part = Callable[[Snapshot], Rows | None]

PACE = 60.0  # seconds from one batch to the next


class Keeper:
    """Fed with every Snapshot in turn; uses their clock. `put` writes the batches.

    `parts` are asked once a minute and at the end, `urgent` ones with every Snapshot. A part that raises is
    left out, and its error is put in the batch.
    """

    def __init__(self, put: Put, parts: Sequence[Part], urgent: Sequence[Part] = ()) -> None:
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
        if is_due:
            self._due = now + PACE
        self._hand_over(snapshot, self._parts if is_due else (), urgent=not is_due)

    def end(self) -> None:
        """Put the rows since the last batch."""
        if self._newest is not None:
            self._hand_over(self._newest, self._parts, urgent=False)

    def _hand_over(self, snapshot: Snapshot, parts: Sequence[Part], *, urgent: bool) -> None:
        found = [_rows_of(part, snapshot) for part in (*self._urgent, *parts)]
        batch = tuple(rows for rows in found if rows is not None)
        if batch:
            self._put((gpus.rows(snapshot), *batch), urgent=urgent)


def _rows_of(part: Part, snapshot: Snapshot) -> Rows | None:
    try:
        return part(snapshot)
    except Exception as error:
        return failed(error)
