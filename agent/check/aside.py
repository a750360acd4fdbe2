"""A daemon thread for a call that may hang; if it hangs, the thread is abandoned."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Aside(Generic[T]):
    """Starts `work` in the thread at once."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._found: T | None = None
        self._thread = threading.Thread(target=self._run, name="check", daemon=True)
        self._thread.start()

    def result(self, deadline: float) -> T | None:
        """What `work` returned; None if not by `deadline`, in seconds of the monotonic clock."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return self._found

    def _run(self) -> None:
        self._found = self._work()
