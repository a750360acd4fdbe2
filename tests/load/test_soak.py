"""The soak benchmark, shortened: a fault every three seconds, and only lines about faults in the log."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.server import ROOT

pytestmark = pytest.mark.measures


def test_the_log_of_30_seconds_of_load_and_faults_has_only_lines_that_a_fault_explains() -> None:
    command = [sys.executable, "-m", "benchmarks.soak", "--minutes=0.5", "--fault-seconds=3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603  (our own program)

    lines = [line for line in done.stdout.splitlines() if line.startswith("lines in the log")]
    assert len(lines) == 1, done.stderr
    assert lines[0].endswith("yes"), done.stderr
