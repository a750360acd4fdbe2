"""The log: written to stderr without waiting for its reader, and without credentials."""

from __future__ import annotations

import logging
import os
import re
import sys
from itertools import chain
from urllib.parse import quote, unquote_plus

from agent.server.log_formats import for_journal, formatter, is_journal
from agent.server.log_writer import LogWriter
from agent.server.plain_text import plain

# Loggers that may have handlers before ours, from a server that loads the app.
LOGGERS = ("", "uvicorn", "uvicorn.error", "uvicorn.access", "gunicorn.error", "gunicorn.access")
_CREDENTIAL = re.compile(r"(?i)(key|token|secret|password|auth)[^=]*=")
_MAX_DECODINGS = 16  # more layers of encoding are only an attack


def configure_logging(level: str, log_format: str = "text") -> None:
    """Log everything from `level` on to stderr, and the access log if it is on, with credentials masked.

    `log_format` is LOG_FORMAT. If the journal reads stderr, each line has a priority.

    Existing handlers for stdout or stderr, such as uvicorn's under `uvicorn main:app`, keep their format but
    no longer wait for their reader.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(log_format, to_journal=_stderr_is_journal()))
    logging.basicConfig(handlers=[handler])
    logging.getLogger().setLevel(level.upper())
    logging.captureWarnings(True)
    # uvicorn logs each step of its start and end, and warns of each invalid request: only with
    # LOG_LEVEL=debug.
    logging.getLogger("uvicorn.error").setLevel(logging.INFO if level == "debug" else logging.ERROR)
    access = logging.getLogger("uvicorn.access")
    access.setLevel(logging.INFO)  # it was switched on explicitly, so it is independent of LOG_LEVEL
    if not any(isinstance(known, RedactCredentials) for known in access.filters):
        access.addFilter(RedactCredentials())
    for name in LOGGERS:
        handlers = logging.getLogger(name).handlers
        handlers[:] = map(_never_waiting, handlers)  # in place: loggers of gunicorn and uvicorn share a list


def write_error(text: str) -> None:
    """Write the text of an error to stderr unchanged, without waiting for its reader."""
    text = for_journal(text, logging.ERROR) if _stderr_is_journal() else text
    handler = _never_waiting(logging.StreamHandler(sys.stderr))
    handler.emit(logging.makeLogRecord({"msg": text}))


def _stderr_is_journal() -> bool:
    try:
        return is_journal(sys.stderr.fileno(), os.environ)
    except (AttributeError, OSError, ValueError):  # closed, or a stand-in without a file
        return False


def dropped_lines() -> int:
    """The number of log lines dropped since the start."""
    return sum(writer.dropped for writer in _writers())


def _writers() -> set[LogWriter]:
    handlers = chain.from_iterable(logging.getLogger(name).handlers for name in LOGGERS)
    return {handler for handler in handlers if isinstance(handler, LogWriter)}


def _never_waiting(handler: logging.Handler) -> logging.Handler:
    """The same handler, or a LogWriter instead of one that writes to stdout or stderr."""
    if type(handler) is not logging.StreamHandler or handler.stream not in (sys.stdout, sys.stderr):
        return handler
    try:
        writer = LogWriter(handler.stream.fileno(), handler.stream.encoding)
    except (AttributeError, OSError):  # closed, or a stand-in without a file
        return handler
    writer.setLevel(handler.level)
    writer.setFormatter(handler.formatter)
    for known in handler.filters:
        writer.addFilter(known)
    return writer


class RedactCredentials(logging.Filter):
    """Masks `?api_key=` in the records of uvicorn's access log, whose third argument is path and query.

    Also escapes control characters, because under `uvicorn main:app` the handler is uvicorn's own.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                plain(redacted(value)) if isinstance(value, str) else value for value in record.args
            )
        return True


def redacted(target: str) -> str:
    """The request target with `***` for the value of everything that looks like a credential.

    The name, `?` and `=` may be percent-encoded, even several times; an encoded `&` is part of the value.
    """
    return "&".join(_redacted_part(part) for part in target.split("&"))


def _redacted_part(part: str) -> str:
    plain, decoded = part, unquote_plus(part)
    decodings = 0
    while decoded != plain:
        if decodings == _MAX_DECODINGS:
            return "***"
        plain, decoded = decoded, unquote_plus(decoded)
        decodings += 1
    found = _CREDENTIAL.search(plain, 0, plain.rfind("=") + 1)  # no search that must fail at each "key"
    return quote(plain[: found.end()], safe="/?=") + "***" if found else part
