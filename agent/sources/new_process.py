"""The number of GPUs as a process that has just begun counts them, and whether it can use the driver at all.

NVML may settle its list of GPUs at nvmlInit, and look again only after nvmlShutdown. That closes every handle
of the agent; where nothing else holds a GPU, the driver then forgets its counters and has to start it anew.
And this process may have in memory the library of a driver that was replaced. So a new process tries beside
the agent, and says whether a new contact, or a new agent, is worth it.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SECONDS = 30  # without persistence mode nvmlInit initializes each GPU that nobody holds
# It ends by itself, too: whoever started it may end meanwhile.
_PROGRAM = (
    f"import signal; signal.alarm({SECONDS}); import pynvml; pynvml.nvmlInit();"
    " print(pynvml.nvmlDeviceGetCount())"
)
# -P: a file of this name in the working directory is not what is meant.
COMMAND = (sys.executable, "-P", "-c", _PROGRAM)


class NewProcess:
    """Counts GPUs in a process of its own. One thread owns it."""

    def __init__(self, command: Sequence[str] = COMMAND, *, seconds: float = SECONDS) -> None:
        self._command = command
        self._seconds = seconds
        self._child: subprocess.Popen[bytes] | None = None

    def count_gpus(self) -> int | None:
        """NVML: nvmlInit and nvmlDeviceGetCount_v2, within `seconds`; None where they fail or take longer.

        None too while an earlier process hangs in the kernel.
        """
        if self._child is not None and self._child.poll() is None:
            return None
        with suppress(OSError, ValueError):  # no memory, no process left; what it says is no number
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
        with suppress(subprocess.TimeoutExpired):  # a call in the kernel ends when it likes
            child.wait(1)
        return None


# The simulation puts its own count in this place.
count_gpus: Callable[[], int | None] = NewProcess().count_gpus
