"""Forwards TCP connections and counts their bytes: the real traffic, independent of the layers above."""

from __future__ import annotations

import contextlib
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Relay:
    """Listens on `port` of 127.0.0.1 and forwards to the port `target` there."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.passed = 0  # bytes, both ways

    def accept(self) -> None:
        """Accept connections until the relay is closed."""
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                with self._lock:
                    self.passed += len(part)
                sink.sendall(part)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End every connection."""
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextmanager
def relay(target: int) -> Iterator[Relay]:
    """A relay to this port of 127.0.0.1, while the block runs."""
    started = Relay(target)
    thread = threading.Thread(target=started.accept, daemon=True)
    thread.start()
    try:
        yield started
    finally:
        started.close()
        thread.join(timeout=10)
