"""Counts the GPUs in a new process, and shows whether a new process can use the driver.

NVML may fix its list of GPUs at nvmlInit until nvmlShutdown. That closes every handle of the agent; if no
other program holds a GPU, the driver then resets its counters and has to initialize the GPU again. Also, this
process may have the library of a replaced driver in memory. So a new process tries first, and shows whether a
new contact, or a new agent, would help.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SECONDS = 30  # without persistence mode nvmlInit initializes each GPU that nobody holds
# It also ends by itself, because the agent may end meanwhile.
_PROGRAM = (
    f"import signal; signal.alarm({SECONDS}); import pynvml; pynvml.nvmlInit();"
    " print(pynvml.nvmlDeviceGetCount())"
)
# -P: ignores modules in the working directory.
COMMAND = (sys.executable, "-P", "-c", _PROGRAM)


class NewProcess:
    """Counts GPUs in a process of its own. One thread owns it."""

    def __init__(self, command: Sequence[str] = COMMAND, *, seconds: float = SECONDS) -> None:
        self._command = command
        self._seconds = seconds
        self._child: subprocess.Popen[bytes] | None = None

    def count_gpus(self) -> int | None:
        """NVML: nvmlInit and nvmlDeviceGetCount_v2, within `seconds`; None where they fail or take longer.

        Also None while an earlier process hangs in the kernel.
        """
        if self._child is not None and self._child.poll() is None:
            return None
        with suppress(OSError, ValueError):  # no memory, no process left; or its output is not a number
            return self._count()
        return None

    def _count(self) -> int | None:
        child = self._child = subprocess.Popen(  # noqa: S603  (our own Python)
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        with suppress(subprocess.TimeoutExpired):
            said, _ = child.communicate(timeout=self._seconds)
            return int(said) if child.returncode == 0 else None
        child.kill()
        with suppress(subprocess.TimeoutExpired):  # a call in the kernel cannot be interrupted
            child.wait(1)
        return None


# The simulation replaces this.
count_gpus: Callable[[], int | None] = NewProcess().count_gpus
