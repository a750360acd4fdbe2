"""The processes of the host of a document. None of them is looked up on this machine."""

from __future__ import annotations

import ntpath
import re
from typing import TYPE_CHECKING

from agent.readings import HostProcess, ProcessesReading
from agent.sources.command_line import MAX_FILE_NAME, clean, cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.simulation.gpu import SimulatedGpu
    from agent.simulation.processes import SimulatedProcess

# Of Windows, where a folder may have blanks in its name, as long as none begins an argument; of other
# systems the first blank ends it.
_PROGRAM = re.compile(r"(?:[A-Z]:|\\)\\(?:(?! -\S| /).)*?\.EXE(?= |$)|[^ ]*", re.IGNORECASE)


class ReplayedResidents:
    """The processes of the document; `names` by pid, None if it has no name."""

    def __init__(self, names: Mapping[int, str | None]) -> None:
        self._names = names

    def processes_on(self, gpu: SimulatedGpu) -> list[SimulatedProcess]:  # noqa: ARG002  (each GPU has what was assigned)
        """No further processes."""
        return []

    def process_table(
        self,
        gpus: Sequence[SimulatedGpu],  # noqa: ARG002  (nothing changes)
        elapsed: Callable[[], float],  # noqa: ARG002  (the same)
        *,
        hide_command_args: bool,
        pod_logs: str,  # noqa: ARG002  (they are of this host)
    ) -> ReplayedProcesses:
        """Their names."""
        return ReplayedProcesses(self._names, hide_command_args=hide_command_args)


class ReplayedProcesses:
    """Replaces reading /proc; `names` by pid, None if the document has no name."""

    def __init__(self, names: Mapping[int, str | None], *, hide_command_args: bool) -> None:
        self._processes = {
            pid: _process(pid, name, hide_command_args=hide_command_args) for pid, name in names.items()
        }

    def read(self, pids: frozenset[int], *, watched: bool = True) -> ProcessesReading:  # noqa: ARG002  (nothing changes)
        """The names from the document, and nothing else."""
        return ProcessesReading({pid: self._processes.get(pid, HostProcess(pid)) for pid in pids}, ())


def _process(pid: int, command_line: str | None, *, hide_command_args: bool) -> HostProcess:
    """`command_line` is a program, or a whole command line."""
    if command_line is None:
        return HostProcess(pid)
    command = clean(command_line)
    found = _PROGRAM.match(command)
    program = found[0] if found else ""
    name = ntpath.basename(program).encode()[:MAX_FILE_NAME].decode(errors="ignore")
    return HostProcess(pid, name=name, command=cut(program if hide_command_args else command))
