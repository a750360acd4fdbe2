"""The log as JSON, and with priorities if the journal reads it."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING

import pytest

from agent.server.log_formats import formatter, is_journal
from tests.packaging.commands import run
from tests.support.agents import ROOT, agent_process, wait_until

if TYPE_CHECKING:
    from pathlib import Path

# The shell sets JOURNAL_STREAM to the file of standard error, as systemd does.
JOURNAL = ("sh", "-c", 'exec env JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) "$@"', "sh")


def record(level: int, message: str, *, fault: bool = False) -> logging.LogRecord:
    """A log record at 0.25 s of Unix time."""
    made = logging.LogRecord("agent.part", level, "", 0, "%s", (message,), None)
    made.created = 0.25
    try:
        if fault:
            int("a\nb")
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.DEBUG, 7),
        (logging.INFO, 6),
        (logging.WARNING, 4),
        (logging.ERROR, 3),
        (logging.ERROR + 1, 3),
        (logging.CRITICAL, 2),
    ],
)
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_each_line_for_the_journal_begins_with_the_priority_of_its_level(
    level: int, priority: int, log_format: str
) -> None:
    text = formatter(log_format, to_journal=True).format(record(level, "said", fault=True))
    lines = text.split("\n")
    assert all(line.startswith(f"<{priority}>") for line in lines)
    if log_format == "text":
        assert lines[0] == f"<{priority}>{logging.getLevelName(level)} said"
        assert lines[1] == f"<{priority}>Traceback (most recent call last):"
    else:
        assert json.loads(lines[0].removeprefix(f"<{priority}>"))["message"] == "said"
        assert len(lines) == 1


def test_a_record_in_json_is_one_line_with_all_its_fields() -> None:
    message = 'said "no"\n\u2028\x1b[31m Büro'
    text = formatter("json", to_journal=False).format(record(logging.WARNING, message))
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text) == {
        "time": "1970-01-01T00:00:00.250+00:00",
        "level": "warning",
        "logger": "agent.part",
        "message": message,
    }
    text = formatter("json", to_journal=False).format(record(logging.ERROR, "failed", fault=True))
    assert "\n" not in text
    assert json.loads(text)["traceback"].endswith("invalid literal for int() with base 10: 'a\\nb'")


def test_a_file_is_the_journal_only_if_journal_stream_names_it(tmp_path: Path) -> None:
    """Standard error may have been redirected to another file since."""
    with (tmp_path / "a").open("w") as journal, (tmp_path / "b").open("w") as other:
        found = (tmp_path / "a").stat()
        named = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert is_journal(journal.fileno(), named)
        assert not is_journal(other.fileno(), named)
        assert not is_journal(journal.fileno(), {})
        assert not is_journal(journal.fileno(), {"JOURNAL_STREAM": "garbage"})
        closed = journal.fileno()
    assert not is_journal(closed, named)


@pytest.mark.slow
def test_an_agent_under_systemd_logs_priorities_and_no_times() -> None:
    with agent_process("--simulate", "1", inside=JOURNAL) as process:
        lines = process.log.splitlines()
    assert lines[0].startswith("<6>INFO nvidia-smi-web-agent ")
    assert lines[1].startswith("<4>WARNING TOKEN is not set")


def test_a_wrong_setting_is_an_error_in_the_journal() -> None:
    finished = run([*JOURNAL, sys.executable, "main.py"], ROOT, PORT="abc", URL_PREFIX="a b")
    lines = finished.stderr.splitlines()
    assert lines[0] == "<3>nvidia-smi-web-agent cannot start: 2 settings are wrong"
    assert [line[: len("<3>  PORT")] for line in lines[1:]] == ["<3>  PORT", "<3>  URL_"]


@pytest.mark.slow
def test_every_line_of_an_agent_with_log_format_json_is_an_object() -> None:
    with agent_process("--simulate", "1", LOG_FORMAT="json", ACCESS_LOG="1") as process:
        wait_until(lambda: "GET /ready" in process.log, lambda: process.log)
        assert process.stop() == 0
        lines = [json.loads(line) for line in process.log.splitlines()]
    assert {line["level"] for line in lines} == {"info", "warning"}
