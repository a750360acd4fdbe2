"""A page that is open for a day takes no more memory than one that is open for a few hours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.simulation import Simulation
from tests.page.opened import opened
from tests.support import loopback
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession

pytestmark = pytest.mark.slow

STEP = 8  # seconds between two events, too few for a gap
# Time passes as fast as the page can process events: each event moves both clocks.
FAST = """(() => {
    const asked = window.fetch;
    const clocks = [performance, Date].map((clock) => [clock, clock.now.bind(clock)]);
    const event = EVENT;
    const begin = Date.parse(event.timestamp);
    window.passed = 0; // milliseconds
    window.until = 0;
    for (const [clock, now] of clocks) clock.now = () => now() + window.passed;
    window.fetch = async (path, ...rest) => {
        if (!`${path}`.includes("gpu/stream")) return asked(path, ...rest);
        const body = new ReadableStream({
            async pull(stream) {
                while (window.passed >= window.until) await new Promise((resume) => setTimeout(resume, 50));
                window.passed += STEP * 1000;
                event.timestamp = new Date(begin + window.passed).toISOString();
                for (const gpu of event.gpus) gpu.utilization.gpu_percent = (window.passed / 8000) % 100;
                stream.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(event)}\\n\\n`));
                await new Promise((resume) => setTimeout(resume));
            },
        });
        return new Response(body);
    };
})();"""


def heap(session: CDPSession) -> float:
    """The memory that the page uses after a garbage collection, in bytes."""
    session.send("HeapProfiler.collectGarbage")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(float(one["value"]) for one in metrics if one["name"] == "JSHeapUsedSize")


def test_the_memory_of_a_page_stays_flat_over_a_day(browser: Browser) -> None:
    with Simulation(1), agent_server() as url:
        script = FAST.replace("EVENT", loopback.get(f"{url}/gpu").text).replace("STEP", f"{STEP}")
        with opened(browser, f"{url}/?density=tiles", script=script) as page:
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable")

            def after(hours: float) -> float:
                page.evaluate("(hours) => { window.until = hours * 3600_000; }", hours)
                page.wait_for_function("() => window.passed >= window.until", timeout=240_000)
                return heap(session)

            early = after(3)
            late = after(24)
            assert page.locator(".tile").count() == 1
            assert page.locator("#connection.live").is_visible()
    assert late <= 1.2 * early + 500_000
