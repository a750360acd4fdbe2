"""A host for one agent: a PID namespace with processes in control groups that a test chooses.

Files replace their /proc/PID/cgroup, in this mount namespace only. Run as a
program, it starts the processes and then becomes the agent. Needs root.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Started:
    """A process that sleeps: its names, and its control group."""

    cgroup: str = "/"
    name: str = "sleeper"  # of the program's file
    title: str = "sleeper"  # the first word of its command line
    environ: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CrowdedHost:
    """The host; all its files are in `folder`."""

    folder: Path

    def inside(self, agents_cgroup: str, *processes: Started) -> list[str]:
        """The start of a command line that runs the agent there; it is the first process."""
        if os.getuid() != 0:
            pytest.skip("namespaces need root")
        asked = {"agent": agents_cgroup, "processes": [asdict(process) for process in processes]}
        (self.folder / "asked.json").write_text(json.dumps(asked))
        own = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return [*own, sys.executable, __file__, str(self.folder)]

    @property
    def pids(self) -> list[int]:
        """The pids of the processes, in their order, once the agent runs."""
        pids: list[int] = json.loads((self.folder / "pids.json").read_text())
        return pids


def _start(folder: Path, process: dict[str, Any], number: int) -> int:
    program = folder / f"{number}" / process["name"]
    program.parent.mkdir()
    program.symlink_to("/bin/sleep")
    started = subprocess.Popen(  # noqa: S603  (what the test says)
        [process["title"], "3600"], executable=program, env=process["environ"]
    )
    return started.pid


def _put(folder: Path, pid: int, cgroup: str) -> None:
    file = folder / f"cgroup-{pid}"
    file.write_text(f"0::{cgroup}\n")
    subprocess.run(["mount", "--bind", file, f"/proc/{pid}/cgroup"], check=True)  # noqa: S603, S607


def main() -> None:
    """Start the processes, and become the rest of the command line."""
    folder, command = Path(sys.argv[1]), sys.argv[2:]
    asked = json.loads((folder / "asked.json").read_text())
    pids = [_start(folder, process, number) for number, process in enumerate(asked["processes"])]
    for pid, process in zip(pids, asked["processes"], strict=True):
        _put(folder, pid, process["cgroup"])
    _put(folder, os.getpid(), asked["agent"])
    (folder / "pids.json").write_text(json.dumps(pids))
    os.execvp(command[0], command)  # noqa: S606  (our own program)


if __name__ == "__main__":
    main()
