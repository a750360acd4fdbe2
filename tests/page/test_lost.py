"""Old values are never shown as current when the agent, its driver or a GPU is gone."""

from __future__ import annotations

import getpass
import os
import re
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from agent.simulation import SimulatedProcess, Simulation
from tests.page.opened import UNKNOWN, asked_from_now_on, eventually, facts, hide, opened
from tests.support.agents import agent_process, agent_server, free_port

if TYPE_CHECKING:
    from playwright.sync_api import APIResponse, Browser, Route

pytestmark = pytest.mark.slow

# The pauses between tries double. Those of 3 s and more do not end here.
NO_TRY_BY_ITSELF = """(() => {
    const after = window.setTimeout;
    window.setTimeout = (run, wait = 0, ...rest) =>
        window.isStill && wait >= 3000 ? 0 : after(run, wait, ...rest);
})();"""

POINTS = "document.querySelector('.card .stroke')?.getAttribute('d').split('L').length"
LOST = ["ERR_"]


def test_a_gpu_that_was_free_before_a_pause_is_not_shown_as_free_after_it(browser: Browser) -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].fix(memory_used=0, gpu_utilization=0)
        simulation.gpus[0].processes = []
        with agent_server() as url, opened(browser, f"{url}/") as page:
            page.locator("#offer a").wait_for()
            hide(page, hidden=True)
            page.route("**/free*", lambda _: None)  # no answer
            hide(page, hidden=False)
            page.locator("#connection.live").wait_for()
            assert page.locator("#offer").inner_text().split() == ["Free", "now", UNKNOWN]
            assert page.locator(".card .badge.free").count() == 0
            assert page.locator("#counts a").first.inner_text() == f"Free {UNKNOWN}"


def test_without_the_agent_no_offer_no_verdict_and_no_user_is_shown(browser: Browser) -> None:
    with Simulation(3) as simulation:
        free, used, sick = simulation.gpus
        free.processes = []
        free.fix(memory_used=0, gpu_utilization=0)
        used.processes = [SimulatedProcess(os.getpid(), "C", 2**30)]
        used.fix(gpu_utilization=42)
        sick.error_counters.remapping_pending = True
        with ExitStack() as stack:  # the page outlives the agent
            with agent_server() as url:
                page = stack.enter_context(opened(browser, f"{url}/", expected=LOST))
                page.locator("#processes tr").first.wait_for()
                page.locator("#offer a").wait_for()
                page.locator(".finding").wait_for()
                live = page.locator("#icon").get_attribute("href")
            page.locator("#connection.lost").wait_for()
            shown = page.locator("#host-view").inner_text()
            assert "42" in shown, "the values are still shown"
            assert (
                page.locator(".card .badge").all_inner_texts()
                == [page.locator(".card .badge").first.inner_text()] * 3
            )
            assert re.fullmatch(r"\? \d+ s old", page.locator(".card .badge").first.inner_text())
            assert not re.search(r"healthy|warning|critical|remapped|free\b", shown)
            assert getpass.getuser() not in page.locator("#gpus").inner_text()
            assert set(page.locator("#processes .user").all_inner_texts()) == {UNKNOWN}
            assert page.locator("#counts a").all_inner_texts() == [f"Free {UNKNOWN}", f"Trouble {UNKNOWN}"]
            assert page.title().startswith(UNKNOWN)
            assert page.title().endswith("lost")
            assert page.locator("#icon").get_attribute("href") != live
            labels = " ".join(one.get_attribute("aria-label") or "" for one in page.locator("a.to").all())
            assert not re.search("healthy|warning|free", labels)


@pytest.mark.parametrize("way", ["button", "network"])
def test_the_user_can_try_to_connect_again_at_once(browser: Browser, way: str) -> None:
    port = str(free_port())
    with ExitStack() as stack:
        with agent_process("--simulate", "1", port=port) as agent:
            page = stack.enter_context(
                opened(browser, f"{agent.url}/", script=NO_TRY_BY_ITSELF, expected=LOST)
            )
            page.locator("#connection.live").wait_for()
            page.evaluate("window.isStill = true")
        pauses = "() => Number(/\\d+/.exec(document.querySelector('#countdown').textContent)?.[0]) > 2"
        page.wait_for_function(pauses)  # the pauses double
        stack.enter_context(agent_process("--simulate", "1", port=port))
        if way == "button":
            page.get_by_role("button", name="Try now").click()
        else:
            page.evaluate("dispatchEvent(new Event('online'))")
        page.locator("#connection.live").wait_for()


def test_an_answer_from_before_a_lost_connection_is_not_used_after_it(browser: Browser) -> None:
    port = str(free_port())
    waiting: list[Route] = []
    held: list[APIResponse] = []
    with ExitStack() as stack:
        with agent_process("--simulate", "4", port=port) as agent:
            page = stack.enter_context(opened(browser, f"{agent.url}/", expected=LOST))
            page.locator("#offer a").wait_for()

            def hold(route: Route) -> None:
                if not waiting:  # a later one may meet an agent that has ended
                    waiting.append(route)
                    held.append(route.fetch())

            page.route("**/free*", hold)
            eventually(page, lambda: held, "an answer is held back")
        page.locator("#connection.lost").wait_for()
        waiting[0].fulfill(response=held[0])
        page.unroute("**/free*")
        for path in ("free", "processes"):
            page.route(f"**/{path}*", lambda _: None)  # no answer
        stack.enter_context(agent_process("--simulate", "4", port=port))
        page.locator("#connection.live").wait_for()
        page.locator("#gpus .card.ok, #gpus .row.ok").first.wait_for()
        assert page.locator("#offer").inner_text().split() == ["Free", "now", UNKNOWN]
        assert set(page.locator("#processes .user").all_inner_texts()) <= {UNKNOWN}


def test_the_countdown_is_not_shown_during_a_try(browser: Browser) -> None:
    with ExitStack() as stack:  # the page outlives the agent
        with agent_process("--simulate", "1") as agent:
            page = stack.enter_context(opened(browser, f"{agent.url}/", expected=LOST))
            page.locator("#connection.live").wait_for()
            page.route("**/gpu/stream*", lambda _: None)  # no answer
        page.locator("#countdown").get_by_text("next try in").wait_for()
        page.locator("#countdown").get_by_text("trying").wait_for()
        assert page.get_by_role("button", name="Try now").is_disabled()
        page.unroute("**/gpu/stream*")


def test_after_sleep_nothing_is_shown_as_current_until_a_new_answer(browser: Browser) -> None:
    later = "(hours) => { const { now } = Date; Date.now = () => now() + hours * 3600_000; }"
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/") as page:
        page.locator("#connection.live").wait_for()
        page.route("**/gpu/stream*", lambda _: None)  # no answer
        page.evaluate(later, 8)
        page.locator("#connection.connecting").wait_for()
        assert "healthy" not in page.locator("#gpus").inner_text()
        page.unroute("**/gpu/stream*")


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_change_of_the_browser_s_clock_does_not_affect_live_values(browser: Browser, hours: int) -> None:
    set_clock = "(hours) => { const { now } = Date; Date.now = () => now() + hours * 3600_000; }"
    with Simulation(1) as simulation, agent_server() as url, opened(browser, f"{url}/") as page:
        page.locator("#connection.live").wait_for()
        page.evaluate(set_clock, hours)
        page.wait_for_timeout(1500)  # the page reads the clock once per second
        page.locator("#connection.live").wait_for()
        simulation.gpus[0].fix(gpu_utilization=37)
        page.locator(".card").get_by_text("37 %").wait_for()
        page.wait_for_function("() => parseInt(document.querySelector('#age').textContent) < 6")


def test_a_lost_gpu_is_shown_as_lost_without_values(browser: Browser) -> None:
    with Simulation(2) as simulation:
        simulation.gpus[1].lose()
        with agent_server() as url, opened(browser, f"{url}/") as page:
            card = page.locator(".card.lost")
            card.get_by_text("✖ lost").wait_for()
            page.locator(".finding.critical").get_by_text("The GPU is lost").wait_for()
            values = [text.split(" / ")[0] for text in card.locator(".value").all_inner_texts()]
            assert values == [UNKNOWN] * 4
            assert set(facts(card).values()) == {UNKNOWN}


def test_a_hanging_gpu_is_shown_as_stuck_and_the_others_go_on(browser: Browser) -> None:
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


def test_without_its_driver_no_value_is_shown_as_live(browser: Browser) -> None:
    gone = ["500", "503"]
    with (
        Simulation(1) as simulation,
        agent_server() as url,
        opened(browser, f"{url}/#gpu0", expected=gone) as page,
    ):
        page.locator("#gpu-view dt").first.wait_for()
        simulation.remove_driver("not_loaded")
        page.locator("#problem").get_by_text("NVIDIA driver").wait_for()
        page.locator("body.old").wait_for()
        assert page.locator("#connection").inner_text() == "no new values"
        assert page.title().startswith(UNKNOWN)
        simulation.restore_driver()
        page.locator("#connection.live").wait_for()
        page.locator("#problem").wait_for(state="hidden")
        assert page.locator("body.old").count() == 0


def test_the_page_of_an_agent_without_a_driver_says_what_is_missing(browser: Browser) -> None:
    with Simulation(1) as simulation:
        simulation.remove_driver()
        with agent_server() as url, opened(browser, f"{url}/") as page:
            page.locator("#problem").get_by_text("No NVIDIA driver").wait_for()
            assert not page.locator("#one").is_visible()


def test_the_page_reconnects_to_a_restarted_agent_and_keeps_its_lines(browser: Browser) -> None:
    port = str(free_port())
    arguments = ("--simulate", "1")
    with ExitStack() as stack:  # the page outlives the first agent
        with agent_process(*arguments, port=port, HISTORY_INTERVAL="1") as agent:
            page = stack.enter_context(opened(browser, f"{agent.url}/", expected=LOST))
            page.wait_for_function(f"() => {POINTS} > 2")
            agent.stop()
            page.locator("#connection.lost").get_by_text("not live").wait_for()
            page.locator("#problem").get_by_text("cannot be reached").wait_for()
            page.locator("#countdown").get_by_text("next try in").wait_for()
            assert page.locator("body.old").count() == 1
        stack.enter_context(agent_process(*arguments, port=port, HISTORY_INTERVAL="1"))
        page.locator("#connection.live").wait_for()
        assert page.locator("body.old").count() == 0
        page.wait_for_function(
            "() => document.querySelector('.card .stroke').getAttribute('d').split('M').length >= 3"
        )  # two lines with a gap between them


def test_a_tab_that_is_hidden_at_the_first_event_pauses_without_an_error(browser: Browser) -> None:
    script = """new MutationObserver((_, observer) => {
        if (!document.querySelector(".card")) return;
        observer.disconnect();
        Object.defineProperty(document, "hidden", { value: true, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }).observe(document, { childList: true, subtree: true });"""
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/", script=script) as page:
        page.locator("#connection.paused").get_by_text("paused while this tab is hidden").wait_for()
        asked = asked_from_now_on(page)
        page.wait_for_timeout(2000)
        assert asked == []


def test_values_of_an_agent_that_stops_answering_are_shown_as_old(browser: Browser) -> None:
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


def test_too_many_streams_are_reported_with_the_message_of_the_agent(browser: Browser) -> None:
    with (
        Simulation(1),
        agent_server(MAX_STREAMS="1") as url,
        opened(browser, f"{url}/") as first,
        opened(browser, f"{url}/", expected=["503"]) as second,
    ):
        first.locator("#connection.live").wait_for()
        second.locator("#problem").get_by_text("MAX_STREAMS").wait_for()


def test_a_hidden_tab_sends_no_request_until_it_is_shown_again(browser: Browser) -> None:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/#gpu0") as page:
        page.locator("#gpu-view dt").first.wait_for()
        hide(page, hidden=True)
        page.locator("#connection.paused").get_by_text("paused while this tab is hidden").wait_for()
        assert page.title().startswith(UNKNOWN)
        asked = asked_from_now_on(page)
        page.wait_for_timeout(6000)  # longer than the interval of any request
        assert asked == []
        hide(page, hidden=False)
        page.locator("#connection.live").wait_for()
        page.wait_for_function("() => document.querySelector('#age').textContent.startsWith('0')")
