"""A credential never reaches the log."""

from __future__ import annotations

import logging
import sys

import pytest

from agent.logs import RedactCredentials, redacted
from agent.plain_text import PlainFormatter, plain


@pytest.mark.parametrize(
    ("target", "logged"),
    [
        pytest.param("/gpu/stream?api_key=hunter2", "/gpu/stream?api_key=***", id="alone"),
        pytest.param(
            "/gpu/stream?interval=1&api_key=hunter2&idx=0",
            "/gpu/stream?interval=1&api_key=***&idx=0",
            id="between",
        ),
        pytest.param("/s?api_key=hunter2&api_key=hunter3", "/s?api_key=***&api_key=***", id="repeated"),
        pytest.param("/s?api_key=hun%26ter2", "/s?api_key=***", id="encoded ampersand in the value"),
        pytest.param("/s?api_key=hunter2=&a=b", "/s?api_key=***&a=b", id="equals sign in the value"),
        pytest.param("/s?api%5Fkey=hunter2", "/s?api_key=***", id="encoded name"),
        pytest.param("/s?%61%70%69_%6b%65%79=hunter2", "/s?api_key=***", id="name encoded letter by letter"),
        pytest.param("/s?api%255Fkey=hunter2", "/s?api_key=***", id="name encoded twice"),
        pytest.param("/s?api_key%3Dhunter2", "/s?api_key=***", id="encoded equals sign"),
        pytest.param("/s%3Fapi_key%3Dhunter2", "/s?api_key=***", id="question mark taken for path"),
        pytest.param(
            "/s?x=1%26api_key=hunter2", "/s?x=1%26api_key=***", id="encoded ampersand before the name"
        ),
        pytest.param("/s?API_KEY=hunter2", "/s?API_KEY=***", id="capitals"),
        pytest.param("/s?X-API-Key=hunter2", "/s?X-API-Key=***", id="the header's name"),
        pytest.param("/s?token=hunter2", "/s?token=***", id="a token, which no query should hold"),
        pytest.param(
            "/s?a=%" + "25" * 4000 + "&b=1", "***&b=1", id="encoded so often that decoding takes long"
        ),
        pytest.param("/s?api_key=hunter2\n", "/s?api_key=***", id="newline"),
        pytest.param("/s?a%0Ab_key=hunter2", "/s?a%0Ab_key=***", id="encoded newline stays encoded"),
        pytest.param("/status?idx=0,1&process=C", "/status?idx=0,1&process=C", id="nothing to hide"),
        pytest.param("/free?exclude_users=a%20b", "/free?exclude_users=a%20b", id="nothing to hide, encoded"),
    ],
)
def test_a_credential_in_a_request_is_masked_however_it_is_written(target: str, logged: str) -> None:
    assert logged == redacted(target)


def test_the_filter_masks_what_uvicorn_logs_and_lets_the_rest_be() -> None:
    arguments = ("127.0.0.1:4711", "GET", "/gpu/stream?api_key=hunter2", "1.1", 200)
    record = logging.LogRecord(
        "uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d', arguments, None
    )
    assert RedactCredentials().filter(record)
    assert record.getMessage() == '127.0.0.1:4711 - "GET /gpu/stream?api_key=*** HTTP/1.1" 200'


@pytest.mark.parametrize(
    ("text", "logged"),
    [
        pytest.param("a\nb\r\x1b[31m\x00\x7f", "a\\nb\\r\\x1b[31m\\x00\\x7f", id="C0 and DEL"),
        pytest.param("\x85\x9b31m", "\\x85\\x9b31m", id="C1"),
        pytest.param("a\u2028b\u2029", "a\\u2028b\\u2029", id="line separators"),
        pytest.param("\u202egpu\u2066\u200f", "\\u202egpu\\u2066\\u200f", id="direction of writing"),
        pytest.param("\u200b\ufeff\xad", "\\u200b\\ufeff\\xad", id="what cannot be seen"),
        pytest.param("\udc85", "\\udc85", id="half a surrogate pair"),
        pytest.param("Büro 2 — 日本", "Büro 2 — 日本", id="text"),
    ],
)
def test_a_record_is_one_line_of_what_can_be_seen(text: str, logged: str) -> None:
    record = logging.LogRecord("agent", logging.INFO, "", 0, "%s", (text,), None)
    assert logged == PlainFormatter("%(message)s").format(record)
    assert logged == plain(text)


def test_a_traceback_keeps_its_lines_and_nothing_else() -> None:
    try:
        int("a\x9bb\nc")
    except ValueError:
        record = logging.LogRecord("agent", logging.ERROR, "", 0, "failed", (), sys.exc_info())
    lines = PlainFormatter("%(message)s").format(record).split("\n")
    assert lines[0] == "failed"
    assert lines[-1] == "ValueError: invalid literal for int() with base 10: 'a\\x9bb\\nc'"


def test_the_filter_cleans_what_uvicorn_logs_with_its_own_handler() -> None:
    arguments = ("evil\x9b31m:0", "GET", "/", "1.1", 200)
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, "%s %s %s %s %d", arguments, None)
    assert RedactCredentials().filter(record)
    assert record.getMessage() == "evil\\x9b31m:0 GET / 1.1 200"
