"""The view follows the URL, "Back" goes one step, changes are announced; print and forced colours."""

from __future__ import annotations

import re
from base64 import b64encode
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from agent.simulation import SimulatedProcess, Simulation
from agent.simulation.processes import BEYOND_ANY_PID
from tests.page.opened import opened
from tests.support.agents import agent_server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

HALF = 0.5


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    """GPU 0 is free, GPU 1 is used, GPU 2 is used and has a finding."""
    with Simulation(3) as simulation:
        simulation.gpus[0].processes = []
        simulation.gpus[0].fix(memory_used=0, gpu_utilization=0)
        for place in (1, 2):
            simulation.gpus[place].processes = [SimulatedProcess(BEYOND_ANY_PID + place)]
            simulation.gpus[place].fix(gpu_utilization=50)
        simulation.gpus[2].error_counters.remapping_pending = True
        yield simulation


def shown(page: Page) -> list[str]:
    """The names of the GPUs in the list."""
    names = [one.inner_text() for one in page.locator("#gpus a.to").all() if one.is_visible()]
    return [name.split("\n")[0] for name in names]


@pytest.mark.usefixtures("simulation")
def test_a_count_is_a_filter_in_the_url_and_back_removes_it(browser: Browser) -> None:
    with agent_server() as url, opened(browser, f"{url}/") as page:
        page.locator("#counts").get_by_text("Free 1").click()
        page.wait_for_url(f"{url}/?only=free")
        assert shown(page) == ["GPU 0"]
        page.get_by_text("2 hidden by the filter.").wait_for()
        page.locator("#counts").get_by_text("Trouble 1").click()
        page.wait_for_url(f"{url}/?only=trouble")
        assert shown(page) == ["GPU 2"]
        page.locator("#gpus a.to").nth(2).click()
        page.locator("#gpu-view dt").first.wait_for()
        page.go_back()
        page.locator("#gpu-view").wait_for(state="hidden")
        assert shown(page) == ["GPU 2"], "the filter is kept"
        page.reload()
        page.locator("#gpus > li").nth(2).wait_for()
        assert shown(page) == ["GPU 2"]
        page.get_by_role("link", name="Show all").click()
        assert shown(page) == ["GPU 0", "GPU 1", "GPU 2"]
        page.go_back()
        page.go_back()
        page.wait_for_url(f"{url}/?only=free")


@pytest.mark.usefixtures("simulation")
def test_a_filter_with_unknown_values_hides_nothing(browser: Browser) -> None:
    with agent_server() as url, opened(browser, f"{url}/?only=free", expected=["ERR_"]) as page:
        page.get_by_text("2 hidden by the filter.").wait_for()
        page.route("**/free*", lambda route: route.abort())
        page.get_by_text("Not filtered: the values that the filter needs are unknown now.").wait_for()
        assert shown(page) == ["GPU 0", "GPU 1", "GPU 2"]


def test_the_same_finding_of_two_gpus_is_one_line_with_what_to_do(
    browser: Browser, simulation: Simulation
) -> None:
    simulation.gpus[1].error_counters.remapping_pending = True
    with agent_server() as url, opened(browser, f"{url}/") as page:
        line = page.locator(".finding")
        line.get_by_text("→ reset the GPU when its work is done").wait_for()
        assert line.count() == 1, "the same finding of two GPUs is one line"
        text = " ".join(line.inner_text().split())
        assert re.match(r"▲ warning GPU 1.2 A faulty row", text), text


@pytest.mark.usefixtures("simulation")
def test_a_finding_of_one_gpu_links_to_the_gpu(browser: Browser) -> None:
    with agent_server() as url, opened(browser, f"{url}/") as page:
        page.locator(".finding").get_by_role("link", name="GPU 2").click()
        page.wait_for_url(f"{url}/#gpu2")


def test_a_change_of_verdict_is_announced_and_several_are_announced_together(
    browser: Browser, simulation: Simulation
) -> None:
    with agent_server() as url, opened(browser, f"{url}/") as page:
        page.locator(".finding").wait_for()
        announcement = page.locator("#said")
        assert announcement.inner_text() == "", "the verdicts at the start are not announced"
        simulation.gpus[2].lose()
        page.wait_for_function("() => document.querySelector('#said').textContent === 'GPU 2: lost'")
        page.evaluate("window.since = performance.now()")
        simulation.gpus[0].lose()
        page.locator("#gpus > .lost").nth(1).wait_for()
        simulation.gpus[1].lose()
        page.wait_for_function("() => document.querySelector('#said').textContent.includes('GPU 1')")
        assert announcement.inner_text() == "GPU 0: lost. GPU 1: lost"
        assert page.evaluate("performance.now() - window.since") > 7_000, "announcements are not continuous"


@pytest.mark.usefixtures("simulation")
def test_the_printed_page_has_the_host_the_date_and_all_gpus(browser: Browser) -> None:
    with agent_server() as url, opened(browser, f"{url}/?only=free") as page:
        page.get_by_text("2 hidden by the filter.").wait_for()
        host = page.locator("#host").inner_text()
        page.emulate_media(media="print")
        assert shown(page) == ["GPU 0", "GPU 1", "GPU 2"]
        printed = page.locator("#printed").inner_text()
        assert printed.startswith(f"{host}, ")
        assert re.search(r"\d{4}", printed)
        assert not page.locator("#theme").is_visible()


@pytest.mark.usefixtures("simulation")
def test_without_javascript_the_page_has_no_button_and_says_why(browser: Browser) -> None:
    with agent_server() as url, opened(browser, f"{url}/", java_script_enabled=False) as page:
        page.locator("noscript").wait_for()
        assert page.get_by_role("button").count() == 0


INK = "rgb(24, 32, 37)"  # of the light theme


@pytest.mark.parametrize("chosen", ["dark", "auto", "light"])
@pytest.mark.usefixtures("simulation")
def test_the_page_is_printed_in_the_colours_of_the_light_theme(browser: Browser, chosen: str) -> None:
    with (
        agent_server() as url,
        opened(browser, f"{url}/?theme={chosen}", color_scheme="dark") as page,
    ):
        name = page.locator("#gpus a.to").first
        name.wait_for()
        ink = "element => getComputedStyle(element).color"
        assert (page.locator("body").evaluate(ink) == INK) is (chosen == "light")
        page.emulate_media(media="print")
        assert page.locator("body").evaluate(ink) == INK
        assert name.evaluate(ink) == INK


@pytest.mark.usefixtures("simulation")
def test_a_print_has_no_buttons_and_says_only_of_old_values_that_they_are_not_live(browser: Browser) -> None:
    with (
        ExitStack() as agent,
        opened(browser, f"{agent.enter_context(agent_server())}/", expected=["ERR_"]) as page,
    ):
        page.locator(".mute").first.wait_for()
        page.emulate_media(media="print")
        controls = page.locator("#connection, #age, #counts, .mute, #tabs")
        assert [one.inner_text() for one in controls.all() if one.is_visible()] == []
        agent.close()
        page.locator("#connection.lost").get_by_text("not live").wait_for()
        assert page.locator("#age").is_visible()


@pytest.mark.parametrize("look", ["rows", "tiles"])
@pytest.mark.usefixtures("simulation")
def test_bars_stay_visible_with_forced_colours(browser: Browser, look: str) -> None:
    """A half full bar can be seen as such."""
    colours = """async (url) => {
        const picture = new Image();
        picture.src = url;
        await picture.decode();
        const canvas = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
        canvas.drawImage(picture, 0, 0);
        const { width, height } = picture;
        const at = (share) => canvas.getImageData(width * share, height / 2, 1, 1).data.join();
        return [at(0.25), at(0.75)];
    }"""
    with agent_server() as url, opened(browser, f"{url}/?density={look}", forced_colors="active") as page:
        bar = page.locator("#gpus li").nth(1).locator("progress").first
        wait_until(lambda: bar.evaluate("bar => bar.value") == HALF, "the GPU is known to be busy")
        seen = page.evaluate(colours, f"data:image/png;base64,{b64encode(bar.screenshot()).decode()}")
        assert seen[0] != seen[1]
