"""Untrusted text for the log: on one line, with control characters escaped."""

from __future__ import annotations

import logging
import re
from typing import Any

# C0 and C1 controls; characters that end a line, change the direction of writing or are invisible; half a
# surrogate pair. Not the zero-width joiner, which emoji need.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def plain(text: str) -> str:
    """The text with each such character as its escape."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class PlainFormatter(logging.Formatter):
    """Each record on one line; the lines of a traceback stay lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the name is logging's
        return plain(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802  as in logging, whose type has no name
        return "\n".join(plain(line) for line in super().formatException(ei).split("\n"))
