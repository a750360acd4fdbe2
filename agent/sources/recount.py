"""The number of GPUs as a process that has just begun counts them.

NVML may settle its list of GPUs at nvmlInit, and look again only after nvmlShutdown. That closes every handle
of the agent; where nothing else holds a GPU, the driver then forgets its counters and has to start it anew.
So a new process counts beside the agent, and says whether a new contact is worth it.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

# Seconds; without persistence mode nvmlInit initializes each GPU that nobody holds.
TIMEOUT = 30
# It ends by itself, too: the agent may end meanwhile.
_PROGRAM = (
    f"import signal; signal.alarm({TIMEOUT}); import pynvml; pynvml.nvmlInit();"
    " print(pynvml.nvmlDeviceGetCount())"
)


def count_in_new_process(timeout: float = TIMEOUT) -> int | None:
    """How many GPUs it counts; None if it cannot, or not in time. NVML: nvmlDeviceGetCount_v2."""
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        ended = subprocess.run(  # noqa: S603  (our own program)
            [sys.executable, "-I", "-c", _PROGRAM],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=True,
        )
        return int(ended.stdout)
    return None
