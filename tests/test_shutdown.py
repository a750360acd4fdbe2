"""Each signal ends the agent with status 0 within two seconds and with complete answers, whatever hangs.

Each agent has a terminal as its standard input: without one, SIGHUP does not end it (test_rotation.py).
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from agent.cli import EXIT_DEADLINE
from tests.support import loopback
from tests.support.agents import ROOT, Process, agent_process, clean_environ, free_port, wait_until
from tests.support.starting import catches, starting_agent
from tests.support.terminal import ON_TERMINAL

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN = EXIT_DEADLINE + 1.3  # seconds, including time for a loaded machine
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
LAST_CHUNK = b"\r\n0\r\n\r\n"
slow = pytest.mark.slow


@contextmanager
def starting() -> Iterator[subprocess.Popen[str]]:
    """An agent that is starting."""
    with starting_agent(*ON_TERMINAL) as agent:
        yield agent


def is_ready_for(number: signal.Signals, agent: subprocess.Popen[str]) -> bool:
    """Python itself handles SIGINT, but not SIGTERM."""
    return catches(agent.pid, number) and catches(agent.pid, signal.SIGTERM)


@contextmanager
def agent_on(hanging: str) -> Iterator[Process]:
    """An agent on a driver whose function `hanging` never returns."""
    program = ("-m", "tests.support.hung_agent", hanging)
    probe = "/health?whole" if hanging in {"nvmlInitWithFlags", "everything"} else "/ready"
    with agent_process(program=program, inside=ON_TERMINAL, probe=probe, HISTORY_INTERVAL="1") as process:
        yield process


class Client:
    """Requests `path` on one connection, repeatedly with `again` or once, until the agent closes it."""

    def __init__(self, path: str, *, again: bool = False) -> None:
        self.answers = 0
        self.begun = False
        self.cut = False  # the last answer is incomplete
        self._path = path
        self._again = again

    async def run(self, host: str, port: int) -> None:
        try:
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"GET {self._path} HTTP/1.1\r\nHost: agent\r\n\r\n".encode())
            if self._again:
                await self._ask_on(reader, writer)
            else:
                await self._read_stream(reader)
            writer.close()
        except (OSError, EOFError):
            pass  # refused or reset between two answers: a client would try the next agent

    async def _read_stream(self, reader: asyncio.StreamReader) -> None:
        received = b""
        self.cut = True
        while part := await reader.read(65536):
            received = received[-len(LAST_CHUNK) :] + part
            self.begun = self.begun or b"data: " in received
        self.cut = not received.endswith(LAST_CHUNK)

    async def _ask_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            self.cut = True
            head = line + await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            assert length, head
            await reader.readexactly(int(length[1]))
            self.cut = False
            self.begun = True
            self.answers += 1
            writer.write(f"GET {self._path} HTTP/1.1\r\nHost: agent\r\n\r\n".encode())


class Crowd(threading.Thread):
    """Simultaneous clients; `with` waits until each has its first answer, and at the end for all."""

    def __init__(self, url: str, clients: list[Client]) -> None:
        super().__init__()
        address = urlsplit(url)
        self.clients = clients
        self._address = str(address.hostname), address.port or 80

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        await asyncio.gather(*(client.run(*self._address) for client in self.clients))

    def __enter__(self) -> Crowd:
        self.start()
        wait_until(lambda: all(client.begun for client in self.clients), "every client has an answer")
        return self

    def __exit__(self, *_: object) -> None:
        self.join(5)
        assert not self.is_alive(), "every connection is closed"


@dataclass(frozen=True, slots=True)
class Situation:
    """A hanging function of the driver, and the connected clients."""

    hanging: str = "nothing"
    streams: int = 0
    pollers: int = 0

    def clients(self) -> list[Client]:
        streams = [Client("/gpu/stream?interval=0.5") for _ in range(self.streams)]
        return [*streams, *(Client("/status", again=True) for _ in range(self.pollers))]


SITUATIONS = {
    "idle": Situation(),
    "five streams": Situation(streams=5),
    "a hundred streams": Situation(streams=100),
    "under load": Situation(pollers=20),
    "under load, with a hundred streams and a call on one GPU that hangs": Situation(
        "nvmlDeviceGetPowerUsage", streams=100, pollers=20
    ),
    "five streams and nvmlInit hangs": Situation("nvmlInitWithFlags", streams=5),
    "a hundred streams and every call hangs": Situation("everything", streams=100),
}


@slow
@pytest.mark.parametrize(
    ("number", "name"),
    [pytest.param(number, name, id=f"{number.name}, {name}") for name in SITUATIONS for number in SIGNALS],
)
def test_a_signal_ends_the_agent_with_status_0_and_complete_answers(
    number: signal.Signals, name: str
) -> None:
    situation = SITUATIONS[name]
    with agent_on(situation.hanging) as agent, Crowd(agent.url, situation.clients()) as crowd:
        began = time.monotonic()
        assert agent.stop(number) == 0, agent.log
        assert time.monotonic() - began < WITHIN
        crowd.join(5)
        assert not [client for client in crowd.clients if client.cut], "the last answer is complete"
        assert "Traceback" not in agent.log


@contextmanager
def busy_cores() -> Iterator[None]:
    """24 programs that compute for at most a minute."""
    loops = [
        subprocess.Popen(["timeout", "60", "sh", "-c", "while :; do :; done"])  # noqa: S607
        for _ in range(24)
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.terminate()  # `timeout` passes the signal on
        for loop in loops:
            loop.wait()


@slow
@pytest.mark.parametrize(
    ("number", "name"),
    [
        (signal.SIGTERM, "idle"),
        (signal.SIGINT, "five streams"),
        (signal.SIGTERM, "a hundred streams and every call hangs"),
    ],
)
def test_the_status_is_0_on_a_machine_with_busy_cores_too(number: signal.Signals, name: str) -> None:
    situation = SITUATIONS[name]
    with agent_on(situation.hanging) as agent, Crowd(agent.url, situation.clients()), busy_cores():
        assert agent.stop(number) == 0, agent.log
        assert "Traceback" not in agent.log


@slow
@pytest.mark.parametrize("seconds", [0.5, 3])
def test_the_status_of_an_end_during_the_start_is_0_with_busy_cores_too(seconds: float) -> None:
    with busy_cores(), starting() as agent:
        wait_until(lambda: is_ready_for(signal.SIGTERM, agent), "it catches the signal")
        time.sleep(seconds)  # the chosen moment of the start
        agent.terminate()
        _, output = agent.communicate(timeout=20)
        assert agent.returncode == 0, output
        assert "Traceback" not in output


@slow
@pytest.mark.parametrize("program", [("main.py",), ("-m", "uvicorn", "main:app")], ids=["ours", "uvicorn"])
def test_a_log_pipe_without_a_reader_blocks_neither_the_agent_nor_its_end(program: tuple[str, ...]) -> None:
    read_end, write_end = os.pipe()
    port = free_port()
    environ = {**clean_environ(), "SIMULATE_GPUS": "1", "ACCESS_LOG": "1"}
    command = [sys.executable, *program, "--host", "127.0.0.1", "--port", str(port)]
    with (
        subprocess.Popen(command, cwd=ROOT, env=environ, stdout=write_end, stderr=write_end) as agent,  # noqa: S603  ours
        loopback.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
        os.fdopen(read_end),
    ):
        os.close(write_end)
        try:
            wait_until(lambda: answers(client), "it answers")
            wait_until(lambda: dropped_after_some_requests(client), "lines are dropped", deadline=60)
            agent.terminate()
            agent.wait(WITHIN + 1)
            assert agent.returncode == (0 if program == ("main.py",) else -signal.SIGTERM)
        finally:
            agent.kill()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health").is_success
    except httpx.TransportError:
        return False


def dropped_after_some_requests(client: httpx.Client) -> float:
    """Lines of the access log that /metrics counts as dropped."""
    for _ in range(200):
        client.get("/health?" + "x" * 4000)
    text = client.get("/metrics").text
    (line,) = re.findall(r"^nvidia_gpu_agent_log_lines_dropped_total .*", text, re.MULTILINE)
    return float(line.partition(" ")[2])


@pytest.mark.slow
def test_a_second_signal_does_not_change_the_end() -> None:
    situation = Situation("nvmlDeviceGetPowerUsage", streams=5)
    with agent_on(situation.hanging) as agent, Crowd(agent.url, situation.clients()) as crowd:
        began = time.monotonic()
        agent.popen.send_signal(signal.SIGTERM)
        agent.popen.send_signal(signal.SIGINT)
        assert agent.stop() == 0
        assert time.monotonic() - began < WITHIN
        crowd.join(5)
        assert not [client for client in crowd.clients if client.cut], "the last answer is complete"


@pytest.mark.parametrize(
    ("number", "seconds"),
    [
        pytest.param(
            number, seconds, marks=slow if seconds else (), id=f"{number.name} after {seconds:.2f} s"
        )
        for number in SIGNALS
        for seconds in [step * 0.05 for step in range(13)]
    ],
)
def test_a_signal_at_any_time_of_the_start_ends_the_agent_with_status_0(
    number: signal.Signals, seconds: float
) -> None:
    """This holds from the first lines of the program on; before, only Python runs."""
    with starting() as agent:
        wait_until(lambda: is_ready_for(number, agent), "it catches the signal", deadline=5)
        time.sleep(seconds)  # the chosen moment of the start
        began = time.monotonic()
        agent.send_signal(number)
        _, output = agent.communicate(timeout=10)
        assert agent.returncode == 0, output
        assert time.monotonic() - began < WITHIN
        assert "Traceback" not in output


# In its own network, whose name server accepts a query and does not answer.
SILENT = """
import fcntl, pathlib, signal, socket, struct, subprocess, sys, time

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
folder = pathlib.Path(sys.argv[1])
for name, text in [("resolv.conf", "nameserver 127.0.0.1"), ("nsswitch.conf", "hosts: files dns")]:
    (folder / name).write_text(text + chr(10))
    if pathlib.Path("/etc", name).exists():
        subprocess.run(["mount", "--bind", str(folder / name), "/etc/" + name], check=True)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
server.settimeout(20)
agent = subprocess.Popen([sys.executable, "main.py", "--host", "gpus.example.org"])
server.recv(512)
began = time.monotonic()
agent.terminate()
print(agent.wait(30), time.monotonic() - began)
"""


@slow
def test_a_silent_name_server_does_not_delay_a_signal(tmp_path: Path) -> None:
    command = ["unshare", "--net", "--mount", "--propagation=private", sys.executable, "-c", SILENT]
    finished = subprocess.run(  # noqa: S603  our own script
        [*command, str(tmp_path)], cwd=ROOT, env=clean_environ(), capture_output=True, text=True, check=False
    )
    if "Operation not permitted" in finished.stderr:
        pytest.skip("no namespaces for this user")
    status, seconds = finished.stdout.split()
    assert status == "0"
    assert float(seconds) < WITHIN


def test_the_agent_can_be_stopped_before_its_libraries_are_loaded() -> None:
    with starting() as agent:
        wait_until(lambda: is_ready_for(signal.SIGTERM, agent), "it catches the signal", deadline=5)
        loaded = Path(f"/proc/{agent.pid}/maps").read_text()
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(timeout=10) == 0
        assert "pydantic_core" not in loaded
