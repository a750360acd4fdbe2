"""The page in a real Chromium: true values, honest where there are none, nothing run from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.simulation import SimulatedProcess, Simulation
from tests.page.opened import hide, opened
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

TOKEN = "the-token-of-the-page"  # noqa: S105  (guards nothing)
UNKNOWN = "\N{EN DASH}"


def test_the_values_are_the_agents_and_a_change_is_followed(browser: Browser) -> None:
    with Simulation(2) as simulation:
        gpu = simulation.gpus[0]
        gpu.fix(gpu_utilization=42, temperature=61, power_usage=350_000, memory_used=20 * 2**30)
        with (
            agent_server(URL_PREFIX="server1", HISTORY_INTERVAL="1") as url,
            opened(browser, f"{url}/server1/") as page,
        ):
            card = page.locator(".card").first
            card.get_by_text("42 %").wait_for()
            card.get_by_text("61 °C").wait_for()
            card.get_by_text("350 / 700 W").wait_for()
            card.get_by_text("20.0 / 79.6 GiB").wait_for()
            assert "✓ healthy" in card.inner_text()
            gpu.fix(gpu_utilization=99)
            card.get_by_text("99 %").wait_for()
            assert "99 %" in page.title()


def test_a_lost_gpu_looks_so_and_has_no_value(browser: Browser) -> None:
    with Simulation(2) as simulation:
        simulation.gpus[1].lose()
        with agent_server() as url, opened(browser, f"{url}/") as page:
            card = page.locator(".card.lost")
            card.get_by_text("✖ lost").wait_for()
            assert "The GPU is lost" in card.inner_text()
            assert f"{UNKNOWN} / {UNKNOWN}" in card.inner_text()


def test_a_process_named_like_a_script_is_only_shown(browser: Browser) -> None:
    evil = "<script>document.title='run'</script>"
    with Simulation(1) as simulation:
        simulation.gpus[0].fix(name=f"GPU {evil}")
        simulation.gpus[0].processes = [SimulatedProcess(4_200_001, "C", 2**30)]
        with agent_server() as url, opened(browser, f"{url}/") as page:
            page.locator(".card").get_by_text(evil).wait_for()
            assert page.title() != "run"


def test_the_token_is_asked_for_once_and_a_wrong_one_is_named(browser: Browser) -> None:
    with (
        Simulation(1),
        agent_server(TOKEN=TOKEN) as url,
        opened(browser, f"{url}/") as page,
    ):
        page.get_by_label("Token of this agent").fill("wrong")
        page.get_by_role("button", name="Show the GPUs").click()
        page.get_by_text("That token is wrong.").wait_for()
        page.get_by_label("Token of this agent").fill(TOKEN)
        page.get_by_role("button", name="Show the GPUs").click()
        page.locator(".card").wait_for()
        page.reload()
        page.locator(".card").wait_for()
        assert TOKEN not in page.url


def test_details_show_everything_else(browser: Browser) -> None:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/") as page:
        page.locator(".card button").click()
        page.locator("dialog").get_by_text("vbios version").wait_for()
        assert "remapped rows" in page.locator("dialog").inner_text()


def test_a_lost_connection_is_announced_and_mended(browser: Browser) -> None:
    with (
        Simulation(1) as simulation,
        agent_server(MAX_STREAMS="2") as url,
        opened(browser, f"{url}/") as page,
    ):
        page.locator("#connection.live").wait_for()
        page.route("**/gpu/stream*", lambda route: route.abort())
        simulation.gpus[0].fix(gpu_utilization=17)
        page.goto(f"{url}/")
        page.get_by_text("connection lost").wait_for()
        page.unroute("**/gpu/stream*")
        page.locator("#connection.live").wait_for()
        page.locator(".card").get_by_text("17 %").wait_for()


def test_a_hung_gpu_is_told_as_stuck_and_the_others_go_on(browser: Browser) -> None:
    with (
        Simulation(2) as simulation,
        agent_server(SAMPLE_TIMEOUT="0.5") as url,
        opened(browser, f"{url}/") as page,
    ):
        page.locator("#connection.live").wait_for()
        simulation.gpus[1].hang()
        page.locator(".card.stuck").get_by_text("✖ stuck").wait_for()
        simulation.gpus[0].fix(gpu_utilization=23)
        page.locator(".card.ok").get_by_text("23 %").wait_for()
        simulation.gpus[1].release()


def test_a_hidden_tab_asks_nothing_until_it_shows_again(browser: Browser) -> None:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/") as page:
        page.locator("#connection.live").wait_for()
        hide(page, hidden=True)
        page.get_by_text("paused while this tab is hidden").wait_for()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_timeout(6000)  # longer than between two looks at anything
        assert asked == []
        hide(page, hidden=False)
        page.locator("#connection.live").wait_for()


def test_a_token_that_is_to_be_remembered_is_there_in_the_next_tab(browser: Browser) -> None:
    with Simulation(1), agent_server(TOKEN=TOKEN) as url, opened(browser, f"{url}/") as page:
        page.get_by_label("Token of this agent").fill(TOKEN)
        page.get_by_label("Remember it in this browser").check()
        page.get_by_role("button", name="Show the GPUs").click()
        page.locator(".card").wait_for()
        second = page.context.new_page()
        second.goto(f"{url}/")
        second.locator(".card").wait_for()
