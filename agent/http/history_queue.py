"""The queue of answers with hours of history, which take long to make."""

from __future__ import annotations

from agent.http.errors import TryAgainLater
from agent.state.short_queue import ShortQueue

MAX_WAITING = 32  # requests: enough for many people who open the page at once
PATIENCE = 2.0  # seconds that each waits for its turn


def history_queue(patience: float = PATIENCE) -> ShortQueue:
    """Requests that it refuses are answered 503."""
    return ShortQueue(
        TryAgainLater,
        most=MAX_WAITING,
        full=f"{MAX_WAITING} requests already wait for such an answer; try again later",
        late="Such an answer takes too long at present; try again later",
        patience=patience,
    )
