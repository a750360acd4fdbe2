"""The event stream, over a real server."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent.routes.stream import RETRY
from tests.http.wire import A_TOKEN, error_in
from tests.support import loopback
from tests.support.agents import agent_server, hung_agent_server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from agent.simulation import Simulation

HEARTBEAT = ": nothing new"


@contextmanager
def opened(url: str, query: str = "", **headers: str) -> Iterator[tuple[httpx.Response, Iterator[str]]]:
    """An open stream and its messages, each without its final blank line."""
    with loopback.stream("GET", f"{url}/gpu/stream{query}", headers=headers, timeout=10) as response:
        yield response, messages(response)


def messages(response: httpx.Response) -> Iterator[str]:
    buffer = ""
    for text in response.iter_text():
        buffer += text
        *complete, buffer = buffer.split("\n\n")
        yield from complete


def event(message: str) -> dict[str, Any]:
    """The content of a message that has exactly one line of data, without id, name or retry."""
    assert message.startswith("data: {")
    assert "\n" not in message
    content: dict[str, Any] = json.loads(message.removeprefix("data: "))
    return content


@pytest.mark.usefixtures("simulation")
def test_the_headers_of_the_stream_prevent_buffering_by_proxies() -> None:
    """They also have the media type of the stream."""
    with agent_server() as url, opened(url) as (response, _):
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
        assert response.headers["cache-control"] == "no-cache, no-transform"
        assert response.headers["x-accel-buffering"] == "no"
        assert "content-length" not in response.headers


@pytest.mark.slow
@pytest.mark.usefixtures("simulation")
def test_the_first_event_comes_at_once_and_the_next_after_the_interval() -> None:
    """The first event does not wait for the interval, so that a page shows values at once."""
    with agent_server() as url:
        began = time.monotonic()
        with opened(url, "?interval=60") as (_, sent):
            assert event(next(sent))["status"] == "ok"
            assert time.monotonic() - began < 5
        with opened(url, "?interval=1") as (_, sent):
            event(next(sent))  # its sample may be as old as the interval
            second = event(next(sent))
            began = time.monotonic()
            third = event(next(sent))
            assert 0.4 < time.monotonic() - began < 5
            assert second["gpus"][0]["timestamp"] <= third["gpus"][0]["timestamp"]


@pytest.mark.usefixtures("simulation")
def test_an_event_has_the_same_keys_as_the_answer_of_gpu() -> None:
    """All nested objects have the same keys too."""
    with agent_server() as url, opened(url) as (_, sent):
        assert shape(loopback.get(f"{url}/gpu").json()) == shape(event(next(sent)))


def retries(url: str, accept: str) -> list[str]:
    """The blocks before the first event."""
    before = []
    with opened(url, Accept=accept) as (_, sent):
        while not (message := next(sent)).startswith("data: {"):
            before.append(message)
    return before


@pytest.mark.parametrize(
    ("accept", "has_retry"),
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
def test_only_an_event_source_gets_a_retry_time(accept: str, has_retry: bool) -> None:
    """Other clients get only events."""
    assert RETRY == (8, 12)
    with agent_server() as url:
        before = retries(url, accept)
    assert len(before) == has_retry
    for block in before:
        name, _, milliseconds = block.partition(": ")
        assert (name, 8_000 <= int(milliseconds) <= 12_000) == ("retry", True)


@pytest.mark.usefixtures("simulation")
def test_retry_times_differ_so_that_viewers_do_not_all_reconnect_at_once() -> None:
    with agent_server() as url:
        sent = {block for _ in range(10) for block in retries(url, "text/event-stream")}
    assert len(sent) > 5


def shape(value: object) -> object:
    """The keys in their order, without values."""
    match value:
        case dict():
            return [(key, shape(item)) for key, item in value.items()]
        case [first, *_]:
            return [shape(first)]
        case _:
            return None


@pytest.mark.usefixtures("simulation")
def test_each_event_is_exactly_one_line_of_data_and_a_blank_line() -> None:
    """Every client of the seed parses `data: {json}` and a blank line."""
    with agent_server() as url, loopback.stream("GET", f"{url}/gpu/stream?interval=0.5") as response:
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
        assert json.loads(message[len(b"data: ") :])["gpu_count"] == 2


@pytest.mark.parametrize(("query", "indices"), [("?idx=1,0", [0, 1]), ("?idx=", [0, 1]), ("", [0, 1])])
@pytest.mark.usefixtures("simulation")
def test_idx_selects_the_gpus_of_the_stream(query: str, indices: list[int]) -> None:
    """Viewers of different GPUs share the sample, but not the event."""
    with agent_server() as url, opened(url, "?idx=1") as (_, others), opened(url, query) as (_, sent):
        assert indices == [gpu["id"] for gpu in event(next(sent))["gpus"]]
        assert [gpu["id"] for gpu in event(next(others))["gpus"]] == [1]


def test_without_a_driver_the_stream_sends_error_events_and_goes_on(simulation: Simulation) -> None:
    """The status is 200, because an EventSource never retries after another status."""
    simulation.remove_driver()
    with agent_server(SAMPLE_INTERVAL="0.5") as url, opened(url, "?interval=0.5&idx=1") as (response, sent):
        assert response.status_code == 200
        for _ in range(2):
            error_event = event(next(sent))
            assert list(error_event) == ["status", "error", "timestamp"]
            assert error_event["status"] == "error"
            assert error_event["error"].startswith("No NVIDIA driver")
            assert error_event["timestamp"].endswith("Z")
        simulation.restore_driver()
        while (error_event := event(next(sent)))["status"] == "error":
            pass
        assert (error_event["gpu_count"], [gpu["id"] for gpu in error_event["gpus"]]) == (2, [1])
        simulation.remove_driver()
        while event(next(sent))["status"] != "error":
            pass


def test_before_the_first_contact_the_stream_sends_error_events(simulation: Simulation) -> None:
    """It goes on with GPUs once the driver has answered."""
    simulation.hang("nvmlInitWithFlags")
    with hung_agent_server() as url, opened(url, "?interval=0.5") as (response, sent):
        assert response.status_code == 200
        error_event = event(next(sent))
        assert error_event["error"] == "The NVIDIA driver has not answered yet; try again in a second"
        simulation.release()
        while event(next(sent))["status"] == "error":
            pass


def test_a_selected_gpu_that_disappears_does_not_end_the_stream(simulation: Simulation) -> None:
    """A parameter that was valid when the stream was opened never ends it."""
    with agent_server(SAMPLE_INTERVAL="0.5") as url, opened(url, "?interval=0.5&idx=1") as (_, sent):
        assert [gpu["id"] for gpu in event(next(sent))["gpus"]] == [1]
        simulation.remove_driver()
        while "gpus" in event(next(sent)):
            pass


@pytest.mark.slow
@pytest.mark.usefixtures("simulation")
def test_heartbeat_comments_are_sent_while_the_stream_is_silent() -> None:
    """A proxy then does not close an idle connection. Clients skip comments. Other streams do not count."""
    with (
        agent_server(STREAM_HEARTBEAT="1") as url,
        opened(url, "?interval=0.5") as (_, others),
        opened(url, "?interval=60") as (_, sent),
    ):
        event(next(sent))
        assert [next(sent), next(sent)] == [HEARTBEAT, HEARTBEAT]
        event(next(others))


@pytest.mark.usefixtures("simulation")
def test_a_stream_above_max_streams_is_503_until_another_ends() -> None:
    """Polls are not affected."""
    with (
        agent_server(MAX_STREAMS="2", DEFAULT_STREAM_INTERVAL="0.5") as url,
        opened(url) as (_, first),
    ):
        event(next(first))
        with opened(url, "?idx=1") as (_, second):
            event(next(second))
            refused = loopback.get(f"{url}/gpu/stream")
            assert refused.status_code == 503
            assert error_in(refused) == "All 2 streams are taken (MAX_STREAMS); try again later"
            assert int(refused.headers["retry-after"]) >= 1
            assert loopback.get(f"{url}/gpu").status_code == 200

        def is_free() -> bool:
            with loopback.stream("GET", f"{url}/gpu/stream") as response:
                return response.status_code == 200

        wait_until(is_free, "the slot of the stream that ended is free")
        wait_until(is_free, "the slot of the test request is free too")
        event(next(first))


@pytest.mark.usefixtures("simulation")
def test_a_refused_stream_takes_no_slot() -> None:
    """It is refused for wrong parameters, wrong methods, and HEAD."""
    with agent_server(MAX_STREAMS="1") as url:
        for _ in range(3):
            assert loopback.get(f"{url}/gpu/stream?interval=x").status_code == 400
            assert loopback.get(f"{url}/gpu/stream?idx=99").status_code == 400
            assert loopback.head(f"{url}/gpu/stream").status_code == 405
            assert loopback.post(f"{url}/gpu/stream").status_code == 405
        with opened(url) as (response, sent):
            assert response.status_code == 200
            event(next(sent))


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
def test_each_kind_of_credential_opens_the_stream(query: str, headers: dict[str, str]) -> None:
    """There are four ways to send one. Without a credential the status is 401."""
    with agent_server(TOKEN=A_TOKEN, API_KEY="key") as url:
        assert loopback.get(f"{url}/gpu/stream").status_code == 401
        with opened(url, query, **headers) as (response, sent):
            assert response.status_code == 200
            event(next(sent))


@pytest.mark.usefixtures("simulation")
def test_the_default_interval_is_a_setting() -> None:
    """It applies to streams without `interval`."""
    with agent_server(DEFAULT_STREAM_INTERVAL="0.5", STREAM_HEARTBEAT="300") as url, opened(url) as (_, sent):
        event(next(sent))
        began = time.monotonic()
        event(next(sent))
        assert time.monotonic() - began < 1.9, "2.0 would be the default of the setting"
