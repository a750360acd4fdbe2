"""Every endpoint of the agent, and what each must tell while something is wrong with the driver.

The endpoints are those that declare themselves. One that has no row in EXPECTED must meet `anything_else`:
so a new endpoint joins every fault by itself, and gets a row once it has more to promise.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from agent.http.parameters import NO_CONTACT
from agent.sampling.collector import MAX_WAIT
from tests.http.wire import error_of
from tests.support.endpoints import PATHS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

GPUS = 8
# What a loaded machine adds to an answer; the driver's own part is MAX_WAIT; a hung call never ends.
SCHEDULING = 8.0
VERDICTS = {"ok": "healthy", "stuck": "critical", "lost": "critical", "starting": None}
LIVE_VALUES_OF_STATUS = ("fan_speed", "temperature", "gpu_utilization", "memory_utilization")


@dataclass(frozen=True, slots=True)
class Truth:
    """What is the matter, as a client must be told it."""

    bad: Mapping[int, tuple[str, str]] = field(default_factory=dict)  # GPU -> its state, words of its error
    no_driver: str | None = None  # words of the sentence
    no_contact: bool = False
    late: bool = False  # the driver is so slow that a GPU may be `ok` or `stale`
    known_before: bool = True  # the GPUs were seen before it began
    ill: bool = False  # the GPUs have troubles of their own: other verdicts than their states tell
    celsius: int | None = None  # of GPU 0, each next one has a degree more: what is shown is live and its own

    def states(self) -> list[str]:
        return [self.bad[index][0] if index in self.bad else "ok" for index in range(GPUS)]

    @property
    def gpus_are_shown(self) -> bool:
        return self.no_driver is None and not self.no_contact

    def error(self) -> tuple[int, str]:
        """Status and words of a failing answer."""
        return (503, NO_CONTACT) if self.no_contact else (500, self.no_driver or "")


WELL = Truth()
HOST_IS_WELL = {"verdict": "healthy", "findings": {}}  # a GPU that is lost is still there


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as a client saw it; of a stream, the first event."""

    path: str
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return error_of(self.status, self.body)


class Asker:
    """A client that measures how long each answer takes."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=2 * SCHEDULING)

    async def __aenter__(self) -> Asker:
        assert EXPECTED.keys() <= set(PATHS), "each row is of an endpoint that there is"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def ask(self, path: str) -> Answer:
        began = time.monotonic()
        async with self._client.stream("GET", path) as response:
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                body = await _first_event(response)
            else:
                body = await response.aread()
            seconds = time.monotonic() - began
        assert seconds < MAX_WAIT + SCHEDULING, f"{path} took {seconds:.2f} s"
        return Answer(path, response.status_code, response.headers, body)

    async def ask_all(self) -> dict[str, Answer]:
        """Everything at once, as several clients would."""
        answers = await asyncio.gather(*(self.ask(path) for path in PATHS))
        return {answer.path: answer for answer in answers}

    async def status(self) -> Any:
        """The whole answer of `/status`."""
        return (await self.ask("/status")).json

    @asynccontextmanager
    async def twenty_dashboards(self) -> AsyncIterator[set[int]]:
        """Poll `/status` at the same time; the set has every status that they have seen."""
        statuses: set[int] = set()

        async def poll() -> None:
            while True:
                statuses.add((await self.ask("/status")).status)
                await asyncio.sleep(0.5)

        polling = [asyncio.create_task(poll()) for _ in range(20)]
        try:
            yield statuses
        finally:
            for task in polling:
                task.cancel()
            ends = await asyncio.gather(*polling, return_exceptions=True)
        failures = [end for end in ends if not isinstance(end, asyncio.CancelledError)]
        assert not failures, f"no dashboard failed or waited: {failures}"

    async def see(self, condition: Callable[[Any], object], within: float, what: str) -> Any:
        """Poll `/status` until it is as it should be; AssertionError when it is not `within` seconds."""
        end = time.monotonic() + within
        while True:
            seen = await self.status()
            if condition(seen):
                return seen
            assert time.monotonic() < end, f"not within {within} s: {what}; seen: {seen}"
            await asyncio.sleep(0.1)


async def _first_event(response: httpx.Response) -> bytes:
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            return line.removeprefix("data: ").encode()
    raise AssertionError("the stream ended before its first event")


def states_of(status: Any) -> list[str]:
    """The states in an answer of `/status`; empty for one that fails."""
    return [device["state"] for device in status["data"]["devices"]] if status["data"] else []


def verdicts_of(status: Any) -> list[str]:
    """The verdicts in an answer of `/status`; empty for one that fails."""
    return [device["health"]["verdict"] for device in status["data"]["devices"]] if status["data"] else []


def every_gpu_is_ok(status: Any) -> bool:
    """Whether each has been read: at first contact some may not have been."""
    return set(states_of(status)) == {"ok"}


def tells(status: Any, truth: Truth) -> bool:
    """Whether `/status` has come to tell it; all that it must tell is looked at afterwards."""
    if truth.gpus_are_shown and not truth.late:
        told = [VERDICTS[state] or "N/A" for state in truth.states()]
        return states_of(status) == truth.states() and (verdicts_of(status) != told) == truth.ill
    return truth.late or truth.error()[1] in status.get("error", "")


def check(answers: Iterable[Answer], truth: Truth, healthy: Mapping[str, Answer]) -> None:
    """Every endpoint tells the truth."""
    for answer in answers:
        row = EXPECTED.get(answer.path)
        if row is not None:
            row(answer, truth)
        else:
            anything_else(answer, truth, healthy.get(answer.path))


def anything_else(answer: Answer, truth: Truth, healthy: Answer | None) -> None:
    """As when all is well; without a driver, or with no GPU that is ok, also an envelope with code 2."""
    no_gpu = not truth.gpus_are_shown or truth.late or "ok" not in truth.states()
    if answer.status in (500, 503):
        assert no_gpu, f"{answer.path} fails although a GPU is ok: {answer.body!r}"
        assert "agent failed" not in answer.error
    elif healthy is not None:
        assert healthy.status == answer.status, f"{answer.path}: {answer.body[:200]!r}"


def unmoved(answer: Answer, _truth: Truth) -> None:
    """It has nothing to do with the driver."""
    assert answer.status in (200, 307), answer.path


def count(answer: Answer, truth: Truth) -> None:
    if fails_as_it_must(answer, truth):
        assert answer.json == {"code": 0, "data": GPUS}


def status(answer: Answer, truth: Truth) -> None:
    if not fails_as_it_must(answer, truth):
        return
    assert (answer.json["code"], answer.json["data"]["count"]) == (0, GPUS)
    devices = answer.json["data"]["devices"]
    the_states_are_told(devices, truth)
    for device in devices:
        if device["state"] in ("ok", "stale"):
            continue
        assert [device[name] for name in LIVE_VALUES_OF_STATUS] == ["N/A"] * 4
        assert (device["power_status"], device["memory_used_human"]) == ("N/A / N/A", "N/A")
        known = [device[name] != "N/A" for name in ("name", "uuid", "memory_total_human")]
        assert known == [truth.known_before] * 3, "identity and total memory stay"


def gpu(answer: Answer, truth: Truth) -> None:
    if fails_as_it_must(answer, truth):
        the_object_is_true(answer.json, truth)


def summary(answer: Answer, truth: Truth) -> None:
    """A GPU that cannot be read says why and what to do, is not free, and has no live value."""
    if not fails_as_it_must(answer, truth):
        return
    shown = answer.json["data"]
    assert shown["counts"]["gpus"] == len(shown["gpus"]) == GPUS
    assert shown["host"]["verdict"] == HOST_IS_WELL["verdict"]
    for number, (told, expected) in enumerate(zip(shown["gpus"], truth.states(), strict=True)):
        live = [told[name] for name in ("utilization_percent", "temperature_celsius", "power_watts", "users")]
        if truth.late:
            assert told["state"] in ("ok", "stale")
        elif number in truth.bad:
            assert (told["state"], told["verdict"]) == (expected, VERDICTS[expected])
            assert truth.bad[number][1] in (told["reason"] or truth.bad[number][1])
            assert (told["free"], live) == (False, [None] * 4)
        else:
            assert told["state"] == "ok"
            if truth.celsius is not None:
                assert told["temperature_celsius"] == truth.celsius + number


def stream(answer: Answer, truth: Truth) -> None:
    """A failure is an event, never another status."""
    assert answer.status == 200
    if truth.gpus_are_shown:
        the_object_is_true(answer.json, truth)
    else:
        assert list(answer.json) == ["status", "error", "timestamp"]
        assert answer.json["status"] == "error"
        assert truth.error()[1] in answer.json["error"]


def health(answer: Answer, _truth: Truth) -> None:
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def ready(answer: Answer, truth: Truth) -> None:
    if truth.late:
        assert answer.status in (200, 503)
    elif truth.gpus_are_shown and "ok" in truth.states():
        verdicts = (VERDICTS[state] for state in truth.states())
        health = {"healthy": 0, "warning": 0, "critical": 0} | Counter(filter(None, verdicts))
        assert (answer.status, answer.json) == (
            200,
            {
                "status": "ready",
                "gpus": Counter(truth.states()),
                "health": answer.json["health"] if truth.ill else health,
                "host": HOST_IS_WELL,
                "state": None,
            },
        )
    else:
        words = "No GPU is ok" if truth.gpus_are_shown else truth.error()[1]
        assert answer.status == 503
        assert words in answer.error
        assert answer.headers["retry-after"] == "1"


def fails_as_it_must(answer: Answer, truth: Truth) -> bool:
    """Whether there is more to look at: False where it failed, rightly."""
    if truth.gpus_are_shown:
        assert answer.status == 200, answer.body
        return True
    status, words = truth.error()
    assert status == answer.status
    assert words in answer.error
    assert ("1" if status == 503 else None) == answer.headers.get("retry-after")
    return False


def the_states_are_told(gpus: list[dict[str, Any]], truth: Truth) -> None:
    for number, (told, expected) in enumerate(zip(gpus, truth.states(), strict=True)):
        if truth.late:
            assert told["state"] in ("ok", "stale")
            continue
        assert expected == told["state"], f"GPU {number}: {told}"
        if number in truth.bad:
            assert truth.bad[number][1] in told["error"]
            continue
        assert told.get("error") is None
        if truth.celsius is not None:
            assert truth.celsius + number in (told.get("temperature"), told.get("temperature_celsius"))


def the_object_is_true(shown: dict[str, Any], truth: Truth) -> None:
    """`/gpu`, also as an event."""
    assert shown["gpu_count"] == GPUS
    the_states_are_told(shown["gpus"], truth)
    if truth.late:
        return
    assert ("degraded" if truth.bad else "ok") == shown["status"]
    for number, one in enumerate(shown["gpus"]):
        live = [one["temperature_celsius"], one["power"]["usage_watts"], one["utilization"]["gpu_percent"]]
        if number in truth.bad:
            assert one["status"] == "unavailable"
            assert live == [None] * 3
            assert truth.known_before == (one["memory"]["total_mb"] is not None)
            assert one["throttling"]["is_throttled"] is None
        else:
            assert one["status"] in ("active", "idle")
    if len(truth.bad) == GPUS:
        assert set(shown["summary"].values()) == {None}, "nothing is known of no GPU"


EXPECTED: Mapping[str, Callable[[Answer, Truth], None]] = {
    "/": unmoved,
    "/docs": unmoved,
    "/openapi.json": unmoved,
    "/health": health,
    "/ready": ready,
    "/count": count,
    "/status": status,
    "/gpu": gpu,
    "/summary": summary,
    "/gpu/stream": stream,
}
