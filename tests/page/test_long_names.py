"""Long names and all reasons fit, on a phone and on a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.simulation import Simulation
from tests.page.opened import opened, streaming
from tests.support import loopback
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

USERS = ("maximiliane.mustermann-1", "maximiliane.mustermann-2", "x" * 120)
REASONS = [
    "XID 79 (GPU has fallen off the bus)",
    "The driver asks for a recovery",
    "170 of its 171 NVLinks down",
]
TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll(":is(.card, .finding, .card *)")]
    .filter((one) => one.clientWidth && one.scrollWidth > one.clientWidth + 1)
    .map((one) => one.outerHTML)"""


@pytest.mark.parametrize("width", [360, 1280])
def test_whole_names_and_every_reason_fit_on_a_phone_and_on_a_screen(browser: Browser, width: int) -> None:
    with Simulation(2), agent_server() as url:
        event = loopback.get(f"{url}/gpu").json()
        lost, sick = event["gpus"]
        sick["health"] = {"verdict": "critical", "reasons": REASONS}
        sick["top_processes"] = [{"pid": 1, "name": "python", "username": user} for user in USERS]
        lost |= {
            "state": "lost",
            "error": "It is lost",
            "health": {"verdict": "critical", "reasons": ["It is lost", *REASONS]},
        }
        viewport = {"width": width, "height": 800}
        with opened(browser, f"{url}/", script=streaming(event), viewport=viewport) as page:
            page.locator("#gpus").get_by_text(USERS[0]).first.wait_for()
            reasons = page.locator(".finding .reason").all_inner_texts()
            users = page.locator("#gpus > li").nth(1).inner_text()
            too_wide = page.evaluate(TOO_WIDE)

    assert reasons == [". ".join(["It is lost", *REASONS]), ". ".join(REASONS)]
    assert ", ".join(USERS) in users
    assert too_wide == []
