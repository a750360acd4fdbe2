"""The first values are requested once, while the scripts are loading, with the page's credential."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.simulation import Simulation
from tests.page.opened import hide, opened
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Request

pytestmark = pytest.mark.slow

TOKEN = "the-token-of-the-page"  # noqa: S105  (guards nothing)


def test_the_stream_is_requested_once_and_ends_in_a_hidden_tab(browser: Browser) -> None:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/") as page:
        begun: list[Request] = []
        ended: list[Request] = []
        page.on("request", lambda request: begun.append(request))
        page.on("requestfailed", lambda request: ended.append(request))
        page.reload()
        page.locator("#connection.live").wait_for()
        (stream,) = [request for request in begun if "gpu/stream" in request.url]
        assert stream not in ended
        hide(page, hidden=True)
        page.wait_for_timeout(500)
        assert stream in ended
        hide(page, hidden=False)
        page.locator("#connection.live").wait_for()


def test_a_remembered_token_is_sent_with_the_first_request(browser: Browser) -> None:
    remembered = f"localStorage.setItem('agent-token /', '{TOKEN}')"
    with (
        Simulation(1),
        agent_server(TOKEN=TOKEN) as url,
        opened(browser, f"{url}/", script=remembered) as page,
    ):
        page.locator("#connection.live").wait_for()
        assert not page.locator("#login").is_visible()


def test_a_page_opened_in_a_hidden_tab_sends_no_request(browser: Browser) -> None:
    hidden = "Object.defineProperty(document, 'hidden', { value: true, configurable: true })"
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/", script=hidden) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.reload()
        page.get_by_text("paused while this tab is hidden").wait_for()
        assert [one for one in asked if "/web/" not in one] == [f"{url}/"]
