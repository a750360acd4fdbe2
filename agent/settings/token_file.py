"""TOKEN_FILE: one token on each line, read up to a maximum size and without waiting for a writer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from agent.settings.kinds import SECRET
from agent.settings.stamp import Stamp, stamp_at, stamp_of

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BYTES = 16 * 1024  # some 200 tokens of 64 characters; /dev/zero has no end


class Content(NamedTuple):
    """What a token file held, each token once, and its stamp from before it was read."""

    tokens: tuple[str, ...]
    stamp: Stamp
    comment_lines: tuple[int, ...] = ()  # numbers of the lines that look like comments, but are tokens


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
    tokens = _tokens(content)
    return Content(tuple(tokens), stamp, tuple(line for token, line in tokens.items() if token[0] == "#"))


def comments_are_tokens(lines: Sequence[int]) -> str:
    """One sentence about `comment_lines`, without their text: it is a secret."""
    numbers = ", ".join(map(str, lines))
    what = f"line {numbers} is a token" if len(lines) == 1 else f"lines {numbers} are tokens"
    return f"TOKEN_FILE has no comments: {what} although a # is in front"


def _tokens(content: bytes) -> dict[str, int]:
    """The first line of each token, by token."""
    if len(content) > MAX_BYTES:
        raise ValueError(f"holds more than {MAX_BYTES} bytes")
    tokens: dict[str, int] = {}
    # The replacement character is not latin-1. No other separators: a token may not hold them.
    for number, line in enumerate(content.decode(errors="replace").split("\n"), 1):
        token = line.removesuffix("\r")
        if token.strip():
            try:
                tokens.setdefault(SECRET.parse(token), number)
            except ValueError:
                raise ValueError(f"holds something else than {SECRET.accepted} at line {number}") from None
    if not tokens:
        raise ValueError("holds no token")
    return tokens
