"""The agent's time of day is set while the page is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.simulation import Simulation
from tests.page.opened import opened
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

# Events of a GPU of its own, at these seconds: the rows that the page keeps of it.
ROWS = """async (seconds) => {
    const { add, recent } = await import(`./web/${document.documentElement.dataset.build}/history.js`);
    const start = Date.parse("2026-01-01T00:00:00Z");
    const gpu = (percent) => ({
        uuid: "another", utilization: { gpu_percent: percent }, memory: {}, power: {},
    });
    seconds.forEach((at, number) =>
        add({ timestamp: new Date(start + at * 1000).toISOString(), gpus: [gpu(number)] }));
    return recent({ uuid: "another" }).map(([at, [percent]]) => [(at - start) / 1000, percent]);
}"""


def test_a_chart_goes_on_after_the_clock_was_set_back(browser: Browser) -> None:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/") as page:
        rows = page.evaluate(ROWS, [5000, 5002, 1400, 1402])
        assert rows == [[1397.999, 0], [1399.999, 1], [1400, 2], [1402, 3]]
