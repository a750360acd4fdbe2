"""The interfaces of the collector's sources; for a GPU's source, see gpu_slot.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from agent.readings import DriverReading, HostReading, ProcessesReading, RuntimePower, Topology


class Driver(Protocol):
    """The driver as a whole."""

    @property
    def calls(self) -> int: ...
    def read(self) -> DriverReading: ...
    def release(self) -> None: ...


class Host(Protocol):
    """The host's own values."""

    def read(self) -> HostReading: ...


class Processes(Protocol):
    """The host's processes; `pids` are those on GPUs; `watched`: whether there is demand."""

    def read(self, pids: frozenset[int], *, watched: bool = ...) -> ProcessesReading: ...


class Connections(Protocol):
    """How GPUs are connected."""

    def read(self, gpu_count: int) -> Topology: ...


class SleepOfGpus(Protocol):
    """Whether the GPUs of the host may sleep, and do; None: not every one of them may.

    Raises SourceError if that is unknown.
    """

    def read(self) -> RuntimePower | None: ...
