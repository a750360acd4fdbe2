"""Makes the pictures of the page in docs/images, or those with these names:

    uv run --group slow python -m tests.page.pictures [page.png ...]

They show simulated agents in a real Chromium, five minutes after the start of the first, so that the lines
have a past; all pictures take seven minutes. It needs nginx, and root, because each agent has a host name of
its own.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.page.fleet import origin
from tests.support.agents import ROOT, agent_process, free_port
from tests.support.chromium import chromium
from tests.support.png import with_palette

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

FOLDER = ROOT / "docs" / "images"
MAX_BYTES = 150_000
PAST = 300.0  # seconds from the start of the first host to the first picture: the range of a chart
APART = 7.0  # seconds from the start of one host to that of the next, so that they are not all alike


@dataclass(frozen=True)
class Host:
    """A simulated host, by its name in HOSTS."""

    gpus: int = 8
    scenario: str = "healthy"


@dataclass(frozen=True)
class Picture:
    """One picture. `path` is that of the page at `host`; "": at the first host, which shows all of them."""

    file: str
    host: str
    path: str = ""
    size: tuple[int, int] = (1280, 900)
    scheme: Literal["light", "dark"] = "light"
    shows: str = "#processes tr"  # a selector of what must be there


HOSTS = {f"gpu{number:02}": Host() for number in range(1, 8)}
HOSTS |= {"gpu04": Host(scenario="lost"), "gpu06": Host(scenario="sick"), "gpu08": Host(4, "mixed-models")}
HOSTS |= {"gpu09": Host(4), "gpu10": Host(4, "reset-required"), "gpu11": Host(2)}
DOWN = "gpu12"  # nobody listens there

PICTURES = (
    Picture("page.png", "gpu01", "?host", (1280, 540)),
    Picture("page-sick.png", "gpu06", "?host", (1280, 680), "dark"),
    Picture("page-phone.png", "gpu01", "?host", (360, 640), shows="#gpus li"),
    Picture("gpu.png", "gpu01", "?host&range=5#gpu1", (1280, 900), "dark", "#gpu-view svg"),
    Picture("overview.png", "", "", (1280, 1000), shows=".host .tile"),
    Picture("table.png", "", "?sort=-freeMemory#gpus", (1280, 720), "dark", ".gpu-table td"),
    Picture("wall.png", "", "?wall", (1920, 1080), "dark", ".wall .tile"),
)


def tell(line: str) -> None:
    """Shown at once, also where nobody sits at a terminal: most of the time is spent waiting."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stdout.flush()


def start(stack: ExitStack, names: list[str]) -> str:
    """The address at which these hosts are, each below its name."""
    urls = {}
    for number, name in enumerate(names):
        host = HOSTS[name]
        time.sleep(APART if number else 0)
        tell(f"starting {name}")
        urls[name] = stack.enter_context(
            agent_process(
                *("--simulate", f"{host.gpus}", "--scenario", host.scenario),
                inside=["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name],
                FLEET=",".join(f"{one}=/{one}" for one in [*HOSTS, DOWN]),
            )
        ).url
    urls[DOWN] = f"http://127.0.0.1:{free_port()}"
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    locations = (
        f"location /{name}/ {{ proxy_pass {url}/; proxy_buffering off; }}\n" for name, url in urls.items()
    )
    return stack.enter_context(origin(Path(folder), "".join(locations)))


def take(picture: Picture, browser: Browser, url: str) -> bytes:
    """The picture as PNG."""
    width, height = picture.size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=picture.scheme)
    page.goto(f"{url}/{picture.host or next(iter(HOSTS))}/{picture.path}")
    page.locator(picture.shows).first.wait_for()
    page.wait_for_timeout(8000)  # what is asked seldom has come, every host too
    taken = page.screenshot()
    page.close()
    return with_palette(taken)


def make(pictures: list[Picture]) -> Iterator[tuple[str, int]]:
    """Writes them; the name and the bytes of each."""
    hosts = [*HOSTS] if any(not one.host for one in pictures) else sorted({one.host for one in pictures})
    with ExitStack() as stack:
        browser = stack.enter_context(chromium())  # the first: where it is missing, nothing is waited for
        due = time.monotonic() + PAST
        url = start(stack, hosts)
        rest = max(0.0, due - time.monotonic())
        tell(f"every host answers; the first picture in {rest:.0f} s")
        time.sleep(rest)
        for picture in pictures:
            yield picture.file, (FOLDER / picture.file).write_bytes(take(picture, browser, url))


def main(names: list[str]) -> int:
    """Those with these names, else all; the exit status is 1 where one is too large."""
    too_large = 0
    for name, size in make([one for one in PICTURES if one.file in names or not names]):
        tell(f"{name:20} {size:9,} bytes")
        too_large |= size > MAX_BYTES
    return too_large


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
