"""Many hosts on one page, behind a real nginx. The browser itself sends the requests to each."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.page.fleet import BROKEN, DOWN, HOSTS, NAMES, SILENT, UP
from tests.page.opened import UNKNOWN, asked_from_now_on, eventually, facts, hide, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page, Request, Route

pytestmark = pytest.mark.slow

LOST = SILENT + DOWN
BAR = "#counts .{}"


# The shortest time in milliseconds between two requests to one host, measured by the browser.
LEAST_PAUSE = """() => {
    const begun = Map.groupBy(performance.getEntriesByType("resource"), ({ name }) => name);
    const pauses = [...begun].filter(([name]) => name.endsWith("/summary")).flatMap(([, entries]) =>
        entries.slice(1).map(({ startTime }, place) => startTime - entries[place].startTime));
    return Math.min(...pauses);
}"""


def answer(body: str, route: Route) -> None:
    route.fulfill(body=body)


def changed(change: Callable[[dict[str, Any]], None], route: Route) -> None:
    """The answer of the agent with a change of its data."""
    body = route.fetch().json()
    change(body["data"])
    route.fulfill(json=body)


def complete(page: Page) -> None:
    """Wait until every host has got a request."""
    page.get_by_text(f"{UP} of {HOSTS}", exact=True).wait_for()
    page.wait_for_function(f"() => document.querySelectorAll('#troubles .down > b').length === {LOST}")


def test_every_host_has_its_row_and_hosts_that_are_down_do_not_affect_others(
    browser: Browser, fleet_url: str
) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        complete(page)
        assert page.locator(".host h3").all_inner_texts() == NAMES
        assert page.locator(".tile").count() == UP * 8
        assert page.locator(".host.down", has_text="does not answer").count() == SILENT
        assert page.locator(".host.down", has_text="HTTP 502").count() == DOWN
        totals = facts(page.locator("#totals"))
        assert (totals["Hosts"], totals["GPUs"]) == (f"{UP} of {HOSTS}", f"{UP * 8}")
        assert totals["Memory"].endswith("14.3 TiB")  # 23 hosts with 8 times 79.6 GiB
        assert page.get_by_text("These GPUs are simulated").is_visible()
        assert re.fullmatch(r"\d+ s old", page.locator(".host-age").first.inner_text())


def test_findings_of_all_hosts_are_first_with_reason_and_number(browser: Browser, fleet_url: str) -> None:
    def hot(data: dict[str, Any]) -> None:
        for gpu in data["gpus"][:3]:
            gpu |= {"verdict": "warning", "reason": "It is hot", "todo": "Cool it"}

    def broken(data: dict[str, Any]) -> None:
        data["host"] = {"verdict": "critical", "reason": "1 of the 8 expected GPUs is missing", "todo": None}

    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        page.route(f"**/{NAMES[0]}/summary", partial(changed, hot))
        page.route(f"**/{NAMES[1]}/summary", partial(changed, broken))
        page.reload()
        complete(page)
        lines = page.locator("#troubles li").all_inner_texts()
        assert len(lines) == LOST + 2
        assert "502" in lines[LOST - 1]
        assert lines[LOST].startswith("✖ critical node01 1 of the 8 expected GPUs is missing")
        assert lines[LOST + 1].startswith(f"▲ warning node00 GPU 0{UNKNOWN}2 It is hot → Cool it")
        assert page.locator(BAR.format("trouble")).inner_text() == f"Trouble {LOST + 1 + 3}"
        assert page.locator(BAR.format("down")).inner_text() == f"Down {LOST}"
        assert page.title() == f"✖ down · {UP} of {HOSTS} hosts"


def test_each_host_gets_one_small_request_in_turn_and_none_while_hidden(
    browser: Browser, fleet_url: str
) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        all_up = [f"{fleet_url}/{name}/summary" for name in NAMES[:UP]]
        asked = asked_from_now_on(page)
        page.on("framenavigated", lambda _: asked.clear())
        page.reload()
        complete(page)
        summaries = [url for url in asked if url.endswith("/summary")]
        assert [url for url in dict.fromkeys(summaries) if url in all_up] == all_up, "in their turn"
        asked.clear()
        eventually(page, lambda: min(Counter(asked)[url] for url in all_up) >= 2, "each is asked twice")
        own = [url for url in asked if "/web/" not in url]  # a script of the page may load later
        assert {url.rsplit("/", 1)[1] for url in own} == {"summary"}
        assert page.evaluate(LEAST_PAUSE) >= 2990, "half of the interval"
        hide(page, hidden=True)
        asked.clear()
        page.wait_for_timeout(7000)
        assert asked == []
        hide(page, hidden=False)
        eventually(page, lambda: set(all_up) <= set(asked), "each host gets a request")


def test_silent_hosts_get_requests_one_after_the_other(browser: Browser, fleet_url: str) -> None:
    """Each request to a silent host occupies a connection until it is given up."""
    under_way: set[Request] = set()
    at_once: list[int] = []

    def begun(request: Request) -> None:
        if any(f"/{name}/summary" in request.url for name in NAMES[UP:-DOWN]):
            under_way.add(request)
            at_once.append(len(under_way))

    def ended(request: Request) -> None:
        under_way.discard(request)

    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        complete(page)  # now the page knows which hosts are silent
        page.on("request", begun)
        page.on("requestfailed", ended)
        page.on("requestfinished", ended)
        eventually(page, lambda: len(at_once) >= 3, "they are asked again")
        assert max(at_once) <= 2, "one, and one that has been given up but is not reported as such yet"


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_overview_goes_on_when_the_clock_of_the_browser_is_set(
    browser: Browser, fleet_url: str, hours: int
) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        complete(page)
        step = f"() => {{ const {{ now }} = Date; Date.now = () => now() + {hours} * 3600_000; }}"
        page.evaluate(step)
        page.locator(".host.old .tile").first.wait_for()  # the computer may have slept
        page.locator(".host.old .tile").first.wait_for(state="detached")
        asked = asked_from_now_on(page)
        all_up = {f"{fleet_url}/{name}/summary" for name in NAMES[:UP]}
        eventually(page, lambda: all_up <= set(asked), "each host gets a request")


def test_a_host_that_stops_answering_keeps_only_greyed_values(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        complete(page)
        page.route("**/node03/summary", lambda route: route.abort())
        row = page.locator(".host.down", has_text="node03")
        row.get_by_text("The agent cannot be reached").wait_for()
        assert row.locator(".tile").count() == 8
        assert row.locator(".tile.healthy, .tile.free").count() == 0
        assert row.locator(".host-users").inner_text() == ""
        assert row.locator(".host-free").inner_text() == f"{UNKNOWN} free"


def test_a_click_on_a_count_filters_the_hosts_and_is_in_the_url(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        complete(page)
        assert page.locator(BAR.format("free")).inner_text() == f"Free {UP}, {LOST} hosts unknown"
        page.locator(BAR.format("down")).click()
        page.wait_for_function(f"() => document.querySelectorAll('.host').length === {LOST}")
        assert page.url == f"{fleet_url}/node00/?only=down"
        page.reload()
        page.wait_for_function(f"() => document.querySelectorAll('.host').length === {LOST}")
        page.locator(BAR.format("free")).click()
        page.locator(".host .tile.other").first.wait_for()
        page.wait_for_function(f"() => document.querySelectorAll('.tile.free:not(.other)').length === {UP}")
        assert page.locator(".host").count() == HOSTS, "of those that are down it is not known"
        page.go_back()
        page.wait_for_function(f"() => document.querySelectorAll('.host').length === {LOST}")


def test_filters_and_order_of_the_table_of_gpus_are_in_the_url(browser: Browser, fleet_url: str) -> None:
    def another(data: dict[str, Any]) -> None:
        data |= {"model": None}
        for gpu in data["gpus"]:
            gpu |= {"model": "NVIDIA A100-SXM4-80GB", "temperature_celsius": 40 + gpu["idx"]}

    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        page.route("**/node05/summary", partial(changed, another))
        page.reload()
        complete(page)
        page.get_by_role("link", name="GPUs", exact=True).click()
        rows = page.locator(".gpu-table tbody tr")
        page.wait_for_function(
            f"() => document.querySelectorAll('.gpu-table tbody tr').length === {UP * 8 + LOST}"
        )
        page.get_by_label("Model", exact=True).fill("a100")
        page.wait_for_function(
            f"() => document.querySelectorAll('.gpu-table tbody tr').length === {8 + LOST}"
        )
        page.get_by_label("Host", exact=True).fill("node05")
        page.get_by_role("link", name="Temperature").click()
        page.get_by_role("link", name="Temperature").click()
        assert page.url == f"{fleet_url}/node00/?model=a100&node=node05&sort=-temperature#gpus"
        assert rows.locator(".gpu").all_inner_texts() == [f"GPU {index}" for index in range(7, -1, -1)]
        page.reload()
        page.locator(".gpu-table tbody tr").nth(7).wait_for()
        assert page.get_by_label("Model", exact=True).input_value() == "a100"
        assert rows.locator(".gpu").first.inner_text() == "GPU 7"


def test_users_of_all_hosts_are_requested_only_while_they_are_shown(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        complete(page)
        page.get_by_role("link", name="Users").click()
        page.locator(".people tbody tr").first.wait_for()
        page.wait_for_function(
            f"() => document.querySelector('.people .gpus:not(th)')?.innerText.split(' · ').length === {UP}"
        )
        where = page.locator(".people td.gpus").first.inner_text()
        assert [part.split(":")[0] for part in where.split(" · ")] == NAMES[:UP]
        assert "Unknown or incomplete: the users of node23" in page.locator("#fleet-view").inner_text()
        user = page.locator(".people a.user").first.inner_text()
        page.locator(".people a.user").first.click()
        page.locator(".gpu-table tbody .users").first.wait_for()
        assert page.url == f"{fleet_url}/node00/?user={user}#gpus"
        assert all(user in text for text in page.locator(".gpu-table td.users").all_inner_texts())
        asked = asked_from_now_on(page)
        page.wait_for_timeout(7000)
        assert {path.rsplit("/", 1)[1] for path in asked if "/web/" not in path} == {"summary"}


def test_a_click_opens_a_host_or_gpu_and_all_hosts_returns_to_the_same_filters(
    browser: Browser, fleet_url: str
) -> None:
    """This includes the host of the agent behind this page."""
    with opened(browser, f"{fleet_url}/node00/?node=node0", expected=BROKEN) as page:
        page.get_by_role("link", name="node07").first.click()
        page.locator("#gpus > li").nth(7).wait_for()
        assert page.url == f"{fleet_url}/node07/?host"
        page.get_by_role("link", name="All hosts").click()
        page.locator(".host").nth(3).locator(".tile a").nth(5).click()
        page.locator("#gpu-view").get_by_text("GPU 5 · ").wait_for()
        assert page.url == f"{fleet_url}/node03/?host#gpu5"
        page.get_by_role("link", name="All hosts").click()
        page.locator(".host").first.locator("h3 a").click()
        page.locator("#gpus > li").nth(7).wait_for()
        assert page.url == f"{fleet_url}/node00/?host"
        page.get_by_role("link", name="All hosts").click()
        page.locator(".host .tile").first.wait_for()
        assert page.url == f"{fleet_url}/node00/?node=node0"


def test_an_answer_unlike_an_agent_s_is_reported_and_does_not_affect_other_hosts(
    browser: Browser, fleet_url: str
) -> None:
    odd = [
        "<!doctype html>",
        "null",
        '{"host": {"verdict": null, "reason": null}, "users": [], "gpus": [{}]}',
    ]
    with opened(browser, f"{fleet_url}/node00/", expected=[*BROKEN, "gpus[].idx"]) as page:
        for name, body in zip(NAMES, odd, strict=False):
            page.route(f"**/{name}/summary", partial(answer, body))
        page.reload()
        page.get_by_text(f"{UP - len(odd)} of {HOSTS}", exact=True).wait_for()
        page.locator(".host.down", has_text="The answer does not come from an agent").nth(1).wait_for()
        page.locator(".host.down", has_text="The answer has no gpus[].idx").wait_for()
        totals = facts(page.locator("#totals"))
        assert totals["GPUs"] == f"{(UP - len(odd)) * 8}"


def test_an_older_agent_without_summary_is_shown_from_gpu_and_not_as_free(
    browser: Browser, fleet_url: str
) -> None:
    def older(route: Route) -> None:
        body = route.fetch().json()
        del body["health"]
        route.fulfill(json=body)

    with opened(browser, f"{fleet_url}/node00/", expected=[*BROKEN, "404"]) as page:
        gone = {"code": 1, "data": None, "error": "No such path: /summary"}
        page.route("**/node01/summary", lambda route: route.fulfill(status=404, json=gone))
        page.route("**/node01/gpu", older)
        page.reload()
        complete(page)
        row = page.locator(".host").nth(1)
        assert row.locator(".tile.healthy").count() == 8
        assert row.locator(".host-free").inner_text() == f"{UNKNOWN} free"
        assert row.locator(".note").inner_text().endswith("H100 80GB HBM3")
        free = page.locator(BAR.format("free")).inner_text()
        assert free == f"Free {UP - 1}, {LOST + 1} hosts unknown"


def test_if_no_host_answers_totals_are_unknown_and_not_zero(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=[*BROKEN, "ERR_"]) as page:
        page.route("**/summary", lambda route: route.abort())
        page.reload()
        page.locator(".host.down").nth(HOSTS - 1).wait_for()
        page.get_by_text(f"0 of {HOSTS}", exact=True).wait_for()
        totals = facts(page.locator("#totals"))
        assert {totals["GPUs"], totals["Utilization"], totals["Power"]} == {UNKNOWN}
        assert page.locator(BAR.format("free")).inner_text() == f"Free {UNKNOWN}"
        assert page.locator("#connection.lost").is_visible()
        assert page.title().startswith(f"{UNKNOWN} ")


def test_a_host_that_requires_a_token_is_reported_and_not_requested_again_until_a_login(
    browser: Browser, fleet_url: str
) -> None:
    """It is asked again at once after a login on its own page in another tab."""
    with opened(browser, f"{fleet_url}/node00/", expected=[*BROKEN, "401"]) as page:
        page.route("**/node01/summary", lambda route: route.fulfill(status=401))
        page.reload()
        page.locator(".host.down", has_text="needs a token: open this host and enter its token").wait_for()
        asked = asked_from_now_on(page)
        page.wait_for_timeout(8000)
        assert f"{fleet_url}/node01/summary" not in asked
        page.evaluate("() => dispatchEvent(new StorageEvent('storage', { key: 'agent-muted' }))")
        page.wait_for_timeout(1000)
        assert f"{fleet_url}/node01/summary" not in asked
        page.evaluate("() => dispatchEvent(new StorageEvent('storage', { key: 'agent-token /node01/' }))")
        eventually(page, lambda: f"{fleet_url}/node01/summary" in asked, "it is asked")


@pytest.mark.parametrize("view", ["", "#gpus"])
def test_the_printed_overview_has_its_address_the_date_and_all_troubles(
    browser: Browser, fleet_url: str, view: str
) -> None:
    url = f"{fleet_url}/node00/?node=node{view}"
    with opened(browser, url, expected=BROKEN) as page:
        complete(page)
        page.locator("#fleet-view .tile, .gpu-table td").first.wait_for()
        assert not page.locator("#printed").is_visible()
        page.emulate_media(media="print")
        printed = page.locator("#printed").inner_text()
        assert printed.startswith(f"All hosts, {url}, ")
        assert re.search(r"\d{4}", printed.removeprefix(f"All hosts, {url}, "))
        for part in page.locator("#troubles, .gpu-table").all():
            assert part.evaluate("part => part.scrollHeight <= part.clientHeight"), "nothing is cut"


def test_hosts_are_still_requested_when_the_agent_that_listed_them_is_gone(
    browser: Browser, fleet_url: str
) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        complete(page)
        page.route("**/node00/fleet", lambda route: route.abort())
        hide(page, hidden=True)
        assert page.title().startswith(f"{UNKNOWN} ")
        asked = asked_from_now_on(page)
        hide(page, hidden=False)
        all_up = {f"{fleet_url}/{name}/summary" for name in NAMES[:UP]}
        eventually(page, lambda: all_up <= set(asked), "each host gets a request")


def test_a_failed_list_of_hosts_is_requested_again(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        page.route(
            "**/fleet",
            lambda route: route.fulfill(status=503, json={"code": 2, "data": None, "error": "Not now"}),
        )
        page.reload()
        page.locator("#problem").get_by_text("Not now").wait_for()
        page.unroute("**/fleet")
        complete(page)
        assert not page.locator("#problem").is_visible()
