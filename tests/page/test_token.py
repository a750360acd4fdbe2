"""With TOKEN or API keys the page requests the token once, stores it as chosen, and never in a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.simulation import Simulation
from tests.page.opened import asked_from_now_on, hide, opened
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

TOKEN = "the-token-of-the-page"  # noqa: S105  (guards nothing)
KEY = "a-key-of-the-stream"


def give(page: Page, token: str, *, remember: bool = False) -> None:
    page.get_by_label("Token of this agent").fill(token)
    if remember:
        page.get_by_label("Remember the token in this browser").check()
    page.get_by_role("button", name="Show the GPUs").click()


@pytest.mark.parametrize("wrong", ["wrong", "wröng", "\N{SNOWMAN}"])
def test_the_token_is_requested_once_and_a_wrong_one_is_reported(browser: Browser, wrong: str) -> None:
    with (
        Simulation(1),
        agent_server(TOKEN=TOKEN) as url,
        opened(browser, f"{url}/", expected=["401"]) as page,
    ):
        asked = asked_from_now_on(page)
        give(page, wrong)
        page.get_by_text("That token is wrong.").wait_for()
        give(page, TOKEN)
        page.locator(".card").wait_for()
        assert not page.get_by_text("That token is wrong.").is_visible()
        page.reload()
        page.locator(".card").wait_for()
        assert [url for url in asked if TOKEN in url] == []


def test_another_tab_requests_the_token_again_unless_it_is_remembered(browser: Browser) -> None:
    with (
        Simulation(1),
        agent_server(TOKEN=TOKEN) as url,
        opened(browser, f"{url}/", expected=["401"]) as page,
    ):
        give(page, TOKEN)
        page.locator(".card").wait_for()
        second = page.context.new_page()
        second.goto(f"{url}/")
        give(second, TOKEN, remember=True)
        second.locator(".card").wait_for()
        third = page.context.new_page()
        third.goto(f"{url}/")
        third.locator(".card").wait_for()


def test_the_page_works_in_a_browser_without_storage(browser: Browser) -> None:
    blocked = """for (const name of ["localStorage", "sessionStorage"]) {
        const get = () => { throw new DOMException("blocked", "SecurityError"); };
        Object.defineProperty(window, name, { get });
    }"""
    with (
        Simulation(1),
        agent_server(TOKEN=TOKEN) as url,
        opened(browser, f"{url}/", script=blocked, expected=["401"]) as page,
    ):
        give(page, TOKEN, remember=True)
        page.locator(".card").wait_for()
        page.locator("#theme").click()
        page.locator("#connection.live").wait_for()


def test_an_api_key_shows_the_gpus_and_what_it_does_not_open_is_reported(browser: Browser) -> None:
    with (
        Simulation(1),
        agent_server(TOKEN=TOKEN, API_KEY=KEY) as url,
        opened(browser, f"{url}/", expected=["401"]) as page,
    ):
        give(page, KEY)
        page.locator(".card").wait_for()
        page.get_by_text(
            "This page needs the TOKEN of the agent; an API key opens only the stream."
        ).wait_for()


def test_without_token_an_api_key_opens_everything(browser: Browser) -> None:
    with (
        Simulation(1),
        agent_server(API_KEY=KEY) as url,
        opened(browser, f"{url}/", expected=["401"]) as page,
    ):
        give(page, KEY)
        page.locator(".card").wait_for()
        page.locator("#processes tr").first.wait_for()


def test_after_a_token_becomes_invalid_a_new_one_is_requested_and_no_value_stays(browser: Browser) -> None:
    with (
        Simulation(1),
        agent_server(TOKEN=TOKEN) as url,
        opened(browser, f"{url}/", expected=["401"]) as page,
    ):
        give(page, TOKEN)
        page.locator("#connection.live").wait_for()
        page.route("**/gpu/stream*", lambda route: route.fulfill(status=401))
        hide(page, hidden=True)
        hide(page, hidden=False)
        page.get_by_text("That token is wrong.").wait_for()
        assert page.locator("#host-line div").count() == 0
        assert not page.locator("#age").is_visible()
        assert not page.locator("#one").is_visible()


def test_a_refused_token_stays_remembered(browser: Browser) -> None:
    with (
        Simulation(1),
        agent_server(TOKEN=TOKEN) as url,
        opened(browser, f"{url}/", expected=["401"]) as page,
    ):
        give(page, TOKEN, remember=True)
        page.locator("#connection.live").wait_for()
        page.route("**/gpu/stream*", lambda route: route.fulfill(status=401))
        page.reload()
        page.get_by_text("That token is wrong.").wait_for()
        page.unroute("**/gpu/stream*")
        page.get_by_role("button", name="Try the remembered token again").click()
        page.locator("#connection.live").wait_for()
        page.reload()
        page.locator("#connection.live").wait_for()


def test_the_user_can_let_the_page_forget_a_remembered_token(browser: Browser) -> None:
    with (
        Simulation(1),
        agent_server(TOKEN=TOKEN) as url,
        opened(browser, f"{url}/", expected=["401"]) as page,
    ):
        give(page, "wrong", remember=True)
        page.get_by_text("That token is wrong.").wait_for()
        page.get_by_role("button", name="Forget the remembered token").click()
        page.get_by_text("That token is wrong.").wait_for(state="hidden")
        page.reload()
        page.get_by_label("Token of this agent").wait_for()
        assert not page.get_by_text("That token is wrong.").is_visible()
        assert not page.get_by_role("button", name="Try the remembered token again").is_visible()
