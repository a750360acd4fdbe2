"""Accessibility: axe's rules, keyboard only, a narrow screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import SimulatedProcess, Simulation
from tests.page.fleet import BROKEN
from tests.page.opened import opened
from tests.support.agents import agent_process, agent_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
LOOKS: list[dict[str, Any]] = [
    {"viewport": viewport, "color_scheme": scheme}
    for viewport in (WIDE, PHONE)
    for scheme in ("light", "dark")
]
NAMES = ["light", "dark", "phone", "dark phone"]


def serious_violations(page: Page) -> list[str]:
    """Serious and critical violations that axe finds, each with its first place."""
    from axe_playwright_python.sync_playwright import Axe

    return [
        f"{found['id']}: {found['help']}: {found['nodes'][0]['html']} {found['nodes'][0]['failureSummary']}"
        for found in Axe().run(page).response["violations"]
        if found["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("look", LOOKS, ids=NAMES)
def test_axe_finds_nothing_serious_on_the_page_of_a_host(browser: Browser, look: dict[str, Any]) -> None:
    with Simulation(3) as simulation:
        simulation.gpus[0].processes = [SimulatedProcess(4_200_001, "C", 2**30)]
        simulation.gpus[1].lose()
        simulation.gpus[2].fix(fan_speed=0, temperature=93)
        with agent_server() as url, opened(browser, f"{url}/", **look) as page:
            page.locator("#processes tr").first.wait_for(state="attached")
            page.locator(".finding").first.wait_for()
            assert serious_violations(page) == []
            page.locator("#gpus a.to").first.click()
            page.locator("#gpu-view dt").first.wait_for()
            assert serious_violations(page) == []


@pytest.mark.parametrize("look", LOOKS, ids=NAMES)
def test_axe_finds_nothing_serious_on_the_login_form(browser: Browser, look: dict[str, Any]) -> None:
    with (
        Simulation(1),
        agent_server(TOKEN="x" * 20) as url,
        opened(browser, f"{url}/", expected=["401"], **look) as page,
    ):
        page.get_by_label("Token of this agent").wait_for()
        assert serious_violations(page) == []


@pytest.mark.parametrize("look", LOOKS, ids=NAMES)
def test_axe_finds_nothing_serious_on_the_overview(
    browser: Browser, fleet_url: str, look: dict[str, Any]
) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN, **look) as page:
        page.locator(".host.down").first.wait_for()
        for view, shown in (("Hosts", ".host .tile"), ("GPUs", ".gpu-table td"), ("Users", ".people td")):
            page.locator("#ways").get_by_role("link", name=view, exact=True).click()
            page.locator(shown).first.wait_for()
            assert serious_violations(page) == []


@pytest.mark.parametrize("look", LOOKS, ids=NAMES)
def test_axe_finds_nothing_serious_when_values_are_old(browser: Browser, look: dict[str, Any]) -> None:
    with (
        agent_process("--simulate", "2") as agent,
        opened(browser, f"{agent.url}/#gpu0", expected=["ERR_"], **look) as page,
    ):
        page.locator("#gpu-view dt").first.wait_for()
        agent.stop()
        page.locator("body.old").wait_for()
        assert serious_violations(page) == []


def test_a_gpu_can_be_opened_and_left_with_the_keyboard(browser: Browser) -> None:
    with Simulation(2), agent_server() as url, opened(browser, f"{url}/") as page:
        page.locator(".card").nth(1).wait_for()
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == "GPU 1":
                break
        page.keyboard.press("Enter")
        page.locator("#gpu-view dt").first.wait_for()
        page.go_back()
        page.locator("#gpu-view").wait_for(state="hidden")
        page.locator(".card").nth(1).wait_for()


@pytest.mark.parametrize("width", [360, 768, 1920])
def test_the_page_never_scrolls_horizontally(browser: Browser, fleet_url: str, width: int) -> None:
    look: dict[str, Any] = {"viewport": {"width": width, "height": 740}}
    paths = {
        "/node00/": ".host .tile",
        "/node00/#gpus": ".gpu-table td",
        "/node00/#users": ".people td",
        "/node00/?host": "#gpus > li",
    }
    for path, shown in paths.items():
        with opened(browser, fleet_url + path, expected=BROKEN, **look) as page:
            page.locator(shown).first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
