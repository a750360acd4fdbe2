"""The log: one handler on stderr, and no credential in it."""

from __future__ import annotations

import logging
import re
import sys
from urllib.parse import quote, unquote_plus

from agent.plain_text import PlainFormatter, plain

_CREDENTIAL = re.compile(r"(?i)(key|token|secret|password|auth)[^=]*=")
_MAX_DECODINGS = 16  # nobody encodes as often but to keep us busy


def configure_logging(level: str) -> None:
    """Everything from `level` on goes to stderr; the access log too where it is on, credentials masked."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger().setLevel(level.upper())
    # uvicorn tells of each step of its start and end, and warns of each request that is none: only for those
    # who ask for detail.
    logging.getLogger("uvicorn.error").setLevel(logging.INFO if level == "debug" else logging.ERROR)
    access = logging.getLogger("uvicorn.access")
    access.setLevel(logging.INFO)  # whoever switched it on wants it at every LOG_LEVEL
    if not any(isinstance(known, RedactCredentials) for known in access.filters):
        access.addFilter(RedactCredentials())


class RedactCredentials(logging.Filter):
    """Masks `?api_key=` in the records of uvicorn's access log, whose third argument is path and query.

    Makes their texts plain too: under `uvicorn main:app` the handler is uvicorn's own.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every record pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                plain(redacted(value)) if isinstance(value, str) else value for value in record.args
            )
        return True


def redacted(target: str) -> str:
    """A request target in which the value of whatever looks like a credential is `***`.

    A name may be percent-encoded, more than once too, and so may the `?` and `=` around it; an encoded `&` is
    part of the value.
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
