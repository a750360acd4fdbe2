"""Charts: ticks, ranges, minimum, mean and maximum, and one time cursor for all charts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import Simulation
from tests.page.opened import opened
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

MINUTE = 60_000  # milliseconds
MODULE = "document.querySelector('script[type=module]').src.replace('page.js', 'charts.js')"

# Two charts of the last 15 minutes: one row every 10 s, whose value is its age in seconds, and in
# the tenth minute before now a gap.
DRAWN = """async () => {
    const charts = await import(MODULE);
    await (await import(MODULE.replace("charts", "draw"))).styled("gpu.css");
    const now = performance.now();
    const rows = [];
    for (let ago = 900; ago >= 0; ago -= 10) {
        const isGap = ago > 540 && ago < 600;
        rows.push([now - ago * 1000, isGap ? [null, null] : [ago, 1000 - ago]]);
    }
    const write = (value) => (value === undefined || value === null ? "?" : value.toFixed(0));
    const specs = [
        { name: "power", top: 1000, write, lines: [{ place: 0, now: 0 }] },
        { name: "pcie", top: null, write, lines: [
            { name: "sent", place: 1, now: 1000 }, { name: "received", place: 0, now: 0 },
        ] },
    ];
    const place = document.createElement("section");
    place.id = "drawn";
    Object.assign(place.style, { position: "fixed", inset: 0, zIndex: 9, overflow: "auto" });
    document.body.append(place);
    const shown = { key: 0, charts: specs, rows, newest: "now", timeOf: (at) => at - now };
    window.drawn = (later = 0, minutes = 15) =>
        charts.render(place, { ...shown, minutes, now: now + later * 1000 });
    window.drawn();
}""".replace("MODULE", MODULE)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/", timezone_id="UTC") as page:
        page.evaluate(DRAWN)
        yield page


def shown_values(page: Page) -> list[str]:
    """The values above the charts."""
    return page.locator("#drawn .value").all_inner_texts()


def result_of(page: Page, function: str, *arguments: Any) -> Any:
    """The result of a function of scale.js."""
    return page.evaluate(
        f"async ([name, given]) => (await import({MODULE.replace('charts', 'scale')}))[name](...given)",
        [function, arguments],
    )


def point(page: Page, chart: int, share: float) -> tuple[float, float]:
    """The position on the screen at this share of the width of a chart."""
    box = page.locator("#drawn svg.plot").nth(chart).bounding_box()
    assert box
    return box["x"] + box["width"] * share, box["y"] + 40


def test_ticks_of_values_are_round_and_few(page: Page) -> None:
    assert result_of(page, "valueTicks", 100) == [0, 50, 100]
    assert result_of(page, "valueTicks", 700) == [0, 200, 400, 600]
    assert result_of(page, "valueTicks", 81559, 1024) == [0, 20 * 1024, 40 * 1024, 60 * 1024]
    assert result_of(page, "valueTicks", 1) == [0, 0.5, 1]
    for top in (0.3, 3, 17, 99, 101, 1e6):
        assert 2 <= len(result_of(page, "valueTicks", top)) <= 5


@pytest.mark.parametrize(("minutes", "step", "ticks"), [(5, 2, 3), (15, 5, 3), (60, 20, 3)])
def test_ticks_of_times_are_at_round_times(page: Page, minutes: int, step: int, ticks: int) -> None:
    end = 1000 * 60 * MINUTE + 20_000
    times = result_of(page, "timeTicks", end, minutes)
    assert len(times) == ticks
    assert {time % (step * MINUTE) for time in times} == {0}
    assert end - minutes * MINUTE <= times[0]
    assert times[-1] <= end


def test_the_mean_is_weighted_by_time_and_not_by_rows(page: Page) -> None:
    """The last minutes have more rows than earlier ones."""
    rows = [[0, [10]], [90_000, [20]], [92_000, [20]], [94_000, [20]], [100_000, [20]]]
    found = result_of(page, "spread", rows, 0)
    assert (found["least"], found["most"]) == (10, 20)
    assert found["mean"] == pytest.approx(11, abs=0.01)


def test_unknown_values_do_not_count_for_minimum_mean_and_maximum(page: Page) -> None:
    assert result_of(page, "spread", [[0, [None]], [1, [None]]], 0) is None
    assert result_of(page, "spread", [[0, [None]], [10, [0]], [20, [None]]], 0) == {
        "least": 0, "mean": 0, "most": 0,
    }  # fmt: skip


def test_the_mouse_moves_one_cursor_over_all_charts(page: Page) -> None:
    assert shown_values(page) == ["0", "1000", "0"]
    page.mouse.move(*point(page, 0, 2 / 3))
    assert shown_values(page) == ["300", "700", "300"]
    assert page.locator("#drawn line.cursor").count() == 2
    assert page.locator("#drawn .chart-bar .moment").inner_text().endswith("5 min 0 s ago")
    page.mouse.move(*point(page, 1, 1 - 570 / 900))
    assert shown_values(page) == ["?", "?", "?"], "in a gap no value is known"
    page.mouse.move(1, 1)
    assert shown_values(page) == ["0", "1000", "0"]


def test_the_cursor_stays_at_its_time_while_time_goes_on(page: Page) -> None:
    page.mouse.move(*point(page, 0, 2 / 3))
    for later in (2, 60, 599):
        page.evaluate("later => window.drawn(later)", later)
        assert shown_values(page)[0] == "300"
    page.evaluate("window.drawn(601)")
    assert shown_values(page)[0] == "0", "the moment has left the charts"


def test_keys_move_the_cursor_and_a_screen_reader_reads_its_values(page: Page) -> None:
    slider = page.get_by_role("slider", name="Time of the shown values")
    slider.focus()
    assert slider.get_attribute("aria-valuetext") == "now: Power draw 0, PCIe sent 1000, PCIe received 0"
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    assert shown_values(page)[0] == "20"
    assert str(slider.get_attribute("aria-valuetext")).endswith(
        "Power draw 20, PCIe sent 980, PCIe received 20"
    )
    page.keyboard.press("Home")
    assert shown_values(page)[0] == "900"
    page.keyboard.press("Escape")
    assert shown_values(page)[0] == "0"
    assert slider.input_value() == "0"


def test_a_tap_sets_the_cursor_and_it_stays(browser: Browser) -> None:
    phone: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/", **phone) as page:
        page.evaluate(DRAWN)
        page.touchscreen.tap(*point(page, 0, 2 / 3))
        assert shown_values(page) == ["300", "700", "300"]
        page.locator("#drawn figcaption").first.tap()
        assert shown_values(page) == ["0", "1000", "0"]


def test_minimum_mean_and_maximum_are_shown_above_a_chart(page: Page) -> None:
    first, second = page.locator("#drawn .spread").all_inner_texts()
    assert first.startswith("0 to 900, mean 4")
    assert second.startswith("sent 100 to 1000, mean 5")
    page.evaluate("window.drawn(0, 5)")
    assert page.locator("#drawn .spread").first.inner_text() == "0 to 300, mean 155"


def test_a_gap_in_the_values_is_a_gap_in_the_line(page: Page) -> None:
    path = str(page.locator("#drawn .stroke").first.get_attribute("d"))
    assert path.count("M") == 2


@pytest.mark.measures
def test_drawing_all_charts_takes_at_most_60_ms(page: Page) -> None:
    """Each event of the stream draws all charts again. The limit is for a busy computer."""
    passed = page.evaluate(
        """() => {
            const begin = performance.now();
            for (let time = 0; time < 20; time += 1) window.drawn(time);
            return (performance.now() - begin) / 20;
        }"""
    )
    assert passed < 60
