"""Tokens rotate without a restart: a withdrawn one opens nothing, and the streams that it opened end."""

from __future__ import annotations

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support import loopback
from tests.support.agents import agent_process, free_port, wait_until
from tests.support.endpoints import OPEN, STREAM, WITH_END
from tests.support.starting import catches, signals, starting_agent
from tests.support.terminal import ON_TERMINAL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.agents import Process

KEY = "a-key"
FIXED = "a-token-of-TOKEN"
TIMEOUT = 20.0  # seconds until a test gives up


class Rotating:
    """An agent whose token file is `path`."""

    def __init__(self, process: Process, path: Path) -> None:
        self.process = process
        self.path = path

    def replace(self, content: str) -> None:
        new = self.path.with_name("new")
        new.write_text(content)
        new.rename(self.path)

    def reload(self, says: str) -> None:
        """SIGHUP, and wait for a line of the log."""
        lines_before = self.process.log.count(says)
        self.process.popen.send_signal(signal.SIGHUP)
        wait_until(lambda: self.process.log.count(says) > lines_before, lambda: f"{says}\n{self.process.log}")

    def status(self, path: str, token: str) -> int:
        return loopback.get(f"{self.process.url}{path}", headers={"Authorization": token}).status_code

    def is_open(self, token: str) -> bool:
        return self.status("/count", token) == 200

    @contextmanager
    def stream(self, interval: float, **headers: str) -> Iterator[Iterator[bytes]]:
        """The chunks of an open stream after its first event."""
        url = f"{self.process.url}{STREAM}?interval={interval}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with loopback.stream("GET", url, headers=named, timeout=TIMEOUT) as response:
            chunks = response.iter_raw()
            assert next(chunks).startswith(b"data: {")
            yield chunks


@contextmanager
def rotating(folder: Path, content: str = "old\n", **environ: str) -> Iterator[Rotating]:
    path = folder / "token"
    path.write_text(content)
    environ = {"TOKEN_FILE": str(path), "API_KEY": KEY, "TOKEN": FIXED, **environ}
    with agent_process("--simulate", "1", **environ) as process:
        yield Rotating(process, path)


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotating]:
    folder = tmp_path_factory.mktemp("rotating")
    # Only its own events wake a stream.
    quiet = {"SAMPLE_INTERVAL": "60", "HISTORY_INTERVAL": "0", "STREAM_HEARTBEAT": "300"}
    with rotating(folder, **quiet) as agent:
        yield agent


@pytest.fixture
def both(agent: Rotating) -> Rotating:
    """An agent with the tokens `old` and `new` in force."""
    agent.replace("old\nnew\n")
    agent.process.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: agent.is_open("old") and agent.is_open("new"), "both are in force")
    return agent


@pytest.mark.slow
def test_a_withdrawn_token_opens_nothing_and_a_new_one_everything(both: Rotating) -> None:
    both.replace("new\nnewer\n")
    both.reload("TOKEN_FILE has changed: 3 tokens are in force")
    for path in set(WITH_END) - OPEN:
        assert (401, path) == (both.status(path, "old"), path)
    assert both.status(f"{STREAM}?interval=0", "old") == 401
    assert both.status(f"{STREAM}?interval=0", "newer") == 400
    for token in ("new", "newer", FIXED):
        assert both.status("/count", token) == 200


@pytest.mark.slow
def test_the_streams_of_a_withdrawn_token_end_and_all_others_go_on(both: Rotating) -> None:
    """They end properly. One valid credential is enough to go on."""
    with ExitStack() as stack:
        ending = [
            stack.enter_context(both.stream(0.5, **headers))
            for headers in ({"Authorization": "old"}, {"Authorization": "bEaReR old", "X_API_Key": "wrong"})
        ]
        staying = [
            stack.enter_context(both.stream(0.5, **headers))
            for headers in (
                {"Authorization": "new"},
                {"Authorization": f"Bearer {FIXED}"},
                {"X_API_Key": KEY},
                {"Authorization": "old", "X_API_Key": KEY},
            )
        ]
        both.replace("new\n")
        both.reload("TOKEN_FILE has changed: 2 tokens are in force")
        for stream in ending:
            list(stream)  # raises if the body has no proper end
        rotated_at = time.time()
        for stream in staying:
            while sampled_at(next(stream)) < rotated_at:
                pass  # events from before the rotation


@pytest.mark.slow
def test_a_stream_of_a_withdrawn_token_ends_before_its_next_event(both: Rotating) -> None:
    with both.stream(60, Authorization="old") as stream:
        both.replace("new\n")
        both.process.popen.send_signal(signal.SIGHUP)
        list(stream)


@pytest.mark.slow
def test_a_request_that_waits_for_gpus_ends_with_its_token(tmp_path: Path) -> None:
    with rotating(tmp_path, "old\nnew\n") as agent, ThreadPoolExecutor() as pool:
        url = f"{agent.process.url}/free?count=100&wait=50"
        waiting = pool.submit(httpx.get, url, headers={"Authorization": "old"}, timeout=TIMEOUT)
        wait_until(lambda: "nvidia_gpu_agent_streams 1.0" in metrics(agent), "the request waits")
        agent.replace("new\n")
        agent.reload("TOKEN_FILE has changed: 2 tokens are in force")
        assert waiting.result().status_code == 401


def sampled_at(event: bytes) -> float:
    """The time of an event in seconds of Unix time."""
    return datetime.fromisoformat(json.loads(event.removeprefix(b"data: "))["timestamp"]).timestamp()


@pytest.mark.slow
def test_a_missing_token_file_keeps_the_tokens_and_is_in_log_and_metrics(both: Rotating) -> None:
    both.path.unlink()
    with both.stream(0.5, Authorization="old") as stream:
        both.reload(f"ERROR TOKEN_FILE is '{both.path}', which cannot be read (No such file or directory)")
        assert next(stream)
        assert both.status("/count", "old") == 200
        ill = "nvidia_gpu_agent_token_file_last_read_successful 0.0"
        wait_until(lambda: ill in metrics(both), "the metric shows it")
        both.replace("old\nnew\n")
        both.reload("INFO TOKEN_FILE can be read again: 3 tokens are in force")
        assert next(stream)
        well = "nvidia_gpu_agent_token_file_last_read_successful 1.0"
        wait_until(lambda: well in metrics(both), "it is well again")


def metrics(agent: Rotating) -> str:
    return loopback.get(f"{agent.process.url}/metrics", headers={"Authorization": FIXED}).text


@pytest.mark.slow
def test_without_a_signal_a_rotation_takes_at_most_ten_seconds(both: Rotating) -> None:
    """Five more seconds are for a busy machine."""
    with both.stream(60, Authorization="old") as stream:
        began = time.monotonic()
        both.replace("new\n")
        list(stream)
        assert time.monotonic() - began < 10 + 5


# SIGHUP without a terminal; test_shutdown.py has it with one


@pytest.mark.slow
def test_sighup_stays_ignored_under_nohup(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old")
    with agent_process("--simulate", "1", inside=["nohup"], TOKEN_FILE=str(tmp_path / "token")) as process:
        assert signal.SIGHUP in signals(process.popen.pid, "SigIgn")
        assert signal.SIGHUP not in signals(process.popen.pid, "SigCgt")
        process.popen.send_signal(signal.SIGHUP)
        assert loopback.get(f"{process.url}/health").status_code == 200
        assert process.stop() == 0


@pytest.mark.slow
def test_without_a_terminal_sighup_does_not_end_the_agent_even_without_a_token_file() -> None:
    with agent_process("--simulate", "1") as process:
        process.popen.send_signal(signal.SIGHUP)
        wait_until(
            lambda: "INFO SIGHUP has no effect, because TOKEN_FILE is not set" in process.log,
            lambda: process.log,
        )
        assert loopback.get(f"{process.url}/count").status_code == 200
        assert process.stop() == 0


@pytest.mark.slow
def test_a_closed_standard_input_does_not_count_as_a_terminal() -> None:
    closed = ["sh", "-c", 'exec "$@" <&-', "sh"]
    with agent_process("--simulate", "1", inside=[*ON_TERMINAL, *closed]) as process:
        process.popen.send_signal(signal.SIGHUP)
        wait_until(
            lambda: "INFO SIGHUP has no effect, because TOKEN_FILE is not set" in process.log,
            lambda: process.log,
        )
        assert process.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "seconds",
    [step * 0.05 for step in range(13)],
)
def test_sighup_during_the_start_does_not_end_the_agent(tmp_path: Path, seconds: float) -> None:
    """`systemctl reload` may follow the start at once, from the first lines of the program on."""
    (tmp_path / "token").write_text("old")
    port = str(free_port())
    environ = {"TOKEN_FILE": str(tmp_path / "token")}
    with starting_agent(port=port, **environ) as agent:
        wait_until(lambda: catches(agent.pid, signal.SIGHUP), "it catches the signal")
        time.sleep(seconds)  # the chosen moment of the start
        agent.send_signal(signal.SIGHUP)
        wait_until(lambda: is_open(f"http://127.0.0.1:{port}/count", "old"), "it answers")
        agent.terminate()
        assert agent.wait(TIMEOUT) == 0


def is_open(url: str, token: str) -> bool:
    try:
        return loopback.get(url, headers={"Authorization": token}).status_code == 200
    except httpx.TransportError:
        return False
