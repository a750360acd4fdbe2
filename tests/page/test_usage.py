"""Data over more than an hour: GPU hours of users, and charts of a day and of 90 days."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent.readings import GpuDay, UserDay
from agent.simulation import Simulation
from tests.page.opened import UNKNOWN, asked_from_now_on, opened
from tests.page.test_accessible import LOOKS, NAMES, serious_violations
from tests.support.agents import agent_server
from tests.support.state_file import HOUR, REAL, ago, fill, remember, sums

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

ALICE, BOB = 7001, 7002
TOKEN = "t0ken"  # noqa: S105  (opens nothing but the agents of these tests)


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the time zone so that it is about noon, and no day ends during a test."""
    monkeypatch.setenv("TZ", f"<noon>{time.gmtime().tm_hour - 12:+}")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@contextmanager
def host_with_days(
    browser: Browser, folder: Path, view: str, look: dict[str, Any] | None = None, **environ: str
) -> Iterator[Page]:
    """The page of an agent whose file has forty days of alice, a day of bob, and three hours of power."""
    with Simulation(2) as simulation:
        uuid = str(simulation.gpus[0].values.uuid)
        days = [ago(days) for days in range(40)]
        fill(
            folder / REAL,
            [UserDay(day, ALICE, sums(2.0, idle=0.25)) for day in days]
            + [UserDay(ago(10), BOB, sums(80.0, told=0.5)), UserDay(ago(10), None, sums(1.0, told=0.0))],
            [GpuDay(day, uuid, "H100", 24 * HOUR, None, sums(2.0)) for day in days],
            {ALICE: "alice", BOB: "bob"},
        )
        now = time.time()
        minutes = [now - 60 * minute for minute in range(3 * 60, 70, -1)]
        remember(folder / REAL, uuid, [(at, 250.0) for at in minutes])
        with (
            agent_server(STATE_DIR=str(folder), HISTORY_INTERVAL="10", **environ) as url,
            opened(browser, f"{url}/{view}", **(look or {})) as page,
        ):
            yield page


def hours(page: Page) -> list[dict[str, str]]:
    """The rows of the table, by column."""
    page.locator("#users-hours ~ .people tbody tr").first.wait_for()
    rows: list[list[list[str]]] = page.locator("#users-hours ~ .people tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.cells].map((cell) => [cell.dataset.name, cell.innerText]))"
    )
    return [{name: text.replace("\xa0", " ").strip() for name, text in row} for row in rows]


def test_hours_held_and_used_of_each_user_are_shown_for_a_week_and_a_month(
    browser: Browser, tmp_path: Path
) -> None:
    with host_with_days(browser, tmp_path, "#users") as page:
        (alice,) = hours(page)
        assert alice == {
            "User": "alice",
            "Held": "14.0 h",
            "Used": "7.0 h 50 %",
            "Held idle": "3.5 h",
            "GPU memory": "1.0 GiB, at most 2.0 GiB",
        }
        page.get_by_role("link", name="30 days").click()
        page.locator(".people").get_by_text("bob").wait_for()
        bob, alice, nobody = hours(page)
        assert (bob["User"], bob["Held"], bob["Used"]) == ("bob", "80.0 h", "20.0 h 50 % of 40.0 h known")
        assert (alice["User"], alice["Held"]) == ("alice", "60.0 h")
        assert (nobody["User"], nobody["Used"], nobody["Held idle"]) == ("owner unknown", UNKNOWN, UNKNOWN)
        bars = page.locator("svg.hours .held").evaluate_all("all => all.map((one) => one.getAttribute('x2'))")
        assert bars == ["100%", "75%", "1.25%"]
        assert "hours=30" in page.url
        page.get_by_text(f"{ago(29)} to {ago(0)}").wait_for()
        page.get_by_text(
            re.compile("Nothing has been counted since the agent started|Counted up to")
        ).wait_for()


def test_without_counted_hours_the_page_does_not_say_that_nobody_had_a_process(
    browser: Browser, tmp_path: Path
) -> None:
    with (
        Simulation(2),
        agent_server(STATE_DIR=str(tmp_path), HISTORY_INTERVAL="10") as url,
        opened(browser, f"{url}/#users") as page,
    ):
        page.get_by_text("Nothing has been counted for these days yet.").wait_for()
        assert page.get_by_text("Nobody had a process").count() == 0


def test_hours_can_be_saved_as_csv_with_a_token_too(browser: Browser, tmp_path: Path) -> None:
    with host_with_days(browser, tmp_path, "?hours=30#users", {"expected": ["401"]}, TOKEN=TOKEN) as page:
        page.locator("#token").fill(TOKEN)
        page.locator("#login button[type=submit]").click()
        hours(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Save as CSV").click()
        assert download.value.suggested_filename == f"gpu-hours-{ago(29)}-{ago(0)}.csv"
        lines = download.value.path().read_text().splitlines()
        assert lines[0].startswith("first_day,last_day,zone,since,written_at,username,uid,hours_held")
        assert len(lines) == 4


def test_without_state_dir_no_hours_are_shown_or_requested(browser: Browser) -> None:
    with Simulation(2), agent_server(HISTORY_INTERVAL="10") as url, opened(browser, f"{url}/#users") as page:
        asked = asked_from_now_on(page)
        page.locator(".people tbody tr").first.wait_for()
        page.goto(f"{url}/?range=1440#gpu0")
        page.locator(".ranges button").first.wait_for()
        assert page.locator(".ranges button").all_inner_texts() == ["5 min", "15 min", "60 min"]
        assert page.locator(".ranges [aria-pressed=true]").count() == 1
        assert page.locator("#users-hours").count() == 0
        assert not [one for one in asked if "/usage?" in one or "seconds=" in one]


def test_the_charts_of_a_gpu_can_show_a_day_and_ninety_days(browser: Browser, tmp_path: Path) -> None:
    with host_with_days(browser, tmp_path, "#gpu0") as page:
        page.get_by_role("button", name="24 h").click()
        chart = page.locator(".chart.power")
        chart.locator(".spread").get_by_text("250").wait_for()
        assert page.get_by_role("button", name="24 h").get_attribute("aria-pressed") == "true"
        assert "range=1440" in page.url
        slider = page.get_by_role("slider", name="Time of the shown values")
        slider.focus()
        slider.evaluate(
            "(one) => { one.value = -7200; one.dispatchEvent(new Event('input', { bubbles: true })); }"
        )
        assert "250" in chart.locator(".value").inner_text()
        slider.evaluate(
            "(one) => { one.value = -43200; one.dispatchEvent(new Event('input', { bubbles: true })); }"
        )
        assert chart.locator(".value").inner_text() == UNKNOWN, "nothing was kept then"
        page.keyboard.press("Escape")
        page.get_by_role("button", name="90 days").click()
        page.locator(".ranges [aria-pressed=true]").get_by_text("90 days").wait_for()
        chart.locator(".spread").get_by_text("250").wait_for()
        assert 2 <= chart.locator("text.tick").count() <= 4


@pytest.mark.parametrize("look", LOOKS, ids=NAMES)
def test_axe_finds_nothing_serious_on_the_table_of_hours(
    browser: Browser, tmp_path: Path, look: dict[str, Any]
) -> None:
    with host_with_days(browser, tmp_path, "?hours=30#users", look) as page:
        hours(page)
        assert serious_violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= look["viewport"]["width"]
