"""TLS: connections are accepted as fast as their handshakes can be afforded, with the newest certificate."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import TYPE_CHECKING

from agent.settings.tls_pair import UnusablePair

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from ssl import SSLContext

    from agent.settings.stamp import Stamp
    from agent.settings.tls_pair import TlsPair

logger = logging.getLogger("agent")


class Certificate:
    """The certificate and key in force. A new pair that cannot be used changes nothing."""

    look_interval = 5.0  # seconds

    def __init__(self, pair: TlsPair, *, clock: Callable[[], float] = time.time) -> None:
        """Raises UnusablePair."""
        self._pair = pair
        self._clock = clock
        self._failure = ""
        self._stamps = pair.stamps()
        self._are_settled = self._settled(self._stamps)
        self.context: SSLContext = pair.context()

    def watch(self) -> None:
        """Looks at the files for as long as the process lives.

        In a daemon thread: a file on a server that is gone holds up nobody else.
        """

        def work() -> None:
            never = threading.Event()
            while not never.wait(self.look_interval):
                self.look()

        threading.Thread(target=work, name="certificate", daemon=True).start()

    def look(self) -> None:
        """Takes the pair, for the connections from now on, if the files have changed."""
        try:
            stamps = self._pair.stamps()
            # What mends a failure, as a change of mode, need not change the stamps.
            if stamps == self._stamps and self._are_settled and not self._failure:
                return
            self.context = self._pair.context()
        except UnusablePair as unusable:
            self._fail(unusable)
        else:
            if stamps != self._stamps or self._failure:
                logger.info("TLS_CERT and TLS_KEY have been read again: new connections get this certificate")
            self._stamps, self._are_settled, self._failure = stamps, self._settled(stamps), ""

    def _settled(self, stamps: Sequence[Stamp]) -> bool:
        return all(stamp.is_settled(self._clock()) for stamp in stamps)

    def _fail(self, unusable: UnusablePair) -> None:
        name, why = unusable.name, unusable.why
        if str(unusable) != self._failure:
            self._failure = str(unusable)
            path = self._pair.certificate if name == "TLS_CERT" else self._pair.key
            logger.error("%s is %r, which %s; the certificate in force stays", name, path, why)


class Handshakes:
    """Accepts connections and shakes hands, a bounded number at a time; the others wait in the kernel."""

    timeout = 10.0  # seconds that a handshake may take
    at_once = 64  # each is a millisecond of computing, which may come for all of them at one moment
    patience = 1.0  # seconds, after which a handshake gives way to somebody who waits
    shutdown_timeout = 30.0  # seconds, for a client that does not read what closes the connection

    def __init__(self, certificate: Certificate) -> None:
        self._certificate = certificate
        self._under_way: dict[asyncio.Task[None], float] = {}  # since when, the oldest first

    async def accept(self, listener: socket.socket, make: Callable[[], asyncio.Protocol]) -> None:
        """Until it is cancelled; `make` makes the protocol that speaks on a connection."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        try:
            while True:
                try:
                    connection, _ = await loop.sock_accept(listener)
                except OSError as error:  # as asyncio does where no file may be opened
                    logger.error("No connection can be accepted: %s", error.strerror)  # noqa: TRY400
                    await asyncio.sleep(1)
                    continue
                await self._make_room()
                task = loop.create_task(self._shake_hands(connection, make))
                self._under_way[task] = loop.time()
                task.add_done_callback(self._under_way.pop)
        finally:
            for task in self._under_way:
                task.cancel()

    async def _make_room(self) -> None:
        """Waits until there are fewer than `at_once`: the slowest is ended for it after its patience."""
        loop = asyncio.get_running_loop()
        while len(self._under_way) >= self.at_once:
            oldest, since = next(iter(self._under_way.items()))
            if since + self.patience <= loop.time():
                oldest.cancel()
                await asyncio.wait([oldest])
            else:
                timeout = since + self.patience - loop.time()
                await asyncio.wait(self._under_way, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)

    async def _shake_hands(self, connection: socket.socket, make: Callable[[], asyncio.Protocol]) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                make,
                connection,
                ssl=self._certificate.context,
                ssl_handshake_timeout=self.timeout,
                ssl_shutdown_timeout=self.shutdown_timeout,
            )
        except OSError as error:  # no TLS, a version or cipher of the past, a client that is gone or too slow
            logger.debug("A TLS handshake failed: %s", error)
