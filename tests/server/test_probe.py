"""`python -m agent.server.probe`: healthy only when the agent of these settings answers."""

from __future__ import annotations

import http.client
import socket
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from agent.server.probe import (
    MAX_ANSWER_BYTES,
    MAX_REASON,
    SETTINGS,
    TIMEOUT,
    connection_to,
    reachable,
    request_health,
)
from agent.settings.environment import load_settings
from tests.packaging.commands import run
from tests.support.agents import ROOT, agent_process, free_port
from tests.support.certificates import made_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def probe(environ: Mapping[str, str], cwd: Path = ROOT) -> tuple[int, str]:
    """The exit status, and the single line of output."""
    finished = run([sys.executable, "-m", "agent.server.probe"], cwd, PYTHONPATH=str(ROOT), **environ)
    assert finished.stderr == ""
    assert finished.stdout.count("\n") == 1
    return finished.returncode, finished.stdout.strip()


def connection_of(**environ: str) -> tuple[http.client.HTTPConnection, str]:
    return connection_to(load_settings(environ, env_file=None, only=SETTINGS))


def test_the_connection_over_tls_does_not_check_the_host_name(tmp_path: Path) -> None:
    connection, address = connection_of(TLS_CERT=f"{tmp_path}/a", TLS_KEY=f"{tmp_path}/b", PORT="1")

    assert isinstance(connection, http.client.HTTPSConnection)
    assert (address, connection.timeout) == ("https://127.0.0.1:1", 3)


def test_the_connection_to_a_unix_socket_has_a_timeout_of_three_seconds(tmp_path: Path) -> None:
    connection, address = connection_of(UDS=f"{tmp_path}/agent")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(f"{tmp_path}/agent")
        listener.listen()
        connection.connect()
        assert (address, connection.sock.gettimeout()) == (f"http://unix:{tmp_path}/agent:", 3)
        assert connection.sock.getpeername() == f"{tmp_path}/agent"
        connection.close()


def test_the_connection_is_closed_after_the_answer() -> None:
    connection, _ = connection_of()
    connection.sock, agent = socket.socketpair()
    with agent:
        agent.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}')
        request_health(connection, "/health")
        assert connection.sock is None
        assert agent.recv(100).startswith(b"GET /health HTTP/1.1\r\n")


def test_the_probe_waits_three_seconds_for_an_answer_of_at_most_4_kib() -> None:
    assert (TIMEOUT, MAX_ANSWER_BYTES, MAX_REASON) == (3, 4096, 200)


@pytest.mark.parametrize("closed", [">&-", ">/dev/full", "| true"])
def test_the_exit_status_is_right_even_if_the_output_cannot_be_written(closed: str) -> None:
    with answering(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}') as port:
        script = f"{sys.executable} -m agent.server.probe {closed}; exit ${{PIPESTATUS[0]}}"
        finished = run(["bash", "-c", script], ROOT, PORT=port, HOST="127.0.0.1")
    assert (finished.returncode, finished.stderr) == (0, "")


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The port of a server that sends these bytes to each client, whatever it requests."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, name="answering")
        thread.start()
        try:
            yield str(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.slow
def test_the_probe_needs_the_port_and_the_prefix_but_no_token() -> None:
    settings = {
        "URL_PREFIX": "rack/server2/",
        "TOKEN": "secret",
        "ROOT_PATH": "/gpus",
        "ALLOWED_HOSTS": "a.example",
    }
    with agent_process("--simulate", "1", prefix="/rack/server2", **settings) as agent:
        port = agent.url.split(":")[2].partition("/")[0]
        where = f"http://127.0.0.1:{port}/rack/server2/health"
        assert probe({"PORT": port, **settings}) == (0, f"healthy: {where}")
        assert probe({"PORT": port}) == (1, f"unhealthy: http://127.0.0.1:{port}/health answered 400")


@pytest.mark.slow
def test_the_probe_works_over_tls_even_without_the_certificate_files(tmp_path: Path) -> None:
    made = made_certificate(tmp_path)
    port = str(free_port())
    settings = {"TLS_CERT": str(made.certificate), "TLS_KEY": str(made.key)}
    with agent_process("--simulate", "1", port=port, **settings):
        where = f"https://127.0.0.1:{port}/health"
        for _ in range(2):
            assert probe({"PORT": port, "HOST": "127.0.0.1", **settings}) == (0, f"healthy: {where}")
            made.key.unlink(missing_ok=True)


@pytest.mark.slow
def test_the_probe_works_over_a_unix_socket(tmp_path: Path) -> None:
    settings = {"UDS": f"{tmp_path}/agent.sock", "URL_PREFIX": "server2"}
    where = f"http://unix:{tmp_path}/agent.sock:/server2/health"
    with agent_process("--simulate", "1", prefix="/server2", **settings):
        assert probe(settings) == (0, f"healthy: {where}")
    status, line = probe({**settings, "UDS": f"{tmp_path}/none"})
    assert (status, "cannot be reached: [Errno 2] No such file" in line) == (1, True)


def test_the_probe_reads_the_same_env_file_as_the_agent(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / ".env").write_text(f"PORT={port}\nURL_PREFIX=server2\n")
    status, line = probe({}, cwd=tmp_path)
    assert status == 1
    assert line.startswith(f"unhealthy: http://127.0.0.1:{port}/server2/health cannot be reached: ")
    assert line.endswith("Connection refused")


def test_the_probe_reads_the_env_file_beside_main_py_from_any_directory(tmp_path: Path) -> None:
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    for folder in (checkout, elsewhere):
        folder.mkdir()
    (checkout / "agent").symlink_to(ROOT / "agent")
    (checkout / ".env").write_text("PORT=abc\n")
    finished = run([sys.executable, "-m", "agent.server.probe"], elsewhere, PYTHONPATH=str(checkout))
    assert finished.stdout.startswith("unhealthy: PORT is 'abc'")


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        pytest.param("not an agent's", b"HTTP/1.1 200 OK\r\n\r\nwelcome", id="another server"),
        pytest.param("not an agent's", b"HTTP/1.1 200 OK\r\n\r\n[]", id="other JSON"),
        pytest.param("not an agent's", b"HTTP/1.1 200 OK\r\n\r\n\xff\xfe", id="not text"),
        pytest.param("answered 503", b'HTTP/1.1 503 Busy\r\n\r\n{"status":"ok"}', id="an error"),
        pytest.param("cannot be reached: SSH-2.0", b"SSH-2.0\r\n", id="not HTTP"),
        pytest.param("cannot be reached: ", b"", id="nothing"),
    ],
)
def test_any_other_answer_is_unhealthy(expected: str, answer: bytes) -> None:
    with answering(answer) as port:
        status, line = probe({"PORT": port})
    assert status == 1
    assert expected in line


def test_wrong_settings_are_unhealthy_with_the_reason() -> None:
    status, line = probe({"PORT": "abc", "URL_PREFIX": "a b"})
    assert status == 1
    assert line.startswith("unhealthy: PORT is 'abc'; accepted: ")
    assert "URL_PREFIX is 'a b'; accepted: " in line


def test_a_running_agent_is_healthy_even_if_its_token_file_has_become_unreadable() -> None:
    """Its tokens stay in force. A restart would lose them."""
    with answering(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}') as port:
        status, line = probe({"PORT": port, "TOKEN_FILE": "/no/such/file", "METRICS_TOKEN": "a"})
    assert (status, line.partition(":")[0]) == (0, "healthy")


@pytest.mark.parametrize(
    ("expected", "host"),
    [
        ("127.0.0.1", "0.0.0.0"),  # noqa: S104  what the agent listens on, not this test
        ("::1", "::"),
        ("127.0.0.2", "127.0.0.2"),
        ("fd00::7", "fd00::7"),
        ("gpu-host", "gpu-host"),
    ],
)
def test_the_probe_connects_to_the_address_on_which_the_agent_listens(expected: str, host: str) -> None:
    assert reachable(host) == expected
