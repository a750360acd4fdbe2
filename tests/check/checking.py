"""`--check` in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support.agents import ROOT, clean_environ

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DEADLINE = 60.0  # seconds until a test gives up


class Checked(NamedTuple):
    """How a check ended, and what it wrote."""

    status: int
    output: str
    log: str

    @property
    def report(self) -> dict[str, Any]:
        """What `--json` wrote."""
        report: dict[str, Any] = json.loads(self.output)
        return report

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong or worth a note, by name."""
        return {problem["name"]: problem["what"] for problem in self.report["problems"]}


def check(
    *arguments: str,
    cwd: Path = ROOT,
    program: Sequence[str] = ("main.py",),
    **environ: str,
) -> Checked:
    """`python main.py --check ARGUMENTS`, or another `program`."""
    path = [str(ROOT / program[0])] if program[0].endswith(".py") else [program[0]]
    finished = subprocess.run(  # noqa: S603  (our own program)
        [sys.executable, *path, *program[1:], "--check", *arguments],
        cwd=cwd,
        env={**clean_environ(), "PYTHONPATH": str(ROOT), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    return Checked(finished.returncode, finished.stdout, finished.stderr)
