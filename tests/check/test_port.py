"""The address to listen on: free, of an agent, or of something else."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from agent.check.port import look_at_port, port_problems, port_view
from agent.settings import Settings
from tests.server.test_probe import answering
from tests.support.agents import agent_server, free_port

if TYPE_CHECKING:
    from agent.check.report import Port


def look(**environ: str) -> tuple[Port, list[str]]:
    port = look_at_port(Settings.from_mapping({"HOST": "127.0.0.1", **environ}))
    return port, [problem.name for problem in port_problems(port)]


def test_a_free_port_stays_free() -> None:
    port = str(free_port())
    for _ in range(2):
        found, problems = look(PORT=port)
        assert (found.address, found.state, problems) == (f"127.0.0.1:{port}", "free", [])
    socket.create_server(("127.0.0.1", int(port))).close()


@pytest.mark.usefixtures("simulation")
def test_an_agent_that_runs_there_is_no_fault_unless_its_settings_are_others() -> None:
    with agent_server(URL_PREFIX="lab") as url:
        port = str(urlsplit(url).port)
        found, problems = look(PORT=port, URL_PREFIX="lab")
        assert (found.state, problems) == ("agent", [])
        found, problems = look(PORT=port)
        assert (found.state, found.error, problems) == ("other", "/health answered 404", ["port_taken"])


def test_something_else_that_listens_there_is_told() -> None:
    with answering(b"SSH-2.0-OpenSSH\r\n") as port:
        found, problems = look(PORT=port)
    assert (found.state, problems) == ("other", ["port_taken"])
    assert found.error == "/health cannot be asked: SSH-2.0-OpenSSH"


def test_an_address_of_another_machine_is_told_as_at_the_start() -> None:
    found, problems = look(HOST="192.0.2.1", PORT="8000")
    assert (found.state, problems) == ("unusable", ["cannot_listen"])
    assert found.error == "Cannot listen on 192.0.2.1:8000: cannot assign requested address (PORT, HOST)"


def test_a_name_server_that_is_silent_is_told() -> None:
    assert [problem.name for problem in port_problems(port_view(Settings(), "unknown"))] == ["port_unknown"]
