"""The details of a process below its row: command, owner, container or job, its use of each GPU."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import Simulation
from tests.page.opened import UNKNOWN, facts, opened
from tests.page.test_accessible import LOOKS, NAMES, serious_violations
from tests.page.test_users import answering, process
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

COMMAND = "python train.py " + " ".join(f"--option-{number}={number}" for number in range(60))
TRAINING = process(
    "alice",
    0,
    100,
    command=COMMAND,
    name="python",
    gpu_memory_mb=10240.0,
    sm_utilization_percent=90,
    cpu_percent=180.5,
    host_memory_mb=2048.0,
    running_seconds=7200,
    gpu_seconds_held=3600.0,
    gpu_seconds_used=1800.0,
    idle_seconds=0,
    container_id="0123456789abcdef",
    container_name="trainer",
    pod_uid="pod-uid",
    pod_name="train-0",
    pod_namespace="research",
    job={"scheduler": "slurm", "id": "4711", "name": "train"},
    slurm_step="batch",
)
ROWS = [
    TRAINING,
    {**TRAINING, "idx": 1, "gpu_memory_mb": 512.0, "sm_utilization_percent": None},
    process("bob", 1, 200),
]


@contextmanager
def processes_of(browser: Browser, view: str = "", **look: Any) -> Iterator[Page]:
    """The page of a host with these processes."""
    with Simulation(2), agent_server() as url, opened(browser, f"{url}/docs", **look) as page:
        page.route(f"{url}/processes", answering({"processes": ROWS, "unknown_idx": []}))
        page.goto(f"{url}/{view}")
        page.locator("#processes tr").first.wait_for()
        yield page


def unfold(page: Page, pid: int) -> None:
    page.get_by_role("button", name=f"{pid}", exact=True).first.click()
    page.locator(".unfolded dl").wait_for()


def test_an_unfolded_process_shows_its_whole_command_owner_container_and_job(browser: Browser) -> None:
    with processes_of(browser) as page:
        unfold(page, 100)
        assert page.locator(".unfolded code").inner_text() == COMMAND
        shown = facts(page.locator(".unfolded"))
        assert shown["Owner"] == "alice (1000)"
        assert shown["Started"].endswith(", 2 h 0 min ago")
        assert shown["Container"] == "trainer (0123456789abcdef)"
        assert shown["Pod"] == "research/train-0 (pod-uid)"
        assert shown["Job"] == "Slurm job 4711 train, step batch"
        assert (shown["CPU"], shown["Host memory"]) == ("181 %", "2.0 GiB")
        assert shown["On"].splitlines() == ["GPU 0: 10.0 GiB, SM 90 %", f"GPU 1: 512 MiB, SM {UNKNOWN}"]
        assert (shown["GPU held"], shown["GPU used"]) == ("1 h 0 min", "30 min 0 s")


def test_an_unfolded_process_has_no_line_for_no_container_and_a_dash_for_unknown(browser: Browser) -> None:
    with processes_of(browser) as page:
        unfold(page, 200)
        shown = facts(page.locator(".unfolded"))
        assert {"Container", "Pod", "Job", "Service", "Session"}.isdisjoint(shown)
        assert {
            shown[name] for name in ("Program", "Started", "CPU", "GPU held", "Idle on this host for")
        } == {UNKNOWN}


def test_links_of_an_unfolded_process_lead_to_its_user_and_its_gpu(browser: Browser) -> None:
    with processes_of(browser) as page:
        unfold(page, 100)
        page.locator(".unfolded").get_by_role("link", name="alice").click()
        page.wait_for_url("**/?open=100%400&user=alice")
        page.locator(".unfolded").get_by_role("link", name="GPU 1").click()
        page.locator("#gpu-view").get_by_role("heading", name="GPU 1").wait_for()


def test_an_unfolded_process_stays_unfolded_after_a_reload_and_can_be_folded(browser: Browser) -> None:
    with processes_of(browser) as page:
        unfold(page, 100)
        page.reload()
        page.locator(".unfolded dl").wait_for()
        page.get_by_role("button", name="100", exact=True).first.click()
        page.locator(".unfolded").wait_for(state="detached")


def test_copying_the_command_is_confirmed_in_the_view_of_a_gpu_too(browser: Browser) -> None:
    with processes_of(browser, "#gpu0") as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        unfold(page, 100)
        page.get_by_role("button", name="Copy command").click()
        note = page.locator("#copied [role=status]")
        note.get_by_text("Copied.", exact=True).wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == COMMAND
        page.locator("h1").click()
        note.wait_for(state="hidden")


@pytest.mark.parametrize("look", LOOKS, ids=NAMES)
def test_axe_finds_nothing_serious_in_an_unfolded_process(browser: Browser, look: dict[str, Any]) -> None:
    with processes_of(browser, "#processes", **look) as page:
        unfold(page, 100)
        assert serious_violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= look["viewport"]["width"]
