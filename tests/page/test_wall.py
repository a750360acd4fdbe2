"""The wall: all hosts on a screen without input."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import Simulation
from tests.page.fleet import BROKEN, DOWN, HOSTS, SILENT, UP
from tests.page.opened import asked_from_now_on, eventually, opened
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

BIG: dict[str, Any] = {"viewport": {"width": 3840, "height": 2160}}
TOKEN = "x" * 20
# The layout of a wall for so many hosts with so many GPUs each, in so many pixels.
FIT = """async ([hosts, gpus, width, height]) => {
    const page = document.querySelector("script[type=module]").src;
    const { fit } = await import(new URL("fit.js", page));
    return fit(hosts, gpus, width, height);
}"""
# The number of these elements, whether all are within the window, and the width of the smallest.
WITHIN = """(selector) => {
    const boxes = [...document.querySelectorAll(selector)].map((one) => one.getBoundingClientRect());
    const isIn = ({ top, left, right, bottom }) =>
        top >= 0 && left >= 0 && right <= innerWidth && bottom <= innerHeight;
    return [boxes.length, boxes.every(isIn), Math.min(...boxes.map(({ width }) => width))];
}"""


def shown(page: Page, gpus: int) -> None:
    page.wait_for_function(f"() => document.querySelectorAll('.wall .tile').length === {gpus}")


def test_all_gpus_counts_and_findings_fit_on_a_4k_screen(browser: Browser, fleet_url: str) -> None:
    with opened(browser, f"{fleet_url}/node00/?wall", expected=BROKEN, **BIG) as page:
        shown(page, UP * 8)
        page.get_by_text(f"{UP} of {HOSTS} live").wait_for()
        page.get_by_text("and 4 more").wait_for()  # of SILENT + DOWN
        assert SILENT + DOWN == 7
        count, is_within, width = page.evaluate(WITHIN, ".wall .tile")
        assert (count, is_within) == (UP * 8, True)
        assert width >= 90
        assert page.evaluate(WITHIN, "#troubles li")[1]
        assert page.locator("#counts b").nth(0).bounding_box()["height"] >= 40  # type: ignore[index]
        assert page.locator("button:visible, input:visible, .filters:visible").count() == 0
        assert page.evaluate("document.documentElement.scrollHeight") <= 2160
        assert page.get_by_text("values at most").is_visible()
        assert ":" in page.locator("#host").inner_text()


def test_a_single_host_has_a_wall_too(browser: Browser) -> None:
    with Simulation(2), agent_server() as url, opened(browser, f"{url}/?wall", **BIG) as page:
        shown(page, 2)
        page.get_by_text("1 of 1 live").wait_for()
        assert page.evaluate(WITHIN, ".wall .tile")[1]


def test_the_wall_requests_a_token_in_a_corner_and_uses_it_for_all_hosts(
    browser: Browser, fleet_url: str
) -> None:
    """The old values are struck out. One token is used for all hosts that accept it."""
    with opened(browser, f"{fleet_url}/node00/?wall", expected=[*BROKEN, "401"], **BIG) as page:
        shown(page, UP * 8)
        page.route(
            re.compile("/node01/summary"),
            lambda route: (
                route.continue_()
                if route.request.headers.get("authorization") == TOKEN
                else route.fulfill(status=401)
            ),
        )
        another = re.compile("/node02-[^/]*/summary")
        page.route(another, lambda route: route.fulfill(status=401))
        page.locator(".box.refused .tile").nth(15).wait_for()
        box = page.locator("#login").bounding_box()
        assert box is not None
        assert (box["x"] + box["width"], box["y"] + box["height"]) == (3840, 2160)
        assert page.locator(".wall .tile").count() == UP * 8
        page.unroute(another)
        page.get_by_label("Token of this agent").fill(TOKEN)
        page.keyboard.press("Enter")
        page.locator("#login").wait_for(state="hidden")
        page.wait_for_function("() => !document.querySelector('.box.refused')")
        assert "xxxx" not in page.url


def test_the_wall_requests_the_token_of_its_own_agent_in_the_corner(browser: Browser) -> None:
    with (
        Simulation(1),
        agent_server(TOKEN=TOKEN) as url,
        opened(browser, f"{url}/?wall", expected=["401"], **BIG) as page,
    ):
        page.get_by_label("Token of this agent").fill(TOKEN)
        page.keyboard.press("Enter")
        shown(page, 1)


@pytest.mark.parametrize(
    ("hosts", "gpus", "size", "pages"),
    [
        (30, 8, (3800, 1950), 1),
        (60, 8, (3800, 1950), 1),
        (60, 8, (1880, 900), 3),
        (1, 1, (1880, 900), 1),
        (1, 128, (1880, 900), 1),
        (12, 16, (300, 300), 12),
    ],
)
def test_the_wall_has_several_pages_only_if_tiles_would_be_too_small(
    browser: Browser, hosts: int, gpus: int, size: tuple[int, int], pages: int
) -> None:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/?wall") as page:
        found = page.evaluate(FIT, [hosts, gpus, *size])
        assert found["pages"] == pages
        assert found["onPage"] * pages >= hosts
        assert found["columns"] * found["rows"] >= found["onPage"]
        assert found["across"] * found["down"] >= gpus
        assert found["size"] >= 90 or found["onPage"] == 1


def test_a_new_build_is_loaded_only_if_the_agent_serves_it(browser: Browser) -> None:
    """Each answer of the agent has its build, but a proxy may still serve another page."""
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/?wall") as page:
        shown(page, 1)
        loads: list[str] = []
        page.on("framenavigated", lambda frame: loads.append(frame.url))
        asked = asked_from_now_on(page)

        def other(route: Any) -> None:
            body = route.fetch().json()
            body["data"]["build"] = "other"
            route.fulfill(json=body)

        page.route("**/summary", other)
        page.get_by_text("The agent has another version of this page. Reload the page.").wait_for()
        assert asked.count(f"{url}/?wall") == 1
        assert loads == []


# A timer of minutes waits a second for each minute.
SOON = """(() => {
    const { setTimeout: after } = window;
    window.setTimeout = (run, wait = 0, ...rest) => after(run, wait >= 60000 ? wait / 60 : wait, ...rest);
})();"""
VALUES = "#many:visible, #counts:visible, #age:visible"
BUG = "() => dispatchEvent(new ErrorEvent('error', { error: new RangeError('a bug of the page') }))"


# The page has its error, and shows it, just before a drawing that was put off for 200 ms.
ERROR_BEFORE_A_DRAWING = """(() => {
    const { setTimeout: after } = window;
    window.setTimeout = (run, wait = 0, ...rest) => after(() => {
        if (wait !== 200 || !window.fails) return run(...rest);
        window.fails = false;
        dispatchEvent(new ErrorEvent("error", { error: new RangeError("a bug of the page") }));
        requestAnimationFrame(() => requestAnimationFrame(() => { run(...rest); window.failed = true; }));
    }, wait);
})();"""


def test_a_drawing_that_was_put_off_shows_no_value_after_an_error_of_the_page(browser: Browser) -> None:
    with (
        Simulation(1),
        agent_server() as url,
        opened(
            browser, f"{url}/?wall", script=ERROR_BEFORE_A_DRAWING, expected=["a bug of the page"]
        ) as page,
    ):
        shown(page, 1)
        page.locator("#counts").wait_for()
        page.evaluate("() => { window.fails = true; }")
        page.wait_for_function("() => window.failed")
        assert page.locator(VALUES).count() == 0


def test_a_wall_with_an_error_hides_all_values_and_reloads_once_it_can(
    browser: Browser,
) -> None:
    expected = ["a bug of the page", "502"]
    address = re.compile(r"\?wall$")
    with (
        Simulation(1),
        agent_server() as url,
        opened(browser, f"{url}/?wall", script=SOON, expected=expected) as page,
    ):
        shown(page, 1)
        page.route(address, lambda route: route.fulfill(status=502))
        asked = asked_from_now_on(page)
        page.evaluate(BUG)
        page.locator("#problem").get_by_text("This page has an error").wait_for()
        assert page.locator(VALUES).count() == 0
        eventually(page, lambda: asked.count(f"{url}/?wall") >= 2, "the page is asked for")
        eventually(page, lambda: asked.count(f"{url}/summary") >= 3, "answers of the host come")
        assert page.locator("#problem").is_visible()
        page.unroute(address)
        shown(page, 1)
        page.locator("#many").wait_for()
