"""A simulated lab that uses the GPUs: users, their programs, and jobs that come and go.

Everything follows from the simulation's clock: there is no state, and no process of this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.simulation.gpu_values import DESKTOP_BYTES
from agent.simulation.lab_table import LabTable
from agent.simulation.models import MIB
from agent.simulation.processes import SimulatedProcess
from agent.simulation.tenants import desktop, tenants_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agent.simulation.gpu import SimulatedGpu
    from agent.simulation.gpu_values import GpuValues
    from agent.simulation.mig import MigInstance
    from agent.simulation.tenants import Tenant

UNIFIED_MEMORY_USED = 2 * 1024**3


class Lab:
    """Lists the processes on GPUs, and has a table of all of them."""

    def processes_on(self, gpu: SimulatedGpu) -> list[SimulatedProcess]:
        """They hold all memory in use, and share the work; without memory in use there are none."""
        at, values = gpu.now
        has_desktop, used = gpu.model.graphics_processes, values.memory_used
        listed = []
        if used is None:  # unified memory: the GPU reports no total, yet each process has its amount
            used = UNIFIED_MEMORY_USED if values.gpu_utilization else 0
            of_desktop = DESKTOP_BYTES
        else:
            of_desktop = min(DESKTOP_BYTES, used) if has_desktop else 0
            used -= of_desktop
        if has_desktop:
            listed.append(SimulatedProcess(desktop().pid, "G", of_desktop, comm=desktop().comm))
        tenants = tenants_on(gpu.index, at, len(gpu.mig_instances)) if used > 0 else []
        share = _on_whole_gpu if not gpu.mig_instances else _on_instances
        return [*listed, *share(gpu, tenants, values, used)]

    def process_table(
        self,
        gpus: Sequence[SimulatedGpu],
        elapsed: Callable[[], float],
        *,
        hide_command_args: bool,
        pod_logs: str,  # noqa: ARG002  (the lab knows the names of its pods)
    ) -> LabTable:
        """The process table of the lab's host."""
        return LabTable(gpus, elapsed, hide_command_args=hide_command_args)


def _on_whole_gpu(
    gpu: SimulatedGpu, tenants: Sequence[Tenant], values: GpuValues, used: int
) -> Iterator[SimulatedProcess]:
    memory = _parts(used, [one.program.memory for one in tenants])
    work = [one.program.work for one in tenants]
    for number, tenant in enumerate(tenants):
        busy, whole = work[number], sum(work) or 1
        yield SimulatedProcess(
            tenant.pid,
            "C+G" if gpu.model.graphics_processes and number == 0 else "C",
            memory[number],
            sm_utilization=(values.gpu_utilization or 0) * busy // whole,
            memory_utilization=(values.memory_utilization or 0) * busy // whole,
            encoder_utilization=(values.encoder_utilization or 0) * busy // whole,
            decoder_utilization=(values.decoder_utilization or 0) * busy // whole,
            comm=tenant.comm,
        )


def _on_instances(
    gpu: SimulatedGpu, tenants: Sequence[Tenant], values: GpuValues, used: int
) -> Iterator[SimulatedProcess]:
    """One on each. The driver reports no utilization of an instance's processes."""
    taken = gpu.mig_instances[: len(tenants)]
    for tenant, instance in zip(tenants, taken, strict=True):
        beside = sum(one.gpu_instance_id == instance.gpu_instance_id for one in taken)
        yield SimulatedProcess(
            tenant.pid,
            "C",
            _used_of(instance, values, used) // beside,
            mig_index=instance.mig_index,
            comm=tenant.comm,
        )


def _used_of(instance: MigInstance, values: GpuValues, used: int) -> int:
    """The used memory as in nvmlDeviceGetMemoryInfo."""
    if instance.memory_used is not None:
        return instance.memory_used
    return int(used * instance.memory_total / (values.memory_total or instance.memory_total))


def _parts(whole: int, weights: Sequence[int]) -> list[int]:
    """Parts in whole MiB; the first gets the remainder."""
    parts = [whole * weight // sum(weights) // MIB * MIB for weight in weights]
    return [whole - sum(parts[1:]), *parts[1:]] if parts else []
