"""Notifications to systemd (sd_notify(3)): the agent serves, still serves, ends."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class ServiceManager:
    """The systemd that has started this process with `Type=notify`; without it nothing is sent.

    `watches`: whether systemd ends a service that sends nothing for WATCHDOG_USEC.
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
        """Called by the event loop regularly, as long as the agent serves."""
        if not self._is_ready_told:
            self._is_ready_told = self._send(b"READY=1")
        elif (
            self.watches and self._clock() - self._fed_at >= self._feed_interval and self._send(b"WATCHDOG=1")
        ):
            self._fed_at = self._clock()

    def stops(self) -> None:
        """Called once when the end begins, possibly in a signal handler."""
        self._send(b"STOPPING=1")

    def _send(self, state: bytes) -> bool:
        """Send without waiting; False: the socket is full, try again later."""
        if not self._address:
            return True
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.setblocking(False)
            notify.sendto(state, self._address)
            return True
        return False


def _watchdog_seconds(environ: Mapping[str, str]) -> float:
    """The watchdog's interval in seconds; 0: there is none for this process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isascii() and text.isdigit() else 0
