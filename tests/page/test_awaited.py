""" "Tell me when": when a wait comes true, by the answers of hosts; modules of the page in a real browser."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from agent.simulation import Simulation
from tests.page.opened import opened
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

# Judges the answers one after the other: a text is an error, a number one with this status. Returns what is
# told of each. They are of one host, or where it is named of another.
JUDGING = """async ([kind, watch, answers]) => {
    const script = document.querySelector("script[type=module]").src;
    const { KINDS } = await import(new URL("kinds.js", script));
    const failed = (why) => Object.assign(new Error(why), { status: Number(why) });
    const named = (name) => ({ name, url: `/${name}/` });
    const whole = { hosts: [named("node")], seen: {}, ...watch };
    return answers.map(([answer, moved = {}]) => {
        const host = named(moved.host ?? "node");
        if (moved.wall) { const { now } = Date; Date.now = () => now.call(Date) + moved.wall * 1000; }
        if (moved.steady) {
            const now = performance.now.bind(performance);
            performance.now = () => now() + moved.steady * 1000;
        }
        const told = ["string", "number"].includes(typeof answer)
            ? KINDS[kind].missed?.(whole, host, failed(answer)) ?? null
            : KINDS[kind].judge(whole, host, answer);
        return told?.meanwhile ? "meanwhile" : told && "told";
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
        pytest.param([summary(WELL, WELL), summary(BAD)], [0, 1], id="with another number one more"),
        pytest.param([summary(BAD), summary(BAD, BAD)], [0, 1], id="with another number, one before"),
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
        pytest.param([summary(WELL), [404], [404], [404]], [0, 0, 0, 0], id="it answers something"),
        pytest.param([summary(WELL), [502], [502]], [0, 0, 1], id="a proxy answers in its place"),
        pytest.param(
            [summary(WELL), ["x"], ["x", {"wall": 3600}], ["x"]], [0, 0, 0, 1], id="the computer slept"
        ),
    ],
)
def test_a_host_goes_down_after_two_questions_without_an_answer(
    page: Page, answers: list[Any], told: list[int]
) -> None:
    assert judged(page, "down", answers) == [bool(one) for one in told]


def test_a_browser_without_a_network_tells_of_no_host_that_it_is_down(page: Page) -> None:
    page.evaluate("Object.defineProperty(navigator, 'onLine', { value: false })")
    assert judged(page, "down", [summary(WELL), ["x"], ["x"]]) == [False] * 3


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        pytest.param("a b a! b a!", [None, None, None, None, "told"], id="the other answers"),
        pytest.param("a b a! b! a! b! a! b!", [None] * 5 + ["meanwhile"] + [None] * 2, id="none answers"),
        pytest.param(
            "a b a! b! a! b! b a b a! b a!",
            [None] * 5 + ["meanwhile"] + [None] * 5 + ["told"],
            id="and one does again",
        ),
        pytest.param("a a! b! a!", [None, None, None, "told"], id="the other was never up"),
    ],
)
def test_where_no_host_of_several_answers_none_is_called_down(
    page: Page, answers: str, told: list[str | None]
) -> None:
    """It may be the browser's own network. `a!`: host a gives no answer."""
    given = [["x" if "!" in one else {}, {"host": one.removesuffix("!")}] for one in answers.split()]
    assert page.evaluate(JUDGING, ["down", {}, given]) == told


# The clock of the page after each of these steps: seconds of the clock that can be set, and of the other.
CLOCK = """async (steps) => {
    const script = document.querySelector("script[type=module]").src;
    let [wall, steady] = [1e9, 0];
    Date.now = () => wall * 1000;
    performance.now = () => steady * 1000;
    const { now } = await import(new URL("clock.js", script));
    const begun = now();
    return steps.map(([later, longer]) => {
        wall += later;
        steady += longer;
        return Math.round((now() - begun) / 1000);
    });
}"""


def test_the_clock_of_the_page_goes_on_while_the_computer_sleeps(page: Page) -> None:
    """Set to another time it goes on likewise: what was heard counts as old."""
    steps = [[1, 1], [600, 0], [1, 1], [-3600, 1], [12, 10]]
    told = page.evaluate(CLOCK, steps)
    assert [later - before for before, later in itertools.pairwise(told)] == [600, 1, 3602, 10]


WISH = """async (texts) => {
    const script = document.querySelector("script[type=module]").src;
    const { question, wishOf } = await import(new URL("wish.js", script));
    return texts.map((text) => wishOf(text) && question(wishOf(text)));
}"""


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("2,40,h100", "free?count=2&min_free_memory=40GB&model=h100"),
        ("1,.5,", "free?count=1&min_free_memory=0.5GB"),
        ("1,1e2,", "free?count=1&min_free_memory=100GB"),
        ("1,,a,b", "free?count=1&model=a%2Cb"),
        ("129,,", None),
        ("1,x,", None),
        ("1,-1,", None),
        ("1.5,,", None),
        ("", None),
    ],
)
def test_a_need_is_read_as_a_field_of_numbers_takes_it(page: Page, text: str, question: str | None) -> None:
    assert page.evaluate(WISH, [text]) == [question]


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


# What is awaited of a host was kept when the page was left.
KEPT = """sessionStorage["agent-awaited"] ??= JSON.stringify(["critical", "down"].map((kind) => (
    { kind, id: kind, hosts: [{ name: "other", url: "/other/" }], seen: {}, told: [] }
)));"""
SEEN = """() => JSON.parse(sessionStorage["agent-awaited"]).map(({ seen }) => Object.keys(seen))"""
# As fleet.js tells of a host before its first answer.
HEARD = """async () => {
    const script = document.querySelector("script[type=module]").src;
    const { heard } = await import(new URL("tell.js", script));
    heard({ name: "other", url: "/other/", lookedAt: null, fault: null, error: null, summary: null });
}"""


def test_a_host_that_nobody_has_asked_yet_has_not_answered(browser: Browser, url: str) -> None:
    with opened(browser, f"{url}/", script=KEPT, expected=["404"]) as page:
        page.locator("#tell-me").wait_for()
        page.evaluate(HEARD)
        assert page.evaluate(SEEN) == [[], []]


def test_an_older_agent_without_summary_is_judged_by_its_gpus(browser: Browser, url: str) -> None:
    with opened(browser, f"{url}/", expected=["404"]) as page:
        page.route("**/other/gpu", lambda route: route.fulfill(body=httpx.get(f"{url}/gpu").text))
        page.evaluate(KEPT)
        page.reload()
        page.wait_for_function(f"() => `${{({SEEN})()}}` === '/other/,/other/'")
