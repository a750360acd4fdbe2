"""Whether a new process can use the driver: this one may have the library of one that was replaced."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 10
# It ends by itself, too: whoever started it may end meanwhile.
_PROGRAM = f"import signal; signal.alarm({SECONDS}); import pynvml; pynvml.nvmlInit()"
# -P: a file of this name in the working directory is not what is meant.
COMMAND = (sys.executable, "-P", "-c", _PROGRAM)


class NewProcess:
    """Tries nvmlInit in a process of its own. One thread owns it."""

    def __init__(self, command: Sequence[str] = COMMAND, *, seconds: float = SECONDS) -> None:
        self._command = command
        self._seconds = seconds
        self._child: subprocess.Popen[bytes] | None = None

    def can_use_driver(self) -> bool:
        """NVML: nvmlInit, within `seconds`. False too while an earlier process hangs in the kernel."""
        if self._child is not None and self._child.poll() is None:
            return False
        try:
            child = self._child = subprocess.Popen(  # noqa: S603  (our own Python)
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError:  # no memory, no process left
            return False
        with suppress(subprocess.TimeoutExpired):
            return child.wait(self._seconds) == 0
        child.kill()
        with suppress(subprocess.TimeoutExpired):  # a call in the kernel ends when it likes
            child.wait(1)
        return False
