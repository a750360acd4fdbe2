"""A second worker refuses to start with one sentence; one agent per server works."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import pytest

from agent.server.signals import STOP_SIGNALS
from agent.server.single_worker import (
    CHECK_INTERVAL,
    PATIENCE,
    REFUSAL,
    SingleWorker,
    _is_bound,
    _lock,
)
from tests.packaging.commands import serving
from tests.support import loopback
from tests.support.agents import ROOT, Process, clean_environ, free_port, wait_until
from tests.support.groups import needs_slow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BIN = f"{sys.prefix}/bin"
UVICORN = (f"{BIN}/uvicorn", "main:app", "--port")
GUNICORN = (f"{BIN}/gunicorn", "main:app", "--no-control-socket", "--bind")
CLASSES = ["uvicorn.workers.UvicornWorker", "asgi"]
ENVIRON = {**clean_environ(), "SIMULATE_GPUS": "2", "PYTHONPATH": str(ROOT), "TOKEN": ""}
ENDS_WITHIN = 30  # seconds, including two starts

# The start of a worker, with only this part of the agent.
WORKER = """
import asyncio, select, signal, sys
from agent.server.single_worker import SingleWorker

async def app(scope, receive, send):
    await send({"type": "lifespan.startup.complete"})

async def send(message):
    print(message["type"], message.get("message", ""), flush=True)

async def receive():
    print("asked", flush=True)
    return {"type": "lifespan.startup"}

signal.signal(signal.SIGTERM, lambda *_: None)  # like a server whose last answers take long
asyncio.run(SingleWorker(app, patience=float(sys.argv[1]))({"type": "lifespan"}, receive, send))
# For short times: a signal just before a wait does not end it.
while not select.select([sys.stdin], [], [], 0.05)[0]:
    pass
"""
ASKED = "asked\n"
STARTED = "lifespan.startup.complete \n"
REFUSED = f"lifespan.startup.failed {REFUSAL}\n"


def a_socket(kind: str, folder: Path) -> socket.socket:
    family = socket.AF_UNIX if "unix" in kind else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM if "udp" in kind else socket.SOCK_STREAM)
    if "bound" in kind:
        made.bind(f"{folder}/socket" if family == socket.AF_UNIX else ("127.0.0.1", 0))
    return made


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("bound tcp", True),
        ("bound unix", True),
        ("bound udp", False),
        ("tcp", False),
        ("unix", False),
    ],
)
def test_only_a_bound_stream_socket_counts_as_a_listener(kind: str, expected: bool, tmp_path: Path) -> None:
    with a_socket(kind, tmp_path) as one:
        assert _is_bound(one.fileno()) is expected
        assert one.fileno() >= 0, "and it is still open"


def test_a_connection_does_not_count_as_a_listener() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as one,
    ):
        assert not _is_bound(one.fileno())


def test_a_worker_may_start_where_a_socket_cannot_be_locked() -> None:
    with open(os.devnull) as cannot_be_locked:  # noqa: PTH123  (for reading, where a lock needs writing)
        assert _lock(cannot_be_locked.fileno())


def test_a_start_waits_three_seconds_for_the_previous_worker_and_checks_often() -> None:
    assert (PATIENCE, CHECK_INTERVAL) == (3, 0.05)


@contextmanager
def worker(*sockets: socket.socket, patience: float = 0) -> Iterator[subprocess.Popen[str]]:
    """A worker process that inherits these sockets."""
    with subprocess.Popen(  # noqa: S603  our own script
        [sys.executable, "-c", WORKER, str(patience)],
        cwd=ROOT,
        pass_fds=[one.fileno() for one in sockets],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def line_of(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline()


def test_the_second_worker_on_the_same_socket_is_refused_until_the_first_has_ended() -> None:
    with socket.create_server(("127.0.0.1", 0)) as shared, worker(shared) as first:
        assert line_of(first) == STARTED
        with worker(shared) as second, worker(shared, patience=60) as successor:
            assert [line_of(second), line_of(second)] == [ASKED, REFUSED]
            first.kill()
            assert line_of(successor) == STARTED


@pytest.fixture
def handlers_stay() -> Iterator[None]:
    before = {sig: signal.getsignal(sig) for sig in STOP_SIGNALS}
    yield
    for sig, handler in before.items():
        signal.signal(sig, handler)


@pytest.mark.anyio
@pytest.mark.usefixtures("handlers_stay")
async def test_the_event_loop_runs_while_a_worker_waits_for_the_previous_one() -> None:
    async def app(*_: object) -> None:
        has_started.set()

    async def nothing(*_: object) -> NoReturn:
        raise AssertionError("the app starts")

    has_started = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as shared, worker(shared) as first:
        assert line_of(first) == STARTED
        waiting = asyncio.create_task(SingleWorker(app, patience=60)({"type": "lifespan"}, nothing, nothing))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        first.kill()
        await waiting
    assert has_started.is_set()


SUPERVISOR = """
from multiprocessing import get_context
from agent.server.single_worker import is_supervised

with get_context("fork").Pool(1) as workers:
    print(is_supervised(), workers.apply(is_supervised))
"""


def test_only_a_worker_started_by_a_server_can_have_siblings() -> None:
    printed = subprocess.check_output([sys.executable, "-c", SUPERVISOR], cwd=ROOT, text=True)  # noqa: S603  our own script
    assert printed == "False True\n"


def test_a_worker_that_gets_sigterm_is_replaced_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as shared, worker(shared) as first:
        assert line_of(first) == STARTED
        first.terminate()
        with worker(shared, patience=10) as successor:
            assert line_of(successor) == STARTED
        assert first.poll() is None


def test_workers_on_different_sockets_do_not_refuse_each_other() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
        socket.create_connection(one.getsockname()) as shared_connection,
        worker(one, shared_connection) as first,
        worker(other, shared_connection) as second,
        worker(shared_connection) as third,
    ):
        assert [line_of(first), line_of(second), line_of(third)] == [STARTED, STARTED, STARTED]


# The real servers


@contextmanager
def started(*command: str, folder: Path) -> Iterator[Process]:
    """An agent under another server, once it answers."""
    if command[0] == GUNICORN[0]:
        needs_slow("gunicorn")
    port = str(free_port())
    arguments = [*command, port if command[0] == UVICORN[0] else f"127.0.0.1:{port}"]
    with serving(arguments, folder, f"http://127.0.0.1:{port}", ENVIRON) as process:
        try:
            yield process
        finally:
            process.popen.terminate()  # a supervisor that is killed leaves its workers behind
            process.popen.wait(ENDS_WITHIN)


def with_option(command: tuple[str, ...], *options: str) -> tuple[str, ...]:
    return (*command[:2], *options, *command[2:])


MANY = {
    "uvicorn": with_option(UVICORN, "--workers", "2"),
    **{f"gunicorn, {name}": with_option(GUNICORN, "-w", "2", "-k", name) for name in CLASSES},
}
ONE = {
    "uvicorn --workers 1": with_option(UVICORN, "--workers", "1"),
    "gunicorn --preload": with_option(GUNICORN, "-w", "1", "--preload", "-k", CLASSES[0]),
}


@pytest.mark.slow
@pytest.mark.parametrize("command", MANY.values(), ids=MANY)
def test_a_second_worker_ends_the_server_with_one_sentence(command: tuple[str, ...], tmp_path: Path) -> None:
    with started(*command, folder=tmp_path) as process:
        process.popen.wait(ENDS_WITHIN)
        assert process.log.count(REFUSAL) == 1
        assert "Traceback" not in process.log


@pytest.mark.slow
@pytest.mark.parametrize("command", [*MANY.values(), *ONE.values()], ids=[*MANY, *ONE])
def test_wrong_settings_end_the_server_after_one_message(command: tuple[str, ...], tmp_path: Path) -> None:
    """The server does not start one worker after the other, each with the same message."""
    if command[0] == GUNICORN[0]:
        needs_slow("gunicorn")
    environ = {**ENVIRON, "SAMPLE_INTERVAL": "0"}
    port = str(free_port())
    address = port if command[0] == UVICORN[0] else f"127.0.0.1:{port}"
    with subprocess.Popen(  # noqa: S603  another server, with our app
        [*command, address], cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            _, log = server.communicate(timeout=ENDS_WITHIN)
        finally:
            server.terminate()
    assert 1 <= log.count("SAMPLE_INTERVAL is '0'") <= 2, "by each worker once"


@pytest.mark.slow
@pytest.mark.parametrize("command", ONE.values(), ids=ONE)
def test_one_worker_serves_and_logs(command: tuple[str, ...], tmp_path: Path) -> None:
    with started(*command, folder=tmp_path) as process:
        assert loopback.get(f"{process.url}/count").json() == {"code": 0, "data": 2}
        wait_until(lambda: "INFO NVIDIA driver" in process.log, "the agent has logged")
        assert REFUSAL not in process.log
    assert "Traceback" not in process.log


@pytest.mark.slow
def test_two_agents_with_the_same_parent_serve_on_two_ports(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with started(*UVICORN, folder=tmp_path) as one, started(*UVICORN, folder=tmp_path / "other") as other:
        for agent in (one, other):
            assert loopback.get(f"{agent.url}/count").json() == {"code": 0, "data": 2}


@pytest.mark.slow
def test_the_agent_starts_again_under_uvicorn_reload(tmp_path: Path) -> None:
    source = tmp_path / "changed.py"
    source.touch()
    with started(
        *with_option(UVICORN, "--reload", "--reload-dir", str(tmp_path)), folder=tmp_path
    ) as process:
        source.write_text("changed = True\n")
        wait_until(lambda: process.log.count("INFO NVIDIA driver") == 2, lambda: process.log)
        assert loopback.get(f"{process.url}/count").json() == {"code": 0, "data": 2}
        assert REFUSAL not in process.log


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSES)
def test_gunicorn_replaces_its_worker_on_sighup_with_a_stream_open(name: str, tmp_path: Path) -> None:
    """gunicorn starts the new worker first."""
    command = with_option(GUNICORN, "-w", "1", "-k", name)
    with (
        started(*command, folder=tmp_path) as process,
        loopback.stream("GET", f"{process.url}/gpu/stream") as stream,
    ):
        lines = stream.iter_lines()
        next(lines)
        process.popen.send_signal(signal.SIGHUP)
        list(lines)  # raises if the body has no proper end
        wait_until(lambda: process.log.count("INFO NVIDIA driver") == 2, lambda: process.log)
        assert loopback.get(f"{process.url}/count").json() == {"code": 0, "data": 2}
        assert REFUSAL not in process.log
