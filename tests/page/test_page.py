"""The page of one host in a real Chromium: true values, and honest where there are none."""

from __future__ import annotations

import getpass
import os
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest

from agent.derive.throttling import ClocksEventReason
from agent.simulation import SimulatedProcess, Simulation
from agent.simulation.processes import BEYOND_ANY_PID
from tests.page.opened import UNKNOWN, asked_from_now_on, facts, hide, opened
from tests.support.agents import agent_process, agent_server, free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

pytestmark = pytest.mark.slow

GIB = 2**30
POINTS = "document.querySelector('.card .stroke')?.getAttribute('d').split('L').length"
LOST = ["ERR_"]


def test_the_values_are_the_agents_and_a_change_is_followed(browser: Browser) -> None:
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
            card.get_by_text("H100 80GB HBM3").wait_for()
            card.get_by_text("✓ healthy").wait_for()
            gpu.fix(gpu_utilization=99)
            card.get_by_text("99 %").wait_for()
            assert page.title().startswith("99\xa0% GPU 0 · ")


def test_what_is_wrong_with_the_host_stands_in_the_bar_as_long_as_it_is_so(browser: Browser) -> None:
    with Simulation(3) as simulation:
        simulation.gpus[1].vanish()
        agent = agent_server(EXPECTED_GPUS="3")
        with agent as url, opened(browser, f"{url}/", expected=["500"]) as page:
            told = page.locator("header #host-health")
            told.get_by_text("✖ critical: 1 of the 3 expected GPUs is missing").wait_for()
            simulation.gpus[1].appear()
            simulation.reload_driver()
            page.locator(".card").nth(2).wait_for()
            told.wait_for(state="hidden")
            simulation.remove_driver()
            page.locator("#problem").wait_for()
            assert told.is_hidden()


def test_a_host_that_is_well_has_nothing_in_the_bar(browser: Browser) -> None:
    with Simulation(1), agent_server(EXPECTED_GPUS="1") as url, opened(browser, f"{url}/") as page:
        page.locator(".card").wait_for()
        assert page.locator("header #host-health").is_hidden()


def test_what_holds_a_gpu_back_is_told_in_words(browser: Browser) -> None:
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
            told = facts(page.locator(".card"))
    assert told["Users"] == getpass.getuser()
    assert told["Clocks"] == "1500, memory 9000 MHz"
    assert told["Limited by"] == "software power cap, hardware thermal slowdown"
    assert told["Bottlenecks"] == "thermal throttling, power throttling"
    assert told["Fan"] == "37 %"
    assert told["PCIe"].startswith("gen 3 x16 of gen 4 x16")


def test_the_lines_begin_with_what_the_agent_remembers(browser: Browser) -> None:
    with Simulation(1), agent_server(HISTORY_INTERVAL="1") as url, opened(browser, f"{url}/") as page:
        page.wait_for_timeout(8000)  # the agent remembers what nobody looks at
        event = httpx.get(f"{url}/gpu").text
        page.route("**/gpu/stream*", lambda route: route.fulfill(body=f"data: {event}\n\n"))
        page.reload()
        page.locator(".card").wait_for()
        page.wait_for_function(f"() => {POINTS} > 5")  # the event is one moment, however often it comes


def test_free_gpus_stand_at_the_top(browser: Browser) -> None:
    with Simulation(3) as simulation:
        for gpu in simulation.gpus:
            gpu.fix(memory_used=0, gpu_utilization=0)
            gpu.processes = []
        simulation.gpus[1].processes = [SimulatedProcess(os.getpid(), "C", GIB)]
        with agent_server() as url, opened(browser, f"{url}/") as page:
            page.locator("#free a").nth(1).wait_for()
            assert page.locator("#free").inner_text().split("\n") == ["Free now", "GPU 0", "GPU 2"]
            assert page.locator(".card .badge.free").count() == 2


def test_what_was_free_before_a_pause_is_not_called_free_after_it(browser: Browser) -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].fix(memory_used=0, gpu_utilization=0)
        simulation.gpus[0].processes = []
        with agent_server() as url, opened(browser, f"{url}/") as page:
            page.locator("#free a").wait_for()
            hide(page, hidden=True)
            page.route("**/free*", lambda _: None)  # it is not answered
            hide(page, hidden=False)
            page.locator("#connection.live").wait_for()
            assert page.locator("#free").inner_text().split("\n") == ["Free now", UNKNOWN]
            assert page.locator(".card .badge.free").count() == 0
            page.locator("#processes-note").get_by_text("connecting").wait_for()


def test_users_beyond_those_that_the_agent_names_are_hinted_at(browser: Browser) -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].processes = [SimulatedProcess(BEYOND_ANY_PID + number) for number in range(6)]
        with agent_server() as url, opened(browser, f"{url}/") as page:
            assert facts(page.locator(".card"))["Users"] == f"{UNKNOWN}, …"


def test_processes_are_filtered_by_user_and_gpu_and_sorted(browser: Browser) -> None:
    with Simulation(2) as simulation:
        simulation.gpus[0].processes = [
            SimulatedProcess(os.getpid(), "C", 2 * GIB),
            SimulatedProcess(1, "C", 3 * GIB),
        ]
        simulation.gpus[1].processes = [SimulatedProcess(os.getpid(), "C", GIB)]
        with agent_server() as url, opened(browser, f"{url}/") as page:
            rows = page.locator("#processes tr")
            rows.nth(2).wait_for()
            page.get_by_role("button", name="GPU memory").click()
            assert column(rows, 4) == ["1.0 GiB", "2.0 GiB", "3.0 GiB"]
            page.get_by_role("button", name="GPU memory").click()
            assert column(rows, 4) == ["3.0 GiB", "2.0 GiB", "1.0 GiB"]
            page.locator("#filter-gpu").select_option("1")
            assert rows.count() == 1
            assert column(rows, 2) == [f"{os.getpid()}"]
            page.get_by_label("User", exact=True).fill(getpass.getuser().upper())
            assert rows.count() == 1
            page.get_by_label("User", exact=True).fill("nobody has this name")
            page.get_by_text("No process of these.").wait_for()
            assert rows.count() == 0


def test_a_user_without_a_name_is_shown_and_found_by_number(browser: Browser) -> None:
    unnamed = [{**process("x"), "username": None, "uid": uid} for uid in (4711, 0, None)]
    answer = {"code": 0, "data": {"processes": unnamed, "unknown_idx": []}}
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/") as page:
        page.route("**/processes", lambda route: route.fulfill(json=answer))
        rows = page.locator("#processes tr")
        rows.get_by_text("4711").wait_for()
        assert column(rows, 1) == ["4711", "0", UNKNOWN]
        page.get_by_label("User", exact=True).fill("0")
        assert column(rows, 1) == ["0"]


def column(rows: Locator, number: int) -> list[str]:
    return [row.replace("\xa0", " ").split("\t")[number] for row in rows.all_inner_texts()]


def test_processes_that_are_unknown_are_not_called_none(browser: Browser) -> None:
    with Simulation(2) as simulation:
        simulation.gpus[0].processes = []
        simulation.gpus[1].lose()
        with agent_server() as url, opened(browser, f"{url}/") as page:
            page.get_by_text("Unknown for now: the processes of GPU 1.").wait_for()
            assert not page.get_by_text("No process on a GPU.").is_visible()


def test_where_processes_cannot_be_asked_for_the_agent_says_why(browser: Browser) -> None:
    fault = {"code": 2, "data": None, "error": "The processes are away"}
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/", expected=["503"]) as page:
        page.locator("#processes tr").first.wait_for()
        page.route("**/processes", lambda route: route.fulfill(status=503, json=fault))
        page.get_by_text("The processes are away").wait_for()
        assert page.locator("#processes tr").count() == 0
        assert page.locator("#free").inner_text().split("\n") == ["Free now", UNKNOWN]


def test_a_lost_gpu_looks_so_and_has_no_value(browser: Browser) -> None:
    with Simulation(2) as simulation:
        simulation.gpus[1].lose()
        with agent_server() as url, opened(browser, f"{url}/") as page:
            card = page.locator(".card.lost")
            card.get_by_text("✖ lost").wait_for()
            assert "The GPU is lost" in card.inner_text()
            values = [text.split(" / ")[0] for text in card.locator(".value").all_inner_texts()]
            assert values == [UNKNOWN] * 4
            assert set(facts(card).values()) == {UNKNOWN}


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
        page.locator(".card.ok").nth(1).wait_for()


def test_without_its_driver_no_value_is_called_live(browser: Browser) -> None:
    gone = ["500", "503"]
    with (
        Simulation(1) as simulation,
        agent_server() as url,
        opened(browser, f"{url}/#gpu0", expected=gone) as page,
    ):
        page.locator("dialog dt").first.wait_for()
        simulation.remove_driver("not_loaded")
        page.locator("dialog").get_by_text("NVIDIA driver").wait_for()
        assert page.locator("dialog figure").count() == 0
        page.locator("#problem").get_by_text("NVIDIA driver").wait_for()
        page.locator("body.old").wait_for()
        assert page.locator("#connection").inner_text() == "no new values"
        assert page.title().startswith(UNKNOWN)
        simulation.restore_driver()
        page.locator("#connection.live").wait_for()
        page.locator("#problem").wait_for(state="hidden")
        assert page.locator("body.old").count() == 0


def test_an_agent_without_a_driver_says_what_is_missing(browser: Browser) -> None:
    with Simulation(1) as simulation:
        simulation.remove_driver()
        with agent_server() as url, opened(browser, f"{url}/") as page:
            page.locator("#problem").get_by_text("No NVIDIA driver").wait_for()
            assert not page.locator("#one").is_visible()


def test_an_agent_that_restarts_is_found_again_and_what_was_before_is_kept(browser: Browser) -> None:
    port = str(free_port())
    arguments = ("--simulate", "1")
    with ExitStack() as stack:  # the page outlives the first agent
        with agent_process(*arguments, port=port, HISTORY_INTERVAL="1") as agent:
            page = stack.enter_context(opened(browser, f"{agent.url}/", expected=LOST))
            page.wait_for_function(f"() => {POINTS} > 2")
            agent.stop()
            page.locator("#connection.down").get_by_text("connection lost").wait_for()
            page.locator("#problem").get_by_text("cannot be reached").wait_for()
            assert page.locator("body.old").count() == 1
        stack.enter_context(agent_process(*arguments, port=port, HISTORY_INTERVAL="1"))
        page.locator("#connection.live").wait_for()
        assert page.locator("body.old").count() == 0
        page.wait_for_function(
            "() => document.querySelector('.card .stroke').getAttribute('d').split('M').length >= 3"
        )  # two lines, with a gap between


def test_requests_that_are_not_answered_do_not_pile_up(browser: Browser) -> None:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/") as page:
        page.locator("#processes tr").first.wait_for()
        waiting: list[str] = []
        page.route("**/processes", lambda route: waiting.append(route.request.url))
        page.locator("#processes-note").get_by_text("does not answer").wait_for()
        page.wait_for_timeout(11_000)
        assert len(waiting) <= 4
        assert page.locator("#connection.live").is_visible()


def test_a_tab_that_is_hidden_at_the_first_event_is_no_error(browser: Browser) -> None:
    script = """new MutationObserver((_, observer) => {
        if (!document.querySelector(".card")) return;
        observer.disconnect();
        Object.defineProperty(document, "hidden", { value: true, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }).observe(document, { childList: true, subtree: true });"""
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/", script=script) as page:
        page.get_by_text("paused while this tab is hidden").wait_for()
        asked = asked_from_now_on(page)
        page.wait_for_timeout(2000)
        assert asked == []


def test_what_could_not_be_loaded_is_asked_for_again(browser: Browser) -> None:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/", expected=LOST) as page:
        page.locator("#processes tr").first.wait_for()
        page.route("**/web/*/processes.js", lambda route: route.abort())
        page.reload()
        page.locator("#connection.live").wait_for()
        page.wait_for_timeout(1000)
        assert page.locator("#processes tr").count() == 0
        page.unroute("**/web/*/processes.js")
        page.locator("#processes tr").first.wait_for()


def test_an_agent_that_falls_silent_is_noticed_and_its_values_are_shown_as_old(browser: Browser) -> None:
    with agent_process("--simulate", "1") as agent, opened(browser, f"{agent.url}/") as page:
        page.locator("#connection.live").wait_for()
        agent.popen.send_signal(signal.SIGSTOP)
        try:
            page.locator("#connection.late").get_by_text("no new values").wait_for()
            page.locator("#problem").get_by_text("does not answer").wait_for()
            assert page.locator("body.old .card").count() == 1
            assert int(page.locator("#age").inner_text().split()[0]) >= 6
        finally:
            agent.popen.send_signal(signal.SIGCONT)
        page.locator("#connection.live").wait_for()


def test_too_many_streams_are_told_in_the_agents_words(browser: Browser) -> None:
    with (
        Simulation(1),
        agent_server(MAX_STREAMS="1") as url,
        opened(browser, f"{url}/") as first,
        opened(browser, f"{url}/", expected=["503"]) as second,
    ):
        first.locator("#connection.live").wait_for()
        second.locator("#problem").get_by_text("MAX_STREAMS").wait_for()


def test_simulated_data_wears_a_banner(browser: Browser) -> None:
    with agent_process("--simulate", "1") as agent, opened(browser, f"{agent.url}/") as page:
        page.get_by_text("Simulated: no real GPU is behind these numbers.").wait_for()


def test_a_process_named_like_a_script_is_only_shown(browser: Browser) -> None:
    evil = "<script>document.title='run'</script>"
    with Simulation(1) as simulation:
        simulation.gpus[0].fix(name=f"GPU {evil}")
        with agent_server() as url, opened(browser, f"{url}/") as page:
            page.locator(".card").get_by_text(evil).wait_for()
            page.route(
                "**/processes",
                lambda route: route.fulfill(
                    json={"code": 0, "data": {"processes": [process(evil)], "unknown_idx": []}}
                ),
            )
            page.locator("#processes").get_by_text(evil).first.wait_for()
            assert page.title() != "run"
            assert page.locator("script").count() == 1


def process(evil: str) -> dict[str, object]:
    """A process all of whose texts are this one."""
    texts = dict.fromkeys(["username", "name", "command", "systemd_unit"], evil)
    numbers = {"idx": 0, "pid": 7, "gpu_memory_mb": None, "sm_utilization_percent": None}
    return {**texts, **numbers, "running_seconds": None, "idle_seconds": 9000, "idle_holder": True}


def test_a_hidden_tab_asks_nothing_until_it_shows_again(browser: Browser) -> None:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/#gpu0") as page:
        page.locator("dialog dt").first.wait_for()
        hide(page, hidden=True)
        page.get_by_text("paused while this tab is hidden").wait_for()
        assert page.title().startswith(UNKNOWN)
        asked = asked_from_now_on(page)
        page.wait_for_timeout(6000)  # longer than between two looks at anything
        assert asked == []
        hide(page, hidden=False)
        page.locator("#connection.live").wait_for()
        page.wait_for_function("() => document.querySelector('#age').textContent.startsWith('0')")


def test_colours_are_the_systems_until_others_are_chosen(browser: Browser) -> None:
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
