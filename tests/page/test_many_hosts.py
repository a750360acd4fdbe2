"""The cost of many hosts: requests, bytes and layout shifts, behind a real nginx with HTTP/2."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.page.fleet import SIXTY, all_up
from tests.page.opened import asked_from_now_on, hide, opened
from tests.support.agents import agent_process
from tests.support.certificates import made_certificate
from tests.support.firefox import firefox
from tests.support.relay import relay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.support.relay import Relay

pytestmark = pytest.mark.slow

WATCHED = 30.0  # seconds
PROTOCOL = "() => performance.getEntriesByType('navigation')[0].nextHopProtocol"
# Chromium's layout shift score: movements of content without an action of the user.
SHIFTS = """
    window.shifted = 0;
    new PerformanceObserver((list) => {
        for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value;
    }).observe({ type: "layout-shift", buffered: true });
"""


@contextmanager
def hosts(folder: Path, names: list[str]) -> Iterator[tuple[str, Relay]]:
    """The origin of these hosts, and the relay that counts the bytes to and from it."""
    (folder / "certificate").mkdir()
    certificate = made_certificate(folder / "certificate")
    with (
        agent_process("--simulate", "8", FLEET=",".join(f"{name}=/{name}" for name in names)) as agent,
        all_up(folder, agent.url, certificate) as url,
        relay(int(url.rsplit(":", 1)[1])) as counting,
    ):
        yield f"https://127.0.0.1:{counting.port}", counting


@pytest.mark.parametrize(("count", "a_minute"), [(30, 400), (60, 400)])
def test_many_hosts_need_few_requests_and_bytes_and_shift_no_content(
    browser: Browser, tmp_path: Path, count: int, a_minute: int
) -> None:
    look: dict[str, Any] = {"ignore_https_errors": True, "viewport": {"width": 1280, "height": 900}}
    names = SIXTY[:count]
    with (
        hosts(tmp_path, names) as (url, counting),
        opened(browser, f"{url}/node00/", script=SHIFTS, **look) as page,
    ):
        page.get_by_text(f"{count} of {count} live").wait_for(timeout=120_000)  # all lead to one agent
        page.locator(".tile").nth(count * 8 - 1).wait_for()
        assert page.evaluate(PROTOCOL) == "h2"
        page.wait_for_timeout(10_000)
        assert page.evaluate("window.shifted") < 0.02  # almost no shift while content arrived
        page.evaluate("() => { window.shifted = 0; }")
        asked = asked_from_now_on(page)
        before, began = counting.passed, time.monotonic()
        page.wait_for_timeout(WATCHED * 1000)
        passed = time.monotonic() - began
        asked = [path for path in asked if "/web/" not in path]  # scripts of the page that load later
        assert {path.rsplit("/", 1)[1] for path in asked} == {"summary"}
        assert {path.split("/")[3] for path in asked} == set(names)
        assert len(asked) / passed * 60 <= a_minute
        if count == 30:
            assert (counting.passed - before) / passed * 3600 <= 20e6
        assert page.evaluate("window.shifted") < 0.001
        hide(page, hidden=True)
        after = asked_from_now_on(page)
        page.wait_for_timeout(3000)
        assert after == []


def test_firefox_shows_sixty_hosts_with_their_gpus_and_the_wall(tmp_path: Path) -> None:
    with hosts(tmp_path, SIXTY) as (url, _), firefox() as browser:
        url = url.replace("127.0.0.1", "localhost")
        with browser.opened(f"{url}/node00/") as page:
            page.wait_for("document.querySelectorAll('.host .tile').length === 480")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            page.evaluate("document.querySelector('#ways a[data-view=gpus]').click()")
            page.wait_for("document.querySelectorAll('.gpu-table tbody tr').length === 480")
            page.evaluate("void (Date.now = () => performance.now())")  # decades back
            page.wait_for("document.querySelector('.gpu-table tr.old')")
            page.wait_for("!document.querySelector('.gpu-table tr.old')")
        with browser.opened(f"{url}/node00/?wall") as page:
            page.wait_for("document.querySelectorAll('.wall .tile').length > 0")
            page.wait_for("document.querySelector('#connection').innerText === '60 of 60 live'")
