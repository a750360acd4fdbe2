"""The page of one host in a real Chromium: right values, dense layout, and unknown values shown as such."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

import pytest

from agent.derive.throttling import ClocksEventReason
from agent.simulation import SimulatedProcess, Simulation
from agent.simulation.processes import BEYOND_ANY_PID
from tests.page.opened import UNKNOWN, facts, opened, process
from tests.support import loopback
from tests.support.agents import agent_process, agent_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

GIB = 2**30
POINTS = "document.querySelector('.card .stroke')?.getAttribute('d').split('L').length"


def test_the_page_shows_the_values_of_the_agent_and_their_changes(browser: Browser) -> None:
    with Simulation(2) as simulation:
        gpu = simulation.gpus[0]
        gpu.fix(gpu_utilization=42, temperature=61, power_usage=350_000, memory_used=20 * GIB)
        simulation.gpus[1].fix(gpu_utilization=7)
        with agent_server(URL_PREFIX="server1") as url, opened(browser, f"{url}/server1/") as page:
            card = page.locator(".card").first
            card.get_by_text("42 %").wait_for()
            card.get_by_text("61 °C").wait_for()
            card.get_by_text("350 / 700 W").wait_for()
            card.get_by_text("20.0 / 79.6 GiB").wait_for()
            page.locator("#host-line").get_by_text("H100 80GB HBM3").wait_for()
            card.get_by_text("✓ healthy").wait_for()
            gpu.fix(gpu_utilization=99)
            card.get_by_text("99 %").wait_for()
            assert page.title().startswith("99\xa0% GPU 0 · ")


def test_a_finding_of_the_host_is_in_the_bar_as_long_as_it_lasts(browser: Browser) -> None:
    with Simulation(3) as simulation:
        simulation.gpus[1].vanish()
        agent = agent_server(EXPECTED_GPUS="3")
        with agent as url, opened(browser, f"{url}/", expected=["500"]) as page:
            host_health = page.locator("header #host-health")
            host_health.get_by_text("✖ critical: 1 of the 3 expected GPUs is missing").wait_for()
            simulation.gpus[1].appear()
            simulation.reload_driver()
            page.locator(".card").nth(2).wait_for()
            host_health.wait_for(state="hidden")
            simulation.remove_driver()
            page.locator("#problem").wait_for()
            assert host_health.is_hidden()


def test_a_healthy_host_has_no_finding_in_the_bar(browser: Browser) -> None:
    with Simulation(1), agent_server(EXPECTED_GPUS="1") as url, opened(browser, f"{url}/") as page:
        page.locator(".card").wait_for()
        assert page.locator("header #host-health").is_hidden()


def test_reasons_for_low_clocks_are_shown_in_words(browser: Browser) -> None:
    with Simulation(1, models=["rtx4090"]) as simulation:
        gpu = simulation.gpus[0]
        gpu.processes = [SimulatedProcess(os.getpid(), "C", GIB)]
        gpu.fix(
            clocks_event_reasons=ClocksEventReason.SW_POWER_CAP | ClocksEventReason.HW_THERMAL_SLOWDOWN,
            fan_speed=37,
            graphics_clock=1500,
            memory_clock=9000,
            pcie_generation=3,
        )
        with agent_server() as url, opened(browser, f"{url}/") as page:
            page.locator(".card").get_by_text("9000").wait_for()
            host_health = facts(page.locator(".card"))
    assert host_health["Users"] == getpass.getuser()
    assert host_health["Clocks"] == "1500, memory 9000 MHz"
    assert host_health["Limited by"] == "software power cap, hardware thermal slowdown"
    assert host_health["Bottlenecks"] == "thermal throttling, power throttling"
    assert host_health["Fan"] == "37 %"
    assert host_health["PCIe"].startswith("gen 3 x16 of gen 4 x16")


def test_the_lines_begin_with_the_history_of_the_agent(browser: Browser) -> None:
    with Simulation(1), agent_server(HISTORY_INTERVAL="1") as url, opened(browser, f"{url}/") as page:
        page.wait_for_timeout(8000)  # the agent keeps history without viewers
        event = loopback.get(f"{url}/gpu").text
        page.route("**/gpu/stream*", lambda route: route.fulfill(body=f"data: {event}\n\n"))
        page.reload()
        page.locator(".card").wait_for()
        page.wait_for_function(f"() => {POINTS} > 5")  # the event is one point, however often it is sent


def test_free_gpus_are_listed_at_the_top(browser: Browser) -> None:
    with Simulation(3) as simulation:
        for gpu in simulation.gpus:
            gpu.fix(memory_used=0, gpu_utilization=0)
            gpu.processes = []
        simulation.gpus[1].processes = [SimulatedProcess(os.getpid(), "C", GIB)]
        with agent_server() as url, opened(browser, f"{url}/") as page:
            page.locator("#offer a").nth(1).wait_for()
            assert page.locator("#offer a").all_inner_texts() == ["GPU 0", "GPU 2"]
            assert page.locator(".card .badge.free").count() == 2
            assert page.locator("#counts a").first.inner_text() == "Free 2"


def test_further_users_are_shown_as_an_ellipsis(browser: Browser) -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].processes = [SimulatedProcess(BEYOND_ANY_PID + number) for number in range(6)]
        with agent_server() as url, opened(browser, f"{url}/") as page:
            assert facts(page.locator(".card"))["Users"] == f"{UNKNOWN}, …"


def test_simulated_data_has_a_banner(browser: Browser) -> None:
    with agent_process("--simulate", "1") as agent, opened(browser, f"{agent.url}/") as page:
        page.get_by_text("These GPUs are simulated.").wait_for()


def test_a_process_with_a_script_as_its_name_is_only_shown_as_text(browser: Browser) -> None:
    evil = "<script>document.title='run'</script>"
    with Simulation(1) as simulation:
        simulation.gpus[0].fix(name=f"GPU {evil}")
        with agent_server() as url, opened(browser, f"{url}/") as page:
            page.locator("#host-line").get_by_text(evil).wait_for()
            page.route(
                "**/processes",
                lambda route: route.fulfill(
                    json={"code": 0, "data": {"processes": [process(evil)], "unknown_idx": []}}
                ),
            )
            page.locator("#processes").get_by_text(evil).first.wait_for()
            assert page.title() != "run"
            assert page.locator("script").count() == 2, "no script except those of the shell"


def test_colours_follow_the_system_until_the_user_chooses_others(browser: Browser) -> None:
    background = "() => getComputedStyle(document.body).backgroundColor"
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/", color_scheme="dark") as page:
        dark = page.evaluate(background)
        button = page.locator("#theme")
        button.click()
        assert "Dark" in button.inner_text()
        assert page.evaluate(background) == dark
        button.click()
        light = page.evaluate(background)
        assert light != dark
        page.reload()
        page.locator(".card").wait_for()
        assert page.evaluate(background) == light
        button.click()
        assert page.evaluate(background) == dark
