"""The users of the simulated GPUs, and the process table of their host; never processes of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from agent.simulation.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.readings import ProcessesReading
    from agent.simulation.gpu import SimulatedGpu
    from agent.simulation.processes import SimulatedProcess


class ProcessTable(Protocol):
    """The interface that replaces reading /proc."""

    def read(self, pids: frozenset[int], *, watched: bool = True) -> ProcessesReading:
        """The host's data about these processes, and its largest ones; `watched`: whether there is demand."""


class Residents(Protocol):
    """The processes that use the GPUs of one host."""

    def processes_on(self, gpu: SimulatedGpu) -> list[SimulatedProcess]:
        """The processes of a GPU without assigned ones."""

    def process_table(
        self,
        gpus: Sequence[SimulatedGpu],
        elapsed: Callable[[], float],
        *,
        hide_command_args: bool,
        pod_logs: str,
    ) -> ProcessTable:
        """The process table of the host of these GPUs; the settings are those of the agent."""


# Tests of /proc put other residents here, which have real processes.
in_place: Callable[[], Residents] = Lab
