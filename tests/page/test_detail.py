"""One GPU in full: its charts over the whole history, and everything else that is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from agent.simulation import Simulation
from tests.page.opened import UNKNOWN, facts, opened
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow


def test_a_click_shows_everything_and_follows_it(browser: Browser) -> None:
    with Simulation(2) as simulation, agent_server() as url, opened(browser, f"{url}/") as page:
        simulation.gpus[1].fix(gpu_utilization=31)
        page.get_by_role("link", name="GPU 1", exact=True).first.click()
        dialog = page.locator("dialog")
        dialog.get_by_text("31 % now").wait_for()
        told = facts(dialog)
        assert told["VBIOS version"] == "09.00.74.00.01"
        assert told["Maximum operating"] == "87 °C"
        assert told["Banks all"] == "640"
        assert told["Maximum bandwidth"] == "63.0 GB/s"
        assert (told["Width"], told["Card width"], told["Port width"]) == ("16", "16", "16")
        assert told["Total throughput"].endswith("iB/s")
        assert told["GPU 0"].startswith("NV")  # how the two are connected
        assert dialog.locator("figure").count() == 4
        simulation.gpus[1].fix(gpu_utilization=77)
        dialog.get_by_text("77 % now").wait_for()


def test_findings_come_first_with_what_to_do(browser: Browser) -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].error_counters.remapping_pending = True
        with agent_server() as url, opened(browser, f"{url}/#gpu0") as page:
            section = page.locator("dialog section").first
            section.get_by_text("Findings").wait_for()
            assert "remapped at the next reset" in section.inner_text()


def test_a_gpu_has_an_address_and_back_closes_it(browser: Browser) -> None:
    with Simulation(2), agent_server() as url, opened(browser, f"{url}/") as page:
        page.get_by_role("link", name="GPU 1", exact=True).first.click()
        page.locator("dialog dt").first.wait_for()
        assert page.url.endswith("/#gpu1")
        page.go_back()
        page.locator("dialog").wait_for(state="hidden")
        page.go_forward()
        page.locator("dialog dt").first.wait_for()
        page.get_by_role("button", name="Close").click()
        page.wait_for_url(f"{url}/")


def test_pointing_at_a_chart_tells_the_value_of_that_time(browser: Browser) -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].fix(gpu_utilization=64)
        with agent_server() as url, opened(browser, f"{url}/#gpu0") as page:
            figure = page.locator("dialog figure").first
            figure.get_by_text("64 % now").wait_for()
            figure.locator("svg").hover()
            assert re.fullmatch(r"64\s% at \d.*", figure.locator(".value").inner_text())
            page.mouse.move(1, 1)
            figure.get_by_text("64 % now").wait_for()


def test_a_gpu_that_is_not_there_is_said_so_in_the_agents_words(browser: Browser) -> None:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/#gpu7", expected=["400"]) as page:
        page.locator("dialog").get_by_text("Invalid GPU index").wait_for()


def test_on_a_phone_no_word_is_broken(browser: Browser) -> None:
    phone = {"width": 360, "height": 800}
    lines = "part => part.getBoundingClientRect().height / parseFloat(getComputedStyle(part).lineHeight)"
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/#gpu0", viewport=phone) as page:
        page.get_by_role("cell", name="NVSwitch").first.wait_for()
        cells = page.locator("dialog .scroll").last.locator("td").all()
        assert cells
        for cell in cells:
            assert cell.evaluate(lines) < 2
        assert page.get_by_role("button", name="Close").evaluate(lines) < 2


def test_of_a_lost_gpu_nothing_is_called_none(browser: Browser) -> None:
    with Simulation(1) as simulation, agent_server() as url, opened(browser, f"{url}/#gpu0") as page:
        dialog = page.locator("dialog")
        dialog.get_by_text("Fans").wait_for()
        assert facts(dialog)["Fans"] == "none", "this model has no fan of its own"
        simulation.gpus[0].lose()
        dialog.locator(".reason").get_by_text("The GPU is lost").wait_for()
        told = facts(dialog)
        assert {told["Fans"], told["MIG instances"], told["Top processes"]} == {UNKNOWN}
        assert "none" not in told.values()
