"""Every credential is compared with every secret in constant time, even after one has matched."""

from __future__ import annotations

import asyncio
import hmac
import sys
from typing import TYPE_CHECKING, Any

import pytest

from agent.http.authentication import Authentication
from agent.http.tokens import Tokens
from agent.routes import ENDPOINTS
from tests.support.endpoints import STREAM

if TYPE_CHECKING:
    from types import FrameType

    from starlette.types import Message, Receive, Scope, Send

METRICS_TOKEN = "fourth"  # noqa: S105  opens nothing
SECRETS = ["first", "second", "third"]


async def welcome(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


def comparisons(path: str, name: bytes, value: str) -> tuple[int, int]:
    """The status, and the number of comparisons that the interpreter's profiler counts."""
    app = Authentication(
        welcome, endpoints=ENDPOINTS, tokens=Tokens(SECRETS), metrics_token=METRICS_TOKEN, api_keys=SECRETS
    )
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [(name, value.encode())],
    }
    sent: list[Message] = []
    compared = 0

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nobody needs the body")

    def count(_frame: FrameType, event: str, called: Any) -> None:
        nonlocal compared
        compared += event == "c_call" and called is hmac.compare_digest

    async def request_once() -> None:
        sys.setprofile(count)
        try:
            await app(scope, receive, send)
        finally:
            sys.setprofile(None)

    asyncio.run(request_once())
    return sent[0]["status"], compared


@pytest.mark.parametrize(
    ("path", "name", "prefix", "secrets", "pairs"),
    [
        ("/count", b"authorization", "", SECRETS, 3),
        ("/count", b"authorization", "Bearer ", SECRETS, 6),  # or the whole header may be the token
        ("/metrics", b"authorization", "", [*SECRETS, METRICS_TOKEN], 4),
        ("/metrics", b"authorization", "bearer ", [*SECRETS, METRICS_TOKEN], 8),
        (STREAM, b"x-api-key", "", SECRETS, 3),
    ],
)
def test_the_number_of_comparisons_does_not_depend_on_which_secret_matches(
    path: str, name: bytes, prefix: str, secrets: list[str], pairs: int
) -> None:
    for secret in secrets:
        assert comparisons(path, name, prefix + secret) == (200, pairs)
    for wrong in ("x", "firs", "first2", "x" * 1000):
        assert comparisons(path, name, prefix + wrong) == (401, pairs)
