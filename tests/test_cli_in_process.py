"""Arguments, the line at the start, and how uvicorn is configured: the parts of `agent.cli` one by one."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import pytest

from agent import __version__, cli
from agent.cli import EXIT_DEADLINE, FAILED_START, main
from agent.settings import Settings
from tests.packaging.commands import run
from tests.support.agents import ROOT
from tests.support.certificates import made_certificate

if TYPE_CHECKING:
    from pathlib import Path


def test_the_end_takes_less_than_two_seconds_and_a_failed_start_is_status_3() -> None:
    assert (EXIT_DEADLINE, FAILED_START) == (1.7, 3)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--json"], "--json and --url need --check"),
        (["--url", "http://gpu"], "--json and --url need --check"),
        (["--check", "--url", "gpu"], "argument --url: it must be http://HOST"),
        (["--chec"], "unrecognized arguments: --chec"),
    ],
)
def test_arguments_that_have_no_meaning_are_refused(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments, end=lambda status: pytest.fail(str(status)), main_file=str(ROOT / "main.py"))
    assert refused.value.code == 2
    assert reason in capsys.readouterr().err


OPEN = "TOKEN is not set: anyone who reaches this {} can read process command lines and user names"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            {"HOST": "::1", "PORT": "1", "TOKEN": "a"},
            ["http://[::1]:1/ — authentication: TOKEN"],
        ),
        (
            {"HOST": "gpu", "TLS_CERT": "/a", "TLS_KEY": "/b", "TOKEN": "a", "URL_PREFIX": "lab"},
            ["https://gpu:8000/lab/ — authentication: TOKEN"],
        ),
        (
            {"UDS": "/run/agent.sock"},
            [
                "http://unix:/run/agent.sock:/ — authentication: none; UDS replaces HOST and PORT",
                OPEN.format("socket"),
            ],
        ),
        (
            {"STATE_DIR": "/var/lib/x", "TOKEN": "a", "HOST": "gpu"},
            ["http://gpu:8000/ — authentication: TOKEN; STATE_DIR: /var/lib/x"],
        ),
        ({"HOST": "gpu", "TOKENS": "a,b"}, ["http://gpu:8000/ — authentication: 2 tokens"]),
        ({"HOST": "gpu"}, ["http://gpu:8000/ — authentication: none", OPEN.format("port")]),
    ],
)
def test_the_line_at_the_start_has_the_address_and_what_differs_from_the_default(
    environ: dict[str, str], expected: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = Settings.from_mapping(environ, reads_files=False)
    cli._announce(settings, cli._address(settings), None)  # noqa: SLF001  (a start would take a second)
    line, *warnings = expected
    assert caplog.messages == [f"nvidia-smi-web-agent {__version__} on {line}", *warnings]


def test_a_token_file_is_named_in_the_line_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    caplog.set_level(logging.INFO)
    cli._announce(Settings.from_mapping({"TOKEN_FILE": str(tmp_path / "token")}), "", None)  # noqa: SLF001  (as above)
    assert caplog.messages[0].endswith(" — authentication: TOKEN_FILE")


@pytest.mark.parametrize("access_log", ["0", "1"])
def test_uvicorn_adds_no_header_and_ends_open_answers_after_one_second(access_log: str) -> None:
    async def app(*_: object) -> None: ...

    config = cli._config(Settings.from_mapping({"ACCESS_LOG": access_log}), app)  # noqa: SLF001  (as above)
    assert (config.server_header, config.proxy_headers, config.access_log) == (
        False,
        False,
        access_log == "1",
    )
    assert (config.workers, config.backlog, config.timeout_graceful_shutdown) == (1, 2048, 1)


FOLLOWED = """
import sys, threading
from agent.cli import _handshakes
from agent.settings import Settings

made = _handshakes(Settings.from_mapping({"TLS_CERT": sys.argv[1], "TLS_KEY": sys.argv[2]}))
print(type(made).__name__, *(thread.name for thread in threading.enumerate() if thread.daemon))
"""


def test_changes_of_the_certificate_are_followed_from_the_start(tmp_path: Path) -> None:
    made = made_certificate(tmp_path)
    found = run([sys.executable, "-c", FOLLOWED, str(made.certificate), str(made.key)], ROOT)
    assert (found.stdout, found.stderr) == ("Handshakes certificate\n", "")
