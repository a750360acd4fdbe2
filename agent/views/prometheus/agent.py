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
    (
        "host_cpu_utilization_ratio",
        "CPU utilization of the host, 0 to 1.",
        lambda host: ratio(host.cpu_percent),
    ),
    ("host_cpus", "Number of logical CPUs of the host.", lambda host: host.cpu_count_logical),
    ("host_memory_total_bytes", "Host memory, in bytes.", lambda host: host.memory_total_bytes),
    (
        "host_memory_available_bytes",
        "Host memory available to new processes, in bytes.",
        lambda host: host.memory_available_bytes,
    ),
    ("host_disk_used_bytes", "Host disk space in use, in bytes.", lambda host: host.disk_used_bytes),
    (
        "host_disk_available_bytes",
        "Host disk space available, in bytes.",
        lambda host: host.disk_available_bytes,
    ),
    (
        "host_temperature_celsius",
        "Temperature of the host's hottest sensor, in degrees Celsius.",
        lambda host: host.temperature_celsius,
    ),
)


def agent_families(
    snapshot: Snapshot, *, streams: int, max_streams: int, log_lines_dropped: int
) -> Iterator[Metric]:
    """What is there even without a driver."""
    yield gauge(
        "agent_build_info",
        "Always 1; the label is the version of the agent.",
        ("version",),
        [((__version__,), 1)],
    )
    yield gauge(
        "agent_driver_up", "1 if the driver answers, else 0.", (), [((), snapshot.driver is not None)]
    )
    yield gauge("agent_simulated", "1 if the GPUs are simulated, else 0.", (), [((), snapshot.simulated)])
    yield gauge(
        "agent_gpus",
        "Number of GPUs that the driver counts.",
        (),
        [((), snapshot.driver.gpu_count if snapshot.driver else None)],
    )
    yield gauge(
        "agent_expected_gpus",
        "Number of GPUs that the host should have (EXPECTED_GPUS); 0: any number.",
        (),
        [((), snapshot.census.expected)],
    )
    stuck = sum(gpu.state is GpuState.STUCK for gpu in snapshot.gpus)
    yield gauge("agent_stuck_calls", "Number of driver calls that do not return.", (), [((), stuck)])
    yield counter(
        "agent_driver_calls",
        "NVML functions called since the agent started.",
        (),
        [((), snapshot.driver_calls)],
    )
    yield gauge("agent_streams", "Number of open streams.", (), [((), streams)])
    yield gauge("agent_max_streams", "Maximum number of open streams (MAX_STREAMS).", (), [((), max_streams)])
    yield counter(
        "agent_log_lines_dropped",
        "Log lines dropped because nobody read them, since the agent started.",
        (),
        [((), log_lines_dropped)],
    )
    if snapshot.host is not None:
        for name, documentation, value in HOST:
            yield gauge(name, documentation, (), [((), value(snapshot.host))])
