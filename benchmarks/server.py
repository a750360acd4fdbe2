"""Programs under measurement: real processes pinned to the server's core, and their resource use."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from agent.settings import Settings
from benchmarks import driver as compiled
from benchmarks import machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).parents[1]
DEADLINE = 30.0  # seconds after which a start counts as failed

PREFIX = "/server1"
TOKEN = "benchmark-token"  # noqa: S105  guards nothing
HEADERS = {"Authorization": TOKEN}
SETTINGS = {"URL_PREFIX": PREFIX, "TOKEN": TOKEN}


@dataclass
class Server:
    """One running server program."""

    popen: subprocess.Popen[bytes]
    port: int
    log: Path
    started: float  # seconds of the monotonic clock, just before the process was started
    first_answer: float = 0.0  # seconds from the start to the first 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """CPU time of the process with nanosecond resolution; psutil has hundredths of a second."""
        # As clock_getcpuclockid(3), which Python does not provide.
        return time.clock_gettime(~self.popen.pid << 3 | 2)

    def resident_mib(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.popen.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2

    def counts(self) -> dict[str, float]:
        """The counters of the program's simulated driver; see `programs.simulated`."""
        question, answer = self.popen.stdin, self.popen.stdout
        if question is None or answer is None:
            raise RuntimeError("The program was started without pipes")
        question.write(b"\n")
        question.flush()
        counts: dict[str, float] = json.loads(answer.readline())
        return counts

    def tasks(self) -> int:
        """The number of unfinished asyncio tasks of the program; see `programs.simulated`."""
        question, answer = self.popen.stdin, self.popen.stdout
        if question is None or answer is None:
            raise RuntimeError("The program was started without pipes")
        question.write(b"t")
        question.flush()
        return int(answer.readline())

    def open_files(self) -> int:
        """The number of open file descriptors, including sockets."""
        return sum(1 for _ in Path(f"/proc/{self.popen.pid}/fd").iterdir())

    def get(self, path: str, **headers: str) -> tuple[list[tuple[str, str]], bytes]:
        """Headers and body of an answer on a new connection. Raises OSError if the status is not 200."""
        request = urllib.request.Request(self.url + path, headers=HEADERS | headers)  # noqa: S310  (http, our own)
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:  # noqa: S310
            return answer.getheaders(), answer.read()

    def first_answer_after(self, idle_seconds: float, path: str) -> float:
        """Milliseconds until the answer to a request, after nobody has sent one for `idle_seconds`."""
        time.sleep(idle_seconds)
        started = time.perf_counter()
        self.get(path)
        return (time.perf_counter() - started) * 1000

    def wait(self, path: str) -> float:
        """Wait for the first 200; returns the seconds since the start. Raises RuntimeError with the log."""
        while time.monotonic() - self.started < DEADLINE:
            try:
                self.get(path)
            except urllib.error.HTTPError as refused:
                refused.close()
            except OSError:
                if self.popen.poll() is not None:
                    break
            else:
                return time.monotonic() - self.started
            time.sleep(0.001)
        raise RuntimeError(f"{self.popen.args!r} does not serve {path}:\n{self.log.read_text('utf-8')}")


@contextmanager
def running(
    program: str, *arguments: str, ready: str = PREFIX + "/status", root: Path | str = ROOT, **environ: str
) -> Iterator[Server]:
    """Runs `python -m benchmarks.programs.PROGRAM`, or a script, once it answers 200 at `ready`.

    `root`: the checkout whose code it runs.
    """
    port = free_port()
    listen = "--host", "127.0.0.1", "--port", str(port)
    what = [program] if program.endswith(".py") else ["-m", f"benchmarks.programs.{program}"]
    with ExitStack() as stack:
        log = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "log"
        with log.open("wb") as log_file:
            started = time.monotonic()
            popen = subprocess.Popen(  # noqa: S603  (our own program)
                machine.pinned(machine.server_core(), sys.executable, *what, *listen, *arguments),
                cwd=root,
                env={**_clean_environ(), **environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log_file,
            )
        stack.callback(_end, popen)
        server = Server(popen, port, log, started)
        server.first_answer = server.wait(ready)
        yield server


@contextmanager
def sleepers(count: int, programs: Sequence[str] = ("sleep",)) -> Iterator[list[int]]:
    """The pids of `count` idle processes, which run these programs in turn."""
    popens: list[subprocess.Popen[bytes]] = []
    try:
        for program in islice(cycle(programs), count):
            popens.append(subprocess.Popen([program, "3600"]))  # noqa: PERF401, S603  (those made must end)
        yield [popen.pid for popen in popens]
    finally:
        for popen in popens:
            popen.kill()
        for popen in popens:
            popen.wait()


@contextmanager
def on_compiled_driver(
    gpus: int, processes: int, *, links: int = 18, fans: int = 0, root: Path | str = ROOT, **settings: str
) -> Iterator[tuple[Server, Callable[[], int]]]:
    """The agent as started by its command line, on the compiled driver; and a counter of driver calls."""
    with tempfile.TemporaryDirectory() as folder, sleepers(processes) as pids:
        compiled.build(Path(folder))
        calls = Path(folder) / "calls"
        environ = {
            "LD_LIBRARY_PATH": folder,
            "NVML_GPUS": str(gpus),
            "NVML_LINKS": str(links),
            "NVML_FANS": str(fans),
            "NVML_PIDS": ",".join(map(str, pids)),
            "NVML_CALLS": str(calls),
        }
        with running("main.py", root=root, **SETTINGS, **environ, **settings) as agent:
            yield agent, lambda: int.from_bytes(calls.read_bytes(), sys.byteorder)


@contextmanager
def usual_driver() -> Iterator[tuple[str, ...]]:
    """Arguments for a simulated driver with 8 GPUs, 4 processes on each, and 50 µs per NVML call."""
    with sleepers(8 * 4) as pids:
        yield driver(gpus=8, pids=pids, call_us=50)


def driver(*, gpus: int, pids: Sequence[int], call_us: float) -> tuple[str, ...]:
    """Arguments for a simulated driver; the processes are distributed over its GPUs."""
    return f"--gpus={gpus}", f"--call-us={call_us}", f"--pids={','.join(map(str, pids))}"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _clean_environ() -> dict[str, str]:
    """The environment without settings of the agent, and with byte code written as usual."""
    names = {name.upper() for name in Settings.__dataclass_fields__} | {"PYTHONDONTWRITEBYTECODE"}
    return {name: value for name, value in os.environ.items() if name not in names}


def _end(popen: subprocess.Popen[bytes]) -> None:
    popen.terminate()
    try:
        popen.wait(timeout=5)
    except subprocess.TimeoutExpired:
        popen.kill()
        popen.wait()
    for pipe in (popen.stdin, popen.stdout):
        if pipe is not None:
            pipe.close()
