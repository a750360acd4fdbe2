"""One command starts the agent. A fault stops it with one message and its own exit status."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from agent import __version__
from agent.server.agent_server import RESTART
from agent.settings import documented, scenarios
from tests.support import loopback
from tests.support.agents import free_port
from tests.support.terminal import ON_TERMINAL

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "tests" / "hardware" / "documents" / "h200_driver_580.xml"
DEADLINE = 10.0  # seconds until a test gives up

# A substitute for the real app, which has its own tests. Everything around it is real.
STAND_IN = """
import sys, time, types

failed_start = False
at_request = None

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        if failed_start:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "It cannot start"})
            return
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})
    if at_request is not None:
        at_request("It is so")

def create_app(settings, restart=None):
    if settings.url_prefix == "/slow-start":
        loaded = {"fastapi", "nvitop", "psutil", "pydantic", "pynvml"} & sys.modules.keys()
        print("creating", *loaded, file=sys.stderr, flush=True)
        time.sleep(3600)
    if settings.url_prefix == "/crash":
        raise RuntimeError("unforeseen")
    global failed_start, at_request
    failed_start = settings.url_prefix == "/failed-start"
    at_request = restart if settings.url_prefix == "/restart" else None
    return app

sys.modules["agent.app"] = types.ModuleType("agent.app")
sys.modules["agent.app"].create_app = create_app
"""
MAIN = "import main; main.run()"
UVICORN = "import main; main.app"


def started(
    directory: Path,
    *arguments: str,
    code: str = MAIN,
    before: str = "",
    **environ: str,
) -> subprocess.Popen[str]:
    """The agent on a terminal in its own process, with only these environment variables."""
    command = [*ON_TERMINAL, sys.executable, "-c", STAND_IN + code, *arguments]
    if before:
        command = ["/bin/sh", "-c", f'{before} && exec "$@"', "sh", *command]
    env = {"PYTHONPATH": str(ROOT), **environ}
    return subprocess.Popen(  # noqa: S603  our own script
        command, cwd=directory, env=env, stderr=subprocess.PIPE, text=True
    )


def outcome(
    directory: Path, *arguments: str, code: str = MAIN, before: str = "", **environ: str
) -> tuple[int, str]:
    """Exit status and stderr of a start that fails."""
    with started(directory, *arguments, code=code, before=before, **environ) as child:
        try:
            _, output = child.communicate(timeout=DEADLINE)
        finally:
            child.kill()
    return child.returncode, output


@contextmanager
def running(
    directory: Path, *arguments: str, lines: int = 1, before: str = "", **environ: str
) -> Iterator[Agent]:
    """The agent on a free port of loopback, once it has printed its first lines."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        environ |= {"HOST": "127.0.0.1", "PORT": str(free.getsockname()[1])}
    with started(directory, *arguments, before=before, **environ) as child:
        try:
            yield Agent(child, int(environ["PORT"]), lines)
        finally:
            child.kill()


class Agent:
    """A started agent: its process, its port, and its first lines of output."""

    def __init__(self, child: subprocess.Popen[str], port: int, lines: int) -> None:
        assert child.stderr is not None
        self.child, self.port, self.stderr = child, port, child.stderr
        self.output = [self.stderr.readline().rstrip() for _ in range(lines)]

    def get(self, path: str) -> int:
        """The status of the answer for a path."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=DEADLINE) as answer:
            status: int = answer.status
            return status

    def stop(self) -> tuple[int, str]:
        """Exit status after SIGTERM, and the remaining output."""
        self.child.send_signal(signal.SIGTERM)
        _, last = self.child.communicate(timeout=DEADLINE)
        return self.child.returncode, last


# Wrong starts


def test_one_message_lists_every_wrong_setting_of_every_source(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SAMPLE_INTERVAL=0\nTOKEN=hunter2\t3\n")
    status, output = outcome(tmp_path, "--port", "abc", "--url-prefix", "a b", API_KEYS=",")
    assert status == 2
    assert output.splitlines() == [
        "nvidia-smi-web-agent cannot start: 5 settings are wrong",
        "  PORT is 'abc'; accepted: a whole number from 1 to 65535",
        (
            "  URL_PREFIX is 'a b'; accepted: segments of A-Z a-z 0-9 . _ ~ -"
            ' other than "." and "..", separated by single slashes'
        ),
        "  TOKEN is ***; accepted: printable latin-1 without blanks at either end",
        "  API_KEYS is ***; accepted: one or more keys, comma-separated, each as API_KEY",
        "  SAMPLE_INTERVAL is '0'; accepted: a number of seconds from 0.5 to 60",
    ]


@pytest.mark.slow
def test_max_streams_above_the_limit_of_open_files_is_refused(tmp_path: Path) -> None:
    status, output = outcome(tmp_path, before="ulimit -n 256", MAX_STREAMS="193")
    assert status == 2
    expected = (
        "MAX_STREAMS is '193'; accepted: at most 192 while 256 files may be open (ulimit -Hn, LimitNOFILE=)"
    )
    assert expected in output


@pytest.mark.slow
def test_a_missing_file_to_replay_is_one_sentence_and_status_2(tmp_path: Path) -> None:
    status, output = outcome(tmp_path, "--simulate", "main.xml")
    assert status == 2
    title, line = output.splitlines()
    assert title == "nvidia-smi-web-agent cannot start: a setting is wrong"
    assert line.startswith(
        "  SIMULATE_GPUS is 'main.xml', which cannot be read (No such file or directory); "
    )


@pytest.mark.slow
def test_an_unknown_scenario_is_reported_before_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, output = outcome(
            tmp_path, "--simulate", "1", "--scenario", "nope", "--port", port, "--host", "127.0.0.1"
        )
    assert status == 2
    assert output.splitlines()[1].startswith("  SIMULATE_SCENARIO is 'nope'; accepted: healthy, lost, ")


def test_a_port_in_use_is_one_clear_line_and_status_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, output = outcome(tmp_path, "--host", "127.0.0.1", "--port", str(port))
    assert status == 1
    (line,) = output.splitlines()
    assert line.endswith(f" ERROR Cannot listen on 127.0.0.1:{port}: address already in use (PORT, HOST)")


def test_a_start_that_fails_is_one_sentence_and_status_3(tmp_path: Path) -> None:
    status, output = outcome(tmp_path, URL_PREFIX="failed-start", PORT=str(free_port()), TOKEN="x")  # noqa: S106  made up
    assert status == 3
    assert " ERROR It cannot start\n" in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_a_crash_is_status_1_with_a_traceback_in_the_log(tmp_path: Path) -> None:
    status, output = outcome(tmp_path, URL_PREFIX="crash", PORT=str(free_port()), TOKEN="x")  # noqa: S106  made up
    assert status == 1
    assert " CRITICAL The agent ends because of a bug\nTraceback" in output
    assert output.endswith("RuntimeError: unforeseen\n")


@pytest.mark.slow
def test_uvicorn_main_app_stops_at_wrong_settings_too(tmp_path: Path) -> None:
    status, output = outcome(tmp_path, code=UVICORN, PORT="abc")
    assert (status, output.splitlines()[1]) == (
        2,
        "  PORT is 'abc'; accepted: a whole number from 1 to 65535",
    )


def test_ctrl_c_before_the_signals_are_handled_is_status_0_too(tmp_path: Path) -> None:
    code = """
module = sys.modules["agent.server.signals"] = types.ModuleType("agent.server.signals")
def handle_stop_signals(handler):
    raise KeyboardInterrupt
module.handle_stop_signals = handle_stop_signals
"""
    assert outcome(tmp_path, code=code + MAIN) == (0, "")


def test_typing_and_logging_are_not_loaded_before_signals_are_handled(tmp_path: Path) -> None:
    code = (
        "import sys; import main, agent.server.signals; assert not {'typing', 'logging'} & sys.modules.keys()"
    )
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True)  # noqa: S603  our own


# Where the env file is


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with only main.py and agent/ of the repository."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "main.py").write_bytes((ROOT / "main.py").read_bytes())
    (folder / "agent").symlink_to(ROOT / "agent")
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """An empty working directory, such as cron and supervisor use."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def test_an_env_file_beside_main_py_is_read_from_any_directory(checkout: Path, elsewhere: Path) -> None:
    (checkout / ".env").write_text("TOKEN=hunter2\nURL_PREFIX=lab\n")
    with running(elsewhere, PYTHONPATH=str(checkout), PYTHONIOENCODING="utf-8") as agent:
        line = (
            f"/lab/ — authentication: TOKEN; env file: {checkout}/.env; HOST from the environment: 127.0.0.1"
        )
        assert agent.output[0].endswith(line)


def test_an_env_file_in_the_working_directory_is_read_instead_of_the_other(
    checkout: Path, elsewhere: Path
) -> None:
    """Never both are read: one file's prefix must not be combined with another file's token."""
    (checkout / ".env").write_text("URL_PREFIX=lab\n")
    (elsewhere / ".env").write_text("TOKEN=hunter2\n")
    with running(elsewhere, PYTHONPATH=str(checkout), PYTHONIOENCODING="utf-8") as agent:
        assert f"/ — authentication: TOKEN; env file: {elsewhere}/.env; " in agent.output[0]
        assert "/lab/" not in agent.output[0]


@pytest.mark.slow
def test_an_env_file_given_as_an_argument_is_read_instead_of_both(checkout: Path, elsewhere: Path) -> None:
    for folder in (checkout, elsewhere):
        (folder / ".env").write_text("URL_PREFIX=lab\n")
    (elsewhere / "named").write_text("TOKEN=hunter2\n")
    with running(
        elsewhere, "--env-file", "named", PYTHONPATH=str(checkout), PYTHONIOENCODING="utf-8"
    ) as agent:
        assert "/ — authentication: TOKEN; env file: named; " in agent.output[0]
        assert "/lab/" not in agent.output[0]


@pytest.mark.slow
def test_uvicorn_main_app_reads_an_env_file_beside_main_py(checkout: Path, elsewhere: Path) -> None:
    (checkout / ".env").write_text("TOKEN=hunter2\nURL_PREFIX=lab\n")
    status, output = outcome(elsewhere, code=UVICORN, PYTHONPATH=str(checkout), PYTHONIOENCODING="utf-8")
    assert status == 0
    assert output.rstrip().endswith(f" on /lab/ — authentication: TOKEN; env file: {checkout}/.env")


def test_a_host_from_an_argument_is_not_logged_as_from_the_environment(elsewhere: Path) -> None:
    with running(elsewhere, "--host", "localhost", TOKEN="hunter2", PYTHONIOENCODING="utf-8") as agent:  # noqa: S106  made up
        assert agent.output[0].endswith(f" on http://localhost:{agent.port}/ — authentication: TOKEN")


# Good starts


def test_the_agent_starts_answers_and_ends_on_a_signal_with_status_0(tmp_path: Path) -> None:
    with running(tmp_path, TOKEN="hunter2") as agent:  # noqa: S106  made up
        assert agent.get("/") == 200
        assert agent.stop() == (0, "")


def test_an_agent_that_needs_a_restart_ends_with_status_75_and_logs_why(tmp_path: Path) -> None:
    with running(tmp_path, TOKEN="hunter2", URL_PREFIX="restart") as agent:  # noqa: S106  made up
        wait_for_port(agent.port)
        assert agent.get("/") == 200
        _, output = agent.child.communicate(timeout=DEADLINE)
    assert agent.child.returncode == RESTART == 75
    assert output.endswith(" WARNING It is so: the agent ends with status 75, to be started again\n")
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("environ", "line", "warning"),
    [
        pytest.param({"TOKEN": "hunter2"}, "/ — authentication: TOKEN", None, id="token"),
        pytest.param(
            {"TOKEN": "hunter2", "API_KEYS": "hunter3,hunter4", "URL_PREFIX": "server1"},
            "/server1/ — authentication: TOKEN and 2 API keys", None, id="token and keys",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"API_KEY": "hunter2"}, "/ — authentication: 1 API key",
            "TOKEN is not set and API keys guard only the stream", id="keys only",
            marks=pytest.mark.slow,
        ),
        pytest.param({}, "/ — authentication: none", "TOKEN is not set", id="open"),
        pytest.param(
            {"TOKEN": "hunter2", "TOKENS": "hunter3, hunter4", "METRICS_TOKEN": "hunter5"},
            "/ — authentication: 3 tokens and METRICS_TOKEN", None, id="tokens",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"TOKEN": "hunter2", "SIMULATE_GPUS": "8"},
            "/ — authentication: TOKEN", None, id="simulated",
        ),
        pytest.param(
            {"TOKEN": "hunter2", "SIMULATE_GPUS": str(DOCUMENT)},
            "/ — authentication: TOKEN", None, id="replayed", marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip  # settings, line and warning of a case stand together
def test_one_line_is_logged_at_the_start_and_a_warning_without_a_token(
    tmp_path: Path, environ: dict[str, str], line: str, warning: str | None
) -> None:
    replayed = environ.get("SIMULATE_GPUS", "")
    simulated = replayed and f"; SIMULATED: {'8 GPUs' if replayed == '8' else f'replay of {replayed}'}"
    with running(tmp_path, lines=2 if warning else 1, PYTHONIOENCODING="utf-8", **environ) as agent:
        assert agent.output[0].endswith(
            f" INFO nvidia-smi-web-agent {__version__} on http://127.0.0.1:{agent.port}{line}"
            f"; HOST from the environment: 127.0.0.1{simulated}"
        )
        if warning:
            who = "anyone who reaches this port can read process command lines and user names"
            assert agent.output[1].endswith(f" WARNING {warning}: {who}")
        assert agent.stop() == (0, "")
        assert not [output for output in agent.output if "hunter" in output]


@pytest.mark.slow
def test_the_soft_limit_of_open_files_does_not_limit_the_streams(tmp_path: Path) -> None:
    with running(tmp_path, lines=2, before="ulimit -Sn 128") as agent:
        assert agent.get("/") == 200


def test_an_api_key_is_masked_in_the_access_log(tmp_path: Path) -> None:
    with running(tmp_path, TOKEN="hunter2", ACCESS_LOG="1", LOG_LEVEL="error", lines=0) as agent:  # noqa: S106  made up
        wait_for_port(agent.port)
        assert agent.get("/gpu/stream?api_key=hunter3&api%5Fkey=hunter4&interval=1") == 200
        status, log = agent.stop()
    assert status == 0
    assert '"GET /gpu/stream?api_key=***&api_key=***&interval=1 HTTP/1.1" 200' in log
    assert "hunter" not in log


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "the port did not open in time"
            time.sleep(0.01)
        else:
            return


TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
REFUSED = [TLS_HELLO, b"GET /" + b"a" * 9000, b"GET / HTTP/1.1\r\nX: " + b"x" * 50_000]


@pytest.mark.slow
@pytest.mark.parametrize(("level", "refusals"), [("info", 0), ("debug", len(REFUSED))])
def test_refused_requests_are_logged_only_at_level_debug(tmp_path: Path, level: str, refusals: int) -> None:
    with running(tmp_path, TOKEN="hunter2", LOG_LEVEL=level) as agent:  # noqa: S106  made up
        wait_for_port(agent.port)
        for request in REFUSED:
            with socket.create_connection(("127.0.0.1", agent.port), timeout=DEADLINE) as client:
                client.sendall(request)
                assert client.recv(65536).startswith(b"HTTP/1.1 4")
        status, log = agent.stop()
    assert status == 0
    assert log.count(" DEBUG Refused ('127.0.0.1', ") == refusals
    assert bool(log) == bool(refusals)


def test_health_answers_before_the_libraries_of_the_app_are_loaded(tmp_path: Path) -> None:
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind(f"{tmp_path}/notify")
    notified.settimeout(0)
    environ = {"URL_PREFIX": "slow-start", "NOTIFY_SOCKET": f"{tmp_path}/notify"}
    with notified, running(tmp_path, lines=0, **environ) as agent:
        wait_for_port(agent.port)
        url = f"http://127.0.0.1:{agent.port}/slow-start"
        answer = loopback.get(f"{url}/health", timeout=DEADLINE)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert answer.headers["Date"]
        with pytest.raises(httpx.ReadTimeout):  # other requests wait for the app
            loopback.get(f"{url}/count", timeout=0.2)
        with pytest.raises(BlockingIOError):  # systemd has not been notified yet that the start is complete
            notified.recv(64)
        assert agent.stderr.readline() == "creating\n"
        assert agent.stop()[0] == 0


@pytest.mark.parametrize(
    "sig",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_a_signal_before_the_server_runs_ends_the_agent_with_status_0(
    tmp_path: Path, sig: signal.Signals
) -> None:
    with running(tmp_path, URL_PREFIX="slow-start") as agent:
        assert agent.output == ["creating"]
        agent.child.send_signal(sig)
        assert agent.child.wait(DEADLINE) == 0


def test_uvicorn_main_app_gets_the_app_configured_by_the_environment(tmp_path: Path) -> None:
    code = f"{UVICORN}; assert main.app._app is app; assert main.app is main.app"
    code += "; assert 'agent.simulation' not in sys.modules"  # a GPU host does not need it
    environ = {"TOKEN": "hunter2", "URL_PREFIX": "lab", "UDS": "/run/agent", "PYTHONIOENCODING": "utf-8"}
    status, output = outcome(tmp_path, code=code, **environ)
    assert status == 0
    started, unused = output.splitlines()
    assert f"INFO nvidia-smi-web-agent {__version__} on /lab/ — authentication: TOKEN" in started
    assert unused.endswith(" WARNING UDS: not used under this server, which has its own options for it")


IN_A_WORKER = """
from multiprocessing import get_context

def load():
    import main
    print(type(main.app).__name__, file=sys.stderr)

worker = get_context("fork").Process(target=load)
worker.start()
worker.join()
sys.exit(worker.exitcode)
"""


def test_a_worker_of_uvicorn_is_the_only_one_and_is_not_started_again_with_wrong_settings(
    tmp_path: Path,
) -> None:
    status, output = outcome(tmp_path, code=IN_A_WORKER, TOKEN="hunter2")  # noqa: S106  made up
    assert status == 0
    assert "SingleWorker" in output  # the log, which a thread writes, may have a line before or after it
    assert outcome(tmp_path, code=IN_A_WORKER, PORT="abc")[0] == 3


def test_the_traceback_of_an_agent_that_systemd_aborts_is_in_the_log(tmp_path: Path) -> None:
    environ = {"NOTIFY_SOCKET": f"{tmp_path}/none", "WATCHDOG_USEC": "60000000"}
    with running(tmp_path, lines=1, URL_PREFIX="slow-start", **environ) as agent:
        agent.child.send_signal(signal.SIGABRT)
        _, output = agent.child.communicate(timeout=DEADLINE)
    assert agent.child.returncode == -signal.SIGABRT
    assert output.startswith("Fatal Python error: Aborted\n")


# Output that cannot be written

CLOSED = {
    "stdout closed": ">&-",
    "stderr closed": "2>&-",
    "all closed": "<&- >&- 2>&-",
    "stdout full": ">/dev/full",
    "stderr full": "2>/dev/full",
    "no reader of stdout": "| true",
    "no reader of either": "2>&1 | true",
}
QUICK = {("--help", "stdout full"), ("--port=x", "all closed")}


@pytest.mark.parametrize(
    ("arguments", "expected", "closed"),
    [
        pytest.param(
            arguments,
            expected,
            closed,
            marks=() if (arguments, name) in QUICK else pytest.mark.slow,
            id=f"{arguments}, {name}",
        )
        for arguments, expected in [("--version", 0), ("--help", 0), ("--port=x", 2), ("--wrong", 2)]
        for name, closed in CLOSED.items()
    ],
)
def test_the_exit_status_is_right_even_if_the_output_cannot_be_written(
    arguments: str, expected: int, closed: str
) -> None:
    is_lost = closed == CLOSED["stdout full"] and not expected
    assert ended(f"{sys.executable} main.py {arguments}", closed) == (1 if is_lost else expected, "")


def ended(command: str, closed: str) -> tuple[int, str]:
    """The exit status, and the output if it has a traceback."""
    script = f"{command} {closed}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(  # noqa: S603  our own script
        ["/bin/bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    output = done.stdout + done.stderr
    return done.returncode, output if "Traceback" in output or "Exception" in output else ""


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_the_agent_serves_and_ends_even_if_its_output_cannot_be_written(closed: str) -> None:
    """stdout and stderr are a pipe without a reader, unless `closed` redirects them."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    port = free_port()
    command = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "main.py", "--simulate", "1"]
    address = ["--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen([*command, *address], cwd=ROOT, stdout=write_end, stderr=write_end) as child:  # noqa: S603  our own
        os.close(write_end)
        try:
            wait_for_port(port)
            for _ in range(20):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=DEADLINE) as answer:
                    assert json.load(answer)["status"] == "ok"
            child.terminate()
            assert child.wait(DEADLINE) == 0
        finally:
            child.kill()


# --help and --version


def output_of(*arguments: str) -> str:
    command = [sys.executable, "main.py", *arguments]
    return subprocess.check_output(command, cwd=ROOT, env={**os.environ, "COLUMNS": "100"}, text=True)  # noqa: S603  our own


def test_help_lists_every_setting_with_default_range_and_help() -> None:
    text = output_of("--help")
    for option in [
        "--host",
        "--port",
        "--url-prefix",
        "--simulate",
        "--scenario",
        "--env-file",
        "--log-level",
        "--version",
    ]:
        assert f"\n  {option}" in text
    assert documented()
    for row in documented():
        assert f"  {row.name}={row.default}\n      {row.help} Accepted: {row.accepted}.\n" in text


def test_help_lists_every_scenario() -> None:
    text = output_of("--help")
    assert scenarios()
    for name, what in scenarios().items():
        assert f"\n  {name}\n      {what}\n" in text


def test_version_prints_the_version() -> None:
    assert output_of("--version") == f"nvidia-smi-web-agent {__version__}\n"
