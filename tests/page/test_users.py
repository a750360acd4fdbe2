"""The users of a host: what they hold and used, since when they hold idle GPUs, and filters."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import Simulation
from agent.views.processes import ProcessRow
from tests.page.opened import UNKNOWN, opened
from tests.page.test_accessible import LOOKS, NAMES, serious_violations
from tests.page.test_gpu import SEVEN_SECONDS_LATER
from tests.support.agents import agent_process, agent_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.slow

HOUR = 3600
NOTHING: dict[str, Any] = dict.fromkeys(ProcessRow.model_fields)


def user(name: str | None, *gpus: int, **values: Any) -> dict[str, Any]:
    """A user as in /users."""
    return {
        "username": name,
        "uid": None,
        "processes": len(gpus),
        "gpus": list(gpus),
        "gpu_memory_mb": 1024.0 * len(gpus),
        "sm_utilization_percent": 50.0,
        "gpu_seconds_held": 10.0 * HOUR,
        "gpu_seconds_used": 5.0 * HOUR,
        "idle_holdings": {"count": 0, "gpu_memory_mb": 0.0},
        **values,
    }


def process(owner: str, idx: int, pid: int, **values: Any) -> dict[str, Any]:
    """A process as in /processes."""
    return NOTHING | {"idx": idx, "pid": pid, "username": owner, "uid": 1000, "type": "C", **values}


USERS = [
    user("alice", 0, 1, 2),
    user("bob", 3, idle_holdings={"count": 1, "gpu_memory_mb": 2048.0}),
    user("carol", gpu_memory_mb=0.0, sm_utilization_percent=None),
    user(None, 2, uid=4711, gpu_seconds_held=None, gpu_seconds_used=None, idle_holdings=None),
]
PROCESSES = [
    process("alice", 0, 100),
    process("alice", 1, 100),
    process("alice", 2, 101),
    process("bob", 3, 200, idle_holder=True, idle_seconds=3 * HOUR),
]


def answering(data: dict[str, Any]) -> Callable[[Route], None]:
    """A handler that answers instead of the agent, with this data."""
    return lambda route: route.fulfill(json={"code": 0, "data": data})


@contextmanager
def users_of(browser: Browser, view: str = "#users", **look: Any) -> Iterator[Page]:
    """The page of a host with these users."""
    answers = {
        "users": {"users": USERS, "unknown_idx": []},
        "processes": {"processes": PROCESSES, "unknown_idx": []},
    }
    with Simulation(4), agent_server() as url, opened(browser, f"{url}/docs", **look) as page:
        for path, data in answers.items():
            page.route(f"{url}/{path}", answering(data))
        page.goto(f"{url}/{view}")
        page.locator("#processes tr").first.wait_for(state="attached")
        yield page


def row(page: Page, name: str) -> dict[str, str]:
    """The texts in the row of a user, by column."""
    wanted = page.locator(".people tbody tr").filter(has_text=name)
    wanted.wait_for()
    texts = wanted.locator("td").evaluate_all(
        "cells => cells.map((one) => [one.dataset.name, one.innerText])"
    )
    return {name: text.replace("\xa0", " ") for name, text in texts}


def test_each_user_has_current_holdings_and_hours_held_and_used(browser: Browser) -> None:
    with users_of(browser) as page:
        assert row(page, "alice") == {
            "User": "alice",
            "GPUs now": "GPU 0, GPU 1, GPU 2",
            "Processes": "3",
            "GPU memory": "3.0 GiB",
            "SM": "50 %",
            "Held": "10.0 h",
            "Used": "5.0 h 50 %",
            "Idle holders": "",
        }
        names = page.locator(".people td.user").all_inner_texts()
        assert names == ["alice", "bob", "4711", "carol"], "who holds most comes first"


def test_an_idle_holder_is_shown_with_the_start_of_its_idle_time(browser: Browser) -> None:
    with users_of(browser) as page:
        details = row(page, "bob")["Idle holders"]
        assert details.startswith("▲ 1 process holds 2.0 GiB")
        assert "GPU 3, PID 200: idle for 3 h 0 min, since " in details


def test_an_unknown_value_of_a_user_is_a_dash_and_not_zero(browser: Browser) -> None:
    with users_of(browser) as page:
        details = row(page, "4711")
        assert (details["Held"], details["Used"], details["Idle holders"]) == (UNKNOWN, UNKNOWN, UNKNOWN)
        assert row(page, "carol")["SM"] == UNKNOWN
        assert row(page, "carol")["GPUs now"] == ""


def test_a_click_on_a_user_filters_and_another_removes_the_filter(browser: Browser) -> None:
    with users_of(browser) as page:
        page.get_by_role("link", name="bob").click()
        page.locator("#host-view").wait_for()
        assert page.url.endswith("/?user=bob")
        page.locator("#processes tr").nth(1).wait_for(state="hidden")
        assert page.locator("#processes tr").count() == 1
        assert [one.get_attribute("data-key") for one in page.locator("#gpus > :visible").all()] == ["3"]
        page.go_back()
        page.locator(".people").wait_for()
        page.goto(page.url.replace("#users", "?user=bob#users"))
        page.locator(".people [aria-current]").click()
        page.locator("#processes tr").nth(3).wait_for()
        assert "user=" not in page.url


def test_no_user_is_shown_after_the_agent_has_ended(browser: Browser) -> None:
    with (
        agent_process("--simulate", "2") as agent,
        opened(browser, f"{agent.url}/#users", expected=["ERR_"]) as page,
    ):
        page.locator(".people tbody tr").first.wait_for()
        agent.stop()
        page.get_by_text("It is unknown now who holds a GPU.").wait_for()
        assert page.locator(".people tbody tr").count() == 0


def test_the_page_says_if_nobody_has_had_a_process(browser: Browser) -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].processes = []
        simulation.gpus[0].fix(memory_used=0, gpu_utilization=0)
        with agent_server() as url, opened(browser, f"{url}/#users") as page:
            page.get_by_text("Nobody has had a process on a GPU").wait_for()


@pytest.mark.parametrize("look", LOOKS, ids=NAMES)
def test_axe_finds_nothing_serious_on_the_table_of_users(browser: Browser, look: dict[str, Any]) -> None:
    with users_of(browser, **look) as page:
        page.locator(".people tbody tr").first.wait_for()
        assert serious_violations(page) == []
        assert page.evaluate("document.querySelector('.people').scrollWidth") <= look["viewport"]["width"]


def test_old_users_are_not_shown_as_current_if_the_request_fails(browser: Browser) -> None:
    with users_of(browser, expected=["500"]) as page:
        row(page, "alice")
        page.route("**/users", lambda route: route.fulfill(status=500))
        page.locator("#users-view").get_by_text("HTTP 500").wait_for()
        assert page.locator("#connection.live").count() == 1
        assert page.locator(".people tbody tr").count() == 0


def test_users_of_an_earlier_visit_are_not_shown_as_current(browser: Browser) -> None:
    with users_of(browser) as page:
        row(page, "alice")
        page.locator("#tabs").get_by_text("GPUs").click()
        page.locator("#users-view").wait_for(state="hidden")
        page.route("**/users", lambda _: None)  # no answer
        page.evaluate(SEVEN_SECONDS_LATER)
        page.locator("#tabs").get_by_text("Users").click()
        page.locator("#users-view h2").wait_for()
        assert page.locator(".people tbody tr").count() == 0
