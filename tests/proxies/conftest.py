"""Agents behind proxies."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.proxies.reverse_proxy import (
    PROGRAMS,
    TOKENS,
    Origin,
    Program,
    Setup,
    proxy,
    require,
)
from tests.support.agents import agent_process
from tests.support.certificates import Certificate, made_certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.agents import Process

    Agents = tuple[str, str]
    SetUp = Callable[[Agents], Setup]


@pytest.fixture(scope="package")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return made_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="package", params=PROGRAMS, ids=lambda program: program.name)
def program(request: pytest.FixtureRequest) -> Program:
    program: Program = request.param
    require(program)
    return program


@pytest.fixture(scope="package", params=[False, True], ids=["prefix kept", "prefix stripped"])
def strip(request: pytest.FixtureRequest) -> bool:
    """Whether the proxy strips /serverN, so that the agents know it as ROOT_PATH only."""
    return bool(request.param)


def agent_behind(
    stack: ExitStack, server: str, *, strip: bool = False, port: str = "", **environ: str
) -> Process:
    """An agent with two GPUs and the settings that the files of deploy/ expect."""
    given = {"ROOT_PATH": server} if strip else {"URL_PREFIX": server}
    prefix = "" if strip else f"/{server}"
    return stack.enter_context(
        agent_process("--simulate", "2", prefix=prefix, port=port, TOKEN=TOKENS[server], **given, **environ)
    )


@pytest.fixture(scope="package")
def agents() -> Iterator[dict[bool, Agents]]:
    """The URLs of two agents whose prefix is kept, and of two whose prefix is stripped."""
    with ExitStack() as stack:
        yield {
            strip: (
                agent_behind(stack, "server1", strip=strip, ALLOWED_HOSTS="localhost,127.0.0.1").url,
                agent_behind(stack, "server2", strip=strip, ALLOWED_HOSTS="localhost,127.0.0.1").url,
            )
            for strip in (False, True)
        }


@pytest.fixture
def set_up(
    tmp_path_factory: pytest.TempPathFactory, certificate: Certificate
) -> Callable[[tuple[str, str]], Setup]:
    """A function that makes the setup of a proxy in front of some agents, in its own folder."""
    return lambda agents: Setup(tmp_path_factory.mktemp("proxy"), certificate, agents)


@pytest.fixture(scope="package")
def origin(
    program: Program,
    strip: bool,
    agents: dict[bool, Agents],
    certificate: Certificate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Origin]:
    """Each proxy in each variant, with `agents` behind it."""
    setup = Setup(tmp_path_factory.mktemp(program.name), certificate, agents[strip], strip=strip)
    with proxy(program, setup) as running:
        yield running
