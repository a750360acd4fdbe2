"""Many hosts on one page: each asked by the browser alone, behind a real nginx."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.page.fleet import HOSTS
from tests.page.opened import hide, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow


def test_every_host_has_its_row_and_one_that_is_down_disturbs_no_other(
    browser: Browser, fleet_url: str
) -> None:
    with opened(browser, f"{fleet_url}/node00/") as page:
        page.get_by_text(f"{HOSTS - 1} of {HOSTS} hosts").wait_for()
        assert page.locator(".host").count() == HOSTS
        assert page.locator(".tile").count() == (HOSTS - 1) * 8
        down = page.locator(".host.down")
        assert down.count() == 1
        assert down.get_by_role("link", name="node29").is_visible()
        assert f"{(HOSTS - 1) * 8} GPUs" in page.locator("#totals").inner_text()


def test_a_user_is_found_across_hosts(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/") as page:
        page.locator("#users tr").first.wait_for()
        user = page.locator("#users tr td").first.inner_text()
        page.get_by_label("Search by user").fill(user)
        page.locator(".tile.searched").first.wait_for()
        page.get_by_label("Search by user").fill("nobody has this name")
        page.locator(".host").first.wait_for(state="hidden")
        assert page.locator("#users tr").count() == 0


def test_a_click_opens_the_host(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/") as page:
        page.get_by_role("link", name="node07").click()
        page.locator(".card").nth(7).wait_for()
        assert page.url == f"{fleet_url}/node07/?host"


def test_each_host_is_asked_once_in_five_seconds_and_not_at_all_while_hidden(
    browser: Browser, fleet_url: str
) -> None:
    with opened(browser, f"{fleet_url}/node00/") as page:
        page.get_by_text(f"{HOSTS - 1} of {HOSTS} hosts").wait_for()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_timeout(10_000)
        assert 1 <= sum(one.endswith("/node03/status") for one in asked) <= 3
        hide(page, hidden=True)
        asked.clear()
        page.wait_for_timeout(6000)
        assert asked == []
        hide(page, hidden=False)
        page.wait_for_timeout(6000)
        assert {one.split("/")[3] for one in asked} == {f"node{number:02}" for number in range(HOSTS)}


def test_thirty_hosts_stay_smooth(browser: Browser, fleet_url: str) -> None:
    """Half of all frames come in time on any machine; benchmarks tell the rest."""
    with opened(browser, f"{fleet_url}/node00/") as page:
        page.get_by_text(f"{HOSTS - 1} of {HOSTS} hosts").wait_for()
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
