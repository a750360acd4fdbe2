"""The page, opened in a browser."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from playwright.sync_api import Browser, Locator, Page

UNKNOWN = "\N{EN DASH}"
SECONDS = 30_000  # milliseconds that a test waits for a change of the page


@contextmanager
def opened(
    browser: Browser, url: str, *, script: str = "", expected: Sequence[str] = (), **context_options: Any
) -> Iterator[Page]:
    """The page at this URL. It must have no error and send no request to another origin.

    `script` runs before it. `expected`: parts of messages that the browser may print about failing requests.
    """
    context = browser.new_context(**context_options)
    page = context.new_page()
    faults: list[str] = []
    said: list[str] = []
    asked = asked_from_now_on(page)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    page.set_default_timeout(SECONDS)
    page.add_init_script(script)
    page.goto(url)
    try:
        yield page
    finally:
        errors = [*said]  # what follows meets the answers of the agent, not those of the test
        for each in context.pages:  # a test may be about to change an answer to a page that is closed
            each.unroute_all(behavior="ignoreErrors")
        context.close()
    origin = url.split("/", 3)[2]
    assert [one for one in asked if one.split("/", 3)[2] != origin] == []
    assert [one for one in errors if not any(part in one for part in expected)] == []
    assert faults == []


def asked_from_now_on(page: Page) -> list[str]:
    """A list that grows by the URL of each request of the page."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


def eventually(page: Page, holds: Callable[[], object], what: str) -> None:
    """Let the browser go on until this holds; AssertionError if it never does."""
    for _ in range(SECONDS // 200):
        if holds():
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"This never became true: {what}.")


def facts(part: Locator) -> dict[str, str]:
    """Names and values of the lists in a part of the page."""
    texts = part.evaluate(
        """part => [...part.querySelectorAll("dl > div")].map(
            (pair) => [...pair.children].map((one) => one.innerText)
        )"""
    )
    return {name: value.replace("\xa0", " ").strip() for name, value in texts}


def hide(page: Page, *, hidden: bool) -> None:
    """Hide or show the page as another tab in front of it would; a headless browser has no tabs."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def process(text: str = "x", **fields: object) -> dict[str, object]:
    """A row of /processes in which all texts are this one."""
    texts = dict.fromkeys(["username", "name", "command", "systemd_unit"], text)
    numbers = {"idx": 0, "pid": 7, "gpu_memory_mb": None, "sm_utilization_percent": None}
    times = {"running_seconds": None, "idle_seconds": 9000, "idle_holder": True}
    return {**texts, **numbers, **times, **fields}


# A replacement of the stream: it sends this event at once and again each second, without end, and those that
# `window.send` is called with.
STREAMING = """(() => {
    const asked = window.fetch;
    const written = (event) => new TextEncoder().encode(`data: ${JSON.stringify(event)}\\n\\n`);
    const line = written(EVENT);
    window.fetch = async (path, ...rest) => {
        if (!`${path}`.includes("gpu/stream")) return asked(path, ...rest);
        const body = new ReadableStream({
            start(stream) {
                window.send = (event) => stream.enqueue(written(event));
                stream.enqueue(line);
                setInterval(() => stream.enqueue(line), 1000);
            },
        });
        return new Response(body, { headers: HEADERS });
    };
})();"""


def streaming(event: object, *, build: str | None = None) -> str:
    """A script that replaces each event of the stream by this one; `build`: the build of the agent's page."""
    headers = {} if build is None else {"X-Agent-Build": build}
    return STREAMING.replace("EVENT", json.dumps(event)).replace("HEADERS", json.dumps(headers))
