"""The command: the report on standard output, and the exit status."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from agent.server.log_writer import FLUSH_TIMEOUT
from agent.server.logs import configure_logging, write_error
from agent.server.signals import handle_stop_signals
from agent.settings import SettingsError
from agent.settings.environment import given_texts, load_settings
from agent.sources.agent import AgentSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEADLINE = 9.5  # seconds since the process started; only a bug or a hung file system takes so long
LEAST = 8.5  # seconds that the check gets at least, if a busy host took long to load the agent
BY_SIGNAL = 128  # plus the number of the signal, as in a shell: 0 would mean that all is well


def run_check(
    arguments: Mapping[str, str],
    env_file: str | None,
    *,
    url: str | None,
    as_json: bool,
    end: Callable[[int], object],
) -> int:
    """Writes the report; returns the exit status. `end` ends the process at once with the given status."""
    started = _process_start()
    handle_stop_signals(lambda number, _: end(BY_SIGNAL + number))
    configure_logging("error")  # the report says what is wrong
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
    deadline.cancel()  # the reader of the report may be slow
    was_written = _write(f"{report.model_dump_json(indent=2)}\n" if as_json else text_of(report))
    return report.exit_status or (0 if was_written else 1)


def _process_start() -> float:
    """When this process started, in seconds of the monotonic clock; loading can take seconds."""
    started_at = AgentSource().read().started_at
    return time.monotonic() - (max(0.0, time.time() - started_at) if started_at is not None else 0.0)


def _give_up(end: Callable[[int], object]) -> None:
    write_error("The check did not end in time: the host or a file system hangs")
    time.sleep(FLUSH_TIMEOUT)  # outside the main thread, `end` does not wait for it
    end(1)


def _write(text: str) -> bool:
    """Write whatever the encoding of the output is; returns whether the reader has it, or has read enough."""
    try:
        sys.stdout.buffer.write(text.encode(sys.stdout.encoding, errors="backslashreplace"))
        sys.stdout.flush()
    except BrokenPipeError:
        return True
    except OSError as error:
        write_error(f"The report cannot be written ({error.strerror})")
        return False
    return True
