"""How a line of the log is written: as text, as JSON, and with its priority for the journal."""

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
    """Of LOG_FORMAT. The journal gives each line its time, so that text for it has none."""
    time = "" if to_journal else "%(asctime)s "
    inner = JsonFormatter() if log_format == "json" else PlainFormatter(f"{time}%(levelname)s %(message)s")
    return JournalFormatter(inner) if to_journal else inner


def is_journal(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Whether the journal reads it: systemd.exec(5) says by which file JOURNAL_STREAM tells.

    The variable alone says little: a child inherits it, and may have been redirected to a file.
    """
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def for_journal(text: str, level: int) -> str:
    """Each line with the priority of the level: the journal takes each for an entry of its own."""
    priority = next((number for least, number in _PRIORITIES if level >= least), _DEBUG)
    return "\n".join(f"<{priority}>{line}" for line in text.split("\n"))


class JournalFormatter(logging.Formatter):
    """What another formatter writes, for the journal."""

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
