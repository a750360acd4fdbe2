"""Floor: a page that makes the requests of the agent's page, gets as many bytes, and runs no script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.http.compression import compress
from agent.http.web import ASSETS, SHELL
from benchmarks.programs import serving

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]


def empty_page() -> ASGIApp:
    """An app whose files are compressed once, as the agent's are; other paths have an empty answer."""
    body = re.sub(r"<body>.*</body>", "<body><h1>GPUs</h1></body>", SHELL, flags=re.DOTALL)
    answers = {"": _answer("text/html", body.encode())}
    for name, content in ASSETS.items():
        is_script = name.endswith(".js")
        nothing = b"/*" + content.replace(b"*/", b"") + b"*/"
        if name == "page.js":
            nothing += b'\nfetch("gpu/stream?interval=2");'
        answers[name] = _answer("text/javascript" if is_script else "text/css", nothing)

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        headers, content = answers.get(scope["path"].rpartition("/")[2], _answer("text/plain", b""))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return app


def _answer(kind: str, body: bytes) -> tuple[Headers, bytes]:
    content = compress(body)
    length = str(len(content)).encode()
    headers = [(b"content-type", kind.encode()), (b"content-encoding", b"gzip"), (b"content-length", length)]
    return headers, content


if __name__ == "__main__":
    serving.serve(empty_page(), serving.options().parse_args())
