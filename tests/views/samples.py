"""GPUs in every state, for tests of views."""

from __future__ import annotations

from agent.readings import (
    DriverReading,
    GpuIdentity,
    GpuProcess,
    GpuSample,
    GpuState,
    HostProcess,
    HostReading,
    ProcessesReading,
    ProcessType,
    Snapshot,
)
from tests.support.readings import reading

MIB = 1024**2
SAMPLED_AT = 1757926888.733
DRIVER = DriverReading(
    gpu_count=4, driver_version="580.95.05", cuda_version="13.0", nvml_version="13.580.95.05"
)
IDENTITY = GpuIdentity(uuid="GPU-1", name="NVIDIA GeForce RTX 3090")
READING = reading(
    sampled_since_boot=100.0,
    identity=IDENTITY,
    memory_total_bytes=24576 * MIB,
    clocks_max_graphics_mhz=2100,
    clocks_max_memory_mhz=9751,
    pcie_max_generation=4,
    pcie_max_width=16,
    pcie_port_width=16,
    memory_used_bytes=11728 * MIB,
    memory_free_bytes=12525 * MIB,
    utilization_gpu_percent=5,
    utilization_memory_controller_percent=2,
    thermal_gpu_celsius=55,
    power_usage_watts=119.4,
    power_limit_watts=350.0,
    clocks_graphics_mhz=1695,
    clocks_memory_mhz=9501,
    pcie_generation=3,
    pcie_width=8,
    pcie_tx_kib_per_second=1024.0 * 100,
    pcie_rx_kib_per_second=1024.0 * 200,
    clocks_event_reasons=0x4,
    fans_speed_percent=51,
    fans_speed_rpm=1300,
    processes=(
        GpuProcess(100, ProcessType.COMPUTE, 11710 * MIB, 4),
        GpuProcess(200, ProcessType.GRAPHICS, None, None),
    ),
)
HOST = HostReading(hostname="node1")
PROCESSES = ProcessesReading(
    {100: HostProcess(100, "do1e", "python", "python train.py", 99.96, 2048 * MIB, 3.1, 363_661.9)}
)
STUCK_SENTENCE = "A driver call on this GPU has not returned for 4 s"
STUCK_ADVICE = "look for its XID in dmesg; if it persists, reboot"
LOST_SENTENCE = "The GPU is lost"
LOST_ADVICE = "reset it or reboot"
STARTING_SENTENCE = "The GPU has not answered yet"

HEALTHY = GpuSample(0, GpuState.OK, READING, None, SAMPLED_AT, 12, seconds=0.009)
STUCK = GpuSample(
    1, GpuState.STUCK, None, READING.lasting(), SAMPLED_AT, 4012, STUCK_SENTENCE, todo=STUCK_ADVICE
)
LOST = GpuSample(2, GpuState.LOST, None, READING.lasting(), SAMPLED_AT, 9000, LOST_SENTENCE, todo=LOST_ADVICE)
STARTING = GpuSample(3, GpuState.STARTING, error=STARTING_SENTENCE)
KNOWS_NOTHING = GpuSample(0, GpuState.OK, reading(), sampled_at=SAMPLED_AT, age_ms=0)


def snapshot(*gpus: GpuSample) -> Snapshot:
    """A Snapshot of these GPUs on the host of the examples."""
    return Snapshot(
        taken_at=1757926889.5,
        taken_monotonic=100.0,
        driver=DRIVER,
        gpus=gpus,
        host=HOST,
        processes=PROCESSES,
        driver_calls=1234,
    )
