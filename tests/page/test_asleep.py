"""Sleeping GPUs of a laptop: the page says so, shows no current values, and wakes none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.simulation import Simulation
from tests.page.opened import UNKNOWN, eventually, opened
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

GPUS = 2

# What the page keeps of an offer that /free made before this event.
KEPT = """async (gpu) => {
    const script = document.querySelector('script[type="module"]').src;
    const { offersNow } = await import(new URL("model.js", script));
    const event = { gpus: [{ id: 0, ...gpu }] };
    return offersNow({ phase: "live", now: 0, offers: { at: 0, gpus: [{ idx: 0 }] }, event }).length;
}"""
PERIOD, ASLEEP, AWAKE = 120.0, 30.0, 90.0  # seconds of the scenario


class Laptop:
    """The simulated host and its time, which a test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.simulation = Simulation(GPUS, scenario="asleep", clock=lambda: self.now)

    def go_to(self, second: float) -> None:
        """Set the time to this second of the next period."""
        self.now = (self.now // PERIOD + 1) * PERIOD + second

    @property
    def sleeping(self) -> int:
        """The number of GPUs that sleep."""
        return sum(gpu.runtime_status == "suspended" for gpu in self.simulation.gpus)


@pytest.fixture
def laptop() -> Iterator[Laptop]:
    made = Laptop()
    with made.simulation:
        yield made


def fall_asleep(page: Page, laptop: Laptop, shown: str) -> None:
    """Let the GPUs fall asleep, until the page shows one such element for each GPU."""

    def is_shown() -> bool:
        if page.locator(shown).count() == GPUS:
            return True
        if laptop.sleeping < GPUS:  # at first, and if a running sample has woken them
            laptop.go_to(ASLEEP)
        return False

    eventually(page, is_shown, f"{shown} is there for each GPU")


def test_sleeping_gpus_are_shown_as_asleep_and_free_but_not_as_healthy(
    browser: Browser, laptop: Laptop
) -> None:
    with agent_server(SAMPLE_INTERVAL="0.5") as url, opened(browser, f"{url}/") as page:
        page.locator(".card.ok").nth(GPUS - 1).wait_for()
        fall_asleep(page, laptop, ".card.asleep")
        card = page.locator(".card").first
        assert card.locator(".badge", has_text="asleep").is_visible()
        assert card.locator(".measure .value").all_inner_texts() == [UNKNOWN, f"{UNKNOWN} / {UNKNOWN}"] * 2
        assert card.locator(".badge.healthy").count() == 0
        assert page.locator("#findings .finding").count() == 0
        page.wait_for_function(f"() => document.querySelector('#counts .free b').innerText === '{GPUS}'")
        assert page.title().startswith(UNKNOWN)
        calls = laptop.simulation.total_calls
        card.locator("a").first.click()
        page.locator("#gpu-view").get_by_text("asleep").first.wait_for()
        page.wait_for_timeout(5000)  # time for events, and for rare requests
        assert laptop.sleeping == GPUS, "a viewer does not wake them"
        assert laptop.simulation.total_calls == calls
        page.go_back()
        laptop.go_to(AWAKE)
        page.locator(".card.ok").nth(GPUS - 1).wait_for()


def test_sleeping_gpus_are_tiles_with_asleep_on_the_wall(browser: Browser, laptop: Laptop) -> None:
    with agent_server(SAMPLE_INTERVAL="0.5") as url, opened(browser, f"{url}/?wall") as page:
        page.locator(".wall .tile.ok").nth(GPUS - 1).wait_for()
        fall_asleep(page, laptop, ".wall .tile.asleep")
        assert page.locator(".wall .tile .load").all_inner_texts() == ["asleep"] * GPUS
        assert page.locator(".wall .tile.healthy").count() == 0


@pytest.mark.usefixtures("laptop")
@pytest.mark.parametrize(("verdict", "kept"), [(None, 1), ("warning", 1), ("critical", 0)])
def test_a_gpu_that_is_critical_is_not_free_even_if_it_is_asleep(
    browser: Browser, verdict: str | None, kept: int
) -> None:
    with agent_server() as url, opened(browser, f"{url}/") as page:
        page.locator(".card").nth(GPUS - 1).wait_for()
        assert page.evaluate(KEPT, {"state": "asleep", "health": {"verdict": verdict}}) == kept
