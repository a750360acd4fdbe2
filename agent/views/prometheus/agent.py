"""The agent itself and its host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent import __version__
from agent.views.prometheus.families import counter, gauge, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.readings import AgentReading, HostReading, Snapshot
    from agent.readings.state import StateReading
    from agent.views.prometheus.exposition import Family

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


@dataclass(frozen=True, slots=True)
class AgentHealth:
    """Values about the agent itself, which are not in a Snapshot."""

    process: AgentReading
    streams: int
    max_streams: int
    late_samples: int
    log_lines_dropped: int
    token_file: tuple[bool, float | None] | None = (
        None  # whether the last read succeeded; Unix time of the last read that did
    )
    state: StateReading | None = None  # None: STATE_DIR is not set


PROCESS: tuple[tuple[str, str, Callable[[AgentReading], float | None]], ...] = (
    (
        "agent_start_time_seconds",
        "Unix time at which the agent started, in seconds.",
        lambda process: process.started_at,
    ),
    (
        "agent_resident_memory_bytes",
        "Memory of the agent that is in RAM, in bytes.",
        lambda process: process.resident_bytes,
    ),
    ("agent_open_files", "Number of open files of the agent.", lambda process: process.open_files),
    (
        "agent_max_open_files",
        "Maximum number of open files of the agent.",
        lambda process: process.max_open_files,
    ),
)


def agent_families(snapshot: Snapshot, agent: AgentHealth) -> Iterator[Family]:
    """The families that exist even without a driver."""
    yield gauge(
        "agent_build_info",
        "Always 1; the label is the version of the agent.",
        ("version",),
        [((__version__,), 1)],
    )
    answers = snapshot.driver is not None and not snapshot.driver_is_stuck
    yield gauge("agent_driver_up", "1 if the driver answers, else 0.", (), [((), answers)])
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
    yield gauge(
        "agent_stuck_calls", "Number of driver calls that do not return.", (), [((), snapshot.stuck_calls)]
    )
    yield counter(
        "agent_driver_calls",
        "NVML functions called since the agent started.",
        (),
        [((), snapshot.driver_calls)],
    )
    yield gauge("agent_streams", "Number of open streams.", (), [((), agent.streams)])
    yield gauge(
        "agent_max_streams", "Maximum number of open streams (MAX_STREAMS).", (), [((), agent.max_streams)]
    )
    yield counter(
        "agent_log_lines_dropped",
        "Log lines dropped because nobody read them, since the agent started.",
        (),
        [((), agent.log_lines_dropped)],
    )
    yield counter(
        "agent_late_samples",
        "Samples that came a whole interval late or later, since the agent started.",
        (),
        [((), agent.late_samples)],
    )
    for name, documentation, of_process in PROCESS:
        yield gauge(name, documentation, (), [((), of_process(agent.process))])
    yield counter(
        "agent_cpu_seconds",
        "CPU time of the agent since it started, in seconds.",
        (),
        [((), agent.process.cpu_seconds)],
    )
    is_well, read_at = agent.token_file or (None, None)
    yield gauge(
        "agent_token_file_last_read_successful",
        "1 if the last read of TOKEN_FILE succeeded, else 0: the tokens read before it stay in force.",
        (),
        [((), is_well)],
    )
    yield gauge(
        "agent_token_file_last_success_timestamp_seconds",
        "Unix time at which TOKEN_FILE was last read successfully, in seconds.",
        (),
        [((), read_at)],
    )
    yield from _state(agent.state)
    log = snapshot.kernel_log
    yield gauge(
        "agent_kernel_log_up",
        "1 if the kernel log is read, else 0; absent unless KERNEL_LOG is on.",
        (),
        [((), log.is_read if log else None)],
    )
    yield counter(
        "agent_kernel_log_lines_lost",
        "Lines of the kernel log that were overwritten before the agent read them, since the agent started.",
        (),
        [((), log.lost_lines if log else None)],
    )
    yield counter(
        "host_nvswitch_sxid_errors",
        "Errors of the NVSwitch by code (SXID), as far back as the kernel log reaches (KERNEL_LOG).",
        ("nvswitch", "pci_bus_id", "sxid"),
        (
            ((str(switch.index), switch.pci_bus_id, str(code)), seen.times)
            for switch in (log.switches if log else ())
            for code, seen in switch.sxids.items()
        ),
    )
    if snapshot.host is not None:
        for name, documentation, value in HOST:
            yield gauge(name, documentation, (), [((), value(snapshot.host))])


def _state(state: StateReading | None) -> Iterator[Family]:
    yield gauge(
        "agent_state_kept",
        "1 if what a restart would lose is written to STATE_DIR, else 0: it is in memory alone.",
        (),
        [((), state.trouble is None if state else None)],
    )
    yield gauge(
        "agent_state_last_write_timestamp_seconds",
        "Unix time up to which history and GPU hours are written to STATE_DIR, in seconds.",
        (),
        [((), state.written_at if state else None)],
    )
    yield gauge(
        "agent_state_file_bytes",
        "Size of the file in STATE_DIR with its write-ahead log, in bytes.",
        (),
        [((), state.file_bytes if state else None)],
    )
    yield counter(
        "agent_state_failures",
        "Writes to STATE_DIR that failed, since the agent started; what they held is written later.",
        (),
        [((), state.failures if state else None)],
    )
    yield counter(
        "agent_state_lost_writes",
        "Writes to STATE_DIR that were given up, since the agent started: what they held is lost.",
        (),
        [((), state.lost_batches if state else None)],
    )
