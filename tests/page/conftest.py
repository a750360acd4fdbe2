"""A real Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.page.fleet import FLEET, gateway
from tests.support.agents import agent_process
from tests.support.chromium import chromium

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A browser that is closed before the tests of the next folder."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="package")
def fleet_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of thirty hosts: see fleet.py."""
    with (
        agent_process("--simulate", "8", FLEET=FLEET) as agent,
        gateway(tmp_path_factory.mktemp("nginx"), agent.url) as origin,
    ):
        yield origin
