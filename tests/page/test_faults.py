"""Faults of the page itself: each has its own sentence, also in the browser's console."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from agent.simulation import SimulatedProcess, Simulation
from tests.page.opened import asked_from_now_on, eventually, hide, opened, process, streaming
from tests.support import loopback
from tests.support.agents import ROOT, agent_process, agent_server, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Route

pytestmark = pytest.mark.slow

BUG = """() => {
    window.append = Element.prototype.append;
    Element.prototype.append = () => { throw new RangeError("a bug of the page"); };
}"""
MENDED = "() => { Element.prototype.append = window.append; }"


def test_an_answer_of_another_version_is_reported_with_the_missing_field(browser: Browser) -> None:
    lacks = "The answer has no gpus[].power: the agent has another version than this page."
    with Simulation(1), agent_server() as url:
        event = loopback.get(f"{url}/gpu").json()
        del event["gpus"][0]["power"]
        with opened(browser, f"{url}/", script=streaming(event), expected=[lacks]) as page:
            page.locator("#problem").get_by_text(lacks).wait_for()
            assert page.locator("#connection").inner_text() == "no new values"
            assert not page.locator("#one").is_visible()
            assert not page.locator("#again").is_visible(), "the connection is live"


def test_processes_of_another_version_affect_only_their_table(browser: Browser) -> None:
    lacks = "The answer has no processes[].pid"
    odd = process()
    del odd["pid"]
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/", expected=[lacks]) as page:
        answer = {"code": 0, "data": {"processes": [odd], "unknown_idx": []}}
        page.route("**/processes", lambda route: route.fulfill(json=answer))
        page.locator("#processes-note").get_by_text(lacks).wait_for()
        page.locator("#connection.live").wait_for()


def test_an_error_of_the_page_is_reported_and_no_value_is_shown(browser: Browser) -> None:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/", expected=["a bug of"]) as page:
        page.locator("#connection.live").wait_for()
        page.evaluate(BUG)
        page.locator("#problem").get_by_text("This page has an error").wait_for()
        assert page.locator("#connection").inner_text() == "page error"
        assert not page.locator("#one").is_visible()
        page.evaluate(MENDED)
        page.locator("#connection.live").wait_for()
        page.locator(".card").wait_for()
        assert not page.locator("#problem").is_visible()


def test_a_browser_that_is_too_old_is_reported(browser: Browser) -> None:
    sentence = "This browser is too old for this page"
    with (
        Simulation(1),
        agent_server() as url,
        opened(browser, f"{url}/", script="delete AbortSignal.any", expected=[sentence]) as page,
    ):
        page.locator("#problem").get_by_text(sentence).wait_for()
        page.wait_for_timeout(1500)
        assert page.locator("#problem").get_by_text(sentence).is_visible(), "no other message replaces it"


def test_a_script_that_cannot_be_loaded_is_reported(browser: Browser) -> None:
    sentence = "A part of this page could not be loaded. Reload it."
    broken = [sentence, "ERR_"]
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/", expected=broken) as page:
        page.route("**/page.js", lambda route: route.abort())
        page.reload()
        page.locator("#problem").get_by_text(sentence).wait_for()


def test_a_script_that_loads_late_is_set_up_once_even_if_the_tab_was_hidden(
    browser: Browser,
) -> None:
    held: list[Route] = []
    with Simulation(1) as simulation, agent_server() as url, opened(browser, f"{url}/docs") as page:
        simulation.gpus[0].processes = [SimulatedProcess(os.getpid())]
        page.route("**/seldom.js", lambda route: held.append(route))
        with page.expect_request("**/seldom.js"):
            page.goto(f"{url}/")
        hide(page, hidden=True)
        hide(page, hidden=False)
        page.locator("#connection.live").wait_for()
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)))")
        for route in held:
            route.continue_()
        page.get_by_role("button", name=f"{os.getpid()}", exact=True).click()
        page.locator(".unfolded dl").wait_for()


def test_a_history_of_another_version_is_reported_and_affects_nothing_else(browser: Browser) -> None:
    lacks = "The answer has no ts: the agent has another version than this page."
    with (
        Simulation(1),
        agent_server() as url,
        opened(browser, f"{url}/docs", expected=[lacks]) as page,
    ):
        page.route("**/history", lambda route: route.fulfill(json={"code": 0, "data": {"devices": []}}))
        asked = asked_from_now_on(page)
        with page.expect_console_message(lambda line: lacks in line.text):
            page.goto(f"{url}/")
        page.wait_for_timeout(4500)  # two events
        assert [asked.count(f"{url}/{path}") for path in ("history", "processes")] == [1, 1]
        page.locator("#connection.live").wait_for()


def test_after_an_upgrade_the_page_loads_its_new_version_by_itself(browser: Browser, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "agent", tmp_path / "agent", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "main.py", tmp_path)
    with (tmp_path / "agent" / "web" / "style.css").open("a") as style:
        style.write("#host { text-decoration: underline; }\n")
    arguments = {"port": str(free_port())}
    decoration = "getComputedStyle(document.querySelector('#host')).textDecorationLine"
    with ExitStack() as stack:
        with agent_process("--simulate", "1", **arguments) as agent:
            page = stack.enter_context(opened(browser, f"{agent.url}/#gpu0", expected=["ERR_", "404"]))
            page.locator("#connection.live").wait_for()
            before = page.evaluate("document.documentElement.dataset.build")
            assert page.evaluate(decoration) == "none"
        stack.enter_context(agent_process("--simulate", "1", program=(f"{tmp_path}/main.py",), **arguments))
        page.wait_for_function(f"() => document.documentElement.dataset.build !== '{before}'")
        page.locator("#connection.live").wait_for()
        assert page.evaluate(decoration) == "underline"
        assert page.url.endswith("/#gpu0")


def test_a_page_that_does_not_understand_the_events_of_a_new_version_loads_that_version(
    browser: Browser,
) -> None:
    with Simulation(1), agent_server() as url:
        event = loopback.get(f"{url}/gpu").json()
        event["gpus"][0]["power"] = "97"
        script = streaming(event, build="another")
        with opened(browser, f"{url}/docs", script=script, expected=["The answer "]) as page:
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            page.goto(f"{url}/")
            page.locator("#problem").get_by_text("no valid gpus[].power").wait_for()
            eventually(page, lambda: asked.count(f"{url}/") == 2, "the page is asked for again")


def test_a_page_that_cannot_get_its_new_version_reports_it_and_does_not_reload(browser: Browser) -> None:
    with Simulation(1), agent_server() as url:
        script = streaming(loopback.get(f"{url}/gpu").json(), build="another")
        with opened(browser, f"{url}/", script=script) as page:
            page.locator("#problem").get_by_text("The agent has another version of this page.").wait_for()
            loaded: list[str] = []
            page.on("framenavigated", lambda frame: loaded.append(frame.url))
            page.locator("#connection.live").wait_for()
            page.wait_for_timeout(3000)
            assert loaded == []
