"""Scenarios: a scenario is a list of timed steps, which run when the simulation's clock reaches them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

from agent.simulation import bad_values, fabric
from agent.simulation.codes import ClocksEventReason, FieldId, NvmlReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.simulation.gpu import SimulatedGpu
    from agent.simulation.library import SimulatedLibrary

Step = tuple[float, "Callable[[SimulatedLibrary], None]"]  # seconds since the start, or of the period


@dataclass(frozen=True, slots=True)
class Scenario:
    """The steps of a scenario, by time."""

    description: str  # one line
    steps: tuple[Step, ...] = ()  # by time
    period_seconds: float | None = None  # the steps are repeated
    models: tuple[str, ...] | None = None  # where none are asked for

    def steps_until(self, elapsed: float) -> int:
        """How many steps are due by `elapsed` seconds, counting each repetition."""
        periods = 0
        if self.period_seconds is not None:
            periods, elapsed = int(elapsed // self.period_seconds), elapsed % self.period_seconds
        return periods * len(self.steps) + sum(at <= elapsed for at, _ in self.steps)


def scenario_named(name: str) -> Scenario:
    """The scenario of that name. ValueError names the accepted ones."""
    if name not in SCENARIOS:
        raise ValueError(f"{name!r} is no scenario; accepted are {', '.join(SCENARIOS)}.")
    return SCENARIOS[name]


def _second(library: SimulatedLibrary) -> SimulatedGpu:
    """The faulty GPU: the second one, so that the first is healthy."""
    return library.gpus[min(1, len(library.gpus) - 1)]


def _miss_functions(library: SimulatedLibrary) -> None:
    for symbol in (
        "nvmlDeviceGetFanSpeed",
        "nvmlDeviceGetFanSpeedRPM",
        "nvmlDeviceGetFieldValues",
        "nvmlDeviceGetPcieThroughput",
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetCurrentClocksThrottleReasons",
        "nvmlDeviceGetProcessUtilization",
        "nvmlDeviceGetProcessesUtilizationInfo",
        "nvmlGpmQueryDeviceSupport",
    ):
        library.remove_function(symbol)


def _support_little(library: SimulatedLibrary) -> None:
    for gpu in library.gpus:
        gpu.unsupport(
            "nvmlDeviceGetUtilizationRates",
            "nvmlDeviceGetPowerUsage",
            "nvmlDeviceGetPowerManagementLimit",
            "nvmlDeviceGetEnforcedPowerLimit",
            "nvmlDeviceGetFanSpeed",
            "nvmlDeviceGetProcessUtilization",
            "nvmlDeviceGetProcessesUtilizationInfo",
            "nvmlDeviceGetPcieThroughput",
            "nvmlDeviceGetFieldValues",
            "nvmlDeviceGetCurrentClocksEventReasons",
        )


def _reload_without_one(library: SimulatedLibrary) -> None:
    _second(library).vanish()
    library.reload_driver()


def _slow_down(library: SimulatedLibrary) -> None:
    library.call_seconds = 0.001
    for gpu in library.gpus:
        gpu.unsupport(FieldId.PCIE_COUNT_TX_BYTES, FieldId.PCIE_COUNT_RX_BYTES)


def _churn(library: SimulatedLibrary) -> None:
    for gpu in library.gpus:
        gpu.churn = True


def _enable_mig(library: SimulatedLibrary) -> None:
    for gpu in library.gpus[::2]:
        if gpu.model.mig_profiles:
            gpu.enable_mig()


def _fall_ill(library: SimulatedLibrary) -> None:
    """Every GPU except the first, each with a different fault."""
    troubles = cycle(
        (
            _remapping_pending,
            _uncorrected_errors,
            _link_down,
            _narrow_slot,
            _power_brake,
            _worn_sram,
            _fabric_in_progress,
        )
    )
    for gpu, trouble in zip(library.gpus[1:], troubles, strict=False):
        trouble(gpu)


def _suspend(library: SimulatedLibrary) -> None:
    library.fail("nvmlDeviceGetProcessUtilization", NvmlReturn.NOT_FOUND)
    second = _second(library)
    second.fix(gpu_utilization=97, memory_used=0)
    second.processes = []


def _remapping_pending(gpu: SimulatedGpu) -> None:
    gpu.error_counters.remapped_rows_uncorrected = 1
    gpu.error_counters.remapping_pending = True


def _uncorrected_errors(gpu: SimulatedGpu) -> None:
    gpu.error_counters.uncorrected_volatile = gpu.error_counters.uncorrected_aggregate = 2


def _link_down(gpu: SimulatedGpu) -> None:
    gpu.nvlinks_down = {len(gpu.nvlinks) - 1}


def _narrow_slot(gpu: SimulatedGpu) -> None:
    gpu.fix(pcie_width=8, gpu_utilization=97, performance_state=0)


def _power_brake(gpu: SimulatedGpu) -> None:
    gpu.fix(clocks_event_reasons=ClocksEventReason.HW_POWER_BRAKE_SLOWDOWN)


def _worn_sram(gpu: SimulatedGpu) -> None:
    gpu.error_counters.sram_threshold_exceeded = 1


def _fabric_in_progress(gpu: SimulatedGpu) -> None:
    gpu.fabric = fabric.Fabric(state=fabric.IN_PROGRESS)


def _never_work(library: SimulatedLibrary) -> None:
    for gpu in library.gpus:
        gpu.processes, gpu.runtime_status = [], "active"
        gpu.fix(gpu_utilization=0)


def _sleep(library: SimulatedLibrary) -> None:
    for gpu in library.gpus:
        gpu.runtime_status = "suspended"


def _awake(library: SimulatedLibrary) -> None:
    for gpu in library.gpus:
        gpu.runtime_status = "active"


SCENARIOS: Mapping[str, Scenario] = {
    "healthy": Scenario("Every GPU works."),
    "lost": Scenario(
        "GPU 1 falls off the bus for 30 of every 60 seconds.",
        ((0, lambda s: _second(s).restore()), (30, lambda s: _second(s).lose())),
        period_seconds=60,
    ),
    "gone": Scenario(
        "GPU 1 is missing at the start, appears after 45 seconds, and disappears for good after 3 minutes,"
        " when the driver is reloaded.",
        ((0, lambda s: _second(s).vanish()), (45, lambda s: _second(s).appear()), (180, _reload_without_one)),
    ),
    "asleep": Scenario(
        "The GPUs are a laptop's, and idle: from second 20 to 80 of every 120 they sleep.",
        ((0, _never_work), (20, _sleep), (80, _awake)),
        period_seconds=120,
        models=("rtx4090",),
    ),
    "hang": Scenario(
        "From 20 seconds after the start, calls on GPU 1 do not return for 60 seconds.",
        ((20, lambda s: _second(s).hang()), (80, lambda s: _second(s).release())),
    ),
    "missing-functions": Scenario(
        "The library lacks fan, PCIe, clocks event reason, GPM and process utilization functions.",
        ((0, _miss_functions),),
    ),
    "permission-denied": Scenario("Nobody may read GPU 1.", ((0, lambda s: _second(s).deny()),)),
    "not-supported": Scenario(
        "Utilization, power, fan, PCIe throughput and clocks event reasons are not supported.",
        ((0, _support_little),),
    ),
    "no-driver": Scenario(
        "The NVIDIA driver is absent for the first 30 seconds.",
        ((0, lambda s: s.remove_driver("absent")), (30, lambda s: s.restore_driver())),
    ),
    "driver-mismatch": Scenario(
        "The library does not fit the loaded driver, as after an upgrade without a reboot.",
        ((0, lambda s: s.remove_driver("mismatched")),),
    ),
    "slow": Scenario(
        "Each call takes 1 ms, and PCIe throughput only comes from 20 ms windows.", ((0, _slow_down),)
    ),
    "mig": Scenario("Every other GPU is partitioned by MIG.", ((0, _enable_mig),)),
    "unified-memory": Scenario(
        "The GPU shares the host's memory and reports no memory values.", models=("gb10",)
    ),
    "old-driver": Scenario(
        "An older driver without the newer versions of functions.",
        ((0, lambda s: s.set_driver_generation("r470")),),
    ),
    "churn": Scenario("Process lists change while they are being read.", ((0, _churn),)),
    "mixed-models": Scenario(
        "GPUs of every model in one host.", models=("h100", "a100", "rtx4090", "gb10", "k80")
    ),
    "sick": Scenario(
        "Each GPU but the first has a fault: row remapping pending, uncorrected ECC errors, an NVLink down,"
        " half of the PCIe lanes, the power brake, too many errors in SRAM, a fabric that never"
        " becomes ready.",
        ((0, _fall_ill),),
    ),
    "xid": Scenario(
        "GPU 1 reports XID 31 every 20 seconds, and after a minute XID 79: it is lost for 20 seconds.",
        (
            (0, lambda s: _second(s).restore()),
            (20, lambda s: _second(s).raise_xid(31)),
            (40, lambda s: _second(s).raise_xid(31)),
            (60, lambda s: _second(s).raise_xid(79)),
            (60, lambda s: _second(s).lose()),
        ),
        period_seconds=80,
    ),
    "ghost": Scenario(
        "As on Blackwell: GPU 1 reports 97 % utilization without a process and without memory in use, and the"
        " older function of process utilization finds nothing.",
        ((0, _suspend),),
    ),
    "errors": Scenario(
        "From second 30 to 150 of every 180, each GPU but the first fails to report something: memory and"
        " utilization, power, temperature with a pause, memory temperature, process utilization; GPU 2 never"
        " reports one optional value.",
        (
            (0, bad_values.begin_anew),
            (30, bad_values.fail_values),
            (80, bad_values.heal_temperature),
            (85, bad_values.fail_values),
            (130, bad_values.heal_temperature),
            (150, bad_values.begin_anew),
        ),
        period_seconds=180,
    ),
    "garbage": Scenario(
        "For 30 of every 60 seconds, each GPU but the first reports impossible numbers: 4 MW, 82505 degrees"
        " Celsius, more memory in use than there is, 4294967295 remapped rows, processes of 32 TiB.",
        ((0, bad_values.report_real_values), (30, bad_values.report_garbage)),
        period_seconds=60,
    ),
    "reset-required": Scenario(
        "For 60 of every 120 seconds, GPU 1 requires a reset: it reports only its identity, its memory and"
        " its processes.",
        ((0, lambda s: _second(s).reset()), (60, lambda s: _second(s).require_reset())),
        period_seconds=120,
    ),
    "count-fails-once": Scenario(
        "The first count of GPUs fails.",
        ((0, lambda s: s.fail("nvmlDeviceGetCount_v2", NvmlReturn.UNKNOWN, times=1)),),
    ),
}
