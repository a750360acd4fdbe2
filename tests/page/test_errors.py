"""A value that the driver failed to report is "ERR" with the reason; an unknown value is a dash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.simulation import NvmlReturn, Simulation
from tests.page.opened import opened
from tests.page.test_accessible import LOOKS, NAMES, serious_violations
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from typing import Any

    from playwright.sync_api import Browser, Locator

pytestmark = pytest.mark.slow


def failing(*, gpus: int = 2) -> Simulation:
    """GPU 1 fails to report its utilization and a clock, and has no fan."""
    simulation = Simulation(gpus)
    ill = simulation.gpus[1]
    ill.fail("nvmlDeviceGetUtilizationRates", NvmlReturn.UNKNOWN)
    ill.fail("nvmlDeviceGetClockInfo", NvmlReturn.TIMEOUT)
    return simulation


def text(part: Locator) -> str:
    """The text of a part, including the text for a screen reader."""
    return " ".join(part.inner_text().split())


def fact(part: Locator, name: str) -> Locator:
    """The value of this name in a list of values."""
    return part.locator("dl > div").filter(has=part.page.get_by_text(name, exact=True)).locator("dd")


def test_a_value_that_the_driver_fails_to_report_is_err_with_the_reason(browser: Browser) -> None:
    with failing(), agent_server() as url, opened(browser, f"{url}/") as page:
        well, ill = page.locator(".card").nth(0), page.locator(".card").nth(1)
        ill.get_by_text("ERR").first.wait_for()
        utilization = ill.locator(".utilization .value")
        assert text(utilization) == "ERR Unknown Error", "a screen reader reads the reason too"
        assert text(fact(ill, "Clocks")) == "ERR Timeout"
        assert fact(ill, "Fan").count() == 0, "a value that the GPU never reports has no line"
        assert "ERR" not in well.inner_text()


def test_the_reason_is_shown_on_hover_and_on_keyboard_focus(browser: Browser) -> None:
    width = "reason => reason.getBoundingClientRect().width"
    with failing(), agent_server() as url, opened(browser, f"{url}/") as page:
        error = page.locator(".card .utilization .err")
        reason = error.locator(".why")
        reason.wait_for(state="attached")
        assert reason.evaluate(width) <= 1
        error.hover()
        assert reason.evaluate(width) > 50
        page.mouse.move(0, 0)
        assert reason.evaluate(width) <= 1
        error.focus()
        assert reason.evaluate(width) > 50


def test_the_view_of_a_gpu_shows_the_reasons_of_all_its_errors(browser: Browser) -> None:
    with failing() as simulation:
        simulation.gpus[1].fail("nvmlDeviceGetPcieReplayCounter", NvmlReturn.CORRUPTED_INFOROM)
        with agent_server() as url, opened(browser, f"{url}/#gpu1") as page:
            view = page.locator("#gpu-view")
            view.locator("figure").first.get_by_text("ERR (Unknown Error)").wait_for()
            assert text(fact(view, "Video")).startswith("ERR Timeout")
            assert text(fact(view, "Packets sent again since the last reset")) == "ERR Corrupted infoROM"


def test_a_value_is_shown_again_when_its_error_is_over(browser: Browser) -> None:
    with failing() as simulation, agent_server() as url, opened(browser, f"{url}/") as page:
        utilization = page.locator(".card").nth(1).locator(".utilization .value")
        utilization.get_by_text("ERR").wait_for()
        simulation.gpus[1].heal()
        utilization.get_by_text("%").wait_for()


def test_a_tile_of_the_overview_shows_a_dash_for_a_failed_value(browser: Browser) -> None:
    """/summary has null, but not the reason."""
    with (
        failing(),
        agent_server(URL_PREFIX="one", FLEET="one=/one") as url,
        opened(browser, f"{url}/one/") as page,
    ):
        page.locator(".tile").nth(1).locator(".load").get_by_text("\u2013", exact=True).wait_for()


@pytest.mark.parametrize("look", LOOKS, ids=NAMES)
def test_axe_finds_nothing_serious_when_values_fail(browser: Browser, look: dict[str, Any]) -> None:
    with failing(), agent_server() as url, opened(browser, f"{url}/", **look) as page:
        page.locator("#gpus .err").first.wait_for()
        assert serious_violations(page) == []
        page.locator("#gpus a.to").nth(1).click()
        page.locator("#gpu-view .err").first.wait_for()
        assert serious_violations(page) == []
