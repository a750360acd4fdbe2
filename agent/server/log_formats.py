"""Formats of the log: text, JSON, and text with a priority for the journal."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.server.plain_text import PlainFormatter

if TYPE_CHECKING:
    from collections.abc import Mapping

# sd-daemon(3): the numbers of syslog. The first that a level reaches.
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG = 7


def formatter(log_format: str, *, to_journal: bool) -> logging.Formatter:
    """The formatter for LOG_FORMAT. The journal adds a time to each line, so text for it has none."""
    time = "" if to_journal else "%(asctime)s "
    inner = JsonFormatter() if log_format == "json" else PlainFormatter(f"{time}%(levelname)s %(message)s")
    return JournalFormatter(inner) if to_journal else inner


def is_journal(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Whether the journal reads this stream: JOURNAL_STREAM names the file, see systemd.exec(5).

    The variable alone is not enough: a child process inherits it, and may write to a file instead.
    """
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def for_journal(text: str, level: int) -> str:
    """Each line gets the priority of the level, because the journal makes an entry of each line."""
    priority = next((number for least, number in _PRIORITIES if level >= least), _DEBUG)
    return "\n".join(f"<{priority}>{line}" for line in text.split("\n"))


class JournalFormatter(logging.Formatter):
    """Wraps another formatter, for the journal."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return for_journal(self._inner.format(record), record.levelno)


class JsonFormatter(logging.Formatter):
    """One object on one line of ASCII: time, level, logger, message and, after a fault, its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)
