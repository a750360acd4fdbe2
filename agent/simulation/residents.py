"""Who uses the simulated GPUs, and what their host tells of it. Never the processes of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from agent.simulation.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.readings import ProcessesReading
    from agent.simulation.gpu import SimulatedGpu
    from agent.simulation.processes import SimulatedProcess


class ProcessTable(Protocol):
    """In the place of what reads /proc."""

    def read(self, pids: frozenset[int], *, watched: bool = True) -> ProcessesReading:
        """What the host tells of these processes, and its largest; `watched`: whether somebody looks."""


class Residents(Protocol):
    """Those who use the GPUs of one host."""

    def on(self, gpu: SimulatedGpu) -> list[SimulatedProcess]:
        """The processes on a GPU to which none were assigned."""

    def process_table(
        self,
        gpus: Sequence[SimulatedGpu],
        elapsed: Callable[[], float],
        *,
        hide_command_args: bool,
        pod_logs: str,
    ) -> ProcessTable:
        """What the host of these GPUs tells of its processes; the settings are the agent's."""


# Tests of what /proc tells put others in this place, whose processes there are.
in_place: Callable[[], Residents] = Lab
