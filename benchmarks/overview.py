"""What the page costs the browser while it shows thirty hosts; part of the section `page`."""

from __future__ import annotations

import json
import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.table import Goal, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

HOSTS = 30
FLEET = ",".join(f"node{number:02}=/node{number:02}" for number in range(HOSTS))
FRAME = 1 / 60  # seconds
DAY = 24.0  # hours
# A clock that runs as fast as the page can follow, with answers made in the page, which always differ.
FAST = """
(() => {
  const asked = window.fetch;
  const later = window.setTimeout;
  const clocks = [performance, Date].map((clock) => [clock, clock.now.bind(clock)]);
  const due = []; // [when, what] of each timer
  let passed = 0;
  let answer = null;
  for (const [clock, now] of clocks) clock.now = () => now() + passed;
  window.passed = () => passed / 3_600_000;
  window.until = 0; // hours
  window.setTimeout = (what, wait = 0, ...all) =>
    wait < 100 ? later(what, wait, ...all) : due.push([passed + wait, () => what(...all)]);
  window.setInterval = (what, wait, ...all) => {
    const again = () => {
      what(...all);
      due.push([passed + wait, again]);
    };
    return due.push([passed + wait, again]);
  };
  window.fetch = async (path, ...rest) => {
    const one = { code: 0, data: [{ name: "one", path: "/node00/" }] };
    if (`${path}`.endsWith("fleet")) return new Response(JSON.stringify(one));
    if (!`${path}`.endsWith("summary")) return asked(path, ...rest);
    answer ??= await (await asked(path, ...rest)).json();
    for (const gpu of answer.data.gpus) {
      gpu.utilization_percent = Math.floor(passed / 1000 + gpu.idx) % 101;
      gpu.verdict = Math.floor(passed / 60_000 + gpu.idx) % 7 ? "healthy" : "warning";
    }
    return new Response(JSON.stringify(answer));
  };
  const step = () => {
    if (due.length && passed < window.until * 3_600_000) {
      due.sort(([one], [other]) => one - other);
      const [at, what] = due.shift();
      passed = Math.max(passed, at);
      what();
    }
    turn.port2.postMessage(null);
  };
  const turn = new MessageChannel();
  turn.port1.onmessage = step;
  turn.port2.postMessage(null);
})();
"""


def rows(browser: Browser, agent: str, *, quick: bool) -> Iterator[Row]:
    """Requests, bytes, frames and heap. `agent` serves /node00, and answers for all hosts."""
    page = _opened(browser, agent)
    page.get_by_text(f"{HOSTS} of {HOSTS} live").wait_for()
    yield from _traffic(page, 6 if quick else 60)
    yield from _frames(browser, page, 2 if quick else 20)
    page.close()
    yield from _heap(browser, agent, 0.2 if quick else DAY)


def _opened(browser: Browser, agent: str, script: str = "") -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(script)
    page.route(
        re.compile("/node[0-9]+/"),
        lambda route: route.continue_(url=re.sub("/node[0-9]+/", "/node00/", route.request.url)),
    )
    page.goto(f"{agent}/node00/")
    return page


def _traffic(page: Page, seconds: int) -> Iterator[Row]:
    """Requests and bytes over HTTP/1.1, whose headers are larger than those of a proxy's HTTP/2."""
    received: list[float] = []
    session = page.context.new_cdp_session(page)
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    session.send("Network.enable")
    began = time.monotonic()
    page.wait_for_timeout(seconds * 1000)
    passed = time.monotonic() - began
    yield Row(
        f"{HOSTS} hosts: requests in a minute", len(received) / passed * 60, goal=Goal("value", at_most=400)
    )
    yield Row(
        f"{HOSTS} hosts: received in an hour, headers included",
        sum(received) / passed * 3600 / 1e6,
        "MB",
        goal=Goal("value", at_most=20),
    )


def _heap(browser: Browser, agent: str, hours: float) -> Iterator[Row]:
    """The heap with one host after this time; a day with more hosts would take hours to simulate."""
    page = _opened(browser, agent, FAST)
    heaps = []
    for end in (hours / DAY, hours):
        page.evaluate("(hours) => { window.until = hours; }", end)
        page.wait_for_function("() => window.passed() >= window.until", timeout=900_000)
        heaps.append(heap_mib(page))
    page.close()
    yield Row(
        f"a host of FLEET: heap after {hours:g} h, beside {hours / DAY:.2g} h",
        heaps[1],
        "MiB",
        heaps[0],
        Goal("ratio", at_most=1.1),
    )


def heap_mib(page: Page) -> float:
    """Heap of the page's scripts in MiB, after garbage collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1024**2


def _frames(browser: Browser, page: Page, seconds: int) -> Iterator[Row]:
    """How long the main thread of the page is busy in each sixtieth of a second."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        browser.start_tracing(
            page=page, path=trace, categories=["toplevel", "disabled-by-default-devtools.timeline"]
        )
        page.wait_for_timeout(seconds * 1000)
        browser.stop_tracing()
        events = json.loads(trace.read_text("utf-8"))["traceEvents"]
    frames = round(seconds / FRAME)
    # The browser's other processes, the agent and this program share two cores with the page's main thread.
    for clock, by, goal in (("tdur", "CPU", Goal("value", at_most=16)), ("dur", "by the clock", None)):
        busy = _busy(events, frames, clock)
        where = f"{HOSTS} hosts: the page's thread in a frame of 16.7 ms, {by}"
        yield Row(f"{where}, p99", busy[int(len(busy) * 0.99)], "ms", goal=goal)
        yield Row(f"{where}, most", busy[-1], "ms")


def _busy(events: list[dict[str, Any]], frames: int, clock: str) -> list[float]:
    """Busy milliseconds of each frame, in ascending order. A task counts in the frame in which it began.

    `clock` is the name of a duration in the trace: "tdur" is CPU time of the thread, "dur" elapsed time.
    """
    main = {(one["pid"], one["tid"]) for one in events if one.get("args", {}).get("name") == "CrRendererMain"}
    spent: dict[int, float] = {}
    for one in events:
        if one["name"] == "RunTask" and (one["pid"], one["tid"]) in main:
            frame = int(one["ts"] / 1e6 / FRAME)
            spent[frame] = spent.get(frame, 0.0) + one.get(clock, 0) / 1000
    return sorted([*spent.values(), *([0.0] * max(0, frames - len(spent)))])
