"""The agent's clock is set while the page is open: lines continue after a gap, and no row moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.simulation import Simulation
from tests.page.opened import opened
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

HOUR = 3600

# Events of another GPU, one every two seconds, with these times of the agent. `pauses`: additional seconds
# before an event. Returns the rows that the page keeps: seconds since the first event, and its number.
ROWS = """async ([seconds, pauses]) => {
    const page = document.querySelector("script[type=module]").src;
    const { add, recent } = await import(new URL("history.js", page));
    const start = Date.parse("2026-01-01T00:00:00Z");
    const gpu = (percent) => ({ uuid: "another", utilization: { gpu_percent: percent } });
    let moment = 0;
    seconds.forEach((at, number) => {
        moment += (number ? 2 : 0) + (pauses[number] ?? 0);
        add({ timestamp: new Date(start + at * 1000).toISOString(), gpus: [gpu(number)] }, moment * 1000);
    });
    return recent({ uuid: "another" }).map(([at, [percent]]) => [Math.round(at) / 1000, percent]);
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/") as page:
        yield page


@pytest.mark.parametrize("step", [-HOUR, -30, 30, HOUR], ids=["hour back", "back", "forth", "hour forth"])
def test_a_line_continues_after_a_gap_when_the_clock_was_set(page: Page, step: int) -> None:
    rows = page.evaluate(ROWS, [[5000, 5002, 5004 + step, 5006 + step], {}])
    assert rows == [[0, 0], [2, 1], [2.001, None], [4, 2], [6, 3]]


def test_a_late_event_does_not_count_as_a_step_of_the_clock(page: Page) -> None:
    """Times are whole seconds, and the network may delay an event."""
    rows = page.evaluate(ROWS, [[10, 12, 13, 15, 21], {3: 3, 4: 4}])
    assert rows == [[0, 0], [2, 1], [4, 2], [9, 3], [15, 4]]


def test_a_time_without_events_is_a_gap(page: Page) -> None:
    rows = page.evaluate(ROWS, [[0, 2, 62], {2: 58}])
    assert rows == [[0, 0], [2, 1], [2.001, None], [62, 2]]


def test_the_same_sample_counts_once(page: Page) -> None:
    """A new connection begins with the last sample again."""
    assert page.evaluate(ROWS, [[0, 2, 2, 4], {}]) == [[0, 0], [2, 2], [6, 3]]


def test_an_hour_is_kept_and_older_rows_are_thinned(page: Page) -> None:
    """The page keeps rows like the agent: all of the last five minutes, earlier ones every ten seconds."""
    seconds = list(range(0, 3 * HOUR, 2))
    rows = page.evaluate(ROWS, [seconds, {}])
    newest = rows[-1][0]
    assert newest == seconds[-1]
    assert newest - HOUR <= rows[0][0] <= newest - HOUR + 20
    fine = [at for at, _ in rows if at >= newest - 300]
    assert len(fine) in {150, 151}
    assert len(rows) < 151 + 370


def test_a_gap_stays_while_rows_are_thinned(page: Page) -> None:
    seconds = [*range(0, 100, 2), *range(160, 2000, 2)]
    rows = page.evaluate(ROWS, [seconds, {50: 60}])
    assert [at for at, percent in rows if percent is None] == [98.001]
