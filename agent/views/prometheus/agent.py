"""The agent itself and its host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent import __version__
from agent.readings import GpuState
from agent.views.prometheus.families import counter, gauge, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import Metric

    from agent.readings import HostReading, Snapshot

HOST: tuple[tuple[str, str, Callable[[HostReading], float | None]], ...] = (
    ("host_cpu_utilization_ratio", "CPU of the host in use, 0 to 1.", lambda host: ratio(host.cpu_percent)),
    ("host_cpus", "Logical CPUs of the host.", lambda host: host.cpu_count_logical),
    ("host_memory_total_bytes", "Memory of the host.", lambda host: host.memory_total_bytes),
    ("host_memory_available_bytes", "Of it, to be had.", lambda host: host.memory_available_bytes),
    ("host_disk_used_bytes", "Disk of the host in use.", lambda host: host.disk_used_bytes),
    ("host_disk_available_bytes", "Disk of the host to be had.", lambda host: host.disk_available_bytes),
    ("host_temperature_celsius", "Hottest sensor of the host.", lambda host: host.temperature_celsius),
)


def agent_families(
    snapshot: Snapshot, *, streams: int, max_streams: int, log_lines_dropped: int
) -> Iterator[Metric]:
    """What is there even without a driver."""
    yield gauge("agent_build_info", "Always 1; which agent this is.", ("version",), [((__version__,), 1)])
    yield gauge("agent_driver_up", "1: the driver answers.", (), [((), snapshot.driver is not None)])
    yield gauge("agent_simulated", "1: no real GPU is behind the numbers.", (), [((), snapshot.simulated)])
    yield gauge(
        "agent_gpus",
        "GPUs that the driver counts.",
        (),
        [((), snapshot.driver.gpu_count if snapshot.driver else None)],
    )
    stuck = sum(gpu.state is GpuState.STUCK for gpu in snapshot.gpus)
    yield gauge("agent_stuck_calls", "Driver calls that do not return.", (), [((), stuck)])
    yield counter(
        "agent_driver_calls",
        "NVML functions called since the agent started.",
        (),
        [((), snapshot.driver_calls)],
    )
    yield gauge("agent_streams", "Streams open now.", (), [((), streams)])
    yield gauge("agent_max_streams", "Streams that may be open at once.", (), [((), max_streams)])
    yield counter(
        "agent_log_lines_dropped",
        "Log lines dropped because nobody read them, since the agent started.",
        (),
        [((), log_lines_dropped)],
    )
    if snapshot.host is not None:
        for name, documentation, value in HOST:
            yield gauge(name, documentation, (), [((), value(snapshot.host))])
