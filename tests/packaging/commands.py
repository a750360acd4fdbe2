"""Running a command, or an agent that a command starts."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.agents import Process, clean_environ, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


def run(command: Sequence[str], cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """The finished command, whatever its exit status. It gets no agent setting of this machine."""
    return subprocess.run(  # noqa: S603  each command is written in a test
        command, cwd=cwd, env={**clean_environ(), **environ}, capture_output=True, text=True, check=False
    )


def succeed(command: Sequence[str], cwd: Path, **environ: str) -> str:
    """The standard output of the command; AssertionError with all its output if it fails."""
    finished = run(command, cwd, **environ)
    assert finished.returncode == 0, f"{command}\n{finished.stdout}{finished.stderr}"
    return finished.stdout


@contextmanager
def serving(command: Sequence[str], cwd: Path, url: str, environ: Mapping[str, str]) -> Iterator[Process]:
    """The process of this command, once it answers under `url`."""
    log_file = cwd / "log"
    with log_file.open("wb") as log:
        popen = subprocess.Popen(command, cwd=cwd, env=dict(environ), stdout=log, stderr=log)  # noqa: S603  see run
    process = Process(popen, url, log_file)
    try:
        wait_until(lambda: process.answers("/ready"), lambda: f"{command} answers; its log:\n{process.log}")
        yield process
    finally:
        if popen.poll() is None:
            popen.kill()
            popen.wait()
