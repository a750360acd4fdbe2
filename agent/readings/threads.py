"""Starts threads. Where none can be started, only what needs it fails, and the log says so once."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from anyio import to_thread

from agent.readings.troubles import NO_THREAD

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from anyio import CapacityLimiter

T = TypeVar("T")

logger = logging.getLogger(__name__)


class NoThread(Exception):
    """No thread can be started; says what to do."""

    def __init__(self) -> None:
        super().__init__(NO_THREAD.sentence)


def has_started(thread: threading.Thread) -> bool:
    """Start the thread unless it was started before; False if none can be started."""
    if thread.ident is None:
        try:
            thread.start()
        except RuntimeError:  # Python has no narrower error for it
            log_once()
            return False
    return True


async def in_thread(work: Callable[[], T], *, limiter: CapacityLimiter | None = None) -> T:
    """The result of `work` in a thread of anyio's pool. Raises NoThread."""
    has_begun = False

    def begin() -> T:
        nonlocal has_begun
        has_begun = True
        return work()

    try:
        return await to_thread.run_sync(begin, limiter=limiter)
    except RuntimeError as error:
        if has_begun:
            raise
        log_once()
        raise NoThread from error


@cache
def log_once() -> None:
    """Log that no thread can be started, once in the life of the process."""
    logger.error("%s", NO_THREAD.sentence)
