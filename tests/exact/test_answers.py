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

ANEW = "if it is meant, write the files anew with `python -m tests.exact` and review what changed"

# Fields that no answer shows -> why.
UNSHOWN = {
    "DriverReading.pci_bus_ids": "they say which GPU it is that could never be read",
    "GpuReading.sampled_since_boot": "the sample says it, for a reading that may no longer be shown too",
    "Fans.gpu_celsius": "it says whether fans that stand still should run",
    "LinkSample.gpu_percent": "it says whether the link should be fast",
    "Unknown.called_at": "with `since` it says how long a value has been unknown",
    "Unknown.error": "it says what to count an error by",
    "Unknown.since": "it says how long a value has been unknown",
    "HostProcess.start_ticks": "it says whether a pid was used again",
    "ProcessUse.uid": "it says for whom GPU hours count; tests/sampling/test_usage.py",
    "LedgerReading.unlisted_peak_utilization_percent": "it says whether a GPU without any process is in use",
    "Lately.low_margin_seconds": "it says whether a low margin has lasted long enough to be told",
    "Snapshot.taken_monotonic": "the clock of rates and of who waits",
    "Snapshot.taken_since_boot": "the clock of what is remembered, shown in the time of day",
}
# Names that are null in every answer -> why.
ALWAYS_NULL = {
    ".data.model": "no two GPUs of the reading are of one model; tests/views/test_summary.py",
    ".data.usage_days": "STATE_DIR is not set; tests/http/test_usage.py",
    ".state": "nothing is kept; tests/http/test_state.py",
    ".kernel_log.error": "the kernel log is read; tests/http/test_kernel_log.py",
}
# Where most fields show and that is made quickly; only then is everything asked.
LIKELY = ["/gpu?detail=1&idx=1", "/gpu?detail=1&idx=0", "/processes?idx=1", "/users"]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for all of them: so is the agent."""
    return "asyncio"


@pytest.fixture(scope="module")
async def agent() -> AsyncIterator[ExactAgent]:
    async with exact_agent() as agent:
        yield agent


@pytest.mark.parametrize("file", QUESTIONS)
async def test_an_answer_is_the_same_to_the_letter(agent: ExactAgent, file: str) -> None:
    agent.show(SNAPSHOT)

    answer = await agent.answer(file)

    expected = (FOLDER / file).read_text("utf-8") if (FOLDER / file).exists() else "nothing yet"
    assert answer == expected, f"GET {QUESTIONS[file][0]} changed; {ANEW}"


def test_each_question_has_a_file_and_each_file_a_question() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(QUESTIONS), (
        "QUESTIONS in tests/exact/answers.py says what is asked; `python -m tests.exact` writes a new file"
    )


@pytest.mark.slow
async def test_every_field_of_the_reading_shows_in_some_answer(agent: ExactAgent) -> None:
    """Each is changed alone, and some answer must change with it."""
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


async def test_every_name_in_an_answer_has_a_value_somewhere(agent: ExactAgent) -> None:
    """One that is null in all of them is not held by any file."""
    agent.show(SNAPSHOT)
    told, named = set(), set()
    for file in QUESTIONS:
        if file.endswith(".json"):
            for path, value in entries(json.loads(await agent.answer(file))):
                named.add(path)
                if value not in (None, "N/A", [], {}):
                    told.add(path)

    assert len(named) > 200
    assert named - told == ALWAYS_NULL.keys(), "give them a value in tests/exact/reading.py"


def entries(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every name in an answer with what it holds; the entries of a list have the same name."""
    yield path, value
    if isinstance(value, dict):
        for name, held in value.items():
            yield from entries(held, f"{path}.{name}")
    elif isinstance(value, list):
        for held in value:
            yield from entries(held, path)
