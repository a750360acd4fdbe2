"""A /proc with one process, and a manual clock."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent.sources.processes import ProcessReader
from agent.sources.procfs import PAGE_BYTES, TICKS_PER_SECOND
from agent.sources.user_names import UserNames
from tests.support.directory import Directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from agent.readings import HostProcess

NOBODY = 54321  # a uid without a name


class FakeProc:
    """A /proc with one process, 42."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "42").mkdir()

    def write(
        self, *, cpu_seconds: float = 0.0, start_ticks: int = 500, comm: str = "python3", threads: int = 1
    ) -> None:
        ticks = round(cpu_seconds * TICKS_PER_SECOND)
        stat = f"42 ({comm}) R 1 42 42 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 {threads} 0 {start_ticks} 0 0\n"
        (self.root / "42" / "stat").write_text(stat)
        (self.root / "42" / "statm").write_text("100 25 0 0 0 0 0\n")
        (self.root / "42" / "status").write_text(f"Name:\t{comm}\nUid:\t{NOBODY}\t0\t0\t0\n")

    def say(self, cmdline: bytes) -> None:
        (self.root / "42" / "cmdline").write_bytes(cmdline)

    @contextmanager
    def hung(self, file: str) -> Iterator[None]:
        """Replace the file with a pipe without a writer, so that opening it hangs."""
        path, kept = self.root / "42" / file, self.root / "42" / f"{file}.kept"
        path.rename(kept)
        os.mkfifo(path)
        try:
            yield
        finally:
            writer = os.open(path, os.O_RDWR)  # readers that wait, or open it now, continue
            kept.replace(path)
            os.close(writer)

    def forbid(self, file: str) -> None:
        """Make it a folder, which opens but cannot be read; root could read any file."""
        (self.root / "42" / file).unlink(missing_ok=True)
        (self.root / "42" / file).mkdir()

    def link(self, path: str, target: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).symlink_to(target)


def reader_of(
    proc: FakeProc,
    clock: Callable[[], float],
    directory: Callable[[int], str] | None = None,
    *,
    hidden: frozenset[int] = frozenset(),
    pod_logs: str = "",
) -> ProcessReader:
    """`hidden`: the processes that exist but are not in /proc."""
    return ProcessReader(
        clock=clock,
        since_boot=lambda: 65.0,
        proc_root=str(proc.root),
        pod_logs=pod_logs,
        user_names=UserNames(clock=clock, look_up=directory or Directory()),
        exists=hidden.__contains__,
    )


def read(reader: ProcessReader, pid: int = 42) -> HostProcess:
    return reader.read(frozenset({pid}), 1000 * PAGE_BYTES)[pid]
