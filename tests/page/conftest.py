"""A real Chromium."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.page.fleet import FLEET, gateway
from tests.support.agents import agent_process
from tests.support.groups import needs_slow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

# As root in a container; and without the requests that a browser makes for itself.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
ARGUMENTS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Gone before the tests of the next folder: while it runs, this thread can run no other event loop."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    needs_slow("playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="package")
def fleet_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of thirty hosts: see fleet.py."""
    with (
        agent_process("--simulate", "8", FLEET=FLEET) as agent,
        gateway(tmp_path_factory.mktemp("nginx"), agent.url) as origin,
    ):
        yield origin
