"""The EventSource of Chromium and that of Node.js reconnect by themselves after a restart of the agent."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.clients.npm import install
from tests.proxies.conftest import agent_behind
from tests.proxies.reverse_proxy import proxy
from tests.proxies.test_faults import start_again
from tests.support.agents import ROOT, clean_environ, wait_until
from tests.support.chromium import chromium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.proxies.reverse_proxy import Origin, Program, Setup

pytestmark = pytest.mark.slow

GONE = 7.0  # seconds
DEADLINE = 60.0  # seconds; mostly the time that a client waits before it reconnects
STREAM = "/server1/gpu/stream?interval=0.5"

IN_A_PAGE = """([name, url]) => {
    const counts = window[name] = { open: 0, message: 0 };
    const source = new EventSource(url);
    for (const type of Object.keys(counts)) source.addEventListener(type, () => { counts[type] += 1; });
}"""
IN_NODE = """
import { EventSource } from "eventsource";
const source = new EventSource(process.argv[2]);
for (const type of ["open", "message"]) source.addEventListener(type, () => console.log(type));
"""


class Source(Protocol):
    """An open EventSource."""

    def count(self, type_: str) -> int:
        """The number of its events of this type so far: `open` or `message`."""


class PageSource:
    """An EventSource of Chromium."""

    def __init__(self, page: Page, name: str) -> None:
        self._page = page
        self._name = name
        page.evaluate(IN_A_PAGE, [name, STREAM])

    def count(self, type_: str) -> int:
        return int(self._page.evaluate("([name, type]) => window[name][type]", [self._name, type_]))


class NodeSource:
    """An EventSource of the npm package eventsource."""

    def __init__(self, stack: ExitStack, project: Path, origin: Origin, name: str) -> None:
        self._log = project / f"{name}.log"
        with self._log.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603  (our own program)
                [shutil.which("node") or "node", "source.mjs", f"{origin.url}{STREAM}"],
                cwd=project,
                env={**clean_environ(), "NODE_EXTRA_CA_CERTS": f"{origin.certificate.certificate}"},
                stdout=log,
                stderr=log,
            )
        stack.callback(process.wait)
        stack.callback(process.kill)

    def count(self, type_: str) -> int:
        return self._log.read_text().split().count(type_)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def node_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("node")
    install(folder, "eventsource@3")  # the last version that supports the Node.js of Debian 12
    (folder / "source.mjs").write_text(IN_NODE)
    return folder


def test_event_sources_reconnect_after_a_restart_of_the_agent(
    program: Program, set_up: Callable[[tuple[str, str]], Setup], browser: Browser, node_project: Path
) -> None:
    """Both those that were open before, and those that were opened while the agent was down."""
    with ExitStack() as stack:
        agent = agent_behind(stack, "server1")
        running = stack.enter_context(proxy(program, set_up((agent.url, agent.url))))
        page = stack.enter_context(browser.new_context(ignore_https_errors=True)).new_page()
        page.goto(f"{running.url}/server1/health")

        def opened(name: str) -> list[Source]:
            node = NodeSource(stack, node_project, running, f"{program.name}-{name}")
            return [PageSource(page, name), node]

        before = opened("before")
        wait_for(before, "message", 2)
        assert agent.stop() == 0
        gone_at = time.monotonic()
        during = opened("during")
        wait_for(during, "open", 1)  # the proxy answers with an empty stream
        assert [source.count("message") for source in during] == [0, 0]
        time.sleep(max(0.0, gone_at + GONE - time.monotonic()))
        told = [source.count("message") for source in before]
        start_again(stack, agent, "server1")
        for source, number in zip(before, told, strict=True):
            wait_for([source], "message", number + 2)
        wait_for(during, "message", 2)


def wait_for(sources: list[Source], type_: str, number: int) -> None:
    for source in sources:
        wait_until(
            partial(lambda source: source.count(type_) >= number, source),
            f"{type(source).__name__} has seen {type_} {number} times",
            DEADLINE,
        )


@contextmanager
def restarting_server() -> Iterator[str]:
    """An origin with an empty page. Its stream first answers 502, as most proxies do, then with an event."""
    answers = iter([502])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_stream = self.path.startswith("/gpu/stream")
            self.send_response(next(answers, 200) if is_stream else 200)
            self.send_header("Content-Type", "text/event-stream" if is_stream else "text/html")
            self.end_headers()
            self.wfile.write(b'data: {"gpu_count":2}\n\n' if is_stream else b"<title>x</title>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def test_the_documented_script_opens_a_new_event_source_after_an_error(browser: Browser) -> None:
    """Without this script, an EventSource never reconnects after an error."""
    (lines,) = re.findall(r"```js\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL)
    assert len(lines.splitlines()) == 6
    with restarting_server() as url, browser.new_context() as context:
        page = context.new_page()
        page.goto(url)
        page.evaluate(f"() => {{ window.show = (event) => {{ window.shown = event; }}; {lines} }}")
        page.wait_for_function("() => window.shown?.gpu_count === 2", timeout=DEADLINE * 1000)
