"""The exact text of each answer; every field of the reading is in an answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.exact.answers import FOLDER, QUESTIONS, ExactAgent, exact_agent
from tests.exact.reading import SNAPSHOT
from tests.exact.walking import leaves, with_other

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.anyio

HOW_TO_WRITE = "if it is intended, write the files again with `python -m tests.exact` and review what changed"

# Fields that no answer shows -> why.
UNSHOWN = {
    "DriverReading.pci_bus_ids": "they identify a GPU that could never be read",
    "GpuReading.sampled_since_boot": "the sample has it, also for a reading that is no longer shown",
    "Fans.gpu_celsius": "it decides whether fans that stand still should run",
    "LinkSample.gpu_percent": "it decides whether the link should be fast",
    "Unknown.called_at": "with `since` it gives the time for which a value is unknown",
    "Unknown.error": "errors are counted by it",
    "Unknown.since": "it gives the time for which a value is unknown",
    "HostProcess.start_ticks": "it shows whether a pid was reused",
    "ProcessUse.uid": "GPU hours are counted by it; tests/sampling/test_usage.py",
    "LedgerReading.unlisted_peak_utilization_percent": "it decides whether a GPU without a process is in use",
    "Lately.low_margin_seconds": "it decides whether a low margin is a finding",
    "Snapshot.taken_monotonic": "the clock of rates and of waiting requests",
    "Snapshot.taken_since_boot": "the clock of remembered values, which are shown with wall clock times",
}
# Names that are null in every answer -> why.
ALWAYS_NULL = {
    ".data.model": "no two GPUs of the reading are of one model; tests/views/test_summary.py",
    ".data.usage_days": "STATE_DIR is not set; tests/http/test_usage.py",
    ".state": "nothing is kept; tests/http/test_state.py",
    ".kernel_log.error": "the kernel log is read; tests/http/test_kernel_log.py",
}
# Quick answers that show most fields; they are tried first.
LIKELY = ["/gpu?detail=1&idx=1", "/gpu?detail=1&idx=0", "/processes?idx=1", "/users"]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for all tests, because they share the agent."""
    return "asyncio"


@pytest.fixture(scope="module")
async def agent() -> AsyncIterator[ExactAgent]:
    async with exact_agent() as agent:
        yield agent


@pytest.mark.parametrize("file", QUESTIONS)
async def test_each_answer_is_exactly_the_text_of_its_file(agent: ExactAgent, file: str) -> None:
    agent.show(SNAPSHOT)

    answer = await agent.answer(file)

    expected = (FOLDER / file).read_text("utf-8") if (FOLDER / file).exists() else "nothing yet"
    assert answer == expected, f"GET {QUESTIONS[file][0]} changed; {HOW_TO_WRITE}"


def test_each_question_has_a_file_and_each_file_a_question() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(QUESTIONS), (
        "QUESTIONS in tests/exact/answers.py has the requests; `python -m tests.exact` writes a new file"
    )


@pytest.mark.slow
async def test_every_field_of_the_reading_shows_in_some_answer(agent: ExactAgent) -> None:
    """Each field is changed alone, and some answer must change with it."""
    questions = [*((path, "*/*") for path in LIKELY), *QUESTIONS.values()]
    agent.show(SNAPSHOT)
    expected = {question: await agent.get(*question) for question in questions}
    unshown = set()
    for field in {leaf.field for leaf in leaves(SNAPSHOT) if leaf.value is not None}:
        changed = with_other(SNAPSHOT, field)
        assert changed is not SNAPSHOT
        agent.show(changed)
        for question in questions:
            if await agent.get(*question) != expected[question]:
                break
        else:
            unshown.add(field)

    assert unshown == set(UNSHOWN), (
        "show the field in a view, or give the reason in UNSHOWN (tests/exact/test_answers.py)"
    )


async def test_every_name_in_the_answers_has_a_value_in_some_answer(agent: ExactAgent) -> None:
    """A name that is null in all answers is not tested by any file."""
    agent.show(SNAPSHOT)
    with_value, named = set(), set()
    for file in QUESTIONS:
        if file.endswith(".json"):
            for path, value in entries(json.loads(await agent.answer(file))):
                named.add(path)
                if value not in (None, "N/A", [], {}):
                    with_value.add(path)

    assert len(named) > 200
    assert named - with_value == ALWAYS_NULL.keys(), "give them a value in tests/exact/reading.py"


def entries(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every name in an answer with its value; the entries of a list have the same name."""
    yield path, value
    if isinstance(value, dict):
        for name, held in value.items():
            yield from entries(held, f"{path}.{name}")
    elif isinstance(value, list):
        for held in value:
            yield from entries(held, path)
