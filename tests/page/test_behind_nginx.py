"""The page behind nginx as deploy/ configures it: TLS, prefixes, tokens that the browser never sees."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.page.fleet import BROKEN
from tests.page.opened import opened
from tests.proxies.conftest import agent_behind
from tests.proxies.reverse_proxy import PROGRAMS, TOKENS, Setup, proxy, require
from tests.proxies.test_faults import start_again
from tests.support.agents import agent_process
from tests.support.certificates import made_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Response

    from tests.support.agents import Process

pytestmark = pytest.mark.slow


@contextmanager
def nginx(tmp_path_factory: pytest.TempPathFactory, one: Process, other: Process) -> Iterator[str]:
    """The origin of both agents."""
    (program,) = (program for program in PROGRAMS if program.name == "nginx")
    require(program)
    certificate = made_certificate(tmp_path_factory.mktemp("certificate"))
    setup = Setup(tmp_path_factory.mktemp("nginx"), certificate, (one.url, other.url))
    with proxy(program, setup) as running:
        yield running.url


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of two agents: server1 knows the fleet, server2 does not."""
    fleet = "server1=/server1,server2=/server2"
    with (
        agent_process(
            "--simulate", "2", prefix="/server1", TOKEN=TOKENS["server1"], URL_PREFIX="server1", FLEET=fleet
        ) as one,
        agent_process(
            "--simulate", "3", prefix="/server2", TOKEN=TOKENS["server2"], URL_PREFIX="server2"
        ) as other,
        nginx(tmp_path_factory, one, other) as url,
    ):
        yield url


def test_a_host_is_shown_without_a_login_form(browser: Browser, origin: str) -> None:
    with opened(browser, f"{origin}/server2/", ignore_https_errors=True) as page:
        page.locator("#connection.live").wait_for()
        assert page.locator(".card").count() == 3
        assert not page.locator("#login").is_visible()


def test_the_overview_shows_both_hosts_and_a_click_opens_one(browser: Browser, origin: str) -> None:
    with opened(browser, f"{origin}/server1/", ignore_https_errors=True) as page:
        page.get_by_text("2 of 2 live").wait_for()
        page.locator(".tile").nth(4).wait_for()
        page.get_by_role("link", name="server2").click()
        page.locator(".card").nth(2).wait_for()


def test_no_token_reaches_the_browser(browser: Browser, origin: str) -> None:
    with opened(browser, f"{origin}/server1/?host", ignore_https_errors=True) as page:
        page.goto("about:blank")  # so that requests of the previous page are not recorded
        answers: list[Response] = []
        page.on("response", lambda response: answers.append(response))
        page.goto(f"{origin}/server1/?host")
        page.locator("#processes tr").first.wait_for()
        page.locator("#offer a, #offer:has-text('No GPU')").first.wait_for()
        seen = [f"{answer.all_headers()} {answer.request.all_headers()}" for answer in answers]
        seen += [answer.text() for answer in answers if answer.ok and "/gpu/stream" not in answer.url]
        assert len(seen) > 16
        assert not [text for text in [*seen, page.content()] if TOKENS["server1"] in text]


def test_an_agent_that_is_down_is_reported_even_if_the_proxy_answers_its_stream(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The proxy answers the stream with 200 and no event, because of EventSource."""
    with ExitStack() as stack:
        agent = agent_behind(stack, "server1")
        origin = stack.enter_context(nginx(tmp_path_factory, agent, agent))
        page = stack.enter_context(
            opened(browser, f"{origin}/server1/", ignore_https_errors=True, expected=BROKEN)
        )
        page.locator("#connection.live").wait_for()
        assert agent.stop() == 0
        page.locator("#problem").get_by_text("The agent does not answer").wait_for()
        assert page.locator("#connection.lost").is_visible()
        start_again(stack, agent, "server1")
        page.locator("#connection.live").wait_for()
        assert not page.locator("#problem").is_visible()
