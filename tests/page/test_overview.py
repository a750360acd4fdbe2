"""Many hosts on one page: each asked by the browser alone, behind a real nginx."""

from __future__ import annotations

import re
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.page.fleet import BROKEN, DOWN, HOSTS, NAMES, SILENT, UP
from tests.page.opened import UNKNOWN, asked_from_now_on, facts, hide, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, Route

pytestmark = pytest.mark.slow


def answer(body: str, route: Route) -> None:
    route.fulfill(body=body)


def complete(page: Page) -> None:
    """Wait until every host was asked once."""
    page.get_by_text(f"{UP} of {HOSTS}").wait_for()
    page.wait_for_function(f"() => document.querySelectorAll('.host.down').length === {SILENT + DOWN}")


def test_every_host_has_its_row_and_those_that_are_down_disturb_no_other(
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
        assert page.get_by_text("Simulated: no real GPU").is_visible()


def test_each_host_is_asked_in_its_turn_whatever_others_do_and_not_at_all_while_hidden(
    browser: Browser, fleet_url: str
) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        complete(page)
        asked: list[tuple[str, float]] = []

        def note(request: Request) -> None:
            asked.append((request.url.removeprefix(fleet_url), time.monotonic()))

        page.on("request", note)
        page.wait_for_timeout(15_000)
        counts = Counter(path for path, _ in asked)
        assert {counts[f"/{name}/gpu"] for name in NAMES[:UP]} <= {2, 3, 4}  # 15 s at one in 5 s
        assert sum(counts[f"/{name}/gpu"] for name in NAMES[UP:-DOWN]) <= 5  # one at a time, 4 s each
        looks = [at for path, at in asked if path.endswith("/gpu")]
        in_a_second = [sum(begin <= at < begin + 1 for at in looks) for begin in looks]
        assert max(in_a_second) < HOSTS / 2, "they are spread over the interval"
        hide(page, hidden=True)
        asked.clear()
        page.wait_for_timeout(6000)
        assert asked == []
        hide(page, hidden=False)
        page.wait_for_timeout(6000)
        assert {f"/{name}/gpu" for name in NAMES[:UP]} <= {path for path, _ in asked}


def test_the_clock_of_the_browser_may_be_set_back(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        host = page.locator(".host").first
        host.locator(".tile").first.wait_for()
        page.evaluate("() => { const { now } = Date; Date.now = () => now() - 3600_000; }")
        page.locator(".host.old").first.wait_for()  # the computer may have slept
        page.wait_for_function("() => document.querySelector('.host').className === 'host'")
        page.locator(".host.old").first.wait_for(state="detached")


def test_a_user_is_found_across_hosts(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        complete(page)
        page.locator("#users tr").first.wait_for()
        user, gpus, where = page.locator("#users tr td").all_inner_texts()[:3]
        assert int(gpus) >= UP
        assert [part.split(":")[0] for part in where.split(" · ")] == NAMES[:UP]
        page.get_by_label("Search by user").fill(user)
        page.locator(".tile.found").first.wait_for()
        page.get_by_label("Search by user").fill("nobody has this name")
        page.locator(".host").first.wait_for(state="hidden")
        assert page.locator("#users tr").count() == 0


def test_free_gpus_of_any_host_are_named(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        complete(page)
        free = page.locator("#free-anywhere")
        free.get_by_text("node00: ").wait_for()
        assert free.locator("a").count() == 6
        assert re.search(rf"and \d+ more on {UP - 6} hosts", free.inner_text())


def test_a_click_opens_the_host_or_the_gpu_and_leads_back(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        page.get_by_role("link", name="node07").first.click()
        page.locator("#gpus > li").nth(7).wait_for()
        assert page.url == f"{fleet_url}/node07/?host"
        page.get_by_role("link", name="All hosts").click()
        page.locator(".host").nth(3).locator(".tile a").nth(5).click()
        page.locator("#gpu-view").get_by_text("GPU 5 · ").wait_for()
        assert page.url == f"{fleet_url}/node03/?host#gpu5"


def test_what_answers_unlike_an_agent_is_named_and_disturbs_no_other(
    browser: Browser, fleet_url: str
) -> None:
    odd = ["<!doctype html>", "null", '{"gpus": [{"id": 0}], "simulated": false}']
    with opened(browser, f"{fleet_url}/node00/", expected=[*BROKEN, "gpus[].state"]) as page:
        for name, body in zip(NAMES, odd, strict=False):
            page.route(f"**/{name}/gpu", partial(answer, body))
        page.get_by_text(f"{UP - len(odd)} of {HOSTS}").wait_for()
        page.locator(".host.down", has_text="What answers is no agent").nth(1).wait_for()
        page.locator(".host.down", has_text="The answer has no gpus[].state").wait_for()
        totals = facts(page.locator("#totals"))
        assert totals["GPUs"] == f"{(UP - len(odd)) * 8}"


def test_what_is_wrong_with_a_host_itself_stands_beside_its_name_and_counts_as_trouble(
    browser: Browser, fleet_url: str
) -> None:
    def with_trouble(route: Route) -> None:
        body = route.fetch().json()
        body["health"] = {"verdict": "critical", "reasons": ["1 of the 8 expected GPUs is missing"]}
        route.fulfill(json=body)

    def of_an_older_agent(route: Route) -> None:
        body = route.fetch().json()
        del body["health"]
        route.fulfill(json=body)

    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        page.route(f"**/{NAMES[0]}/gpu", with_trouble)
        page.route(f"**/{NAMES[1]}/gpu", of_an_older_agent)
        page.reload()
        complete(page)
        notes = page.locator(".host .note")
        missing = "H100 80GB HBM3 · ✖ critical: 1 of the 8 expected GPUs is missing"
        assert notes.nth(0).inner_text().endswith(missing)
        assert all(notes.nth(place).inner_text().endswith("H100 80GB HBM3") for place in (1, 2))
        assert facts(page.locator("#totals"))["Trouble"] == "✖ 1 critical, ▲ 0 warning"


def test_where_no_host_answers_nothing_is_called_none(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=[*BROKEN, "ERR_"]) as page:
        page.route("**/gpu", lambda route: route.abort())
        page.reload()
        page.locator(".host.down").nth(HOSTS - 1).wait_for()
        page.get_by_text(f"0 of {HOSTS}").wait_for()
        told = facts(page.locator("#totals"))
        assert {told["GPUs"], told["Free"], told["Trouble"], told["Utilization"], told["Power"]} == {UNKNOWN}
        assert page.locator("#free-anywhere").inner_text() == UNKNOWN


def test_a_host_that_asks_for_a_token_says_so(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=[*BROKEN, "401"]) as page:
        page.route("**/node01/gpu", lambda route: route.fulfill(status=401))
        page.locator(".host.down", has_text="asks for a token: open it and give one").wait_for()


def test_hosts_are_asked_on_when_the_agent_that_listed_them_is_gone(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/", expected=BROKEN) as page:
        complete(page)
        page.route("**/node00/fleet", lambda route: route.abort())
        hide(page, hidden=True)
        assert page.title().startswith(f"{UNKNOWN} ")
        asked = asked_from_now_on(page)
        hide(page, hidden=False)
        page.wait_for_timeout(6000)
        assert {f"{fleet_url}/{name}/gpu" for name in NAMES[:UP]} <= set(asked)


def test_a_list_of_hosts_that_fails_is_asked_for_again(browser: Browser, fleet_url: str) -> None:
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
