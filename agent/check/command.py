"""The command: the report on standard output, and the exit status."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.server.log_writer import FLUSH_TIMEOUT
from agent.server.logs import configure_logging, say
from agent.server.signals import handle_stop_signals
from agent.settings import SettingsError
from agent.settings.environment import given_texts, load_settings
from agent.sources.agent import AgentSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEADLINE = 9.5  # seconds since the process began; only a fault, or a file system that hangs, takes so long
LEAST = 8.5  # seconds of them, where a busy host took long to load the agent
BY_SIGNAL = 128  # plus its number, as a shell has it: 0 would say that all is well


def run_check(
    arguments: Mapping[str, str],
    env_file: str | None,
    *,
    url: str | None,
    as_json: bool,
    end: Callable[[int], object],
) -> int:
    """Writes the report; returns the exit status. `end` ends the process with one, at once."""
    started = _process_start()
    handle_stop_signals(lambda number, _: end(BY_SIGNAL + number))
    configure_logging("error")  # what is wrong stands in the report
    from agent.check.run import Sources, check, wrong_settings  # the whole agent
    from agent.check.text import text_of

    deadline = threading.Timer(max(started + DEADLINE - time.monotonic(), LEAST), _give_up, [end])
    deadline.daemon = True
    deadline.start()
    given, _ = given_texts(os.environ, arguments=arguments, env_file=env_file)
    sources = Sources(given, env_file)
    try:
        settings = load_settings(os.environ, arguments=arguments, env_file=env_file)
    except SettingsError as error:
        report = wrong_settings(error.faults, sources, started=started)
    else:
        report = check(settings, sources, url=url, started=started)
    deadline.cancel()  # whoever reads the report may take their time
    _write(f"{report.model_dump_json(indent=2)}\n" if as_json else text_of(report))
    return report.exit_status


def _process_start() -> float:
    """When this process began, seconds of the monotonic clock: a busy host takes seconds to load it."""
    started_at = AgentSource().read().started_at
    return time.monotonic() - (max(0.0, time.time() - started_at) if started_at is not None else 0.0)


def _give_up(end: Callable[[int], object]) -> None:
    say("The check did not end in time: the host or a file system hangs")
    time.sleep(FLUSH_TIMEOUT)  # `end` does not wait for it in another thread than the main one
    end(1)


def _write(text: str) -> None:
    """Whatever the encoding is; whoever closes the pipe has read enough."""
    with suppress(OSError):
        sys.stdout.buffer.write(text.encode(sys.stdout.encoding, errors="backslashreplace"))
        sys.stdout.flush()
