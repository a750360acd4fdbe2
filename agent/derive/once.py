"""Pure functions of a Snapshot that several views need."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.readings import Snapshot

Result = TypeVar("Result")


def once_per_snapshot(function: Callable[[Snapshot], Result]) -> Callable[[Snapshot], Result]:
    """The same function, with a cache of the result for the last Snapshot."""
    last: tuple[Snapshot, Result] | None = None

    @wraps(function)
    def remembering(snapshot: Snapshot) -> Result:
        nonlocal last
        known = last  # another thread may replace it meanwhile
        if known is None or known[0] is not snapshot:
            known = last = snapshot, function(snapshot)
        return known[1]

    return remembering
