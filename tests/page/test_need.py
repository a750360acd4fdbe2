"""The need line: hosts that can offer the GPUs now, and the text to copy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from agent.simulation import SimulatedProcess, Simulation
from tests.page.fleet import BROKEN, HOSTS, NAMES, UP
from tests.page.opened import opened
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow


@pytest.fixture
def two() -> Iterator[Simulation]:
    """Two unused GPUs."""
    with Simulation(2) as simulation:
        for gpu in simulation.gpus:
            gpu.processes = []
            gpu.fix(
                memory_used=0, gpu_utilization=0, temperature=30
            )  # equally good, so they are in the order of their indices
        yield simulation


def need(page: Page, count: str, gb: str = "", model: str = "") -> None:
    page.get_by_role("spinbutton", name="I need").fill(count)
    page.get_by_role("spinbutton", name="memory of each in GB").fill(gb)
    page.get_by_role("searchbox", name="model", exact=True).fill(model)
    page.get_by_role("button", name="Find").click()


@pytest.mark.usefixtures("two")
def test_a_need_is_found_on_this_host_without_a_reservation_and_kept_in_the_url(browser: Browser) -> None:
    with agent_server() as url, opened(browser, url.replace("127.0.0.1", "gpu.lab")) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        need(page, "2", "80", "h100")
        found = page.locator("#found-hosts li")
        found.wait_for()
        assert "GPU 0, GPU 1 · H100 80GB HBM3 · 79." in found.inner_text()
        assert (
            "This host can offer them now. Free now, not reserved."
            in page.locator("#found-note").inner_text()
        )
        assert "need=2%2C80%2Ch100" in page.url
        assert any("/free?count=2&min_free_memory=80GB&model=h100" in one for one in asked)
        assert not any("wait=" in one for one in asked)
        found.get_by_role("button", name="Copy CUDA").click()
        page.get_by_text("Copied. Free now, not reserved.").wait_for()
        copied = page.locator("#copied input")
        assert copied.input_value().startswith("CUDA_VISIBLE_DEVICES=GPU-")
        found.get_by_role("button", name="Copy ssh").click()
        page.wait_for_function("() => document.querySelector('#copied input').value.startsWith('ssh ')")
        page.reload()
        found.wait_for()
        page.get_by_role("button", name="Close").click()
        assert "need" not in page.url
        assert not page.locator("#found").is_visible()


def test_a_host_that_cannot_offer_shows_why_until_it_can(browser: Browser, two: Simulation) -> None:
    first, second = two.gpus
    first.processes = [SimulatedProcess(os.getpid(), "C", 2**30)]
    with agent_server(NOT_OFFERED="1") as url, opened(browser, url) as page:
        need(page, "1")
        note = page.locator("#found-note")
        note.get_by_text("This host cannot offer them now.").wait_for()
        assert "GPU 0: a compute process runs on it." in note.inner_text()
        assert "GPU 1: kept out by the operator." in note.inner_text()
        assert page.locator("#gpus .badge.kept-out").count() == 1
        assert page.locator("#counts .free").inner_text() == "Free 0", (
            "a GPU in NOT_OFFERED is known not to be free"
        )
        first.processes = []
        page.locator("#found-hosts li").wait_for()
        second.lose()
        assert page.locator("#found-hosts li").inner_text().count("GPU 0") == 1


def test_a_failed_answer_is_shown_as_unknown_and_the_old_offer_disappears(
    browser: Browser, two: Simulation
) -> None:
    with agent_server() as url, opened(browser, url, expected=["500"]) as page:
        need(page, "1")
        page.locator("#found-hosts li").wait_for()
        page.route(
            "**/free?*", lambda route: route.fulfill(status=500, json={"code": 2, "error": "No driver"})
        )
        page.locator("#found-note").get_by_text("Unknown for one host: ").wait_for()
        assert "No driver" in page.locator("#found-note").inner_text()
        assert page.locator("#found-hosts li").count() == 0
        assert two.gpus


def test_of_all_hosts_those_that_can_offer_are_listed_and_silent_ones_are_unknown(
    browser: Browser, fleet_url: str
) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        need(page, "1", "40")
        page.wait_for_function(f"() => document.querySelectorAll('#found-hosts li').length === {UP}")
        page.locator("#found-note").get_by_text(f"{UP} of {HOSTS} hosts can offer them now.").wait_for()
        assert "Unknown for 7 hosts" in page.locator("#found-note").inner_text()
        assert page.locator("#found-hosts a").first.inner_text() == NAMES[0]
        need(page, "8", "40")
        page.wait_for_function("() => !document.querySelectorAll('#found-hosts li').length")
        page.locator("#found-note").get_by_text(f"0 of {HOSTS} hosts can offer them now.").wait_for()
