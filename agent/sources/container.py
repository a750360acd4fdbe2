"""Whether the agent runs in a container, where faults have other causes and cures."""

from __future__ import annotations

from pathlib import Path

from agent.sources.procfs import read_beginning

# Made by Docker; by Podman; and by systemd inside LXC and systemd-nspawn.
_MARKS = (".dockerenv", "run/.containerenv", "run/systemd/container")
# Linux: PROC_IPC_INIT_INO; each container has an IPC namespace of its own, unless told otherwise.
_FIRST_IPC_NAMESPACE = "ipc:[4026531839]"
_MOUNTS_BYTES = 64 * 1024  # that at / is among the first, and an overlay of many layers takes a page


def in_container(root: str = "/") -> bool:
    """Whether `root` is the root of a container: it has a marker file, or an overlay mount."""
    return any(Path(root, mark).exists() for mark in _MARKS) or (_has_layers(root) and not _is_host(root))


def _is_host(root: str) -> bool:
    """A host without a disk of its own may have an overlay at / too."""
    try:
        return str(Path(root, "proc/self/ns/ipc").readlink()) == _FIRST_IPC_NAMESPACE
    except OSError:
        return False


def _has_layers(root: str) -> bool:
    """containerd and CRI-O leave no mark, but mount an overlay at /."""
    try:
        mounts = read_beginning(str(Path(root, "proc/self/mountinfo")), _MOUNTS_BYTES).data.splitlines()
    except OSError:
        return False
    # proc_pid_mountinfo(5): the fifth field is the mount point, and the type follows a dash.
    return any(line.split()[4:5] == [b"/"] and b" - overlay " in line for line in mounts)
