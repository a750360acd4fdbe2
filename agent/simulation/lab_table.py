"""The processes of the lab's simulated host, instead of /proc.

The files are texts, parsed by the code that parses /proc.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from functools import lru_cache
from heapq import nlargest
from typing import TYPE_CHECKING

from agent.readings import HostProcess, ProcessesReading
from agent.simulation.tenants import desktop, tenants_on, without_gpu
from agent.sources.belonging import belonging_of
from agent.sources.command_line import COMM_BYTES, command_text, full_name, parse_cmdline
from agent.sources.memory import HostMemory, percent_of, read_memory
from agent.sources.paced_value import paced_slowly
from agent.sources.process_source import TOP_PROCESSES
from agent.sources.processes import ELSEWHERE
from agent.sources.procfs import TICKS_PER_SECOND, Content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agent.simulation.gpu import SimulatedGpu
    from agent.simulation.tenants import Tenant

USUAL_MEMORY = 512 * 1024**3  # of a host of which it is not known


class LabTable:
    """Owned by one thread."""

    def __init__(
        self, gpus: Sequence[SimulatedGpu], elapsed: Callable[[], float], *, hide_command_args: bool
    ) -> None:
        self._gpus = gpus
        self._elapsed = elapsed
        self._hide_command_args = hide_command_args
        self._memory = paced_slowly(read_memory, HostMemory())

    def read(self, pids: frozenset[int], *, watched: bool = True) -> ProcessesReading:  # noqa: ARG002  (costs little)
        """The present state of the lab; a missing process has ended."""
        at = self._elapsed()
        total = self._memory.get(time.monotonic()).total
        tenants = {tenant.pid: tenant for tenant in self._tenants(at)}
        listed = {
            pid: _described(tenants[pid], at, total, hide_arguments=self._hide_command_args)
            if pid in tenants
            else HostProcess(pid, command=ELSEWHERE)
            for pid in pids
        }
        largest = nlargest(
            TOP_PROCESSES,
            (*tenants.values(), *without_gpu()),
            key=lambda one: (one.program.ram_percent, -one.pid),
        )
        return ProcessesReading(listed, tuple(self._host_process(tenant, at, total) for tenant in largest))

    def _tenants(self, at: float) -> Iterator[Tenant]:
        yield desktop()
        for gpu in self._gpus:
            yield from tenants_on(gpu.index, at, len(gpu.mig_instances))

    def _host_process(self, tenant: Tenant, at: float, total: int | None) -> HostProcess:
        """The largest processes."""
        one = _described(tenant, at, total, hide_arguments=self._hide_command_args)
        return HostProcess(
            one.pid, one.username, one.name, None, None, one.memory_rss_bytes, one.memory_percent, uid=one.uid
        )


def _described(tenant: Tenant, at: float, total: int | None, *, hide_arguments: bool) -> HostProcess:
    program, wave = tenant.program, math.sin(at / 7 + tenant.pid)
    resident = int((total or USUAL_MEMORY) * program.ram_percent / 100 * (1 + wave / 50))
    return replace(
        _lasting(tenant, hide_arguments=hide_arguments),
        cpu_percent=program.cpu_percent * (1 + wave / 12),
        memory_rss_bytes=resident,
        memory_percent=percent_of(resident, total),
        running_seconds=at - tenant.started,
    )


@lru_cache(maxsize=4096)
def _lasting(tenant: Tenant, *, hide_arguments: bool) -> HostProcess:
    """The values that are constant while the process runs."""
    program = tenant.program
    arguments = parse_cmdline(_file(tenant.fill_in(program.command)))
    comm = arguments[0].rpartition("/")[2].encode()[:COMM_BYTES]
    name = full_name(comm, arguments, hide_arguments=hide_arguments)
    cgroup = Content(f"0::{tenant.fill_in(program.cgroup)}\n".encode())
    belonging = belonging_of(cgroup, _file(tenant.fill_in(program.environ)))
    if program.pod is not None:
        belonging = replace(
            belonging,
            pod_namespace=program.pod.namespace,
            pod_name=tenant.fill_in(program.pod.name),
            container_name=program.pod.container,
        )
    return HostProcess(
        tenant.pid,
        username=tenant.user,
        name=name,
        command=command_text(arguments, name, hide_arguments=hide_arguments),
        uid=tenant.uid,
        # As if the simulation had begun at boot, and below 0 what is older: all are older than an XID of now.
        start_ticks=int(tenant.started * TICKS_PER_SECOND),
        belonging=belonging,
    )


def _file(words: str) -> Content:
    """A list of words as in /proc: each ends with a zero byte."""
    return Content("".join(f"{word}\0" for word in words.split(" ") if word).encode())
