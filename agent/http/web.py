"""The files of the page as they were when the agent started, and the hash that names this set of files.

Files that change later on disk, for example in an upgrade, are not served: a page never mixes two versions.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from agent.http.kept_response import KeptResponse
from agent.http.modules import joined
from agent.http.route_path import get_route_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

WEB = Path(__file__).parents[1] / "web"
SHELL_NAME = "index.html"
ENTRIES = ("page", "overview")  # the script of the shell, and the scripts that the overview needs in addition
# Not from the machine's own table: browsers do not run a module that is served as plain text.
TYPES = {".css": "text/css", ".js": "text/javascript"}
BUILD_HEADER = "X-Agent-Build"  # of the stream: an open page sees in it that the agent has another build


def build_of(files: Mapping[str, bytes]) -> str:
    """Twelve hexadecimal digits of a hash over the names and contents of all files."""
    parts = (b"%b\0%d\0%b" % (name.encode(), len(files[name]), files[name]) for name in sorted(files))
    return sha256(b"".join(parts)).hexdigest()[:12]


# A comment on lines of its own, which browsers do not need.
_COMMENTS = {
    ".js": re.compile(r"^ *//.*\n", re.MULTILINE),
    ".css": re.compile(r"^ */\*[^*]*\*/\n", re.MULTILINE),
}


def _served(files: Mapping[str, str]) -> dict[str, str]:
    """The files as they are sent to a browser."""
    modules = {name.removesuffix(".js"): text for name, text in files.items() if name.endswith(".js")}
    served = {**files, **{f"{name}.js": text for name, text in joined(ENTRIES, modules).items()}}
    for name, text in served.items():
        if comments := _COMMENTS.get(Path(name).suffix):
            served[name] = comments.sub("", text)
    return served


# Nothing that an editor or a file manager has left there.
_SERVED = {
    name: text.encode()
    for name, text in _served(
        {
            file.name: file.read_text("utf-8")
            for file in sorted(WEB.iterdir())
            if file.suffix in TYPES or file.name == SHELL_NAME
        }
    ).items()
}
BUILD = build_of(_SERVED)
SHELL = _SERVED[SHELL_NAME].decode()
ASSETS = {name: content for name, content in _SERVED.items() if name != SHELL_NAME}


class KeptFiles:
    """An ASGI app below a folder: each file under `/BUILD/name`, and nothing else.

    A file is compressed at its first request: compressing all at the start would delay it.
    """

    def __init__(self, build: str, files: Mapping[str, bytes], headers: Mapping[str, str]) -> None:
        self._files = {f"/{build}/{name}": (name, content) for name, content in files.items()}
        self._headers = headers
        self._answers: dict[str, KeptResponse] = {}

    @property
    def paths(self) -> frozenset[str]:
        """Below the folder."""
        return frozenset(self._files)

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        path = get_route_path(scope)
        if path not in self._files:
            raise HTTPException(404)
        if scope["method"] != "GET":  # HEAD has been made one
            raise HTTPException(405, headers={"Allow": "GET"})
        answer = self._answers.get(path)
        if answer is None:
            answer = self._answers[path] = _answer(*self._files[path], self._headers)
        await (answer.form_for(scope["headers"]) or answer).send(send)


def _answer(name: str, content: bytes, headers: Mapping[str, str]) -> KeptResponse:
    kind = f"{TYPES[Path(name).suffix]}; charset=utf-8"
    named = {**headers, "Content-Type": kind, "Content-Length": f"{len(content)}"}
    lines = [(key.lower().encode(), value.encode()) for key, value in named.items()]
    answer = KeptResponse(200, lines, content)
    answer.compress_at_once()
    return answer
