"""What several views need of a Snapshot is made once."""

from __future__ import annotations

from agent.derive.once import once_per_snapshot
from agent.readings import Snapshot


def test_a_function_is_called_once_for_a_snapshot_and_anew_for_the_next() -> None:
    asked: list[float] = []

    @once_per_snapshot
    def moment(snapshot: Snapshot) -> float:
        asked.append(snapshot.taken_at)
        return snapshot.taken_at

    first, second = Snapshot(1.0, 1.0), Snapshot(2.0, 2.0)

    assert [moment(snapshot) for snapshot in (first, first, second, second, first)] == [1, 1, 2, 2, 1]
    assert asked == [1, 2, 1]
