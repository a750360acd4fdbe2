"""TOKEN_FILE: one token on each line, read up to a maximum size and without waiting for a writer."""

from __future__ import annotations

import os
from typing import NamedTuple

from agent.settings.kinds import SECRET
from agent.settings.stamp import Stamp, stamp_at, stamp_of

MAX_BYTES = 16 * 1024  # some 200 tokens of 64 characters; /dev/zero has no end


class Content(NamedTuple):
    """What a token file held, each token once, and its stamp from before it was read."""

    tokens: tuple[str, ...]
    stamp: Stamp


class TokenFile:
    """A token file that is read again and again."""

    def __init__(self, path: str) -> None:
        self.path = path

    def read_if_changed(self, known: Stamp | None) -> Content | None:
        """The content; None if its stamp is still `known`. Raises ValueError as `read_token_file` does."""
        if known is not None and stamp_at(self.path) == known:
            return None
        return read_token_file(self.path)


def read_token_file(path: str) -> Content:
    """The content of the file. Raises ValueError, which gives the reason without any of the content.

    One line that is not a token makes the whole file invalid, so that a typing error does not revoke other
    tokens.
    """
    stamp_at(path)  # before it is opened: to open a device may do something
    try:
        # If it has become a FIFO meanwhile, opening it does not wait for a writer.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY), "rb") as file:
            stamp = stamp_of(os.fstat(file.fileno()))
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    return Content(_tokens(content), stamp)


def _tokens(content: bytes) -> tuple[str, ...]:
    if len(content) > MAX_BYTES:
        raise ValueError(f"holds more than {MAX_BYTES} bytes")
    tokens: dict[str, None] = {}
    # The replacement character is not latin-1. No other separators: a token may not hold them.
    for number, line in enumerate(content.decode(errors="replace").split("\n"), 1):
        token = line.removesuffix("\r")
        if token.strip():
            try:
                tokens[SECRET.parse(token)] = None
            except ValueError:
                raise ValueError(f"holds something else than {SECRET.accepted} at line {number}") from None
    if not tokens:
        raise ValueError("holds no token")
    return tuple(tokens)
