"""When the Keeper hands over rows: once a minute and at the end, and urgent ones at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.state import gpus, names
from agent.state.keeper import Keeper
from agent.state.subject import Rows
from tests.sampling.test_history import snapshot

if TYPE_CHECKING:
    from agent.readings import Snapshot
    from agent.state.subject import Batch

URGENT = Rows(gpus.SUBJECT, ())
OF_A_MINUTE = Rows(names.SUBJECT, ())


class Put:
    """Takes batches, and forgets the rows of the GPUs, with which each begins."""

    def __init__(self) -> None:
        self.batches: list[tuple[Batch, bool]] = []

    def __call__(self, batch: Batch, *, urgent: bool) -> None:
        assert batch[0].rows == (("a",),)
        self.batches.append((batch[1:], urgent))


def urgent(snapshot: Snapshot) -> Rows | None:
    """Rows at a full five minutes."""
    return URGENT if snapshot.taken_monotonic % 300 == 0 else None


def test_rows_are_handed_over_each_minute_at_the_end_and_at_once_if_urgent() -> None:
    put = Put()
    keeper = Keeper(put, [lambda _: OF_A_MINUTE, lambda _: None], [urgent])
    keeper.end()
    assert put.batches == [], "nothing is known yet"

    handed_over = []
    for at in (1, 60.9, 61, 120.9, 121.5, 181.4, 181.5, 300):
        keeper.add(snapshot(at, 1))
        handed_over += [(at, *one) for one in put.batches]
        put.batches.clear()
    minute = ((OF_A_MINUTE,), False)
    assert handed_over == [
        (61, *minute),
        (121.5, *minute),
        (181.5, *minute),
        (300, (URGENT, OF_A_MINUTE), False),
    ]

    keeper.add(snapshot(301, 1))
    keeper.add(snapshot(600 - 0.5, 1))
    keeper.add(snapshot(600, 1))
    keeper.end()
    assert put.batches[-2:] == [((URGENT,), True), ((URGENT, OF_A_MINUTE), False)]
