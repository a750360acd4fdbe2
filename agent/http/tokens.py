"""The tokens in force: those of the settings, and those of TOKEN_FILE, which is checked every 5 seconds."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from agent.readings.threads import has_started
from agent.settings.stamp import CHECK_INTERVAL
from agent.settings.token_file import comments_are_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from agent.settings.stamp import Stamp
    from agent.settings.token_file import Content, TokenFile

PATIENCE = 2.0  # seconds; reading a file on a dead file server may never return

logger = logging.getLogger(__name__)


class TokenFileHealth(NamedTuple):
    """Whether the last read of TOKEN_FILE succeeded, and when one last did, in seconds of Unix time."""

    is_well: bool
    read_at: float | None  # None: never


class Tokens:
    """The tokens in force. Lives on the event loop.

    A file that cannot be read, has no valid token, or has `metrics_token`, which may open only /metrics,
    changes nothing. If the file could never be read, the data stay closed.
    """

    def __init__(
        self,
        fixed: Sequence[str],
        file: TokenFile | None = None,
        *,
        metrics_token: str = "",
        check_interval: float = CHECK_INTERVAL,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.are_required = bool(fixed or file)
        self.generation = 0  # another number whenever the tokens in force change
        self._fixed = tuple(fixed)
        self._file = file
        self._metrics_token = metrics_token
        self._check_interval = check_interval
        self._patience = patience
        self._clock = clock
        self._put_in_force(())
        self._stamp: Stamp | None = None  # None: read the file whatever its stamp is
        self._read_at: float | None = None
        self._failure = ""
        self._comment_lines: tuple[int, ...] = ()  # of which the log has a warning
        self._reading: asyncio.Future[Callable[[], Content | None]] | None = None  # it may never return
        self._reload_requested = asyncio.Event()
        if file is not None:
            try:
                self._apply(file.read_if_changed(None))
            except ValueError as why:
                self._fail(file, str(why))

    @property
    def file_health(self) -> TokenFileHealth | None:
        """None without a TOKEN_FILE."""
        return TokenFileHealth(not self._failure, self._read_at) if self._file else None

    async def watch(self, when_changed: Callable[[], object]) -> None:
        """Check the file until cancelled; calls `when_changed` when the tokens in force change."""
        while self._file is not None:
            generation = self.generation
            await self.reload_if_changed()
            if self.generation != generation:
                when_changed()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._check_interval):
                    await self._reload_requested.wait()
            if self._reload_requested.is_set():
                self._reload_requested.clear()
                self._stamp = None

    def reload_now(self) -> None:
        """Make `watch` read the file at once, whatever its stamp is."""
        if self._file:
            self._reload_requested.set()
        else:
            logger.info("SIGHUP has no effect, because TOKEN_FILE is not set")

    async def reload_if_changed(self) -> None:
        """Read the file if it has changed, without blocking the event loop."""
        file = self._file
        if file is None:
            return
        try:
            reading = self._reading or _in_thread(partial(file.read_if_changed, self._stamp))
            await asyncio.wait([reading], timeout=self._patience)
            self._reading = None if reading.done() else reading
            if reading.done():
                self._apply(reading.result()())
            else:
                self._fail(file, f"has not been read within {self._patience:g} s")
        except Exception as why:  # the next check may succeed
            self._fail(file, str(why))

    def _apply(self, content: Content | None) -> None:
        if content is not None and self._metrics_token in content.tokens:
            raise ValueError("holds METRICS_TOKEN, which would open everything")
        before, is_first = self.in_force, self._read_at is None
        was_failing, self._failure = bool(self._failure), ""
        if content is not None:
            self._put_in_force(content.tokens)
            self._warn_of_comments(content.comment_lines)
            self._read_at = self._clock()
            self._stamp = content.stamp if content.stamp.is_settled(self._read_at) else None
        has_changed = self.in_force != before
        self.generation += has_changed
        if was_failing or (has_changed and not is_first):
            what = "can be read again" if was_failing else "has changed"
            count = len(self.in_force)
            logger.info("TOKEN_FILE %s: %d token%s in force", what, count, "s are" if count > 1 else " is")

    def _warn_of_comments(self, lines: tuple[int, ...]) -> None:
        if lines and lines != self._comment_lines:
            logger.warning("%s", comments_are_tokens(lines))
        self._comment_lines = lines

    def _put_in_force(self, of_file: Iterable[str]) -> None:
        self.in_force = frozenset((*self._fixed, *of_file))
        self.encoded = encodings(self.in_force)  # the bytes that a credential is compared with

    def _fail(self, file: TokenFile, why: str) -> None:
        self._stamp = None  # a repair, such as a change of mode, need not change the stamp
        if why != self._failure:
            self._failure = why
            logger.error("TOKEN_FILE is %r, which %s; the tokens in force stay", file.path, why)


def encodings(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """The encodings of a secret in a header: most clients send UTF-8, RFC 9110 means latin-1."""
    return tuple({encoded for secret in secrets for encoded in (secret.encode(), secret.encode("latin-1"))})


def _in_thread(read: Callable[[], Content | None]) -> asyncio.Future[Callable[[], Content | None]]:
    """Call `read` in a daemon thread, which does not block the end of the process if it hangs.

    The outcome is a function that returns or raises what `read` did.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Callable[[], Content | None]] = loop.create_future()

    def work() -> None:
        outcome: concurrent.futures.Future[Content | None] = concurrent.futures.Future()
        try:
            outcome.set_result(read())
        except Exception as why:
            outcome.set_exception(why)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(future.set_result, outcome.result)

    if not has_started(threading.Thread(target=work, name="token file", daemon=True)):
        raise ValueError("has not been read, because no thread can be started")
    return future
