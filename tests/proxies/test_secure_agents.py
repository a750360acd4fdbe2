"""Agents that a proxy reaches over a Unix socket and over HTTPS, as its file has in comments."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.proxies.conftest import agent_behind
from tests.proxies.reverse_proxy import Setup, checked, proxy
from tests.support.certificates import made_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.proxies.reverse_proxy import Program
    from tests.support.agents import Process
    from tests.support.certificates import Certificate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def agents(certificate: Certificate) -> Iterator[tuple[str, str, str]]:
    """The URLs of two agents, and the socket of the first, in a folder that the proxy's user may enter."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        os.chmod(folder, 0o711)  # noqa: PTH101, S103  (as the unit's RuntimeDirectoryMode)
        socket = f"{folder}/socket"
        first = agent_behind(stack, "server1", UDS=socket).url
        yield first, secure_agent(stack, certificate).url, socket


def secure_agent(stack: ExitStack, pair: Certificate) -> Process:
    files = {"TLS_CERT": str(pair.certificate), "TLS_KEY": str(pair.key)}
    return agent_behind(stack, "server2", strip=False, port="", ACCESS_LOG="1", **files)


def setup_of(folder: Path, certificate: Certificate, agents: tuple[str, str, str]) -> Setup:
    first, second, socket = agents
    return Setup(folder, certificate, (first, second), socket=socket, http_port=8080, https_port=8443)


def test_agents_behind_a_unix_socket_and_https_answer_and_stream(
    program: Program, certificate: Certificate, agents: tuple[str, str, str], tmp_path: Path
) -> None:
    with proxy(program, setup_of(tmp_path, certificate, agents)) as origin, origin.client() as client:
        for server in ("server1", "server2"):
            for _ in range(3):
                assert client.get(f"/{server}/count").json() == {"code": 0, "data": 2}
            with client.stream("GET", f"/{server}/gpu/stream?interval=0.5") as stream:
                lines = stream.iter_lines()
                assert sum(next(lines).startswith("data: {") for _ in range(4)) == 2


def test_a_proxy_does_not_trust_an_unknown_certificate_of_an_agent(
    program: Program, certificate: Certificate, agents: tuple[str, str, str], tmp_path: Path
) -> None:
    """No token is sent to another server that answers instead of the agent."""
    (tmp_path / "strange").mkdir()
    strange = made_certificate(tmp_path / "strange")
    with ExitStack() as stack:
        second = secure_agent(stack, strange)
        setup = setup_of(tmp_path, certificate, (agents[0], second.url, agents[2]))
        with proxy(program, setup) as origin, origin.client() as client:
            assert client.get("/server1/count").status_code == 200
            assert client.get("/server2/count").status_code in {502, 503}
        assert "/server2/count" not in second.log


def test_each_proxy_accepts_its_file_with_the_commented_lines(
    program: Program, certificate: Certificate, agents: tuple[str, str, str], tmp_path: Path
) -> None:
    status, words = checked(program, setup_of(tmp_path, certificate, agents))
    assert status == 0, words
