"""The view of one GPU: its findings, charts of the whole history, and all its details."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import NvmlReturn, Simulation
from tests.page.opened import UNKNOWN, facts, opened
from tests.page.test_accessible import LOOKS, NAMES, serious_violations
from tests.support.agents import agent_process, agent_server, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.slow

SEVEN_SECONDS_LATER = """() => {
    const now = performance.now.bind(performance);
    performance.now = () => now() + 7000;
}"""


def view(page: Page) -> Locator:
    return page.locator("#gpu-view")


def subject(page: Page, name: str) -> dict[str, str]:
    """The facts of a subject, by name."""
    section = view(page).locator("section").filter(has=page.get_by_role("heading", name=name, exact=True))
    section.wait_for()
    return facts(section)


def chart(page: Page, name: str) -> Locator:
    return view(page).locator(f"figure.{name}")


def test_a_click_shows_every_detail_of_a_gpu_and_keeps_it_current(browser: Browser) -> None:
    with Simulation(2) as simulation, agent_server() as url, opened(browser, f"{url}/") as page:
        simulation.gpus[1].fix(gpu_utilization=31)
        page.get_by_role("link", name=re.compile("^GPU 1,")).click()
        chart(page, "utilization").get_by_text("31 %").first.wait_for()
        assert subject(page, "Identity")["VBIOS version"] == "09.00.74.00.01"
        assert subject(page, "Temperature and fans")["The driver slows the GPU down from"] == "87 °C"
        assert subject(page, "Errors")["Banks with all spare rows left"] == "640"
        pcie = subject(page, "PCIe")
        assert pcie["Maximum, one direction"] == "61.5 GiB/s"
        assert (pcie["Lanes"], pcie["Lanes of the card"]) == ("16 of 16", "16")
        assert subject(page, "Connected by")["GPU 0"].startswith("NV")
        assert view(page).get_by_role("cell", name="0\N{EN DASH}17").is_visible(), (
            "links that are alike share a line"
        )
        names = view(page).locator("dt").all_inner_texts()
        assert [name for name in names if "_" in name] == []
        assert "And more" not in view(page).inner_text()
        simulation.gpus[1].fix(gpu_utilization=77)
        chart(page, "utilization").get_by_text("77 %").first.wait_for()


def test_findings_of_a_gpu_are_first_with_what_to_do(browser: Browser) -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].error_counters.remapping_pending = True
        with agent_server() as url, opened(browser, f"{url}/#gpu0") as page:
            found = view(page).locator(".finding").first
            found.get_by_text("remapped at the next reset").wait_for()
            found.locator(".todo").wait_for()


def test_back_leaves_the_view_of_a_gpu_and_keeps_the_filters(browser: Browser) -> None:
    with Simulation(3), agent_server() as url, opened(browser, f"{url}/?sort=-memory") as page:
        page.get_by_role("link", name=re.compile("^GPU 0,")).click()
        view(page).get_by_role("link", name="Next GPU").click()
        view(page).get_by_role("heading", name="GPU 1").wait_for()
        view(page).get_by_role("link", name="Next GPU").click()
        view(page).get_by_role("heading", name="GPU 2").wait_for()
        assert page.url.endswith("/?sort=-memory#gpu2")
        assert view(page).get_by_role("link", name="Next GPU").count() == 0
        view(page).get_by_role("link", name="Previous GPU").click()
        view(page).get_by_role("heading", name="GPU 1").wait_for()
        page.go_back()
        page.locator("#host-view").wait_for()
        assert page.url.endswith("/?sort=-memory")
        page.go_forward()
        view(page).get_by_role("heading", name="GPU 1").wait_for()
        view(page).get_by_role("link", name="All GPUs").click()
        page.locator("#host-view").wait_for()


def test_the_range_is_in_the_url_and_not_a_step_for_back(browser: Browser) -> None:
    with Simulation(2), agent_server() as url, opened(browser, f"{url}/") as page:
        page.get_by_role("link", name=re.compile("^GPU 1,")).click()
        view(page).get_by_role("button", name="60 min").click()
        page.wait_for_url("**/?range=60#gpu1")
        page.reload()
        view(page).get_by_role("button", name="60 min", pressed=True).wait_for()
        view(page).get_by_role("button", name="15 min").click()
        page.wait_for_url("**/?range=15#gpu1")
        page.go_back()
        page.locator("#host-view").wait_for()


def test_charts_begin_with_the_history_of_the_agent(browser: Browser) -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].fix(gpu_utilization=64)
        with agent_server(HISTORY_INTERVAL="1") as url, opened(browser, f"{url}/") as page:
            page.locator("#connection.live").wait_for()
            wait_until(lambda: len(ages(page, url)) > 5, "the agent remembers some seconds")
            page.goto(f"{url}/#gpu0")
            page.reload()
            for name in ("utilization", "sm", "memory", "power", "temperature", "clocks", "pcie", "hostCpu"):
                stroke = chart(page, name).locator(".stroke").first
                wait_until(partial(has_points, stroke, 5), f"{name} has a line")
            assert chart(page, "fan").count() == 0, "a value that this GPU never reports has no chart"
            assert re.fullmatch(
                r".*64\s%, mean \d+", chart(page, "utilization").locator(".spread").inner_text()
            )


def has_points(stroke: Locator, least: int) -> bool:
    """Whether a line has at least so many points."""
    return str(stroke.get_attribute("d")).count("L") >= least


def ages(page: Page, url: str) -> list[int]:
    found: list[int] = page.request.get(f"{url}/history").json()["data"]["ts"]
    return found


def test_pointing_at_a_chart_shows_the_values_of_that_time(browser: Browser) -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].fix(gpu_utilization=64)
        with agent_server() as url, opened(browser, f"{url}/#gpu0") as page:
            plot = chart(page, "utilization").locator("svg.plot")
            plot.wait_for()
            box = plot.bounding_box()
            assert box
            plot.hover(position={"x": 20, "y": 20})
            assert chart(page, "utilization").locator(".value").inner_text() == UNKNOWN
            assert chart(page, "power").locator(".value").inner_text() == UNKNOWN
            plot.hover(position={"x": box["width"] - 1, "y": 20})
            assert chart(page, "utilization").locator(".value").inner_text() == "64\xa0%"
            assert re.search(r"\d:\d\d:\d\d", plot.locator("text.moment").text_content() or "")


def test_an_unknown_gpu_in_the_url_is_reported(browser: Browser) -> None:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/#gpu7", expected=["400"]) as page:
        view(page).get_by_text("Invalid GPU index").wait_for()
        assert not view(page).locator("svg").first.is_visible()


def test_values_of_a_lost_gpu_are_unknown_with_the_reason_and_never_none(browser: Browser) -> None:
    with Simulation(1) as simulation, agent_server() as url, opened(browser, f"{url}/#gpu0") as page:
        assert subject(page, "Identity")["MIG instances"] == "none"
        simulation.gpus[0].lose()
        view(page).locator(".reason").get_by_text("The GPU is lost").first.wait_for()
        wait_until(lambda: "none" not in subject(page, "Identity").values(), "the detail is of the lost GPU")
        instances = subject(page, "Identity")["MIG instances"]
        assert instances.startswith(UNKNOWN)
        assert "The GPU cannot be read" in instances


def test_a_value_of_a_gpu_that_the_driver_fails_to_report_is_err_with_the_reason(browser: Browser) -> None:
    with Simulation(1) as simulation:
        ill = simulation.gpus[0]
        ill.fail("nvmlDeviceGetUtilizationRates", NvmlReturn.UNKNOWN)
        ill.fail("nvmlDeviceGetPcieReplayCounter", NvmlReturn.CORRUPTED_INFOROM)
        with agent_server() as url, opened(browser, f"{url}/#gpu0") as page:
            chart(page, "utilization").get_by_text("ERR (Unknown Error)").wait_for()
            replays = " ".join(subject(page, "PCIe")["Packets sent again since the last reset"].split())
            assert replays == "ERR Corrupted infoROM"
            assert "Fan speed" not in subject(page, "Temperature and fans"), "it has none"


def test_old_values_of_a_gpu_are_not_shown_as_current(browser: Browser) -> None:
    with (
        agent_process("--simulate", "2", "--scenario", "sick") as agent,
        opened(browser, f"{agent.url}/#gpu1", expected=["ERR_"]) as page,
    ):
        view(page).locator(".finding").first.wait_for()
        agent.stop()
        page.locator("body.old").wait_for()
        view(page).locator(".chart-bar .moment").get_by_text("s old").wait_for()
        assert view(page).locator(".finding").count() == 0
        assert view(page).locator("figure").first.is_visible(), "measured values keep their time"


def test_the_view_of_a_gpu_fits_a_phone_in_the_right_order(browser: Browser) -> None:
    phone = {"width": 360, "height": 800}
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/#gpu0", viewport=phone) as page:
        view(page).get_by_role("cell", name="NVSwitch").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= phone["width"]
        tops = [
            page.locator(part).bounding_box()
            for part in (".gpu-head", "#processes-view", ".gpu-charts", ".sections")
        ]
        assert [top["y"] for top in tops if top] == sorted(top["y"] for top in tops if top)


@pytest.mark.parametrize("look", LOOKS, ids=NAMES)
def test_axe_finds_nothing_serious_on_the_page_of_a_gpu(browser: Browser, look: dict[str, Any]) -> None:
    with Simulation(2) as simulation:
        simulation.gpus[1].fix(temperature=93)
        simulation.gpus[1].fail("nvmlDeviceGetClockInfo", NvmlReturn.TIMEOUT)
        with agent_server() as url, opened(browser, f"{url}/#gpu1", **look) as page:
            view(page).locator("dl.facts").first.wait_for()
            assert serious_violations(page) == []


def test_old_details_are_not_shown_as_current(browser: Browser) -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].fix(gpu_utilization=95)
        simulation.gpus[0].error_counters.remapping_pending = True
        with agent_server() as url, opened(browser, f"{url}/#gpu0", expected=["500"]) as page:
            view(page).locator(".todo").wait_for()
            view(page).locator("dl.facts").first.wait_for()
            page.route("**/gpu?detail=1*", lambda route: route.fulfill(status=500))
            simulation.gpus[0].fix(gpu_utilization=12)
            page.evaluate(SEVEN_SECONDS_LATER)
            chart(page, "utilization").locator(".value").get_by_text("12 %").wait_for()
            page.locator("#connection.live").wait_for()
            assert view(page).locator(".todo").count() == 0
            assert view(page).locator("dl.facts").count() == 0


def test_the_next_gpu_is_shown_at_once_without_values_of_the_previous_one(browser: Browser) -> None:
    with Simulation(3), agent_server() as url, opened(browser, f"{url}/#gpu0") as page:
        view(page).locator("dl.facts").first.wait_for()
        page.route("**/gpu?detail=1*", lambda _: None)  # no answer
        for name in ("GPU 1", "GPU 2"):
            view(page).get_by_role("link", name="Next GPU").click()
            view(page).get_by_role("heading", name=name).wait_for()
            assert view(page).locator("dl.facts").count() == 0
        assert page.url.endswith("/#gpu2")


def test_charts_are_filled_again_after_a_short_visit_to_another_gpu(browser: Browser) -> None:
    with (
        Simulation(2),
        agent_server(HISTORY_INTERVAL="1") as url,
        opened(browser, f"{url}/#gpu0") as page,
    ):
        stroke = chart(page, "sm").locator(".stroke").first
        wait_until(partial(has_points, stroke, 1), "GPU 0 has a line")
        page.route("**/history?idx=1*", lambda _: None)  # no answer
        with page.expect_request("**/history?idx=1*"):
            view(page).get_by_role("link", name="Next GPU").click()
        view(page).get_by_role("link", name="Previous GPU").click()
        view(page).get_by_role("heading", name="GPU 0").wait_for()
        wait_until(partial(has_points, stroke, 1), "GPU 0 has its line again")


def test_the_focus_follows_the_view_and_returns_to_the_gpu_in_the_list(browser: Browser) -> None:
    focused = "() => document.activeElement"
    with Simulation(2), agent_server() as url, opened(browser, f"{url}/") as page:
        page.get_by_role("link", name=re.compile("^GPU 1,")).press("Enter")
        page.wait_for_function(f"{focused}.closest('#gpu-view h2')")
        page.go_back()
        page.wait_for_function(f"{focused}.closest('#gpus [data-key=\"1\"]')")
