"""The queue of answers that take long to make."""

from __future__ import annotations

from agent.http.errors import TryAgainLater
from agent.state.short_queue import MAX_WAITING, ShortQueue

PATIENCE = 2.0  # seconds that each waits for its turn


def long_answers(patience: float = PATIENCE) -> ShortQueue:
    """Whoever it sends away gets a 503."""
    return ShortQueue(
        TryAgainLater,
        full=f"{MAX_WAITING} requests wait for an answer as long; try again later",
        late="Answers as long take too much time now; try again later",
        patience=patience,
    )
