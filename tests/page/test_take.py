"""Taking a free GPU: the text for a shell or for docker is copied, over HTTP and HTTPS."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import SimulatedProcess, Simulation
from tests.page.opened import opened
from tests.support import loopback
from tests.support.agents import agent_process, agent_server
from tests.support.certificates import made_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

COPIED = "Copied. Free now, not reserved."
DEAF = "Object.defineProperty(navigator, 'clipboard', {}); Document.prototype.execCommand = () => false;"


@pytest.fixture(autouse=True)
def idle() -> Iterator[Simulation]:
    """Two unused GPUs."""
    with Simulation(2) as simulation:
        for gpu in simulation.gpus:
            gpu.processes = []
            gpu.fix(memory_used=0, gpu_utilization=0)
        yield simulation


def uuids_of(url: str) -> list[str]:
    return [gpu["uuid"] for gpu in loopback.get(f"{url}/gpu").json()["gpus"]]


def pasted(page: Page) -> str:
    field = page.locator("#filter-user")
    field.fill("")
    field.press("Control+v")
    page.wait_for_function("() => document.querySelector('#filter-user').value !== ''")
    return field.input_value()


def test_over_plain_http_the_variable_is_copied_too(browser: Browser) -> None:
    lab = "http://gpu.lab"
    with agent_server() as url, opened(browser, url.replace("http://127.0.0.1", lab) + "/") as page:
        uuids = uuids_of(url)
        assert page.evaluate("navigator.clipboard") is None, "as over plain HTTP to most hosts"
        page.get_by_role("button", name="Copy CUDA_VISIBLE_DEVICES").click()
        page.get_by_text(COPIED).wait_for()
        assert pasted(page).removeprefix("CUDA_VISIBLE_DEVICES=") in uuids
        page.get_by_label("Take").select_option("2")
        page.get_by_role("button", name="Copy docker run").click()
        page.get_by_text(COPIED).wait_for()
        line = pasted(page)
    assert line.startswith("docker run --gpus '\"device=GPU-")
    assert all(uuid in line for uuid in uuids)


def test_over_https_the_variable_is_in_the_clipboard(browser: Browser, tmp_path: Path) -> None:
    made = made_certificate(tmp_path)
    tls = {"TLS_CERT": f"{made.certificate}", "TLS_KEY": f"{made.key}"}
    look: dict[str, Any] = {"ignore_https_errors": True, "permissions": ["clipboard-read", "clipboard-write"]}
    with (
        agent_process("--simulate", "4", **tls) as agent,
        opened(browser, f"{agent.url}/", **look) as page,
    ):
        page.get_by_role("button", name="Copy CUDA_VISIBLE_DEVICES").click()
        page.get_by_text(COPIED).wait_for()
        assert page.evaluate("navigator.clipboard.readText()").startswith("CUDA_VISIBLE_DEVICES=GPU-")


def test_if_copying_fails_the_text_is_selected(browser: Browser) -> None:
    with agent_server() as url, opened(browser, f"{url}/", script=DEAF) as page:
        page.get_by_role("button", name="Copy CUDA_VISIBLE_DEVICES").click()
        page.get_by_text("Not copied: press Ctrl+C").wait_for()
        assert not page.get_by_text(COPIED).is_visible()
        uuids = uuids_of(url)
        selected = page.evaluate("document.activeElement.value.slice(document.activeElement.selectionStart)")
    assert selected.removeprefix("CUDA_VISIBLE_DEVICES=") in uuids


def test_instances_of_a_gpu_in_mig_mode_are_offered_by_their_own_uuids(browser: Browser) -> None:
    with (
        agent_process("--simulate", "2", "--scenario", "mig") as agent,
        opened(browser, f"{agent.url}/") as page,
    ):
        page.locator(".slices .free").first.wait_for()
        assert page.locator(".slices").count() == 1
        page.get_by_role("button", name="Copy docker run").click()
        page.locator("#copied [role=status]:not(:empty)").wait_for()
        assert "device=MIG-" in page.locator("#copied input").input_value()


def test_a_newer_event_overrides_an_older_offer(browser: Browser, idle: Simulation) -> None:
    first, second = idle.gpus
    first.processes = [SimulatedProcess(os.getpid(), "G", 2**20)]  # a desktop does not occupy a GPU
    with agent_server() as url, opened(browser, f"{url}/") as page:
        page.locator("#offer a").nth(1).wait_for()
        before = loopback.get(f"{url}/free?count=128").json()
        page.route("**/free*", lambda route: route.fulfill(json=before))
        second.processes = [SimulatedProcess(os.getpid(), "C", 2**30)]
        page.locator("#counts .free").get_by_text("1", exact=True).wait_for()
        assert page.locator("#offer a").all_inner_texts() == ["GPU 0"]
        assert page.locator(".card .badge.free").count() == 1
        first.lose()
        page.locator("#offer").get_by_text("No GPU is free now.").wait_for()
        assert page.locator("#offer button, .card .badge.free").count() == 0


def test_gpus_that_may_be_free_are_shown_as_unknown_and_not_as_taken(browser: Browser) -> None:
    passed_over = [{"idx": index, "reason": "its processes are unknown"} for index in range(2)]
    answer = {"code": 0, "data": {"satisfied": False, "gpus": [], "withheld": 0, "passed_over": passed_over}}
    with agent_server() as url, opened(browser, f"{url}/") as page:
        page.route("**/free*", lambda route: route.fulfill(json=answer))
        page.locator("#offer").get_by_text("No GPU is known to be free. Unknown: GPU 0, 1.").wait_for()
        assert page.locator("#counts .free").inner_text() == "Free 0, 2 unknown"
        page.set_viewport_size({"width": 360, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_number_of_gpus_withheld_for_waiting_requests_is_shown(browser: Browser) -> None:
    answer = {"code": 0, "data": {"satisfied": False, "gpus": [], "withheld": 2, "passed_over": []}}
    with agent_server() as url, opened(browser, f"{url}/") as page:
        page.route("**/free*", lambda route: route.fulfill(json=answer))
        page.locator("#offer").get_by_text("2 withheld for waiting requests.").wait_for()
