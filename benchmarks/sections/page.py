"""What the page costs the browser: a real Chromium with one agent, as one host and as thirty hosts."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import time
from itertools import count
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from benchmarks import overview
from benchmarks.server import PREFIX, driver, running, sleepers
from benchmarks.table import Goal, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Route

TITLE = "page: 8 GPUs, 32 processes, in headless Chromium; an hour: 1,800 events as fast as they are read"
INTERVAL = 2.0  # seconds between two events of the page's stream
PORTION = 150  # events in one stream: 5 minutes

# Recorded by a script in the page, in the frame that shows the first GPU.
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
    """Loading, frames and heap. Raises RuntimeError without Chromium."""
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
        with running(
            "agent", *arguments, URL_PREFIX="/node00", FLEET=overview.FLEET, ready="/node00/status"
        ) as agent:
            yield from overview.rows(browser, agent.url, quick=quick)
        browser.close()


def _load(browser: Browser, url: str, empty_url: str, turns: int) -> Iterator[Row]:
    paints: list[float] = []
    floors: list[float] = []  # in turn with the paints, so that other load affects both
    shown: list[dict[str, float]] = []
    whole: list[int] = []
    for _ in range(turns):  # each load has an empty cache
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
    """Loading over a slow network with the delay of a mobile connection, and an empty cache."""
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
    """The page keeps an hour of values: the heap after two hours must not exceed that after one."""
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
        heaps.append(overview.heap_mib(page))
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
    """The next number of the counter, without consuming it."""
    return int(re.findall(r"\d+", repr(ticks))[0])
