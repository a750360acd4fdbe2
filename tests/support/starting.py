"""A process of an agent that is still starting, for tests of the start."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.agents import ROOT, clean_environ, free_port

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator


@contextmanager
def starting_agent(*inside: str, port: str = "", **environ: str) -> Iterator[subprocess.Popen[str]]:
    """`python main.py` on the simulated driver, while it starts; `inside` as for `agent_process`."""
    command = [*inside, sys.executable, "main.py", "--host", "127.0.0.1", "--port", port or str(free_port())]
    with subprocess.Popen(  # noqa: S603  (our own program)
        [*command, "--simulate", "2"],
        cwd=ROOT,
        env={**clean_environ(), **environ},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as agent:
        try:
            yield agent
        finally:
            if agent.poll() is None:
                agent.kill()


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process handles the signal already."""
    return number in signals(pid, "SigCgt")


def signals(pid: int, kind: str) -> set[int]:
    """The signals that a process catches (SigCgt) or ignores (SigIgn)."""
    status = Path(f"/proc/{pid}/status").read_text()
    mask = re.search(rf"^{kind}:\s*([0-9a-f]+)", status, re.MULTILINE)
    assert mask
    return {number for number in range(1, 65) if int(mask[1], 16) >> (number - 1) & 1}
