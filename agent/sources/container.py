"""Whether the agent runs in a container: there other things go wrong, and other things help."""

from __future__ import annotations

from pathlib import Path

# Made by Docker; by Podman; and by systemd inside LXC and systemd-nspawn.
_MARKS = (".dockerenv", "run/.containerenv", "run/systemd/container")


def in_container(root: str = "/") -> bool:
    """Whether `root` is the root of a container: marked as one, or put together of layers."""
    return any(Path(root, mark).exists() for mark in _MARKS) or _has_layers(root)


def _has_layers(root: str) -> bool:
    """containerd and CRI-O leave no mark, but mount an overlay at /."""
    try:
        mounts = Path(root, "proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return False
    # proc_pid_mountinfo(5): the fifth field is the mount point, and the type follows a dash.
    return any(line.split()[4:5] == ["/"] and " - overlay " in line for line in mounts)
