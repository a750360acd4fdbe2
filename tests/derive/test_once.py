"""Values that several views need are derived once for a Snapshot."""

from __future__ import annotations

from agent.derive.once import once_per_snapshot
from agent.readings import Snapshot


def test_a_function_is_called_once_for_each_snapshot() -> None:
    derived_for: list[float] = []

    @once_per_snapshot
    def moment(snapshot: Snapshot) -> float:
        derived_for.append(snapshot.taken_at)
        return snapshot.taken_at

    first, second = Snapshot(1.0, 1.0), Snapshot(2.0, 2.0)

    assert [moment(snapshot) for snapshot in (first, first, second, second, first)] == [1, 1, 2, 2, 1]
    assert derived_for == [1, 2, 1]
