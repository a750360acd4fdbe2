"""The build of the page: its files have URLs with the build, and an open page learns the newest build."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from agent.http.web import ASSETS, BUILD, SHELL, WEB, KeptFiles, build_of
from tests.http.wire import A_TOKEN, error_in
from tests.support import loopback
from tests.support.agents import agent_client, agent_server

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("simulation")]

IMMUTABLE = "public, max-age=31536000, immutable"
ORIGIN = "https://dash.example.org"
FILES = {"a.js": b"one", "b.js": b"two"}


async def test_every_file_has_a_url_with_its_build_and_is_cached_forever() -> None:
    """It also has its type, tag and security headers. The build has twelve hexadecimal digits."""
    assert re.fullmatch(r"[0-9a-f]{12}", BUILD)
    assert KeptFiles("b", FILES, {}).paths == {"/b/a.js", "/b/b.js"}
    async with agent_client(TOKEN=A_TOKEN, URL_PREFIX="server1") as client:
        shell = await client.get("/server1/")
        for name in ASSETS:
            answer = await client.get(f"/server1/web/{BUILD}/{name}")
            assert (name, 200, answer.content) == (name, answer.status_code, ASSETS[name])
            assert answer.headers["cache-control"] == IMMUTABLE
            assert answer.headers["etag"]
            kind = "text/css" if name.endswith(".css") else "text/javascript"
            assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
            for header in ("content-security-policy", "x-content-type-options", "referrer-policy"):
                assert answer.headers[header] == shell.headers[header]


@pytest.mark.parametrize(
    "path",
    ["page.js", "index.html", f"{BUILD}/index.html", f"{BUILD[:-1]}/page.js", f"{BUILD}x/page.js"],
)
async def test_a_file_of_another_build_is_404_and_that_is_not_cached(path: str) -> None:
    """Behind the same proxy, an agent of that build may answer next time."""
    async with agent_client(TOKEN=A_TOKEN) as client:
        answer = await client.get(f"/web/{path}")
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
    assert error_in(answer)


async def test_the_shell_loads_only_files_of_its_build() -> None:
    """The shell itself is requested again each time."""
    async with agent_client(FLEET="server1=/server1") as fleet, agent_client() as client:
        pages = [await client.get("/"), await fleet.get("/")]
    for page in pages:
        assert re.findall(r'<html[^>]* data-build="(\w+)"', page.text) == [BUILD]
        loaded = re.findall(r'(?:src|href)="(?!data:|gpu|docs|#)([^"]+)"', page.text)
        assert len(loaded) == SHELL.count('"web/') >= 2
        assert all(path.startswith(f"web/{BUILD}/") for path in loaded)
        assert page.headers["cache-control"] == "no-cache"
        assert page.headers["etag"]


async def test_the_summary_has_the_build() -> None:
    async with agent_client() as client:
        assert (await client.get("/summary")).json()["data"]["build"] == BUILD


def test_the_stream_has_the_build_in_a_header_that_listed_origins_may_read() -> None:
    with agent_server(CORS_ORIGINS=ORIGIN) as url:
        for headers, exposed in (({"Origin": ORIGIN}, "X-Agent-Build"), ({}, None)):
            with loopback.stream("GET", f"{url}/gpu/stream", headers=headers) as stream:
                assert stream.headers["x-agent-build"] == BUILD
                assert stream.headers.get("access-control-expose-headers") == exposed


@pytest.mark.parametrize(
    "others",
    [
        {"a.js": b"one", "b.js": b"twO"},
        {"a.js": b"one"},
        {"a.js": b"one", "c.js": b"two"},
        {"a.js": b"two", "b.js": b"one"},
        {"a.js": b"onetwo", "b.js": b""},
        {"a.js": b"", "b.js": b"onetwo"},
    ],
)
def test_any_different_file_makes_a_different_build(others: Mapping[str, bytes]) -> None:
    assert build_of(others) != build_of(FILES) == build_of(dict(reversed(FILES.items())))


def test_comment_lines_of_files_are_not_served() -> None:
    """Only whole comment lines are removed; all other lines are served unchanged."""
    for name in ("order.js", "users.css"):
        lines = (WEB / name).read_text("utf-8").splitlines()
        kept = [line for line in lines if not line.lstrip().startswith(("//", "/*"))]
        assert len(kept) < len(lines)
        assert ASSETS[name].decode().splitlines() == kept
