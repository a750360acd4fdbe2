"""Many hosts on one page: each asked by the browser alone, behind a real nginx."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.page.opened import hide, opened
from tests.support.agents import agent_process, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

HOSTS = 30
FLEET = ",".join(f"node{number:02}=/node{number:02}" for number in range(HOSTS))
# Every node but the last leads to the same agent; the last to a port on which nobody listens.
CONFIG = """
daemon off;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy;
    fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port};
        location ~ ^/node29/ {{ proxy_pass http://127.0.0.1:{nobody}; }}
        location ~ ^/node[0-9]+/(?<rest>.*)$ {{
            proxy_pass http://{agent}/$rest$is_args$args;
            proxy_buffering off;
        }}
    }}
}}
"""


@contextmanager
def gateway(folder: Path, agent: str) -> Iterator[str]:
    """One origin with thirty hosts, of which one is down."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("needs nginx (Debian, Ubuntu: apt-get install nginx-light)")
    port = free_port()
    config = CONFIG.format(port=port, nobody=free_port(), agent=agent.removeprefix("http://"))
    (folder / "nginx.conf").write_text(config)
    popen = subprocess.Popen(  # noqa: S603  (no outside input)
        [nginx, "-p", str(folder), "-c", "nginx.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(f"{url}/node00/health"), "nginx answers")
        yield url
    finally:
        popen.terminate()
        popen.wait(timeout=10)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with (
        agent_process("--simulate", "8", FLEET=FLEET) as agent,
        gateway(tmp_path_factory.mktemp("nginx"), agent.url) as origin,
    ):
        yield origin


def test_every_host_has_its_row_and_one_that_is_down_disturbs_no_other(browser: Browser, url: str) -> None:
    with opened(browser, f"{url}/node00/") as page:
        page.get_by_text(f"{HOSTS - 1} of {HOSTS} hosts").wait_for()
        assert page.locator(".host").count() == HOSTS
        assert page.locator(".tile").count() == (HOSTS - 1) * 8
        down = page.locator(".host.down")
        assert down.count() == 1
        assert down.get_by_role("link", name="node29").is_visible()
        assert f"{(HOSTS - 1) * 8} GPUs" in page.locator("#totals").inner_text()


def test_a_user_is_found_across_hosts(browser: Browser, url: str) -> None:
    with opened(browser, f"{url}/node00/") as page:
        page.locator("#users tr").first.wait_for()
        user = page.locator("#users tr td").first.inner_text()
        page.get_by_label("Search by user").fill(user)
        page.locator(".tile.searched").first.wait_for()
        page.get_by_label("Search by user").fill("nobody has this name")
        page.locator(".host").first.wait_for(state="hidden")
        assert page.locator("#users tr").count() == 0


def test_a_click_opens_the_host(browser: Browser, url: str) -> None:
    with opened(browser, f"{url}/node00/") as page:
        page.get_by_role("link", name="node07").click()
        page.locator(".card").nth(7).wait_for()
        assert page.url == f"{url}/node07/?host"


def test_each_host_is_asked_once_in_five_seconds_and_not_at_all_while_hidden(
    browser: Browser, url: str
) -> None:
    with opened(browser, f"{url}/node00/") as page:
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


def test_thirty_hosts_stay_smooth(browser: Browser, url: str) -> None:
    """Half of all frames come in time on any machine; benchmarks tell the rest."""
    with opened(browser, f"{url}/node00/") as page:
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
