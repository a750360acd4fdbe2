"""The table of processes: filters, sorting, and unknown processes."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

import pytest

from agent.simulation import SimulatedProcess, Simulation
from tests.page.opened import UNKNOWN, opened, process
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.slow

GIB = 2**30
LOST = ["ERR_"]


def test_processes_are_filtered_by_user_and_gpu_and_sorted(browser: Browser) -> None:
    with Simulation(2) as simulation:
        simulation.gpus[0].processes = [
            SimulatedProcess(os.getpid(), "C", 2 * GIB),
            SimulatedProcess(1, "C", 3 * GIB),
        ]
        simulation.gpus[1].processes = [SimulatedProcess(os.getpid(), "C", GIB)]
        with agent_server() as url, opened(browser, f"{url}/") as page:
            rows = page.locator("#processes tr")
            rows.nth(2).wait_for()
            page.get_by_role("button", name="GPU memory").click()
            assert column(page, "memory") == ["1.0 GiB", "2.0 GiB", "3.0 GiB"]
            page.get_by_role("button", name="GPU memory").click()
            assert column(page, "memory") == ["3.0 GiB", "2.0 GiB", "1.0 GiB"]
            page.get_by_label("GPU", exact=True).fill("1")
            assert rows.count() == 1
            assert column(page, "pid") == [f"{os.getpid()}"]
            page.get_by_label("User", exact=True).fill(getpass.getuser().upper())
            assert rows.count() == 1
            page.get_by_label("User", exact=True).fill("nobody has this name")
            page.get_by_text("No process matches the filters.").wait_for()
            assert rows.count() == 0
            page.reload()  # the filter is in the URL
            page.get_by_text("No process matches the filters.").wait_for()


def test_a_user_without_a_name_is_shown_and_filtered_by_number(browser: Browser) -> None:
    unnamed = [{**process("x"), "username": None, "uid": uid} for uid in (4711, 0, None)]
    answer = {"code": 0, "data": {"processes": unnamed, "unknown_idx": []}}
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/") as page:
        page.route("**/processes", lambda route: route.fulfill(json=answer))
        rows = page.locator("#processes tr")
        rows.get_by_text("4711").wait_for()
        assert column(page, "user") == ["4711", "0", UNKNOWN]
        page.get_by_label("User", exact=True).fill("0")
        assert column(page, "user") == ["0"]


def column(page: Page, name: str) -> list[str]:
    return [text.replace("\xa0", " ") for text in page.locator(f"#processes td.{name}").all_inner_texts()]


def test_unknown_processes_are_not_shown_as_no_process(browser: Browser) -> None:
    with Simulation(2) as simulation:
        simulation.gpus[0].processes = []
        simulation.gpus[0].fix(memory_used=0, gpu_utilization=0)
        simulation.gpus[1].lose()
        with agent_server() as url, opened(browser, f"{url}/") as page:
            page.get_by_text("The processes of GPU 1 are unknown now.").wait_for()
            assert not page.get_by_text("No process on a GPU.").is_visible()


def test_if_processes_cannot_be_read_the_error_of_the_agent_is_shown(browser: Browser) -> None:
    fault = {"code": 2, "data": None, "error": "The processes are away"}
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/", expected=["503"]) as page:
        page.locator("#processes tr").first.wait_for()
        page.route("**/processes", lambda route: route.fulfill(status=503, json=fault))
        page.get_by_text("The processes are away").wait_for()
        assert page.locator("#processes tr").count() == 0
        assert page.locator("#offer").inner_text() == "No GPU is free now.", "the offer is another request"


@pytest.mark.parametrize("question", ["free", "summary"])
def test_a_failed_request_for_other_data_does_not_empty_the_table(browser: Browser, question: str) -> None:
    with Simulation(2) as simulation:
        simulation.gpus[1].error_counters.remapping_pending = True
        with agent_server() as url, opened(browser, f"{url}/", expected=["503"]) as page:
            page.locator(".finding .todo").wait_for()
            page.route(f"**/{question}*", lambda route: route.fulfill(status=503, json={"error": "away"}))
            for path in (question, "processes"):  # this request, and a later one
                with page.expect_response(f"**/{path}*"):
                    pass
            wanted = UNKNOWN if question == "free" else "No GPU is free now."
            page.locator("#offer").get_by_text(wanted).wait_for()
            assert page.locator("#processes tr").count() > 0
            assert page.locator("#processes-note").inner_text() == ""
            assert page.locator(".finding .todo").count() == 1, "advice does not become old"


def test_unanswered_requests_do_not_pile_up(browser: Browser) -> None:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/") as page:
        page.locator("#processes tr").first.wait_for()
        waiting: list[str] = []
        page.route("**/processes", lambda route: waiting.append(route.request.url))
        page.locator("#processes-note").get_by_text("does not answer").wait_for()
        page.wait_for_timeout(11_000)
        assert len(waiting) <= 4
        assert page.locator("#connection.live").is_visible()


def test_a_script_that_could_not_be_loaded_is_requested_again(browser: Browser) -> None:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/", expected=LOST) as page:
        page.locator("#processes tr").first.wait_for()
        page.route("**/web/*/processes.js", lambda route: route.abort())
        page.reload()
        page.locator("#connection.live").wait_for()
        page.wait_for_timeout(1000)
        assert page.locator("#processes tr").count() == 0
        page.unroute("**/web/*/processes.js")
        page.locator("#processes tr").first.wait_for()


def test_a_row_keeps_its_element_selection_and_focus_when_other_processes_end(browser: Browser) -> None:
    rows = [process(f"of {pid}", pid=pid) for pid in (11, 12, 13)]
    selected = """() => {
        const row = document.querySelector('tr[data-key="13@0"]');
        getSelection().selectAllChildren(row.querySelector(".command"));
        row.mark = "mine";
    }"""
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/") as page:

        def answer(route: Route) -> None:
            route.fulfill(json={"code": 0, "data": {"processes": rows, "unknown_idx": []}})

        page.route("**/processes", answer)
        page.locator("#processes tr").nth(2).wait_for()
        page.evaluate(selected)
        page.locator('tr[data-key="13@0"] button').focus()
        del rows[1]
        page.wait_for_function("() => document.querySelectorAll('#processes tr').length === 2")
        assert page.evaluate("document.querySelector('tr[data-key=\"13@0\"]').mark") == "mine"
        assert page.evaluate("`${getSelection()}`") == "of 13"
        assert page.evaluate("document.activeElement.closest('tr').dataset.key") == "13@0"


def test_one_process_on_two_gpus_has_two_rows_and_each_unfolds_alone(browser: Browser) -> None:
    rows = [process(pid=11, idx=0), process(pid=11, idx=1), process(pid=12, idx=1, mig_index=2)]
    with Simulation(2), agent_server() as url, opened(browser, f"{url}/") as page:
        page.route(
            "**/processes",
            lambda route: route.fulfill(json={"code": 0, "data": {"processes": rows, "unknown_idx": []}}),
        )
        page.locator('tr[data-key="11@1"] button').click()
        page.locator('tr[data-key="11@1"] + tr.unfolded').wait_for()
        assert "open=11%401" in page.url
        assert page.locator("tr.unfolded").count() == 1
        page.locator('tr[data-key="12@1.2"] button').click()
        page.locator('tr[data-key="12@1.2"] + tr.unfolded').wait_for()
        assert page.locator("tr.unfolded").count() == 1


def test_of_thousands_of_processes_only_the_first_40_are_shown_at_first(browser: Browser) -> None:
    rows = [process(pid=pid, idx=0) for pid in range(1, 2001)]
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/") as page:
        page.route(
            "**/processes",
            lambda route: route.fulfill(json={"code": 0, "data": {"processes": rows, "unknown_idx": []}}),
        )
        page.get_by_role("button", name="Show 1960 more").wait_for()
        assert page.locator("#processes tr").count() == 40
        page.get_by_role("button", name="Show 1960 more").click()
        page.locator("#processes tr").nth(1999).wait_for()
