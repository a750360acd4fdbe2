"""The page in Firefox: with an agent that disappears, clocks that are set, and a token."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from agent.http.web import BUILD
from agent.simulation import SimulatedProcess, Simulation
from tests.page.opened import UNKNOWN
from tests.support.agents import agent_process, agent_server, free_port
from tests.support.firefox import Firefox, FirefoxPage, firefox

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

TOKEN = "the-token-of-the-page"  # noqa: S105  (guards nothing)
IS_LIVE = "document.querySelector('#connection.live') && document.querySelectorAll('.card').length"
POINTS = "document.querySelector('.card .stroke')?.getAttribute('d').split('L').length"
AGE = "parseInt(document.querySelector('#age').textContent)"
# The clocks of the browser's host and of the agent's host are ahead by these milliseconds.
CLOCKS = """
    window.mine = window.theirs = 0;
    const { now } = Date;
    Date.now = () => now() + window.mine;
    const { fetch } = window;
    const later = (_, at) => `"timestamp":"${new Date(Date.parse(at) + window.theirs).toISOString()}"`;
    window.fetch = async (path, ...rest) => {
        const answer = await fetch(path, ...rest);
        if (!`${path}`.startsWith("gpu/stream")) return answer;
        const set = new TransformStream({
            transform(text, events) { events.enqueue(text.replace(/"timestamp":"([^"]+)"/g, later)); },
        });
        const decoded = answer.body.pipeThrough(new TextDecoderStream()).pipeThrough(set);
        return new Response(decoded.pipeThrough(new TextEncoderStream()), answer);
    };
"""
# Records the states of the connection and the greatest age from now on.
WATCH = """(() => {
    window.phases = new Set();
    window.oldest = 0;
    setInterval(() => {
        window.phases.add(document.querySelector("#connection").className);
        window.oldest = Math.max(window.oldest, parseInt(document.querySelector("#age").textContent) || 0);
    }, 50);
})()"""
# Every answer comes from an agent with another build of the page.
OTHER_BUILD = """
    const { fetch } = window;
    window.fetch = async (...all) => {
        const answer = await fetch(...all);
        const headers = new Headers(answer.headers);
        headers.set("X-Agent-Build", "another");
        return new Response(answer.body, { status: answer.status, headers });
    };
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Firefox]:
    with firefox() as started:
        yield started


def is_withdrawn(page: FirefoxPage) -> bool:
    """Whether nothing is shown as current: no offer, no verdict, no value in the title."""
    page.wait_for("document.querySelector('body.old')")
    shown = page.text("#gpus") + page.text("#offer")
    title = str(page.evaluate("document.title"))
    return "healthy" not in shown and "GPU 0\nfree" not in shown and title.startswith(UNKNOWN)


def test_firefox_shows_gpus_and_processes_and_opens_one_gpu_and_returns(browser: Firefox) -> None:
    with Simulation(2), agent_server() as url, browser.opened(f"{url}/") as page:
        assert page.wait_for(IS_LIVE) == 2
        page.wait_for("document.querySelectorAll('#processes tr').length > 0")
        assert page.evaluate("document.title").endswith(page.text("#host"))
        page.click(".card a")
        page.wait_for("location.hash === '#gpu0' && document.querySelector('#gpu-view dt')")
        page.evaluate("history.back()")
        page.wait_for("location.hash === '' && document.querySelector('.card').offsetWidth")


def test_firefox_shows_128_gpus_as_tiles(browser: Firefox) -> None:
    with Simulation(128), agent_server() as url, browser.opened(f"{url}/") as page:
        page.wait_for("document.querySelectorAll('#gpus > *').length === 128")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("which", ["mine", "theirs"])
def test_values_stay_live_and_lines_continue_when_a_clock_is_set(browser: Firefox, which: str) -> None:
    with (
        Simulation(1),
        agent_server(HISTORY_INTERVAL="1") as url,
        browser.opened(f"{url}/", script=CLOCKS) as page,
    ):
        page.wait_for(IS_LIVE)
        points = page.wait_for(f"{POINTS} > 2 && {POINTS}")
        page.evaluate(WATCH)
        for hours in (-1, 1):
            page.evaluate(f"window.{which} += {hours * 3_600_000}")
            points = page.wait_for(f"{POINTS} > {points} && {POINTS}")
        # The host may have slept for the hour, so the page connects again, but shows no old value as current.
        assert set(page.evaluate("[...window.phases]")) <= {"live", "connecting", "late"}
        assert page.evaluate("window.oldest") < 600


def test_after_a_killed_agent_nothing_is_shown_as_current_until_the_next_one_starts(
    browser: Firefox,
) -> None:
    port = str(free_port())
    with ExitStack() as stack:  # the page outlives the first agent
        with agent_process("--simulate", "2", port=port) as agent:
            page = stack.enter_context(browser.opened(f"{agent.url}/"))
            assert page.wait_for(IS_LIVE) == 2
            page.evaluate("scrollTo(0, document.body.scrollHeight)")
            agent.stop(signal.SIGKILL)
            page.wait_for("document.querySelector('#connection.lost')")
            assert is_withdrawn(page)
            page.wait_for("document.querySelector('#problem').innerText.includes('cannot be reached')")
            assert page.evaluate("document.querySelector('header').getBoundingClientRect().top") == 0
        stack.enter_context(agent_process("--simulate", "2", port=port))
        page.evaluate("document.querySelector('#again').click()")  # it is hidden if the page was faster
        assert page.wait_for(IS_LIVE) == 2
        assert page.text("#problem") == ""


def test_values_of_a_stopped_agent_are_shown_as_old(browser: Firefox) -> None:
    with agent_process("--simulate", "1") as agent, browser.opened(f"{agent.url}/") as page:
        page.wait_for(IS_LIVE)
        agent.popen.send_signal(signal.SIGSTOP)
        try:
            page.wait_for("document.querySelector('#connection.late')")
            assert is_withdrawn(page)
            assert page.evaluate(AGE) >= 6
            page.wait_for("document.querySelector('#connection.lost')")
            assert "does not answer" in page.text("#problem")
        finally:
            agent.popen.send_signal(signal.SIGCONT)
        page.wait_for(IS_LIVE)


def test_the_token_is_requested_and_a_wrong_one_is_reported(browser: Firefox) -> None:
    with Simulation(1), agent_server(TOKEN=TOKEN) as url, browser.opened(f"{url}/") as page:
        for given, then in ((f"{TOKEN}x", "document.querySelector('#problem').innerText"), (TOKEN, IS_LIVE)):
            page.wait_for("document.activeElement.id === 'token'")
            page.type(f"{given}\n")
            page.wait_for(then)
        page.reload()
        page.wait_for(IS_LIVE)
        assert TOKEN not in page.evaluate("performance.getEntries().map((one) => one.name).join()")


def test_a_page_that_cannot_get_its_new_version_reports_it(browser: Firefox) -> None:
    with (
        Simulation(1),
        agent_server() as url,
        browser.opened(f"{url}/", script=OTHER_BUILD) as page,
    ):
        page.wait_for("document.querySelector('#problem').innerText.includes('another version')")
        assert page.evaluate("performance.getEntriesByType('navigation')[0].type") == "navigate"
        assert page.evaluate("document.documentElement.dataset.build") == BUILD
        assert page.wait_for(IS_LIVE) == 1


def test_a_need_is_searched_for_and_reported_when_it_comes_true(browser: Firefox) -> None:
    """This works even if the permission for system notifications is never answered."""
    with Simulation(2) as simulation:
        for gpu in simulation.gpus:
            gpu.fix(memory_used=2**30, gpu_utilization=50)
            gpu.processes = [SimulatedProcess(os.getpid(), "C", 2**30)]
        with agent_server(SAMPLE_INTERVAL="0.5") as url, browser.opened(f"{url}/") as page:
            page.wait_for(IS_LIVE)
            page.click("#need-line button[type=submit]")
            page.wait_for("document.querySelector('#found-note').innerText.startsWith('This host cannot')")
            assert "need=1" in page.evaluate("location.search")
            page.click("#tell-me")
            page.click("#tell-offers [data-kind=need]")
            page.wait_for("document.querySelector('#tell-list').innerText.startsWith('I can have 1 GPU.')")
            page.reload()
            page.wait_for("document.querySelector('#tell-me').innerText.includes('(1)')")
            simulation.gpus[1].processes = []
            simulation.gpus[1].fix(memory_used=0, gpu_utilization=0)
            page.wait_for("document.querySelector('#notices').innerText.includes('has 1 GPU: GPU 1.')")
            page.wait_for("document.title.startsWith('(1) ')")
            page.wait_for("document.querySelector('#found-hosts').innerText.includes('GPU 1')")
            page.click("#notices > ul > li > button")
            page.wait_for("!document.title.startsWith('(')")
            assert page.text("#notices") == ""
