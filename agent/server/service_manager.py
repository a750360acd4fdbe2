"""What systemd is told of the agent (sd_notify(3)): that it serves, that it still does, that it ends."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class ServiceManager:
    """The systemd that has started this process with `Type=notify`, or nobody: then nothing is sent.

    `watches` says whether it ends a service that is silent for WATCHDOG_USEC.
    """

    def __init__(self, environ: Mapping[str, str], *, clock: Callable[[], float] = time.monotonic) -> None:
        """`environ` is the environment, of which NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are read."""
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address  # @: an abstract socket
        self._clock = clock
        self._is_ready_told = False
        self._fed_at = clock()
        self._feed_interval = _watchdog_seconds(environ) / 2  # as sd_watchdog_enabled(3) recommends; 0: none
        self.watches = bool(self._address) and self._feed_interval > 0
        # Seconds between two calls of `serves`, at most: each comes in good time, also a late one.
        self.tick_interval = self._feed_interval / 5 if self.watches else float("inf")

    def serves(self) -> None:
        """To be called by the event loop again and again, as long as the agent serves."""
        if not self._is_ready_told:
            self._is_ready_told = self._send(b"READY=1")
        elif (
            self.watches and self._clock() - self._fed_at >= self._feed_interval and self._send(b"WATCHDOG=1")
        ):
            self._fed_at = self._clock()

    def stops(self) -> None:
        """To be called once, when the end begins; in a signal handler too."""
        self._send(b"STOPPING=1")

    def _send(self, state: bytes) -> bool:
        """Whether there is nothing left to do. It never waits: a full socket is tried again."""
        if not self._address:
            return True
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.setblocking(False)
            notify.sendto(state, self._address)
            return True
        return False


def _watchdog_seconds(environ: Mapping[str, str]) -> float:
    """0: no watchdog is meant for this process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isascii() and text.isdigit() else 0
