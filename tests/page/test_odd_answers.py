"""An answer of any shape is the fault of its host, which the page names, and never an error of the page."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import SimulatedProcess, Simulation
from tests.page.odd import NO_ANSWERS, variants
from tests.page.opened import UNKNOWN, facts, opened, streaming
from tests.support import loopback
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.slow

OTHER = "The answer "  # the begin of each message about an odd answer
NUMBER = "utilization_percent"
# Sends these events, and returns what the page then showed: states of the connection, and problems.
SENT = """async (events) => {
    const seen = new Set();
    for (const event of events) {
        window.send(event);
        await new Promise((resume) => setTimeout(resume, 10));
        for (const place of ["#connection", "#problem"]) seen.add(document.querySelector(place).textContent);
    }
    return [...seen];
}"""


STORED = """
    localStorage.setItem("agent-muted", '[1, null, {}]');
    sessionStorage.setItem("agent-awaited", '[null, {"kind": "need"}, {"kind": "constructor", "hosts": []}]');
    sessionStorage.setItem("agent-notices", '[null, {"when": "12:00"}]');
"""


@contextmanager
def well_and(browser: Browser, *odd: str, where: str = "") -> Iterator[tuple[Page, str]]:
    """The overview of the host "well" and of others, which have its answers unless a test replaces them."""
    fleet = ",".join(f"{name}=/{name}" for name in ("well", *odd))
    with Simulation(2) as simulation, ExitStack() as stack:
        for gpu in simulation.gpus:
            gpu.processes = []
            gpu.fix(memory_used=0, gpu_utilization=0)
        url = stack.enter_context(agent_server(URL_PREFIX="well", FLEET=fleet))

        def as_well(route: Route) -> None:
            name = route.request.url.removeprefix(f"{url}/").partition("/")[0]
            route.fulfill(response=route.fetch(url=route.request.url.replace(f"/{name}/", "/well/")))

        page = stack.enter_context(opened(browser, f"{url}/well/docs", expected=[OTHER]))
        page.route("**/odd*/**", as_well)
        page.goto(f"{url}/well/{where}")
        yield page, url


def summaries(url: str) -> dict[str, Any]:
    """Each variant of the answer of the host "well" to /summary."""
    return dict(variants(loopback.get(f"{url}/well/summary").json()["data"]))


def test_a_host_whose_answer_is_no_offer_is_unknown_in_the_need_line(browser: Browser) -> None:
    with well_and(browser, "odd") as (page, _):
        answer: Any = None
        page.route("**/odd/free?*", lambda route: route.fulfill(json=answer))
        for answer in [*NO_ANSWERS, {"satisfied": True}, {"gpus": []}]:  # noqa: B007  (the route reads it)
            page.get_by_role("button", name="Find").click()
            note = page.locator("#found-note")
            note.get_by_text("1 of 2 hosts can offer them now.").wait_for()
            note.get_by_text("Unknown for one host: odd: The answer ").wait_for()
            assert ".." not in note.inner_text()
            page.get_by_role("button", name="Close").click()


def test_an_answer_that_is_no_offer_does_not_say_that_this_host_cannot_offer(browser: Browser) -> None:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/", expected=[OTHER]) as page:
        page.route("**/free?*", lambda route: route.fulfill(json={"status": "maintenance"}))
        page.get_by_role("button", name="Find").click()
        page.locator("#found-note").get_by_text("Unknown for one host: ").wait_for()
        assert "cannot" not in page.locator("#found-note").inner_text()


@pytest.mark.parametrize("answer", [{"status": "maintenance"}, {"satisfied": True}], ids=str)
def test_a_need_is_awaited_while_the_answer_is_no_offer(browser: Browser, answer: Any) -> None:
    with well_and(browser, "odd") as (page, _):
        page.route("**/free?*", lambda route: route.fulfill(json=answer))
        page.get_by_role("button", name="Find").wait_for()
        page.locator("#tell-me").click()
        page.locator("[data-kind=need]").click()
        page.locator("#tell-list").get_by_text("Unknown for 2 hosts now.").wait_for()
        page.locator("#connection").get_by_text("2 of 2 live").wait_for()
        page.unroute("**/free?*")
        page.locator("#notices").get_by_text("has 1 GPU").first.wait_for()


@pytest.mark.parametrize("answer", [{"status": "maintenance"}, {"processes": []}], ids=str)
def test_the_end_of_a_process_is_awaited_while_the_answer_lists_no_processes(
    browser: Browser, answer: Any
) -> None:
    with Simulation(1) as simulation, agent_server() as url:
        simulation.gpus[0].processes = [SimulatedProcess(os.getpid())]
        with opened(browser, f"{url}/", expected=[OTHER]) as page:
            page.locator("button.unfold").first.click()
            page.route("**/processes?pid=*", lambda route: route.fulfill(json=answer))
            page.locator("button[data-await]").click()
            page.locator("#tell-me").click()
            page.locator("#tell-list").get_by_text("Unknown for one host now.").wait_for()
            page.locator("#connection.live").wait_for()
            assert page.locator("#notices li").count() == 0


@pytest.mark.parametrize("where", ["", "#gpus", "#users", "?wall"])
def test_one_odd_value_in_a_summary_is_the_fault_of_its_host_alone(browser: Browser, where: str) -> None:
    with well_and(browser, "odd", where=where) as (page, url):
        summary = loopback.get(f"{url}/well/summary").json()
        summary["data"]["gpus"][0][NUMBER] = "97"
        page.route("**/odd/summary", lambda route: route.fulfill(json=summary))
        page.locator("#connection").get_by_text("1 of 2 live").wait_for()
        page.locator("#troubles").get_by_text(f"The answer has no valid gpus[].{NUMBER}").wait_for()
        assert page.locator("#troubles b").all_inner_texts() == ["odd"]
        if where != "?wall":
            assert facts(page.locator("#totals"))["Utilization"] == "0 %"


@pytest.mark.parametrize("where", ["", "#gpus", "?wall"])
def test_any_odd_summary_leaves_the_other_hosts_and_the_page_as_they_are(
    browser: Browser, where: str
) -> None:
    with Simulation(1), agent_server() as alone:
        count = len(dict(variants(loopback.get(f"{alone}/summary").json()["data"])))
    names = [f"odd{number}" for number in range(count)]
    with well_and(browser, *names, where="docs") as (page, url):
        answers = dict(zip(names, summaries(url).values(), strict=False))

        def odd(route: Route) -> None:
            name = route.request.url.rsplit("/", 2)[-2]
            route.fulfill(json=answers[name]) if name in answers else route.fallback()

        page.route("**/odd*/summary", odd)
        page.goto(f"{url}/well/{where}")
        # Every host is live, or its fault is told; a page error would leave the others unheard.
        heard = "() => !/connecting/.test(document.querySelector('#many').innerText)"
        page.wait_for_function(heard)
        page.wait_for_timeout(2000)
        assert "live" in page.locator("#connection").inner_text()
        assert page.locator("#problem").is_hidden()
        assert "undefined" not in page.locator("#many").inner_text()
        assert "native code" not in page.locator("#many").inner_text()


ODD_ENTRIES: tuple[Any, ...] = (
    *(None, 7, "x", [None], {}, {"name": "odd"}, {"path": "/odd/"}),
    {"name": "other", "path": {"toString": 1}},
    {"name": {"toString": 1}, "path": "/odd/"},
)


@pytest.mark.parametrize("where", ["", "#gpus", "#users", "?wall"])
def test_an_odd_entry_in_the_list_of_hosts_is_the_fault_of_that_entry_alone(
    browser: Browser, where: str
) -> None:
    with well_and(browser, where="docs") as (page, url):
        entries = [*ODD_ENTRIES[:4], {"name": "well", "path": "/well/"}, *ODD_ENTRIES[4:]]
        page.route("**/fleet", lambda route: route.fulfill(json={"code": 0, "data": entries}))
        page.goto(f"{url}/well/{where}")
        page.locator("#connection").get_by_text(f"1 of {len(entries)} live").wait_for()
        page.locator("#troubles").get_by_text("The answer has no valid fleet[]: ").first.wait_for()
        page.locator("#fleet-view").get_by_text("well").first.wait_for()
        if where != "?wall":
            unnamed = {f"{UNKNOWN} {place}" for place in (1, 2, 3, 4, 6, 8, 10)}
            assert {*page.locator("#troubles b").all_inner_texts()} == {*unnamed, "odd", "other"}
        assert page.locator("#problem").is_hidden()


@pytest.mark.parametrize("answer", [None, {}, "x", {"name": "well"}], ids=str)
def test_a_list_of_hosts_that_is_no_list_is_requested_again(browser: Browser, answer: Any) -> None:
    with well_and(browser, where="docs") as (page, url):
        page.route("**/fleet", lambda route: route.fulfill(json={"code": 0, "data": answer}))
        page.goto(f"{url}/well/")
        page.locator("#problem").get_by_text("The answer does not come from an agent").wait_for()
        page.unroute("**/fleet")
        page.locator("#connection").get_by_text("1 of 1 live").wait_for()


@pytest.mark.parametrize("where", ["", "#gpu0", "?density=rows"])
def test_an_odd_event_is_the_fault_of_the_agent_until_the_next_event(browser: Browser, where: str) -> None:
    with Simulation(1) as simulation, agent_server() as url:
        simulation.gpus[0].processes = [SimulatedProcess(os.getpid())]
        event = loopback.get(f"{url}/gpu").json()
        odd = [one for _, one in variants(event)] + [*NO_ANSWERS, None, 1, "x"]
        with opened(browser, f"{url}/{where}", script=streaming(event), expected=[OTHER]) as page:
            page.locator("#processes tr").first.wait_for()
            page.locator("#need-line").wait_for()
            seen = page.evaluate(SENT, odd)
            assert {one for one in seen if not one.startswith(OTHER)} == {"live", "no new values", ""}
            assert any(one.startswith("The answer has no valid gpus: the agent has") for one in seen)
            page.locator("#connection.live").wait_for()
            assert page.locator("#problem").is_hidden()


def test_what_another_version_of_the_page_has_stored_is_no_error(browser: Browser) -> None:
    with Simulation(2) as simulation, agent_server() as url:
        simulation.gpus[0].lose()
        with opened(browser, f"{url}/", script=STORED) as page:
            page.locator("#findings .finding").first.wait_for()
            page.get_by_role("button", name="Tell me when").wait_for()
            page.locator("#connection.live").wait_for()
            assert page.locator("#notices").is_hidden()


@pytest.mark.parametrize("name", ["__proto__", "-valueOf", "constructor"])
def test_the_address_may_name_any_column(browser: Browser, name: str) -> None:
    with Simulation(1) as simulation, agent_server() as url:
        simulation.gpus[0].processes = [SimulatedProcess(os.getpid())]
        with opened(browser, f"{url}/?sort={name}") as page:
            page.locator("#processes tr").first.wait_for()
            page.locator("#columns [data-column=gpu][aria-sort=ascending]").wait_for()
    with well_and(browser, where=f"?sort={name}#gpus") as (page, _):
        page.locator(".gpu-table tbody tr").nth(1).wait_for()
