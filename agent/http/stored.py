"""Answers from the file in STATE_DIR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from agent.http.errors import TryAgainLater

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.state.store import Store

Found = TypeVar("Found")


async def read_stored(store: Store, query: Callable[[Any], Found]) -> Found:
    """The result of `query` on a connection of sqlite3.

    Raises TryAgainLater if too many requests wait, or the file cannot be read now.
    """
    from agent.state.reader import StoreBusy, StoreUnreadable  # with sqlite3: who has a store has it already

    try:
        return await store.read(query)
    except (StoreBusy, StoreUnreadable) as why:
        raise TryAgainLater(str(why)) from why
