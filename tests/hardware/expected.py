"""Each field of `/gpu` and `/status`: its counterpart in nvidia-smi and the tolerance, or why it has none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.derive import throttling
from tests.hardware.comparing import Exactly, Field, Theirs, Within, mib_of, watts_of
from tests.hardware.smi import Missing, Number, SmiGpu, SmiLog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class SameBits:
    """The bits that nvidia-smi reports are the same in one of its outputs; it reports fewer than NVML."""

    why: str = "bits that nvidia-smi does not print are left out"

    def admits(self, ours: int, theirs: Sequence[str]) -> bool:
        pairs = ([int(part, 16) for part in text.split(" of ")] for text in theirs)
        return any(ours & reported == active for active, reported in pairs)


WHOLE_MIB = Within("nvidia-smi prints whole MiB", absolute=1.05)
MEMORY = Within("clients of the driver that come and go, nvidia-smi itself too, take some MiB", absolute=32)
MEMORY_PERCENT = Within("32 MiB, and rounding to a tenth or a whole", absolute=0.6, relative=0.01)
TEMPERATURE = Within("whole degrees, and it moves within seconds", absolute=2)
POWER = Within("averaged over a second, asking wakes an idle GPU, /status has whole watts", 6, 0.1)
POWER_LIMIT = Within("/gpu has tenths, /status whole watts", absolute=0.51)
UTILIZATION = Within("percent over windows of up to a second that do not coincide", absolute=20)
CLOCK = Within("boost moves in steps of 15 MHz and less; some clocks are measured, not set", 60, 0.03)
CLOCK_PERCENT = Within("60 MHz of some 2000, and rounding", absolute=4)
FAN = Within("the fan turns meanwhile", absolute=5)
# nvidia-smi reports one window of 20 ms; the agent the mean between two samples, or another window. This is
# a rough check of unit and direction; test_pcie.py compares a known copy with the reported rate.
TRAFFIC = Within("20 ms of nvidia-smi's against a second of the agent's", absolute=200, relative=0.5)


def _derived(value: Callable[..., Any], *numbers: Number) -> Theirs:
    """A value that is derived from several numbers, if all of them are reported."""
    for number in numbers:
        if isinstance(number, Missing):
            return number
    result: Theirs = value(*numbers)
    return result


def _percent_of(part: Number, total: Number) -> Theirs:
    return _derived(lambda part, total: part * 100 / total, part, total)


def _mbps(kib: Number) -> Theirs:
    return _derived(lambda kib: kib / 1024, kib)


def _reasons(gpu: SmiGpu) -> Theirs:
    if isinstance(gpu.clocks_event_reasons, Missing):
        return gpu.clocks_event_reasons
    return f"{gpu.clocks_event_reasons:#x} of {gpu.clocks_event_reasons_reported:#x}"


def _is_throttled(gpu: SmiGpu) -> Theirs:
    reasons, reported = gpu.clocks_event_reasons, gpu.clocks_event_reasons_reported
    if isinstance(reasons, Missing):
        return reasons
    if throttling.SLOWDOWN & ~reported:
        return Missing.NOT_AVAILABLE
    return bool(reasons & throttling.SLOWDOWN)


def _power_budget(gpu: SmiGpu) -> Theirs:
    draws, limits = gpu.power_draw_watts, gpu.power_limit_watts
    if isinstance(draws, Missing):
        return draws
    if isinstance(limits, Missing):
        return limits
    return tuple(max(0.0, limit - draw) for draw in draws for limit in limits)


def _power_percent(gpu: SmiGpu) -> Theirs:
    draws, limits = gpu.power_draw_watts, gpu.power_limit_watts
    if isinstance(draws, Missing):
        return draws
    if isinstance(limits, Missing):
        return limits
    return tuple(draw * 100 / limit for draw in draws for limit in limits)


GPU_FIELDS: tuple[Field[SmiGpu], ...] = (
    Field("id", lambda gpu: gpu.index, Exactly(), settled=True),
    Field("uuid", lambda gpu: gpu.uuid, Exactly(), settled=True),
    Field("name", lambda gpu: gpu.name, Exactly(), settled=True),
    Field("memory.total_mb", lambda gpu: gpu.memory_total_mib, WHOLE_MIB, settled=True),
    Field("memory.used_mb", lambda gpu: gpu.memory_used_mib, MEMORY),
    Field("memory.free_mb", lambda gpu: gpu.memory_free_mib, MEMORY),
    Field(
        "memory.utilization_percent",
        lambda gpu: _percent_of(gpu.memory_used_mib, gpu.memory_total_mib),
        MEMORY_PERCENT,
    ),
    Field("utilization.gpu_percent", lambda gpu: gpu.gpu_percent, UTILIZATION),
    Field("utilization.memory_percent", lambda gpu: gpu.memory_percent, UTILIZATION),
    Field("temperature_celsius", lambda gpu: gpu.temperature_celsius, TEMPERATURE),
    Field("power.usage_watts", lambda gpu: gpu.power_draw_watts, POWER),
    Field("power.limit_watts", lambda gpu: gpu.power_limit_watts, POWER_LIMIT, slow=True),
    Field("power.budget_watts", _power_budget, POWER),
    Field("power.efficiency_percent", _power_percent, Within("as the draw", absolute=2, relative=0.1)),
    Field("clocks.graphics_mhz", lambda gpu: gpu.graphics_clock_mhz, CLOCK),
    Field("clocks.memory_mhz", lambda gpu: gpu.memory_clock_mhz, CLOCK),
    Field("clocks.max_graphics_mhz", lambda gpu: gpu.max_graphics_clock_mhz, Exactly(), settled=True),
    Field("clocks.max_memory_mhz", lambda gpu: gpu.max_memory_clock_mhz, Exactly(), settled=True),
    Field(
        "clocks.efficiency_percent",
        lambda gpu: _percent_of(gpu.graphics_clock_mhz, gpu.max_graphics_clock_mhz),
        CLOCK_PERCENT,
    ),
    Field("pcie.generation", lambda gpu: gpu.pcie_max_generation, Exactly(), settled=True),
    Field("pcie.current_generation", lambda gpu: gpu.pcie_generation, Exactly("drops when idle"), slow=True),
    Field("pcie.current_width", lambda gpu: gpu.pcie_width, Exactly("drops when idle"), slow=True),
    Field("pcie.tx_throughput_mbps", lambda gpu: _mbps(gpu.pcie_tx_kib_per_second), TRAFFIC),
    Field("pcie.rx_throughput_mbps", lambda gpu: _mbps(gpu.pcie_rx_kib_per_second), TRAFFIC),
    Field(
        "pcie.total_throughput_mbps",
        lambda gpu: _derived(
            lambda tx, rx: (tx + rx) / 1024, gpu.pcie_tx_kib_per_second, gpu.pcie_rx_kib_per_second
        ),
        TRAFFIC,
    ),
    Field("throttling.reasons", _reasons, SameBits()),
    Field("throttling.is_throttled", _is_throttled, Exactly("slowdowns come and go")),
    Field("fan_speed_percent", lambda gpu: gpu.fan_speed_percent, FAN, slow=True),
)

# Values of a GPU in /gpu that have no counterpart in nvidia-smi -q -x.
GPU_ALONE = {
    "timestamp": "when the agent sampled",
    "state": "the agent's own judgement; must be ok",
    "age_ms": "the agent's own",
    "error": "must be null",
    "memory.bandwidth_utilization_percent": "GPM where the GPU has it; nvidia-smi has the coarser rate",
    "utilization.sm_percent": "GPM where the GPU has it; nvidia-smi has the coarser rate",
    "pcie.width": "of the slot too; the card's is compared in test_details.py",
    "pcie.max_bandwidth_mbps": "follows from generation and width",
    "pcie.utilization_percent": "follows from total and max_bandwidth_mbps",
    "throttling.reason_names": "follows from reasons, which is compared",
    "throttling.bottlenecks": "follows from reasons, power, memory and PCIe, which are compared",
    "fan_speed_rpm": "nvidia-smi -q -x prints percent only",
    "status": "the agent's own judgement, of values that are compared",
    "health.verdict": "our judgement of many values",
    "health.reasons": "words of that judgement",
    "debug_info.gpu_util_threshold": "words of that judgement",
    "debug_info.power_threshold": "words of that judgement",
    "debug_info.memory_util_threshold": "words of that judgement",
    "debug_info.clock_threshold": "words of that judgement",
    "debug_info.temp_threshold": "words of that judgement",
    "debug_info.is_active": "that judgement",
    "top_processes": "the list is compared as /status shows it",
}

DEVICE_FIELDS: tuple[Field[SmiGpu], ...] = (
    Field("idx", lambda gpu: gpu.index, Exactly(), settled=True),
    Field("name", lambda gpu: gpu.name, Exactly(), settled=True),
    Field("uuid", lambda gpu: gpu.uuid, Exactly(), settled=True),
    Field("fan_speed", lambda gpu: gpu.fan_speed_percent, FAN, slow=True),
    Field("temperature", lambda gpu: gpu.temperature_celsius, TEMPERATURE),
    Field("power_status", lambda gpu: gpu.power_draw_watts, POWER, ours=watts_of(0), part="draw"),
    Field(
        "power_status",
        lambda gpu: gpu.power_limit_watts,
        POWER_LIMIT,
        ours=watts_of(1),
        part="limit",
        slow=True,
    ),
    Field("gpu_utilization", lambda gpu: gpu.gpu_percent, UTILIZATION),
    Field("memory_total_human", lambda gpu: gpu.memory_total_mib, WHOLE_MIB, ours=mib_of, settled=True),
    Field("memory_used_human", lambda gpu: gpu.memory_used_mib, MEMORY, ours=mib_of),
    Field("memory_free_human", lambda gpu: gpu.memory_free_mib, MEMORY, ours=mib_of),
    Field(
        "memory_utilization",
        lambda gpu: _percent_of(gpu.memory_used_mib, gpu.memory_total_mib),
        MEMORY_PERCENT,
    ),
)

DEVICE_ALONE = {
    "health.verdict": "our judgement of many values",
    "health.reasons": "words of that judgement",
    "ts": "when the agent sampled",
    "state": "the agent's own judgement; must be ok",
    "age_ms": "the agent's own",
}


def _sum(log: SmiLog, value: Callable[[SmiGpu], Number]) -> Theirs:
    return _derived(lambda *values: sum(values), *map(value, log.gpus))


def _mean(log: SmiLog, value: Callable[[SmiGpu], Number]) -> Theirs:
    return _derived(lambda *values: sum(values) / len(values), *map(value, log.gpus))


def _total_power(log: SmiLog) -> Theirs:
    draws = [gpu.power_draw_watts for gpu in log.gpus]
    reported = [draw for draw in draws if not isinstance(draw, Missing)]
    if len(reported) < len(draws):
        return Missing.NOT_AVAILABLE
    return (sum(map(min, reported)), sum(map(max, reported)))


def _total_memory_percent(log: SmiLog) -> Theirs:
    return _derived(
        lambda *values: sum(values[::2]) * 100 / sum(values[1::2]),
        *(value for gpu in log.gpus for value in (gpu.memory_used_mib, gpu.memory_total_mib)),
    )


# Fields of /gpu as a whole. Sums over GPUs have the tolerance of up to eight GPUs.
HOST_FIELDS: tuple[Field[SmiLog], ...] = (
    Field("gpu_count", lambda log: log.attached_gpus, Exactly(), settled=True),
    Field("system_info.driver_version", lambda log: log.driver_version, Exactly(), settled=True),
    Field("system_info.cuda_version", lambda log: log.cuda_version, Exactly(), settled=True),
    Field(
        "summary.total_memory_mb",
        lambda log: _sum(log, lambda gpu: gpu.memory_total_mib),
        Within("nvidia-smi prints whole MiB of each", absolute=8.5),
        settled=True,
    ),
    Field(
        "summary.total_used_memory_mb",
        lambda log: _sum(log, lambda gpu: gpu.memory_used_mib),
        Within("32 MiB for each", absolute=8 * 32),
    ),
    Field("summary.memory_utilization_percent", _total_memory_percent, MEMORY_PERCENT),
    Field(
        "summary.average_gpu_utilization_percent",
        lambda log: _mean(log, lambda gpu: gpu.gpu_percent),
        UTILIZATION,
    ),
    Field(
        "summary.average_temperature_celsius",
        lambda log: _mean(log, lambda gpu: gpu.temperature_celsius),
        TEMPERATURE,
    ),
    Field("summary.total_power_usage_watts", _total_power, Within("as each", absolute=8 * 6, relative=0.1)),
)

# A comparison without one of these proves nothing about the agent.
REQUIRED_OF_GPU = frozenset(
    {
        *("uuid", "name", "memory.total_mb", "temperature_celsius", "power.usage_watts", "power.limit_watts"),
        *(f"clocks.{name}" for name in ("graphics_mhz", "memory_mhz", "max_graphics_mhz", "max_memory_mhz")),
        *("utilization.gpu_percent", "utilization.memory_percent"),
        *(f"pcie.{name}" for name in ("generation", "current_generation", "current_width")),
    }
)
REQUIRED_OF_DEVICE = frozenset(
    {
        *("uuid", "name", "memory_total_human", "temperature", "gpu_utilization"),
        *("power_status (draw)", "power_status (limit)"),
    }
)
REQUIRED_OF_HOST = frozenset({"gpu_count", "system_info.driver_version", "system_info.cuda_version"})
