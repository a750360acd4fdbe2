"""The event stream, over a real server."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.http.wire import A_TOKEN, error_in
from tests.support.agents import agent_server, hung_agent_server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.simulation import Simulation

HEARTBEAT = ": nothing new"


@contextmanager
def opened(url: str, query: str = "", **headers: str) -> Iterator[tuple[httpx.Response, Iterator[str]]]:
    """An open stream and its messages, each without the blank line that ends it."""
    with httpx.stream("GET", f"{url}/gpu/stream{query}", headers=headers, timeout=10) as response:
        yield response, messages(response)


def messages(response: httpx.Response) -> Iterator[str]:
    buffer = ""
    for text in response.iter_text():
        buffer += text
        *complete, buffer = buffer.split("\n\n")
        yield from complete


def event(message: str) -> dict[str, Any]:
    """What one message says, which is one line of data and nothing else: no id, no name, no retry."""
    assert message.startswith("data: {")
    assert "\n" not in message
    content: dict[str, Any] = json.loads(message.removeprefix("data: "))
    return content


@pytest.mark.usefixtures("simulation")
def test_the_headers_keep_proxies_from_holding_it_back() -> None:
    """And say what it is."""
    with agent_server() as url, opened(url) as (response, _):
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
        assert response.headers["cache-control"] == "no-cache, no-transform"
        assert response.headers["x-accel-buffering"] == "no"
        assert "content-length" not in response.headers


@pytest.mark.usefixtures("simulation")
def test_the_first_event_comes_at_once_and_the_next_after_the_interval() -> None:
    """Whatever the interval: a page that opens shows something."""
    with agent_server() as url:
        began = time.monotonic()
        with opened(url, "?interval=60") as (_, told):
            assert event(next(told))["status"] == "ok"
            assert time.monotonic() - began < 5
        with opened(url, "?interval=1") as (_, told):
            event(next(told))  # of a sample that may be as old as the interval
            second = event(next(told))
            began = time.monotonic()
            third = event(next(told))
            assert 0.4 < time.monotonic() - began < 5
            assert second["gpus"][0]["timestamp"] <= third["gpus"][0]["timestamp"]


@pytest.mark.usefixtures("simulation")
def test_an_event_is_the_object_of_gpu() -> None:
    """The same keys, all the way down."""
    with agent_server() as url, opened(url) as (_, told):
        assert shape(httpx.get(f"{url}/gpu").json()) == shape(event(next(told)))


def retries(url: str, accept: str) -> list[str]:
    """What comes before the first event."""
    before = []
    with opened(url, Accept=accept) as (_, told):
        while not (message := next(told)).startswith("data: {"):
            before.append(message)
    return before


@pytest.mark.parametrize(
    ("accept", "is_told"),
    [
        ("text/event-stream", True),
        ("application/json, TEXT/Event-Stream; q=0.9", True),
        ("*/*", False),
        ("text/*", False),
        ("text/event-stream;q=0, */*", False),
        ("", False),
    ],
)
@pytest.mark.usefixtures("simulation")
def test_an_event_source_is_told_when_to_come_back(accept: str, is_told: bool) -> None:
    """Everybody else gets the events alone."""
    with agent_server() as url:
        before = retries(url, accept)
    assert len(before) == is_told
    for block in before:
        name, _, milliseconds = block.partition(": ")
        assert (name, 8_000 <= int(milliseconds) <= 12_000) == ("retry", True)


@pytest.mark.usefixtures("simulation")
def test_viewers_do_not_all_come_back_at_once() -> None:
    with agent_server() as url:
        told = {block for _ in range(10) for block in retries(url, "text/event-stream")}
    assert len(told) > 5


def shape(value: object) -> object:
    """The keys without the values, in their order."""
    match value:
        case dict():
            return [(key, shape(item)) for key, item in value.items()]
        case [first, *_]:
            return [shape(first)]
        case _:
            return None


@pytest.mark.usefixtures("simulation")
def test_bytes_on_the_wire_are_exactly_one_line_of_data() -> None:
    """`data: {json}` and a blank line, which is what every client of the seed parses."""
    with agent_server() as url, httpx.stream("GET", f"{url}/gpu/stream?interval=0.5") as response:
        received = b""
        for part in response.iter_bytes():
            received += part
            if received.count(b"\n\n") >= 3:
                break
    *complete, _ = received.split(b"\n\n")
    assert len(complete) >= 3
    for message in complete:
        assert message[:7] == b"data: {"
        assert message[-1:] == b"}"
        assert b"\n" not in message
        assert b"\r" not in message
        assert json.loads(message[len(b"data: ") :])["gpu_count"] == 8


@pytest.mark.parametrize(
    ("query", "indices"), [("?idx=5,2", [2, 5]), ("?idx=", [*range(8)]), ("", [*range(8)])]
)
@pytest.mark.usefixtures("simulation")
def test_idx_selects_the_gpus(query: str, indices: list[int]) -> None:
    """Viewers of different GPUs share the sample, not the event."""
    with agent_server() as url, opened(url, "?idx=7") as (_, others), opened(url, query) as (_, told):
        assert indices == [gpu["id"] for gpu in event(next(told))["gpus"]]
        assert [gpu["id"] for gpu in event(next(others))["gpus"]] == [7]


def test_without_a_driver_the_stream_says_so_and_goes_on(simulation: Simulation) -> None:
    """200 all the same: an EventSource never retries after another status."""
    simulation.remove_driver()
    with agent_server(SAMPLE_INTERVAL="0.5") as url, opened(url, "?interval=0.5&idx=3") as (response, told):
        assert response.status_code == 200
        for _ in range(2):
            said = event(next(told))
            assert list(said) == ["status", "error", "timestamp"]
            assert said["status"] == "error"
            assert said["error"].startswith("No NVIDIA driver")
            assert said["timestamp"].endswith("Z")
        simulation.restore_driver()
        while (said := event(next(told)))["status"] == "error":
            pass
        assert (said["gpu_count"], [gpu["id"] for gpu in said["gpus"]]) == (8, [3])
        simulation.remove_driver()
        while event(next(told))["status"] != "error":
            pass


def test_before_first_contact_the_stream_says_so(simulation: Simulation) -> None:
    """And goes on once the driver has answered."""
    simulation.hang("nvmlInitWithFlags")
    with hung_agent_server() as url, opened(url, "?interval=0.5") as (response, told):
        assert response.status_code == 200
        said = event(next(told))
        assert said["error"] == "The NVIDIA driver has not answered yet; try again in a second"
        simulation.release()
        while event(next(told))["status"] == "error":
            pass


def test_a_gpu_that_goes_away_meanwhile_is_an_event(simulation: Simulation) -> None:
    """What was good when the stream was opened never ends it."""
    with agent_server(SAMPLE_INTERVAL="0.5") as url, opened(url, "?interval=0.5&idx=7") as (_, told):
        assert [gpu["id"] for gpu in event(next(told))["gpus"]] == [7]
        simulation.remove_driver()
        while "gpus" in event(next(told)):
            pass


@pytest.mark.usefixtures("simulation")
def test_a_comment_breaks_the_silence() -> None:
    """So that no idle proxy closes the connection; clients skip it. What others are told is silence here."""
    with (
        agent_server(STREAM_HEARTBEAT="1") as url,
        opened(url, "?interval=0.5") as (_, others),
        opened(url, "?interval=60") as (_, told),
    ):
        event(next(told))
        assert [next(told), next(told)] == [HEARTBEAT, HEARTBEAT]
        event(next(others))


@pytest.mark.usefixtures("simulation")
def test_one_stream_too_many_is_503_until_one_ends() -> None:
    """MAX_STREAMS bounds them; polls go on."""
    with (
        agent_server(MAX_STREAMS="2", DEFAULT_STREAM_INTERVAL="0.5") as url,
        opened(url) as (_, first),
    ):
        event(next(first))
        with opened(url, "?idx=1") as (_, second):
            event(next(second))
            refused = httpx.get(f"{url}/gpu/stream")
            assert refused.status_code == 503
            assert error_in(refused) == "All 2 streams are taken (MAX_STREAMS); try again later"
            assert int(refused.headers["retry-after"]) >= 1
            assert httpx.get(f"{url}/gpu").status_code == 200

        def is_free() -> bool:
            with httpx.stream("GET", f"{url}/gpu/stream") as response:
                return response.status_code == 200

        wait_until(is_free, "the slot of the stream that ended is free")
        wait_until(is_free, "the slot of the one that looked is free too")
        event(next(first))


@pytest.mark.usefixtures("simulation")
def test_a_refused_stream_takes_no_slot() -> None:
    """Wrong parameters, wrong methods, and HEAD."""
    with agent_server(MAX_STREAMS="1") as url:
        for _ in range(3):
            assert httpx.get(f"{url}/gpu/stream?interval=x").status_code == 400
            assert httpx.get(f"{url}/gpu/stream?idx=99").status_code == 400
            assert httpx.head(f"{url}/gpu/stream").status_code == 405
            assert httpx.post(f"{url}/gpu/stream").status_code == 405
        with opened(url) as (response, told):
            assert response.status_code == 200
            event(next(told))


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        pytest.param("?api_key=key", {}, id="key in the query"),
        pytest.param("", {"X-API-Key": "key"}, id="key in the header"),
        pytest.param("", {"Authorization": A_TOKEN}, id="TOKEN"),
        pytest.param("", {"Authorization": f"Bearer {A_TOKEN}"}, id="TOKEN as bearer"),
    ],
)
@pytest.mark.usefixtures("simulation")
def test_a_credential_opens_it(query: str, headers: dict[str, str]) -> None:
    """Each of the four ways of the contract; without one it is 401."""
    with agent_server(TOKEN=A_TOKEN, API_KEY="key") as url:
        assert httpx.get(f"{url}/gpu/stream").status_code == 401
        with opened(url, query, **headers) as (response, told):
            assert response.status_code == 200
            event(next(told))


@pytest.mark.usefixtures("simulation")
def test_the_default_interval_is_a_setting() -> None:
    """For streams that do not ask for one."""
    with agent_server(DEFAULT_STREAM_INTERVAL="0.5", STREAM_HEARTBEAT="300") as url, opened(url) as (_, told):
        event(next(told))
        began = time.monotonic()
        event(next(told))
        assert time.monotonic() - began < 1.9, "2.0 would be the default of the setting"
