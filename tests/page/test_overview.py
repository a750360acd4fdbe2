"""Many hosts on one page: each asked by the browser alone, behind a real nginx."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.page.fleet import DOWN, HOSTS, NAMES, SILENT, UP
from tests.page.opened import facts, hide, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow


def complete(page: Page) -> None:
    """Wait until every host was asked once."""
    page.get_by_text(f"{UP} of {HOSTS}").wait_for()
    page.wait_for_function(f"() => document.querySelectorAll('.host.down').length === {SILENT + DOWN}")


def test_every_host_has_its_row_and_those_that_are_down_disturb_no_other(
    browser: Browser, fleet_url: str
) -> None:
    with opened(browser, f"{fleet_url}/node00/") as page:
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
    with opened(browser, f"{fleet_url}/node00/") as page:
        complete(page)
        asked: Counter[str] = Counter()
        page.on("request", lambda request: asked.update([request.url.removeprefix(fleet_url)]))
        page.wait_for_timeout(15_000)
        counts = {name: asked[f"/{name}/gpu"] for name in NAMES}
        assert {counts[name] for name in NAMES[:UP]} <= {2, 3, 4}  # 15 s at one in 5 s
        assert sum(counts[name] for name in NAMES[UP:-DOWN]) <= 5  # one at a time, 4 s each
        hide(page, hidden=True)
        asked.clear()
        page.wait_for_timeout(6000)
        assert asked == Counter()
        hide(page, hidden=False)
        page.wait_for_timeout(6000)
        assert {f"/{name}/gpu" for name in NAMES[:UP]} <= set(asked)


def test_a_user_is_found_across_hosts(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/") as page:
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
    with opened(browser, f"{fleet_url}/node00/") as page:
        complete(page)
        free = page.locator("#free-anywhere")
        free.get_by_text("node00: ").wait_for()
        assert free.locator("a").count() == 6
        assert re.search(rf"and \d+ more on {UP - 6} hosts", free.inner_text())


def test_a_click_opens_the_host_or_the_gpu_and_leads_back(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/") as page:
        page.get_by_role("link", name="node07").first.click()
        page.locator(".card").nth(7).wait_for()
        assert page.url == f"{fleet_url}/node07/?host"
        page.get_by_role("link", name="All hosts").click()
        page.locator(".host").nth(3).locator(".tile a").nth(5).click()
        page.locator("dialog").get_by_text("GPU 5 · ").wait_for()
        assert page.url == f"{fleet_url}/node03/?host#gpu5"


def test_thirty_hosts_stay_smooth(browser: Browser, fleet_url: str) -> None:
    """Half of all frames come in time on any machine; benchmarks tell the rest."""
    with opened(browser, f"{fleet_url}/node00/") as page:
        complete(page)
        frames = page.evaluate(
            """() => new Promise((done) => {
                const gaps = [];
                let last = performance.now();
                const next = (now) => {
                    gaps.push(now - last);
                    last = now;
                    gaps.length < 300 ? requestAnimationFrame(next) : done(gaps);
                };
                requestAnimationFrame(next);
            })"""
        )
        assert sorted(frames)[len(frames) // 2] < 34


def test_a_list_of_hosts_that_fails_is_asked_for_again(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/") as page:
        page.route(
            "**/fleet",
            lambda route: route.fulfill(status=503, json={"code": 2, "data": None, "error": "Not now"}),
        )
        page.reload()
        page.locator("#problem").get_by_text("Not now").wait_for()
        page.unroute("**/fleet")
        complete(page)
        assert not page.locator("#problem").is_visible()
