"""Running agents for tests: in process, on a real socket, or as the process that a user starts."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import uvicorn

from agent.app import create_app
from agent.http.parameters import NO_CONTACT
from agent.readings import GpuState
from agent.server.protocol import LimitedHttpProtocol
from agent.settings import Settings
from tests.support.clock import RunningLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from starlette.applications import Starlette

    from agent.readings import Snapshot
    from agent.sampling.sampler import Sampler

ROOT = Path(__file__).parents[2]
START_DEADLINE = 60.0  # seconds; a loaded machine is slow


def settings(**environ: str) -> Settings:
    """Settings from these environment variables, without history by default."""
    return Settings.from_mapping({"HISTORY_INTERVAL": "0", **environ})


@asynccontextmanager
async def agent_client(**environ: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an agent in this process, over the NVML library that is installed now. Not for streams."""
    app = create_app(settings(**environ), contained=False)
    async with _client_of(app) as client:
        await first_contact(app.state.shared.sampler)
        yield client


@asynccontextmanager
async def hung_agent_client(**environ: str) -> AsyncIterator[httpx.AsyncClient]:
    """The same for a driver that hangs from the start: there is no first contact to wait for."""
    async with _client_of(create_app(settings(**environ), contained=False)) as client:
        yield client


@asynccontextmanager
async def _client_of(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://agent") as client,
    ):
        yield client


async def first_contact(sampler: Sampler) -> None:
    """Wait until the driver and every GPU have answered, and the host knows their processes.

    The processes of this user then have its name, which another thread looks up.
    """
    async with asyncio.timeout(START_DEADLINE):
        snapshot = await sampler.latest()
        while not snapshot.driver_error and (snapshot.driver is None or _lacks_something(snapshot)):
            snapshot = await sampler.latest(max_age=0)


def _lacks_something(snapshot: Snapshot) -> bool:
    pids = {process.pid for gpu in snapshot.gpus for process in gpu.values.processes or ()}
    starting = any(gpu.state is GpuState.STARTING for gpu in snapshot.gpus)
    mine = [process for process in snapshot.host_processes.values() if process.uid == os.getuid()]
    unnamed = _i_have_a_name() and any(process.username is None for process in mine)
    return starting or unnamed or not pids <= snapshot.host_processes.keys()


def _i_have_a_name() -> bool:
    try:
        return bool(pwd.getpwuid(os.getuid()))
    except KeyError:  # in a container, the uid may have no name
        return False


@contextmanager
def agent_server(**environ: str) -> Iterator[str]:
    """The URL of an agent on a real socket, in a thread, over the NVML library that is installed now."""
    app = create_app(settings(**environ), contained=False)

    async def contact() -> None:
        await first_contact(app.state.shared.sampler)

    with server(app, contact) as url:
        yield url


@contextmanager
def hung_agent_server(**environ: str) -> Iterator[str]:
    """The same for a driver that hangs from the start: there is no first contact to wait for."""
    with server(create_app(settings(**environ), contained=False)) as url:
        yield url


@contextmanager
def server(app: Starlette, when_started: Callable[[], Awaitable[None]] | None = None) -> Iterator[str]:
    """The URL of any app on a real socket, in a thread, after `when_started` has been awaited."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Accepted connections inherit it. asyncio sets it only on sockets with a named protocol, and this one
        # does not: the second half of an answer would wait 40 ms for the acknowledgement of the first.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        port = listener.getsockname()[1]
        running = uvicorn.Server(
            uvicorn.Config(
                app,
                http=LimitedHttpProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        ready = threading.Event()

        async def serve() -> None:
            serving = asyncio.create_task(running.serve(sockets=[listener]))
            while not running.started and not serving.done():  # noqa: ASYNC110  (uvicorn has no other way to report it)
                await asyncio.sleep(0.001)
            if when_started is not None:
                await when_started()
            ready.set()
            await serving

        def run() -> None:
            with asyncio.Runner(loop_factory=RunningLoop) as runner:
                runner.run(serve())

        thread = threading.Thread(target=run, name="test server")
        thread.start()
        try:
            assert ready.wait(START_DEADLINE), "the server has started"
            yield f"http://127.0.0.1:{port}"
        finally:
            running.should_exit = True
            thread.join()


@dataclass
class Process:
    """An agent in its own process."""

    popen: subprocess.Popen[bytes]
    url: str
    log_file: Path
    uds: str = ""  # the Unix socket that it listens on instead

    def get(self, path: str, **headers: str) -> httpx.Response:
        transport = httpx.HTTPTransport(uds=self.uds or None, verify=False)
        with httpx.Client(transport=transport, base_url=self.url, headers=headers) as client:
            return client.get(path)

    def answers(self, path: str) -> bool:
        """Whether the agent answers the probe, and not with the 503 of a driver that has not answered yet."""
        assert self.popen.poll() is None, f"the agent ended; its log:\n{self.log}"
        try:
            response = self.get(path)
        except httpx.TransportError:
            return False
        return response.status_code in {200, 503} and NO_CONTACT not in response.text

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; returns the exit status."""
        self.popen.send_signal(sig)
        return self.popen.wait(timeout=10)


@contextmanager
def agent_process(
    *arguments: str,
    prefix: str = "",
    port: str = "",
    program: Sequence[str] = ("main.py",),
    inside: Sequence[str] = (),
    probe: str = "/ready",
    **environ: str,
) -> Iterator[Process]:
    """`python main.py --port … ARGUMENTS`, or another `program`, ready to answer.

    `inside` is the start of a command line that runs it elsewhere, like `unshare`. Its standard input is
    no terminal, unless `inside` is ON_TERMINAL. `probe` is /health?whole if the
    driver never answers: without a query, /health answers before the rest of the agent.
    """
    port = port or str(free_port())
    with tempfile.TemporaryDirectory() as folder:
        log_file = Path(folder) / "log"
        with log_file.open("wb") as log:
            popen = subprocess.Popen(  # noqa: S603  (our own program)
                [*inside, sys.executable, *program, "--host", "127.0.0.1", "--port", port, *arguments],
                cwd=ROOT,
                env={**clean_environ(), **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        scheme = "https" if "TLS_CERT" in environ else "http"
        process = Process(popen, f"{scheme}://127.0.0.1:{port}{prefix}", log_file, environ.get("UDS", ""))
        try:
            wait_until(
                lambda: process.answers(probe),
                lambda: f"the agent answers; its log:\n{process.log}",
            )
            yield process
        finally:
            if popen.poll() is None:
                popen.kill()
                popen.wait()


def clean_environ() -> dict[str, str]:
    """The environment without any setting of the agent that this machine may have."""
    names = {field.upper() for field in Settings.__dataclass_fields__}
    return {name: value for name, value in os.environ.items() if name not in names}


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until(
    condition: Callable[[], object], what: str | Callable[[], str], deadline: float = START_DEADLINE
) -> None:
    """Wait until `condition()` is true; AssertionError after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, f"waited {deadline} s until {what() if callable(what) else what}"
        time.sleep(0.01)
