"""A line in the log while no file can be opened for another connection."""

from __future__ import annotations

import errno
import logging
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("agent")


def open_a_file() -> None:
    """Raises OSError if no file can be opened."""
    os.close(os.open(os.devnull, os.O_RDONLY))


class FileShortage:
    """Logs that no connection can be accepted, at most once a minute."""

    interval = 60.0  # seconds from one line to the next at least

    def __init__(
        self, *, probe: Callable[[], None] = open_a_file, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._probe = probe
        self._clock = clock
        self._due = float("-inf")

    def look(self) -> None:
        """Try to open a file: uvloop resets connections for which there is none, and says nothing."""
        try:
            self._probe()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self.report(error)

    def report(self, error: OSError) -> None:
        """A connection was not accepted because of this error."""
        now = self._clock()
        if now >= self._due:
            self._due = now + self.interval
            logger.error("No connection can be accepted: %s", error.strerror)
