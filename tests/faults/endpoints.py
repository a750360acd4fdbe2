"""Every endpoint of the agent, and what each must answer while something is wrong with the driver.

The endpoints are all that the agent declares. One without a row in EXPECTED must meet `anything_else`:
so a new endpoint is tested in every fault, and gets a row if more is expected of it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.http.parameters import NO_CONTACT
from agent.sampling.collector import MAX_WAIT
from tests.http.wire import error_of
from tests.support import loopback
from tests.support.endpoints import PATHS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    import httpx

GPUS = 8
# Seconds that a loaded machine adds to MAX_WAIT, the longest wait for the driver; a hung call never ends.
SCHEDULING = 8.0
LATE = ("ok", "stale", "stuck")  # possible states of a GPU whose driver is slow
HUNG = 60.0  # seconds without an answer
HEARTBEAT = 0.1
PAUSE = 0.5  # seconds; a heartbeat that is later than this shows that the machine stood still
VERDICTS = {"ok": "healthy", "stuck": "critical", "lost": "critical", "starting": None}
LIVE_VALUES_OF_STATUS = ("fan_speed", "temperature", "gpu_utilization", "memory_utilization")


@dataclass(frozen=True, slots=True)
class Truth:
    """What is wrong, as every answer must report it."""

    bad: Mapping[int, tuple[str, str]] = field(default_factory=dict)  # GPU -> its state, text in its error
    no_driver: str | None = None  # text in the error
    no_contact: bool = False
    late: bool = False  # the driver is so slow that a GPU may be in any state of LATE
    known_before: bool = True  # the GPUs were read before the fault began
    has_findings: bool = False  # the GPUs have findings: their verdicts are not those of their states
    celsius: int | None = (
        None  # of GPU 0; each next GPU has a degree more, which shows that its values are live and its own
    )

    def states(self) -> list[str]:
        return [self.bad[index][0] if index in self.bad else "ok" for index in range(GPUS)]

    @property
    def gpus_are_shown(self) -> bool:
        return self.no_driver is None and not self.no_contact

    def error(self) -> tuple[int, str]:
        """HTTP status and text of a failing answer."""
        return (503, NO_CONTACT) if self.no_contact else (500, self.no_driver or "")


HEALTHY = Truth()
HEALTHY_HOST = {"verdict": "healthy", "findings": {}}  # a lost GPU is still listed


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


class RunningTime:
    """The seconds in which this process could run.

    A virtual machine may stand still for many seconds. The agent is in another thread of this process: one
    that only computes does not stop this clock.
    """

    def __init__(self) -> None:
        self._lost = 0.0
        self._beat_at = time.monotonic()
        self._beat()

    def __call__(self) -> float:
        return time.monotonic() - self._lost

    def stop(self) -> None:
        self._next.cancel()

    def _beat(self) -> None:
        now = time.monotonic()
        late = now - self._beat_at - HEARTBEAT
        self._lost += late if late > PAUSE else 0.0
        self._beat_at = now
        self._next = asyncio.get_running_loop().call_later(HEARTBEAT, self._beat)


class TimedClient:
    """A client that measures how long each answer takes."""

    def __init__(self, url: str) -> None:
        self._client = loopback.AsyncClient(base_url=url, timeout=HUNG)

    async def __aenter__(self) -> TimedClient:
        assert EXPECTED.keys() <= set(PATHS), "each row is of an existing endpoint"
        self._clock = RunningTime()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._clock.stop()
        await self._client.aclose()

    async def get(self, path: str) -> Answer:
        began = self._clock()
        async with self._client.stream("GET", path) as response:
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                body = await _first_event(response)
            else:
                body = await response.aread()
            seconds = self._clock() - began
        assert seconds < MAX_WAIT + SCHEDULING, f"{path} took {seconds:.2f} s"
        return Answer(path, response.status_code, response.headers, body)

    async def get_all(self) -> dict[str, Answer]:
        """The answers of all endpoints, requested at once as by several clients."""
        answers = await asyncio.gather(*(self.get(path) for path in PATHS))
        return {answer.path: answer for answer in answers}

    async def status(self) -> Any:
        """The whole answer of `/status`."""
        return (await self.get("/status")).json

    @asynccontextmanager
    async def twenty_dashboards(self) -> AsyncIterator[set[int]]:
        """Poll `/status` at the same time; the set has every HTTP status of their answers."""
        statuses: set[int] = set()

        async def poll() -> None:
            while True:
                statuses.add((await self.get("/status")).status)
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

    async def wait_for(self, condition: Callable[[Any], object], within: float, what: str) -> Any:
        """Poll `/status` until the condition holds; AssertionError if it does not hold `within` seconds."""
        end = self._clock() + within
        while True:
            seen = await self.status()
            if condition(seen):
                return seen
            assert self._clock() < end, f"not within {within} s: {what}; seen: {seen}"
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
    """Whether every GPU has been read: at first contact, some may not be read yet."""
    return set(states_of(status)) == {"ok"}


def reports(status: Any, truth: Truth) -> bool:
    """Whether `/status` reports this state of things; `check` then compares all answers."""
    if truth.gpus_are_shown and not truth.late:
        reported = [VERDICTS[state] or "N/A" for state in truth.states()]
        return states_of(status) == truth.states() and (verdicts_of(status) != reported) == truth.has_findings
    return truth.late or truth.error()[1] in status.get("error", "")


def check(answers: Iterable[Answer], truth: Truth, healthy: Mapping[str, Answer]) -> None:
    """Every endpoint reports what is wrong, and nothing else."""
    for answer in answers:
        row = EXPECTED.get(answer.path)
        if row is not None:
            row(answer, truth)
        else:
            anything_else(answer, truth, healthy.get(answer.path))


def anything_else(answer: Answer, truth: Truth, healthy: Answer | None) -> None:
    """The answer is as in a healthy agent; it may fail without a driver, or if no GPU is ok."""
    no_gpu = not truth.gpus_are_shown or truth.late or "ok" not in truth.states()
    if answer.status in (500, 503):
        assert no_gpu, f"{answer.path} fails although a GPU is ok: {answer.body!r}"
        assert "agent failed" not in answer.error
    elif healthy is not None:
        assert healthy.status == answer.status, f"{answer.path}: {answer.body[:200]!r}"


def independent_of_driver(answer: Answer, _truth: Truth) -> None:
    """The answer does not depend on the driver."""
    assert answer.status in (200, 307), answer.path


def count(answer: Answer, truth: Truth) -> None:
    if has_data(answer, truth):
        assert answer.json == {"code": 0, "data": GPUS}


def status(answer: Answer, truth: Truth) -> None:
    if not has_data(answer, truth):
        return
    assert (answer.json["code"], answer.json["data"]["count"]) == (0, GPUS)
    devices = answer.json["data"]["devices"]
    check_states(devices, truth)
    for device in devices:
        if device["state"] in ("ok", "stale"):
            continue
        assert [device[name] for name in LIVE_VALUES_OF_STATUS] == ["N/A"] * 4
        assert (device["power_status"], device["memory_used_human"]) == ("N/A / N/A", "N/A")
        known = [device[name] != "N/A" for name in ("name", "uuid", "memory_total_human")]
        assert known == [truth.known_before] * 3, "identity and total memory stay"


def gpu(answer: Answer, truth: Truth) -> None:
    if has_data(answer, truth):
        check_object(answer.json, truth)


def summary(answer: Answer, truth: Truth) -> None:
    """A GPU that cannot be read has a reason, is not free, and has no live value."""
    if not has_data(answer, truth):
        return
    shown = answer.json["data"]
    assert shown["counts"]["gpus"] == len(shown["gpus"]) == GPUS
    assert shown["host"]["verdict"] == HEALTHY_HOST["verdict"]
    for number, (reported, expected) in enumerate(zip(shown["gpus"], truth.states(), strict=True)):
        live = [
            reported[name] for name in ("utilization_percent", "temperature_celsius", "power_watts", "users")
        ]
        if truth.late:
            assert reported["state"] in LATE
        elif number in truth.bad:
            assert (reported["state"], reported["verdict"]) == (expected, VERDICTS[expected])
            assert truth.bad[number][1] in (reported["reason"] or truth.bad[number][1])
            assert (reported["free"], live) == (False, [None] * 4)
        else:
            assert reported["state"] == "ok"
            if truth.celsius is not None:
                assert reported["temperature_celsius"] == truth.celsius + number


def stream(answer: Answer, truth: Truth) -> None:
    """A failure is an event, never another HTTP status."""
    assert answer.status == 200
    if truth.gpus_are_shown:
        check_object(answer.json, truth)
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
                "health": answer.json["health"] if truth.has_findings else health,
                "host": HEALTHY_HOST,
                "state": None,
            },
        )
    else:
        words = "No GPU is ok" if truth.gpus_are_shown else truth.error()[1]
        assert answer.status == 503
        assert words in answer.error
        assert answer.headers["retry-after"] == "1"


def has_data(answer: Answer, truth: Truth) -> bool:
    """Whether the answer has data to check; False if it failed as expected."""
    if truth.gpus_are_shown:
        assert answer.status == 200, answer.body
        return True
    status, words = truth.error()
    assert status == answer.status
    assert words in answer.error
    assert ("1" if status == 503 else None) == answer.headers.get("retry-after")
    return False


def check_states(gpus: list[dict[str, Any]], truth: Truth) -> None:
    for number, (reported, expected) in enumerate(zip(gpus, truth.states(), strict=True)):
        if truth.late:
            assert reported["state"] in LATE
            continue
        assert expected == reported["state"], f"GPU {number}: {reported}"
        if number in truth.bad:
            assert truth.bad[number][1] in reported["error"]
            continue
        assert reported.get("error") is None
        if truth.celsius is not None:
            assert truth.celsius + number in (
                reported.get("temperature"),
                reported.get("temperature_celsius"),
            )


def check_object(shown: dict[str, Any], truth: Truth) -> None:
    """Check the object of `/gpu`, which is also that of an event."""
    assert shown["gpu_count"] == GPUS
    check_states(shown["gpus"], truth)
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
        assert set(shown["summary"].values()) == {None}, "a summary of no GPU is unknown"


EXPECTED: Mapping[str, Callable[[Answer, Truth], None]] = {
    "/": independent_of_driver,
    "/docs": independent_of_driver,
    "/openapi.json": independent_of_driver,
    "/health": health,
    "/ready": ready,
    "/count": count,
    "/status": status,
    "/gpu": gpu,
    "/summary": summary,
    "/gpu/stream": stream,
}
