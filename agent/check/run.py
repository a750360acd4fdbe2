"""Combines the parts of the check, within ten seconds whatever hangs."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from agent import __version__
from agent.check import running
from agent.check.aside import Aside
from agent.check.driver import driver_problems, driver_view, host_view, query_driver
from agent.check.port import check_port, port_problems, port_view
from agent.check.report import EXIT_STATUS, Problem, Report, is_wrong
from agent.check.rights import (
    kernel_log_rights,
    nvml_rights,
    open_access,
    process_rights,
    secrets_at_risk,
    tokens_like_comments,
)
from agent.check.settings import settings_in_force
from agent.settings.token_file import read_token_file
from agent.sources.container import in_container

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agent.check.report import Outcome, RunningAgent
    from agent.settings import Settings
    from agent.settings.environment import Given

PATIENCE = 6.0  # seconds from the start of the process to the last answer; ending takes one more
LEAST = 5.0  # seconds for the requests at least, if the host took long to start


class Sources(NamedTuple):
    """Where the settings come from."""

    given: Mapping[str, Given]  # every variable, by name
    env_file: str | None


def check(settings: Settings, sources: Sources, *, url: str | None, started: float) -> Report:
    """Runs every check. `url`: compare with this agent; `started`: in seconds of the monotonic clock."""
    deadline = max(started + PATIENCE, time.monotonic() + LEAST)
    simulated, contained = bool(settings.simulate_gpus), in_container()
    port_check = Aside(lambda: check_port(settings))
    agent_check = Aside(partial(running.query_agent, url, _token(settings), deadline)) if url else None
    state = asyncio.run(query_driver(settings, deadline, in_container=contained))
    port = port_check.result(deadline) or port_view(settings, "unknown", "no answer in time")
    agent: RunningAgent | None = None
    if url and agent_check:
        agent = agent_check.result(deadline) or running.silent_agent(url)
    driver, host = driver_view(state.snapshot), host_view(state.snapshot, in_container=contained)
    problems = [
        *driver_problems(state.snapshot),
        *process_rights(simulated=simulated),
        *nvml_rights(state.snapshot),
        *kernel_log_rights(settings, state.snapshot),
        *secrets_at_risk(settings, sources.given, sources.env_file, in_container=contained),
        *tokens_like_comments(settings),
        *port_problems(port),
        *open_access(settings),
        *(running.differences(agent, state.gpus, simulated=simulated) if agent else ()),
    ]
    outcome: Outcome = "wrong" if is_wrong(driver, state.gpus, host, problems) else "well"
    return Report(
        version=__version__,
        outcome=outcome,
        exit_status=EXIT_STATUS[outcome],
        seconds=round(time.monotonic() - started, 1),
        simulated=simulated,
        env_file=sources.env_file,
        settings=settings_in_force(sources.given, settings),
        driver=driver,
        gpus=state.gpus,
        host=host,
        port=port,
        agent=agent,
        problems=problems,
    )


def wrong_settings(faults: Iterable[str], sources: Sources, *, started: float) -> Report:
    """The report for wrong settings, with which nothing else can be checked."""
    return Report(
        version=__version__,
        outcome="settings",
        exit_status=EXIT_STATUS["settings"],
        seconds=round(time.monotonic() - started, 1),
        simulated=False,
        env_file=sources.env_file,
        settings=settings_in_force(sources.given, None),
        driver=None,
        gpus=[],
        host=None,
        port=None,
        agent=None,
        problems=[Problem(name="setting", level="wrong", what=fault, todo=None) for fault in faults],
    )


def _token(settings: Settings) -> str | None:
    """A token that grants access to everything; None: there is none, or TOKEN_FILE is no longer readable."""
    if settings.tokens:
        return settings.tokens[0]
    try:
        return read_token_file(settings.token_file).tokens[0] if settings.token_file else None
    except ValueError:
        return None
