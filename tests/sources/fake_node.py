"""A whole /proc, in which each process has a parent, a control group and an environment."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.sources.pid_namespace import INITIAL
from agent.sources.processes import ProcessReader
from tests.support.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from agent.readings import Belonging


def v1(path: str, systemd: str | None = None, unified: str = "") -> str:
    """The text of cgroup v1, or with `unified` of v1 and v2, as systemd mounts them; controllers: `path`."""
    lines = [f"{12 - at}:{name}:{path}" for at, name in enumerate(["cpuset", "memory", "freezer", "devices"])]
    lines += ["4:cpu,cpuacct:" + path, "1:name=systemd:" + (path if systemd is None else systemd)]
    return "\n".join([*lines, *([f"0::{unified}"] if unified else [])]) + "\n"


def v2(path: str) -> str:
    """The text of cgroup v2."""
    return f"0::{path}\n"


def conmon(container_id: str, name: str) -> bytes:
    """The command line of a monitor, as Podman 4 and 5 start it."""
    words = ["/usr/bin/conmon", "--api-version", "1", "-c", container_id, "-u", container_id]
    words += ["-r", "/usr/bin/crun", "-b", f"/run/containers/{container_id}", "-p", "/run/pidfile"]
    words += ["-n", name, "--exit-dir", "/run/libpod/exits", "--full-attach", "-s", "-l", "journald"]
    words += ["--exit-command", "/usr/bin/podman", "--exit-command-arg", "-n", "--exit-command-arg", "stop"]
    return b"".join(word.encode() + b"\0" for word in words)


class FakeNode:
    """A /proc, and optionally the log folders of a kubelet."""

    def __init__(self, root: Path) -> None:
        self.root = root / "proc"
        self.pod_logs = root / "log"
        (self.root / "self/ns").mkdir(parents=True)
        (self.root / "self/ns/pid").symlink_to(INITIAL)
        self.clock = Clock()

    def add(
        self,
        pid: int,
        cgroup: str,
        environ: bytes = b"",
        *,
        parent: int = 1,
        state: str = "S",
        comm: str = "python",
        cmdline: bytes = b"python\0",
        uid: int = 0,
    ) -> None:
        """Add a process, or replace the one with this pid."""
        folder = self.root / str(pid)
        folder.mkdir(exist_ok=True)
        stat = f"{pid} ({comm}) {state} {parent} 1 1 0 -1 0 0 0 0 0 9 0 0 0 20 0 1 0 {pid}00 0 0\n"
        (folder / "stat").write_text(stat)
        (folder / "statm").write_text("100 25 0 0 0 0 0\n")
        (folder / "status").write_text(f"Name:\t{comm}\nUid:\t{uid}\t0\t0\t0\n")
        (folder / "cgroup").write_text(cgroup)
        (folder / "cmdline").write_bytes(cmdline)
        (folder / "environ").write_bytes(environ)

    def add_others(self, pids: Iterable[int]) -> None:
        """Add processes of which only the memory is read; cheap, because they share one folder."""
        folder = self.root / "others"
        folder.mkdir()
        (folder / "statm").write_text("100 1 0 0 0 0 0\n")
        for pid in pids:
            os.symlink(folder, f"{self.root}/{pid}")  # noqa: PTH211  (thirty thousand times)

    def keep_logs(self, pods: Iterable[str], containers: Iterable[str] = ()) -> None:
        """Make log folders. `pods`: NAMESPACE_POD_UID/CONTAINER; `containers`: POD_NAMESPACE_CONTAINER-ID."""
        for pod in pods:
            (self.pod_logs / "pods" / pod).mkdir(parents=True)
        (self.pod_logs / "containers").mkdir(parents=True, exist_ok=True)
        for container in containers:
            with suppress(FileExistsError):
                (self.pod_logs / "containers" / f"{container}.log").symlink_to("/nowhere")

    def reader(self) -> ProcessReader:
        """A new reader of this /proc."""
        return ProcessReader(proc_root=str(self.root), pod_logs=str(self.pod_logs), clock=self.clock)

    def belonging(self, pid: int) -> Belonging:
        """The belonging of one process, read by a new reader."""
        return self.reader().read(frozenset({pid}), None)[pid].belonging
