""" "Tell me when": started by a click, notified once, kept across a reload, also in a hidden tab."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from agent.simulation import SimulatedProcess, Simulation
from tests.page.fleet import BROKEN, DOWN, HOSTS, NAMES, SILENT, UP
from tests.page.opened import asked_from_now_on, eventually, hide, opened
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.slow

LOST = SILENT + DOWN
LAB = "http://gpu.lab"
# Every clock and timer of the page runs 50 times as fast.
FASTER = """(() => {
    const times = 50;
    const { setInterval: every, setTimeout: after } = window;
    window.setInterval = (run, wait = 0, ...rest) => every(run, wait / times, ...rest);
    window.setTimeout = (run, wait = 0, ...rest) => after(run, wait > 30000 ? wait / times : wait, ...rest);
    const now = performance.now.bind(performance);
    const begun = Date.now();
    performance.now = () => now() * times;
    Date.now = () => begun + now() * times;
})();"""
# Counts sounds, and records system notifications, which are permitted.
HEARD = """(() => {
    window.sounds = 0;
    window.notices = [];
    const { start } = OscillatorNode.prototype;
    OscillatorNode.prototype.start = function (...when) { window.sounds += 1; start.apply(this, when); };
    window.Notification = class {
        static permission = "default";
        static async requestPermission() { Notification.permission = "granted"; return "granted"; }
        constructor(title, { body }) { window.notices.push(body); }
    };
})();"""


@pytest.fixture
def two() -> Iterator[Simulation]:
    """Two GPUs, each with a process."""
    with Simulation(2) as simulation:
        for gpu in simulation.gpus:
            gpu.fix(memory_used=2**30, gpu_utilization=50)
            gpu.processes = [SimulatedProcess(os.getpid(), "C", 2**30)]
        yield simulation


def arm(page: Page, kind: str) -> None:
    if not page.locator("#tell").is_visible():
        page.locator("#tell-me").click()
    page.locator(f"#tell-offers [data-kind={kind}]").click()


def free(simulation: Simulation, index: int) -> None:
    gpu = simulation.gpus[index]
    gpu.processes = []
    gpu.fix(memory_used=0, gpu_utilization=0)


def test_over_plain_http_title_icon_banner_and_sound_replace_the_system_notification(
    browser: Browser, two: Simulation
) -> None:
    with (
        agent_server(SAMPLE_INTERVAL="0.5") as url,
        opened(browser, url.replace("http://127.0.0.1", LAB), script=HEARD) as page,
    ):
        arm(page, "need")
        about = page.locator("#tell-about")
        assert "a browser allows them only over HTTPS" in about.inner_text()
        assert "#tls" in (about.get_by_role("link").get_attribute("href") or "")
        page.get_by_text("in the background, once a minute").wait_for()
        page.wait_for_function("() => window.sounds === 2")  # the click has caused a sound
        assert page.locator("#tell-list").inner_text().startswith("I can have 1 GPU.")
        free(two, 1)
        notice = page.locator("#notices > ul > li")
        notice.get_by_text("has 1 GPU: GPU 1. Free now, not reserved.").wait_for()
        page.wait_for_function("() => document.title.startsWith('(1) ')")
        assert "circle" in (page.locator("#icon").get_attribute("href") or "")
        assert page.evaluate("window.sounds") == 4
        assert page.evaluate("window.notices") == []
        assert page.locator("#tell-list li").count() == 0, "it is reported only once"
        page.reload()
        notice.wait_for()  # it stays until the user has seen it
        notice.get_by_role("button", name="Seen").click()
        page.wait_for_function("() => !document.title.startsWith('(')")
        assert notice.count() == 0


def test_in_a_secure_context_there_is_a_system_notification_too(browser: Browser, two: Simulation) -> None:
    with agent_server(SAMPLE_INTERVAL="0.5") as url, opened(browser, f"{url}/", script=HEARD) as page:
        arm(page, "critical")
        page.get_by_text("A system notification is shown too.").wait_for()
        page.wait_for_function(
            "() => JSON.parse(sessionStorage['agent-awaited']).some(({ seen }) => Object.keys(seen).length)"
        )
        two.gpus[1].lose()
        page.locator("#notices").get_by_text("GPU 1 is critical").wait_for()
        (text,) = page.evaluate("window.notices")
        assert "GPU 1 is critical" in text


def test_waits_are_kept_over_a_reload_and_can_be_stopped(browser: Browser, two: Simulation) -> None:
    assert two.gpus
    with agent_server() as url, opened(browser, f"{url}/", script=HEARD) as page:
        arm(page, "need")
        arm(page, "down")
        page.reload()
        page.locator("#tell-me").click()
        listed = page.locator("#tell-list li")
        assert listed.count() == 2
        listed.first.get_by_role("button", name="Stop").click()
        assert listed.count() == 1
        assert "goes down" in listed.inner_text()
        assert "(1)" in page.locator("#tell-me").inner_text()


def test_a_hidden_tab_sends_one_request_a_minute_to_each_host_and_notifies(
    browser: Browser, two: Simulation
) -> None:
    with agent_server() as url, opened(browser, f"{url}/", script=HEARD + FASTER) as page:
        arm(page, "need")
        arm(page, "critical")
        page.wait_for_function(
            "() => JSON.parse(sessionStorage['agent-awaited']).some(({ seen }) => Object.keys(seen).length)"
        )
        hide(page, hidden=True)
        page.wait_for_timeout(300)  # time for running requests
        asked = asked_from_now_on(page)
        begun = page.evaluate("performance.now()")
        eventually(page, lambda: len(asked) >= 4, "it is asked")
        minutes = (page.evaluate("performance.now()") - begun) / 60_000
        paths = [one.removeprefix(url) for one in asked]
        assert len(paths) <= minutes + 2, paths
        assert {"/free?count=1", "/summary"} == set(paths), "each in its turn"
        free(two, 0)
        page.locator("#notices").get_by_text("GPU 0").wait_for(state="attached")
        assert page.title().startswith("(1) ")


def test_the_end_of_a_process_is_reported_but_not_the_loss_of_its_gpu(
    browser: Browser, two: Simulation
) -> None:
    with agent_server(SAMPLE_INTERVAL="0.5") as url, opened(browser, f"{url}/", script=HEARD) as page:
        page.locator("#processes button.unfold").first.click()
        page.get_by_role("button", name="Tell me when it ends").click()
        page.wait_for_function("() => document.querySelector('#tell-me').textContent.includes('(1)')")
        for gpu in two.gpus:
            gpu.lose()
        page.locator(".row.lost, .card.lost").nth(1).wait_for()
        page.wait_for_timeout(12_000)  # time for another request
        assert page.locator("#notices > ul > li").count() == 0
        for gpu in two.gpus:
            gpu.processes = []
            gpu.fix(memory_used=0, gpu_utilization=0)
            gpu.restore()
        gone = page.locator("#notices").get_by_text(f"Process {os.getpid()}")
        gone.wait_for()
        assert "is no longer on a GPU" in gone.inner_text()


def test_reports_of_several_hosts_within_ten_seconds_are_one_notice_with_one_sound(
    browser: Browser, fleet_url: str
) -> None:
    offer = {"code": 0, "data": {"satisfied": True, "gpus": [{"idx": 5, "uuid": "GPU-5"}]}}
    none = {"code": 0, "data": {"satisfied": False, "gpus": []}}
    answer = json.dumps(none)
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN, script=HEARD) as page:
        page.route("**/free?*", lambda route: route.fulfill(body=answer))
        page.locator(".host .tile").first.wait_for()
        arm(page, "need")
        page.wait_for_function("() => window.sounds === 2")
        answer = json.dumps(offer)
        lines = page.locator("#notices > ul > li > ul > li")
        lines.nth(4).wait_for()
        assert page.locator("#notices > ul > li").count() == 1
        assert page.evaluate("window.sounds") == 4
        assert f"{NAMES[0]} has 1 GPU: GPU 5." in page.locator("#notices").inner_text()
        assert page.locator("#tell-list li").count() == 0


def test_a_known_finding_can_be_muted_in_this_browser_until_it_changes(
    browser: Browser, two: Simulation
) -> None:
    two.gpus[0].lose()
    with agent_server(SAMPLE_INTERVAL="0.5") as url, opened(browser, f"{url}/") as page:
        finding = page.locator("#findings .finding")
        finding.get_by_role("button", name="Mute").click()
        page.get_by_text("1 muted, until a change").wait_for()
        assert finding.count() == 0
        assert page.locator("#counts .trouble").inner_text() == "Trouble 1", "it still counts as trouble"
        page.reload()
        page.get_by_text("1 muted, until a change").click()
        finding.get_by_role("button", name="Unmute").wait_for()
        two.gpus[1].lose()
        finding.get_by_text("GPU 0\N{EN DASH}1").wait_for()
        finding.get_by_role("button", name="Mute").wait_for()
        assert page.locator("#findings .note").count() == 0


def test_a_muted_finding_that_ended_is_shown_when_it_comes_back(browser: Browser, two: Simulation) -> None:
    with agent_server(SAMPLE_INTERVAL="0.5") as url, opened(browser, f"{url}/") as page:
        finding = page.locator("#findings .finding")
        two.gpus[0].lose()
        finding.get_by_role("button", name="Mute").click()
        finding.wait_for(state="detached")
        two.gpus[0].restore()
        page.locator("#findings .note").wait_for(state="detached")
        two.gpus[0].lose()
        finding.get_by_text("GPU 0").wait_for()


def test_a_muted_finding_of_a_host_is_counted_but_not_in_title_and_icon(
    browser: Browser, fleet_url: str
) -> None:
    """In the overview, icon and title show only the findings that are not muted."""
    critical = {"verdict": "critical", "reason": "A GPU is missing", "todo": None}

    def broken(route: Route) -> None:
        body = route.fetch().json()
        body["data"]["host"] = critical
        route.fulfill(json=body)

    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        page.route("**/node00/summary", broken)
        page.wait_for_function("() => document.title.startsWith('✖ down · ')")
        down = page.locator("#troubles .finding.down")
        down.nth(LOST - 1).wait_for()
        for left in range(LOST, 0, -1):
            page.wait_for_function(
                "left => document.querySelectorAll('#troubles .finding.down').length === left", arg=left
            )
            down.first.get_by_role("button", name="Mute").click()
        page.wait_for_function("() => document.title.startsWith('✖ critical · ')")
        page.locator("#troubles .critical").get_by_role("button", name="Mute").click()
        page.wait_for_function(f"() => document.title === '{UP} of {HOSTS} hosts'")
        assert page.locator("#counts .trouble b").inner_text() == f"{LOST + 1}", "it still counts as trouble"
        green = page.locator("#icon").get_attribute("href") or ""
        page.get_by_text(f"{LOST + 1} muted, until a change").click()
        page.locator("#troubles .critical").get_by_role("button", name="Unmute").click()
        page.wait_for_function("() => document.title.startsWith('✖ critical · ')")
        assert page.locator("#icon").get_attribute("href") != green
