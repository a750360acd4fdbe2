"""TLS: the newest certificate for each new connection, and handshakes that do not block other clients."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import TYPE_CHECKING

from agent.http.turnstile import Turnstile
from agent.server.file_shortage import FileShortage
from agent.settings.stamp import CHECK_INTERVAL
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

    check_interval = CHECK_INTERVAL

    def __init__(self, pair: TlsPair, *, clock: Callable[[], float] = time.time) -> None:
        """Raises UnusablePair."""
        self._pair = pair
        self._clock = clock
        self._failure = ""
        self._stamps = pair.stamps()
        self._are_settled = self._settled(self._stamps)
        self.context: SSLContext = pair.context()

    def watch(self) -> None:
        """Check the files as long as the process lives, in a daemon thread that may hang."""

        def work() -> None:
            never = threading.Event()
            while not never.wait(self.check_interval):
                try:
                    self.reload_if_changed()
                except Exception:  # the next check may succeed; else the certificate would expire unnoticed
                    logger.exception("Looking for changes of TLS_CERT and TLS_KEY failed")

        threading.Thread(target=work, name="certificate", daemon=True).start()

    def reload_if_changed(self) -> None:
        """Load the pair for new connections if the files have changed."""
        try:
            stamps = self._pair.stamps()
            # A repair, such as a change of mode, need not change the stamps.
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
    """Accepts connections, and starts a few handshakes in each turn of the loop.

    The answer to a client's first message takes a millisecond of computing; the rest is cheap.
    """

    timeout = 10.0  # seconds, to the client's first byte, and from there to the end of the handshake
    at_once = 256  # handshakes at a time; further clients wait for one to end
    patience = 3.0  # seconds after which a handshake is aborted if other clients wait
    shutdown_timeout = 30.0  # seconds for a client to read the end of the connection
    pause = 1.0  # seconds without accepting, where no file can be opened: as in asyncio

    def __init__(self, certificate: Certificate) -> None:
        self._certificate = certificate
        self._shortage = FileShortage()
        self._places = asyncio.Semaphore(self.at_once)
        self._turnstile = Turnstile()
        self.under_way: set[asyncio.Task[None]] = set()

    async def accept(self, listener: socket.socket, make: Callable[[], asyncio.Protocol]) -> None:
        """Accept connections until cancelled; `make` makes the protocol of a connection."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        try:
            while True:
                try:
                    connection, _ = await loop.sock_accept(listener)
                except OSError as error:
                    self._shortage.report(error)
                    await asyncio.sleep(self.pause)
                    continue
                task = loop.create_task(self._serve(connection, make))
                self.under_way.add(task)
                task.add_done_callback(self.under_way.discard)
        finally:
            for task in self.under_way:
                task.cancel()

    async def _serve(self, connection: socket.socket, make: Callable[[], asyncio.Protocol]) -> None:
        try:
            async with asyncio.timeout(self.timeout):
                await _first_byte(connection)
                await self._places.acquire()
        except TimeoutError:
            connection.close()
            return
        try:
            await self._turnstile.wait()
            await self._shake_hands(connection, make)
        except OSError as error:  # no TLS, an old version or cipher, or a client that is gone or too slow
            logger.debug("A TLS handshake failed: %s", error)
        finally:
            self._places.release()

    async def _shake_hands(self, connection: socket.socket, make: Callable[[], asyncio.Protocol]) -> None:
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        handshake = loop.create_task(
            loop.connect_accepted_socket(
                make,
                connection,
                ssl=self._certificate.context,
                ssl_handshake_timeout=self.timeout,
                ssl_shutdown_timeout=self.shutdown_timeout,
            )
        )
        try:
            while not handshake.done():
                await asyncio.wait([handshake], timeout=self.patience)
                if not handshake.done() and self._places.locked():
                    raise TimeoutError("others wait")
        finally:
            handshake.cancel()
        handshake.result()


async def _first_byte(connection: socket.socket) -> None:
    """Wait until there is a byte to read, or the end."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(connection, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection)
