"""What is awaited: when it counts as come, by what hosts answer; modules of the page in a real browser."""

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

# Judges the answers of one host one after the other, a text is an error; returns what is told of each.
JUDGING = """async ([kind, watch, answers]) => {
    const script = document.querySelector("script[type=module]").src;
    const { KINDS } = await import(new URL("kinds.js", script));
    const host = { name: "node", url: "/node/" };
    const whole = { hosts: [host], seen: {}, ...watch };
    return answers.map(([answer, moved = {}]) => {
        if (moved.wall) { const { now } = Date; Date.now = () => now.call(Date) + moved.wall * 1000; }
        if (moved.steady) {
            const now = performance.now.bind(performance);
            performance.now = () => now() + moved.steady * 1000;
        }
        return typeof answer === "string"
            ? KINDS[kind].missed?.(whole, host, new Error(answer)) ?? null
            : KINDS[kind].judge(whole, host, answer);
    });
}"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Simulation(1), agent_server() as address:
        yield address


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    with opened(browser, f"{url}/") as page:
        yield page


def judged(page: Page, kind: str, answers: list[Any], **watch: Any) -> list[bool]:
    """Of each answer, whether something is told."""
    return [text is not None for text in page.evaluate(JUDGING, [kind, watch, answers])]


def summary(*verdicts: str | None, host: str | None = "healthy") -> list[Any]:
    gpus = [{"idx": idx, "verdict": verdict, "reason": "bad"} for idx, verdict in enumerate(verdicts)]
    return [{"host": {"verdict": host, "reason": "bad"}, "gpus": gpus}]


WELL, BAD = "healthy", "critical"


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        pytest.param([summary(WELL, WELL), summary(WELL, BAD), summary(WELL, BAD)], [0, 1, 0], id="it turns"),
        pytest.param([summary(BAD, WELL), summary(BAD, WELL)], [0, 0], id="it was so before"),
        pytest.param([summary(BAD), summary(WELL), summary(BAD)], [0, 0, 1], id="well in between"),
        pytest.param([summary(BAD), summary(None), summary(BAD)], [0, 0, 0], id="not known in between"),
        pytest.param([summary(WELL), summary(None), summary(BAD)], [0, 0, 1], id="not known before"),
        pytest.param([summary(WELL), summary("warning")], [0, 0], id="a warning"),
        pytest.param([summary(WELL, BAD), summary(BAD)], [0, 0], id="another index for the same"),
        pytest.param([summary(WELL, WELL), summary(WELL, host=BAD)], [0, 1], id="the host itself"),
        pytest.param([["no answer"], summary(BAD)], [0, 0], id="not heard before"),
    ],
)
def test_a_gpu_turns_critical_where_it_is_known_not_to_have_been(
    page: Page, answers: list[Any], told: list[int]
) -> None:
    assert judged(page, "critical", answers) == [bool(one) for one in told]


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        pytest.param([summary(WELL), ["x"], ["x"], ["x"]], [0, 0, 1, 0], id="it was up"),
        pytest.param([["x"], ["x"], ["x"]], [0, 0, 0], id="it was down from the start"),
        pytest.param([summary(WELL), ["x"], summary(WELL), ["x"]], [0, 0, 0, 0], id="one answer got lost"),
    ],
)
def test_a_host_goes_down_after_two_questions_without_an_answer(
    page: Page, answers: list[Any], told: list[int]
) -> None:
    assert judged(page, "down", answers) == [bool(one) for one in told]


def test_a_browser_without_a_network_tells_of_no_host_that_it_is_down(page: Page) -> None:
    page.evaluate("Object.defineProperty(navigator, 'onLine', { value: false })")
    assert judged(page, "down", [summary(WELL), ["x"], ["x"]]) == [False] * 3


def rows(age: int | None, *indices: int, unknown: tuple[int, ...] = ()) -> dict[str, Any]:
    processes = [{"pid": 7, "idx": idx, "running_seconds": age} for idx in indices]
    return {"processes": processes, "unknown_idx": list(unknown)}


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        pytest.param([[rows(100, 0)], [rows(None)]], [0, 1], id="its row is gone"),
        pytest.param([[rows(100, 0)], [rows(None, unknown=(0,))]], [0, 0], id="its GPU does not tell"),
        pytest.param([[rows(100, 0)], [rows(None, unknown=(1,))]], [0, 1], id="another GPU does not tell"),
        pytest.param([[rows(100, 0)], [rows(100, 1)], [rows(None, unknown=(1,))]], [0, 0, 0], id="it moved"),
        pytest.param([[rows(100, 0)], ["no answer"], [rows(100, 0)]], [0, 0, 0], id="no answer"),
        pytest.param([[rows(100, 0)], [rows(2, 0)]], [0, 1], id="its number is another's"),
        pytest.param(
            [[rows(100, 0)], [rows(160, 0), {"wall": 3600, "steady": 3600}]], [0, 1], id="another's, later"
        ),
        pytest.param([[rows(100, 0)], [rows(100, 0), {"wall": -3600}]], [0, 0], id="the clock was set"),
        pytest.param([[rows(100, 0)], [rows(3700, 0), {"wall": 3600}]], [0, 0], id="the computer slept"),
        pytest.param([[rows(100, 0)], [rows(None, 0)]], [0, 0], id="its age is not known now"),
    ],
)
def test_a_process_ends_where_its_host_says_so(page: Page, answers: list[Any], told: list[int]) -> None:
    first = {"gpus": [0], "age": None}
    assert judged(page, "ends", answers, pid=7, name="python", first=first) == [bool(one) for one in told]


def test_a_need_comes_true_where_there_are_as_many_as_asked_for(page: Page) -> None:
    wish = {"count": 2, "gb": 40, "model": ""}
    answers = [[{"satisfied": is_so, "gpus": [{"idx": 3}]}] for is_so in (False, True)]
    assert judged(page, "need", [["x"], *answers], wish=wish) == [False, False, True]
