"""The pictures of the page in docs/images: `uv run --group slow python -m tests.page.pictures`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tests.page.opened import opened
from tests.support.agents import ROOT, agent_process
from tests.support.chromium import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser

IMAGES = ROOT / "docs" / "images"
SETTLED = 20_000  # milliseconds after which the small lines say something


class Picture(NamedTuple):
    """One file."""

    name: str
    arguments: tuple[str, ...]
    view: str
    width: int
    height: int
    dark: bool = False


PICTURES = (
    Picture("page.png", ("--simulate", "8"), "", 1280, 720),
    Picture("page-sick.png", ("--simulate", "8", "--scenario", "sick"), "", 1280, 720, dark=True),
    Picture("gpu.png", ("--simulate", "8"), "#gpu1", 1280, 900, dark=True),
    Picture("page-phone.png", ("--simulate", "4"), "", 360, 640),
)


def take(browser: Browser, picture: Picture) -> None:
    """Write the file anew."""
    look: dict[str, Any] = {
        "viewport": {"width": picture.width, "height": picture.height},
        "color_scheme": "dark" if picture.dark else "light",
    }
    with (
        agent_process(*picture.arguments, HISTORY_INTERVAL="1") as agent,
        opened(browser, f"{agent.url}/{picture.view}", **look) as page,
    ):
        page.locator("#processes tr").first.wait_for(state="attached")
        page.wait_for_timeout(SETTLED)
        page.screenshot(path=IMAGES / picture.name)


if __name__ == "__main__":
    with chromium() as started:
        for one in PICTURES:
            take(started, one)
