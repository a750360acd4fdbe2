"""Whether a pid of the driver is the same process in this PID namespace.

NVML uses pids of the initial PID namespace, with newer kernel modules those of the caller's: for an agent in
the initial one they are equal. In another namespace (a container without --pid=host) the pid may belong to an
unrelated local process. Only a process that has an NVIDIA device open can be the right one.
"""

from __future__ import annotations

import os
from pathlib import Path

from agent.sources.procfs import open_files

# include/linux/proc_ns.h: PROC_PID_INIT_INO. A container with --pid=host is in this namespace too.
INITIAL = "pid:[4026531836]"
DEVICES = (
    "/dev/nvidia",  # nvidia0, nvidiactl, nvidia-uvm, nvidia-caps/...
    "/dev/dxg",  # WSL2, where there is none of those
)


def is_initial(proc_root: str) -> bool:
    """Whether the agent is in the initial PID namespace, where every process of the host is visible."""
    try:
        return str(Path(proc_root, "self/ns/pid").readlink()) == INITIAL
    except FileNotFoundError:  # a kernel without PID namespaces
        return True
    except OSError:
        return False


def has_gpu_open(proc_root: str, pid: int) -> bool | None:
    """Whether the process has an NVIDIA device open; None: no permission to see that.

    Always False for the agent itself: it has them open too, but runs nothing on them.
    """
    if pid == os.getpid():
        return False
    try:
        return any(target.startswith(DEVICES) for target in open_files(proc_root, pid))
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return False
    except OSError:
        return None
