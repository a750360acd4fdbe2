"""What the page costs its reader: a real Chromium in front of one agent, alone and as thirty hosts."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from benchmarks.server import PREFIX, driver, running, sleepers
from benchmarks.table import Goal, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Route

TITLE = "page: 8 GPUs, 32 processes, in headless Chromium; an hour: 1,800 events as fast as they are read"
HOSTS = 30
FLEET = ",".join(f"node{number:02}=/node{number:02}" for number in range(HOSTS))
FRAME = 1 / 60  # seconds
INTERVAL = 2.0  # seconds between two events of the page's stream
PORTION = 150  # events in one stream: 5 minutes

# Written down by the page itself, in the frame that shows the first GPU.
WATCH = """
(() => {
  let asked = 1;
  const fetch = window.fetch;
  window.fetch = (...all) => { asked += 1; return fetch(...all); };
  const files = () => performance.getEntriesByType("resource").filter((one) => one.initiatorType !== "fetch");
  window.requests = () => asked + files().length;
  const look = () => {
    if (!document.querySelector("#gpus > *")) return requestAnimationFrame(look);
    const document_ = performance.getEntriesByType("navigation")[0];
    window.shown = {
      at: performance.now(),
      requests: requests(),
      bytes: [document_, ...files()].reduce((sum, one) => sum + one.encodedBodySize, 0),
    };
  };
  requestAnimationFrame(look);
})();
"""
BYTES_PER_SECOND = 400_000 / 8
SLOW_NETWORK = {
    "offline": False,
    "latency": 400,  # milliseconds
    "downloadThroughput": BYTES_PER_SECOND,
    "uploadThroughput": BYTES_PER_SECOND,
}
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def run(*, quick: bool) -> Iterator[Row]:
    """Load, frames and heap; RuntimeError without Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise RuntimeError("Not found: chromium. On Debian: apt-get install chromium")
    with sleepers(32) as pids, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        arguments = driver(gpus=8, pids=pids, call_us=0)
        with (
            running("agent", *arguments, URL_PREFIX=PREFIX) as agent,
            running("empty_page") as empty,
        ):
            url = f"{agent.url}{PREFIX}/"
            yield from _load(browser, url, f"{empty.url}/", 2 if quick else 15)
            yield _slow_network(browser, url, 1 if quick else 5)
            yield from _heap(browser, url, portions=1 if quick else 12)
        with running("agent", *arguments, URL_PREFIX="/node00", FLEET=FLEET, ready="/node00/status") as agent:
            yield from _frames(browser, agent.url, 2 if quick else 20)
        browser.close()


def _load(browser: Browser, url: str, empty_url: str, turns: int) -> Iterator[Row]:
    paints: list[float] = []
    floors: list[float] = []  # in turn with the paints: the machine is as busy for both
    shown: list[dict[str, float]] = []
    whole: list[int] = []
    for _ in range(turns):  # each with an empty cache
        context = browser.new_context()
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(url)
        shown.append(page.wait_for_function("() => window.shown").json_value())
        paints.append(page.evaluate(PAINT))
        page.locator("#processes tr").first.wait_for()
        page.locator("#offer:not(:empty)").wait_for()
        whole.append(page.evaluate("() => requests()"))
        context.close()
        context = browser.new_context()
        page = context.new_page()
        page.goto(empty_url)
        floors.append(page.wait_for_function(PAINT).json_value())
        context.close()
    paint, floor = statistics.median(paints), statistics.median(floors)
    yield Row("first paint, beside an empty page", paint, "ms", floor, Goal("ratio", at_most=1.5))
    yield Row("GPUs shown", statistics.median(one["at"] for one in shown), "ms")
    yield Row("requests until then", max(one["requests"] for one in shown), goal=Goal("value", at_most=8))
    yield Row("requests until all is shown", max(whole))
    yield Row("bytes of the page until the GPUs are shown", max(one["bytes"] for one in shown) / 1000, "kB")


def _slow_network(browser: Browser, url: str, turns: int) -> Row:
    """As far away as over a mobile connection, with an empty cache."""
    shown = []
    for _ in range(turns):
        context = browser.new_context()
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", SLOW_NETWORK)
        page.add_init_script(WATCH)
        page.goto(url)
        shown.append(page.wait_for_function("() => window.shown").json_value()["at"])
        context.close()
    what = "GPUs shown at 400 kbit/s and 400 ms"
    return Row(what, statistics.median(shown) / 1000, "s", goal=Goal("value", at_most=2.0))


def _heap(browser: Browser, url: str, portions: int) -> Iterator[Row]:
    """The page keeps an hour: what it holds after the first is what it may hold after the second."""
    page = browser.new_page()
    page.goto(url)
    page.locator("#gpus > *").first.wait_for()
    event = page.evaluate("async () => (await fetch('gpu')).json()")
    ticks = count(1)
    began = time.time()

    def events(route: Route) -> None:
        lines = []
        for tick in (next(ticks) for _ in range(PORTION)):
            at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began + tick * INTERVAL)) + "+00:00"
            for gpu in event["gpus"]:
                gpu["utilization"]["gpu_percent"] = tick % 101
            lines.append(f"data: {json.dumps({**event, 'timestamp': at})}\n\n")
        route.fulfill(body="".join(lines), headers={"Content-Type": "text/event-stream"})

    page.route("**/gpu/stream*", events)
    page.reload()
    heaps = []
    for hour in (1, 2):
        while next_tick(ticks) <= hour * portions * PORTION:
            page.wait_for_timeout(200)
        heaps.append(_heap_mib(page))
    page.close()
    name = f"{portions * PORTION * INTERVAL / 3600:.2g} h"
    yield Row(
        f"heap after the second {name}, beside the first",
        heaps[1],
        "MiB",
        heaps[0],
        Goal("ratio", at_most=1.1),
    )


def next_tick(ticks: count[int]) -> int:
    """Which number comes next, without taking it."""
    return int(re.findall(r"\d+", repr(ticks))[0])


def _heap_mib(page: Page) -> float:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1024**2


def _frames(browser: Browser, agent: str, seconds: int) -> Iterator[Row]:
    """How long the page's thread is busy in each sixtieth of a second while it shows thirty hosts."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.route(
        re.compile("/node[0-9]+/"),
        lambda route: route.continue_(url=re.sub("/node[0-9]+/", "/node00/", route.request.url)),
    )
    page.goto(f"{agent}/node00/")
    page.get_by_text(f"{HOSTS} of {HOSTS}").wait_for()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        browser.start_tracing(
            page=page, path=trace, categories=["toplevel", "disabled-by-default-devtools.timeline"]
        )
        page.wait_for_timeout(seconds * 1000)
        browser.stop_tracing()
        events = json.loads(trace.read_text("utf-8"))["traceEvents"]
    page.close()
    frames = round(seconds / FRAME)
    # The browser's other processes, the agent and this program share two cores with the page's thread.
    for clock, by, goal in (("tdur", "CPU", Goal("value", at_most=16)), ("dur", "by the clock", None)):
        busy = _busy(events, frames, clock)
        where = f"{HOSTS} hosts: the page's thread in a frame of 16.7 ms, {by}"
        yield Row(f"{where}, p99", busy[int(len(busy) * 0.99)], "ms", goal=goal)
        yield Row(f"{where}, most", busy[-1], "ms")


def _busy(events: list[dict[str, Any]], frames: int, clock: str) -> list[float]:
    """Milliseconds of each frame, the idlest first; a task counts in the frame in which it began.

    `clock` is the trace's name of a duration: "tdur" is CPU time of the thread, "dur" what passed.
    """
    main = {(one["pid"], one["tid"]) for one in events if one.get("args", {}).get("name") == "CrRendererMain"}
    spent: dict[int, float] = {}
    for one in events:
        if one["name"] == "RunTask" and (one["pid"], one["tid"]) in main:
            frame = int(one["ts"] / 1e6 / FRAME)
            spent[frame] = spent.get(frame, 0.0) + one.get(clock, 0) / 1000
    return sorted([*spent.values(), *([0.0] * max(0, frames - len(spent)))])
