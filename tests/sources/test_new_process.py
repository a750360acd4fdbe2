"""The process that tries the driver anew: how it ends, and that it does, whatever it does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.sources.new_process import COMMAND, SECONDS, NewProcess

SLEEP = ("sleep", "3600")
AT_ONCE = 30.0  # seconds: a loaded machine takes its time


def children() -> list[str]:
    """The command of each process that this one has started and not seen the end of; `` of a zombie."""
    mine = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip() for pid in mine]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("true",), True),
        (("false",), False),
        (("sh", "-c", "kill -9 $$"), False),
        (("/no/such/program",), False),
        ((*COMMAND[:-1], "import pynvml"), True),
    ],
    ids=["works", "fails", "is killed", "cannot be started", "finds nvidia-ml-py"],
)
def test_its_end_says_whether_the_driver_can_be_used(command: tuple[str, ...], expected: bool) -> None:
    before = children()

    assert NewProcess(command, seconds=AT_ONCE).can_use_driver() == expected
    assert children() == before, "it leaves no zombie"


def test_no_file_of_the_working_directory_takes_the_place_of_nvidia_ml_py(tmp_path: Path) -> None:
    (tmp_path / "pynvml.py").write_text("def nvmlInit(): pass")
    command = [*COMMAND[:-1], "import pynvml; print(pynvml.__file__)"]

    found = subprocess.check_output(command, cwd=tmp_path, text=True, timeout=AT_ONCE)  # noqa: S603  (our own)

    assert not found.startswith(str(tmp_path))


def test_one_that_hangs_is_killed_in_time_and_leaves_no_zombie() -> None:
    before = children()
    began = time.monotonic()

    assert not NewProcess(SLEEP, seconds=0.2).can_use_driver()
    assert time.monotonic() - began < AT_ONCE
    assert children() == before


def test_one_that_outlives_the_agent_ends_by_itself() -> None:
    program = (
        COMMAND[-1].replace(f"alarm({SECONDS})", "alarm(1)").replace("pynvml.nvmlInit()", "signal.pause()")
    )
    assert program != COMMAND[-1]

    ended = subprocess.run([sys.executable, "-c", program], timeout=AT_ONCE, check=False)  # noqa: S603  (our own)

    assert ended.returncode < 0, "the alarm has ended it"
