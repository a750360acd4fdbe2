"""The processes of the host that a document tells of. None of them is looked up on this one."""

from __future__ import annotations

import ntpath
from typing import TYPE_CHECKING

from agent.readings import HostProcess, ProcessesReading
from agent.sources.command_line import clean

if TYPE_CHECKING:
    from collections.abc import Mapping


class ReplayedProcesses:
    """In the place of what reads /proc; `names` by pid, None where the document does not tell."""

    def __init__(self, names: Mapping[int, str | None], *, hide_command_args: bool) -> None:
        commands = {pid: None if name is None else clean(name) for pid, name in names.items()}
        if hide_command_args:  # some names are whole command lines
            commands = {pid: command and command.partition(" ")[0] for pid, command in commands.items()}
        self._processes = {
            pid: HostProcess(
                pid, name=command and ntpath.basename(command.partition(" ")[0]), command=command
            )
            for pid, command in commands.items()
        }

    def read(self, pids: frozenset[int], *, watched: bool = True) -> ProcessesReading:  # noqa: ARG002  (nothing changes)
        """The name that the document has for each, and nothing else."""
        return ProcessesReading({pid: self._processes.get(pid, HostProcess(pid)) for pid in pids}, ())
