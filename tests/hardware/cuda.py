"""A child process that holds a CUDA context. Skips the test if CUDA refuses one."""

from __future__ import annotations

import ctypes
import os
import select
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.hardware.cuda_child import LIBRARY
from tests.support.agents import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

# Seconds. The first context on a large machine is slow.
CONTEXT_DEADLINE = 60.0
COMMAND = "tests.hardware.cuda_child"


@contextmanager
def cuda_child(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The child once it holds its context. It is killed at the end if it still runs."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError as error:
        pytest.skip(f"needs CUDA: there is no {LIBRARY} ({error})")
    # The first GPU in NVML's order, whatever CUDA_VISIBLE_DEVICES is.
    environ = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    with subprocess.Popen(  # noqa: S603  (our own program)
        [sys.executable, "-m", COMMAND, *arguments],
        cwd=ROOT,
        env={**environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            said = _first_line(child)
            if said != "holding":
                pytest.skip(f"needs CUDA: {said or 'the child ended without a word'}")
            yield child
        finally:
            child.kill()


def _first_line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    ready, _, _ = select.select([child.stdout], [], [], CONTEXT_DEADLINE)
    assert ready, f"no CUDA context within {CONTEXT_DEADLINE} s"
    return child.stdout.readline().strip()


def copied_rate(child: subprocess.Popen[str]) -> float:
    """End a copying child, and return the mean rate of its copies in bytes per second."""
    output, _ = child.communicate(timeout=CONTEXT_DEADLINE)  # closes its input
    copied, seconds = output.split()
    return int(copied) / float(seconds)
