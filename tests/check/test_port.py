"""The address to listen on: free, used by an agent, or used by something else."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from agent.check.port import check_port, port_problems, port_view
from agent.server.listener import listening_at
from agent.settings import Settings
from tests.server.test_probe import answering
from tests.support.agents import agent_server, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from agent.check.report import Port


def checked(**environ: str) -> tuple[Port, list[str]]:
    port = check_port(Settings.from_mapping({"HOST": "127.0.0.1", **environ}))
    return port, [problem.name for problem in port_problems(port)]


def test_a_free_port_stays_free() -> None:
    port = str(free_port())
    for _ in range(2):
        found, problems = checked(PORT=port)
        assert (found.address, found.state, problems) == (f"127.0.0.1:{port}", "free", [])
    socket.create_server(("127.0.0.1", int(port))).close()


@pytest.mark.usefixtures("simulation")
def test_an_agent_on_the_port_is_a_problem_only_if_its_settings_differ() -> None:
    with agent_server(URL_PREFIX="lab") as url:
        port = str(urlsplit(url).port)
        found, problems = checked(PORT=port, URL_PREFIX="lab")
        assert (found.state, problems) == ("agent", [])
        found, problems = checked(PORT=port)
        assert (found.state, found.error, problems) == ("other", "/health answered 404", ["port_taken"])


def test_another_program_on_the_port_is_reported() -> None:
    with answering(b"SSH-2.0-OpenSSH\r\n") as port:
        found, problems = checked(PORT=port)
    assert (found.state, problems) == ("other", ["port_taken"])
    assert found.error == "/health cannot be reached: SSH-2.0-OpenSSH"


def test_an_address_of_another_machine_has_the_same_message_as_a_failed_start() -> None:
    found, problems = checked(HOST="192.0.2.1", PORT="8000")
    assert (found.state, problems) == ("unusable", ["cannot_listen"])
    assert found.error == "Cannot listen on 192.0.2.1:8000: cannot assign requested address (PORT, HOST)"


def test_a_unix_socket_is_checked_instead_of_the_port(tmp_path: Path) -> None:
    path = tmp_path / "agent"
    found, problems = checked(UDS=str(path))
    assert (found.address, found.state, problems) == (str(path), "free", [])
    assert not path.exists()
    with listening_at(str(path)) as listener:
        listener.close()
        found, problems = checked(UDS=str(path))
        assert (found.state, problems) == ("free", []), "nobody listens: an agent takes its place"
        assert path.exists(), "a check does not"
    path.touch()
    found, problems = checked(UDS=str(path))
    assert (found.state, problems) == ("unusable", ["cannot_listen"])
    assert found.error == f"Cannot listen on {path}: something that is not a socket is there (UDS)"
    found, problems = checked(UDS=str(path / "below"))
    assert (found.state, problems) == ("unusable", ["cannot_listen"])


def test_an_agent_on_a_unix_socket_is_recognized(tmp_path: Path) -> None:
    path = tmp_path / "agent"
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}'
    with listening_at(str(path)) as listener:

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    if connection.recv(
                        4096
                    ):  # the first connection only tests whether a program listens, and sends nothing
                        connection.sendall(answer)
                        return

        thread = threading.Thread(target=serve, name="answering", daemon=True)
        thread.start()
        found, problems = checked(UDS=str(path))
        thread.join(10)
    assert (found.state, problems) == ("agent", [])


def test_a_name_server_that_does_not_answer_is_reported() -> None:
    assert [problem.name for problem in port_problems(port_view(Settings(), "unknown"))] == ["port_unknown"]
