""" "Tell me when": when a wait comes true, by the answers of hosts; modules of the page in a real browser."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import Simulation
from tests.page.opened import opened
from tests.support import loopback
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

# Judges the answers in order: a text is an error, a number an error with this status. Returns the report
# for each. They are answers of one host, or of the named one.
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


def reported(page: Page, kind: str, answers: list[Any], **watch: Any) -> list[bool]:
    """For each answer, whether something is reported."""
    return [text is not None for text in page.evaluate(JUDGING, [kind, watch, answers])]


def summary(*verdicts: str | None, host: str | None = "healthy") -> list[Any]:
    gpus = [{"idx": idx, "verdict": verdict, "reason": "bad"} for idx, verdict in enumerate(verdicts)]
    return [{"host": {"verdict": host, "reason": "bad"}, "gpus": gpus}]


WELL, BAD = "healthy", "critical"


@pytest.mark.parametrize(
    ("answers", "reports"),
    [
        pytest.param(
            [summary(WELL, WELL), summary(WELL, BAD), summary(WELL, BAD)], [0, 1, 0], id="it becomes critical"
        ),
        pytest.param([summary(BAD, WELL), summary(BAD, WELL)], [0, 0], id="it was critical before"),
        pytest.param([summary(BAD), summary(WELL), summary(BAD)], [0, 0, 1], id="healthy in between"),
        pytest.param([summary(BAD), summary(None), summary(BAD)], [0, 0, 0], id="unknown in between"),
        pytest.param([summary(WELL), summary(None), summary(BAD)], [0, 0, 1], id="unknown before"),
        pytest.param([summary(WELL), summary("warning")], [0, 0], id="a warning"),
        pytest.param([summary(WELL, BAD), summary(BAD)], [0, 0], id="the same GPU with another index"),
        pytest.param([summary(WELL, WELL), summary(BAD)], [0, 1], id="fewer GPUs, one more critical"),
        pytest.param([summary(BAD), summary(BAD, BAD)], [0, 1], id="more GPUs, one was critical before"),
        pytest.param([summary(WELL, WELL), summary(WELL, host=BAD)], [0, 1], id="the host itself"),
        pytest.param([["no answer"], summary(BAD)], [0, 0], id="no answer before"),
    ],
)
def test_a_critical_gpu_is_reported_only_if_it_was_known_not_to_be_critical(
    page: Page, answers: list[Any], reports: list[int]
) -> None:
    assert reported(page, "critical", answers) == [bool(one) for one in reports]


@pytest.mark.parametrize(
    ("answers", "reports"),
    [
        pytest.param([summary(WELL), ["x"], ["x"], ["x"]], [0, 0, 1, 0], id="it was up"),
        pytest.param([["x"], ["x"], ["x"]], [0, 0, 0], id="it was down from the start"),
        pytest.param([summary(WELL), ["x"], summary(WELL), ["x"]], [0, 0, 0, 0], id="one answer is missing"),
        pytest.param([summary(WELL), [404], [404], [404]], [0, 0, 0, 0], id="it answers with an error"),
        pytest.param([summary(WELL), [502], [502]], [0, 0, 1], id="a proxy answers instead"),
        pytest.param(
            [summary(WELL), ["x"], ["x", {"wall": 3600}], ["x"]], [0, 0, 0, 1], id="the computer slept"
        ),
    ],
)
def test_a_host_is_reported_as_down_after_two_unanswered_requests(
    page: Page, answers: list[Any], reports: list[int]
) -> None:
    assert reported(page, "down", answers) == [bool(one) for one in reports]


def test_no_host_is_reported_as_down_while_the_browser_is_offline(page: Page) -> None:
    page.evaluate("Object.defineProperty(navigator, 'onLine', { value: false })")
    assert reported(page, "down", [summary(WELL), ["x"], ["x"]]) == [False] * 3


@pytest.mark.parametrize(
    ("answers", "reports"),
    [
        pytest.param("a b a! b a!", [None, None, None, None, "told"], id="the other answers"),
        pytest.param("a b a! b! a! b! a! b!", [None] * 5 + ["meanwhile"] + [None] * 2, id="none answers"),
        pytest.param(
            "a b a! b! a! b! b a b a! b a!",
            [None] * 5 + ["meanwhile"] + [None] * 5 + ["told"],
            id="one answers again",
        ),
        pytest.param("a a! b! a!", [None, None, None, "told"], id="the other was never up"),
    ],
)
def test_no_host_is_reported_as_down_while_none_of_several_answers(
    page: Page, answers: str, reports: list[str | None]
) -> None:
    """The browser's own network may be down. `a!`: host a does not answer."""
    given = [["x" if "!" in one else {}, {"host": one.removesuffix("!")}] for one in answers.split()]
    assert page.evaluate(JUDGING, ["down", {}, given]) == reports


# The clock of the page after each step: seconds of the wall clock, and of the monotonic clock.
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


def test_the_clock_of_the_page_counts_the_time_that_the_computer_sleeps(page: Page) -> None:
    """It also goes on if the wall clock is set, and earlier answers then count as old."""
    steps = [[1, 1], [600, 0], [1, 1], [-3600, 1], [12, 10]]
    times = page.evaluate(CLOCK, steps)
    assert [later - before for before, later in itertools.pairwise(times)] == [600, 1, 3602, 10]


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
def test_the_text_of_a_need_is_parsed_like_a_number_field(
    page: Page, text: str, question: str | None
) -> None:
    assert page.evaluate(WISH, [text]) == [question]


def rows(age: int | None, *indices: int, unknown: tuple[int, ...] = ()) -> dict[str, Any]:
    processes = [{"pid": 7, "idx": idx, "running_seconds": age} for idx in indices]
    return {"processes": processes, "unknown_idx": list(unknown)}


@pytest.mark.parametrize(
    ("answers", "reports"),
    [
        pytest.param([[rows(100, 0)], [rows(None)]], [0, 1], id="its row is gone"),
        pytest.param(
            [[rows(100, 0)], [rows(None, unknown=(0,))]], [0, 0], id="the processes of its GPU are unknown"
        ),
        pytest.param(
            [[rows(100, 0)], [rows(None, unknown=(1,))]],
            [0, 1],
            id="the processes of another GPU are unknown",
        ),
        pytest.param([[rows(100, 0)], [rows(100, 1)], [rows(None, unknown=(1,))]], [0, 0, 0], id="it moved"),
        pytest.param([[rows(100, 0)], ["no answer"], [rows(100, 0)]], [0, 0, 0], id="no answer"),
        pytest.param([[rows(100, 0)], [rows(2, 0)]], [0, 1], id="another process has its pid"),
        pytest.param(
            [[rows(100, 0)], [rows(160, 0), {"wall": 3600, "steady": 3600}]],
            [0, 1],
            id="another process has its pid, later",
        ),
        pytest.param([[rows(100, 0)], [rows(100, 0), {"wall": -3600}]], [0, 0], id="the clock was set"),
        pytest.param([[rows(100, 0)], [rows(3700, 0), {"wall": 3600}]], [0, 0], id="the computer slept"),
        pytest.param([[rows(100, 0)], [rows(None, 0)]], [0, 0], id="its age is unknown now"),
    ],
)
def test_the_end_of_a_process_is_reported_only_if_its_host_confirms_it(
    page: Page, answers: list[Any], reports: list[int]
) -> None:
    first = {"gpus": [0], "age": None}
    assert reported(page, "ends", answers, pid=7, name="python", first=first) == [
        bool(one) for one in reports
    ]


def test_a_need_is_reported_once_enough_gpus_are_free(page: Page) -> None:
    wish = {"count": 2, "gb": 40, "model": ""}
    answers = [[{"satisfied": is_so, "gpus": [{"idx": 3}]}] for is_so in (False, True)]
    assert reported(page, "need", [["x"], *answers], wish=wish) == [False, False, True]


# The waits for a host, as stored when the page was left.
KEPT = """sessionStorage["agent-awaited"] ??= JSON.stringify(["critical", "down"].map((kind) => (
    { kind, id: kind, hosts: [{ name: "other", url: "/other/" }], seen: {}, told: [] }
)));"""
SEEN = """() => JSON.parse(sessionStorage["agent-awaited"]).map(({ seen }) => Object.keys(seen))"""
# The state of a host in fleet.js before its first answer.
HEARD = """async () => {
    const script = document.querySelector("script[type=module]").src;
    const { heard } = await import(new URL("tell.js", script));
    heard({ name: "other", url: "/other/", lookedAt: null, fault: null, error: null, summary: null });
}"""


def test_a_host_that_has_not_been_requested_yet_counts_as_unanswered(browser: Browser, url: str) -> None:
    with opened(browser, f"{url}/", script=KEPT, expected=["404"]) as page:
        page.locator("#tell-me").wait_for()
        page.evaluate(HEARD)
        assert page.evaluate(SEEN) == [[], []]


def test_an_older_agent_without_summary_is_judged_by_gpu(browser: Browser, url: str) -> None:
    with opened(browser, f"{url}/", expected=["404"]) as page:
        page.route("**/other/gpu", lambda route: route.fulfill(body=loopback.get(f"{url}/gpu").text))
        page.evaluate(KEPT)
        page.reload()
        page.wait_for_function(f"() => `${{({SEEN})()}}` === '/other/,/other/'")
