"""Every fault of the simulated driver: how it begins and ends, and the expected answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent.simulation import NvmlReturn, SimulatedProcess, Simulation
from tests.faults.endpoints import GPUS, HEALTHY, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.simulation import SimulatedGpu

LOST = ("lost", "The GPU is lost: it fell off the bus")
DENIED = ("lost", "No permission to read the GPU")
STUCK = ("stuck", "A driver call on this GPU has not returned for")
ALL = range(GPUS)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault; `by` is the method or attribute of the simulated driver that causes it.

    `running` is what answers report if it begins in a running agent, `at_start` if it began before the agent;
    None: impossible. `end` is None for a fault from which the agent must recover by itself.
    """

    by: str
    begin: Callable[[Simulation], object]
    end: Callable[[Simulation], object] | None
    running: Truth | None
    at_start: Truth | None


def on(*gpus: int, do: Callable[[SimulatedGpu], object]) -> Callable[[Simulation], None]:
    def begin(simulation: Simulation) -> None:
        for index in gpus:
            do(simulation.gpus[index])

    return begin


def of_gpus(
    by: str,
    bad: Mapping[int, tuple[str, str]],
    begin: Callable[[Simulation], object],
    end: Callable[[Simulation], object],
) -> Fault:
    """A fault of some GPUs; at start their identity is unknown, too."""
    truth = Truth(bad)
    return Fault(by, begin, end, truth, replace(truth, known_before=False))


def harmless(by: str, begin: Callable[[Simulation], object], end: Callable[[Simulation], object]) -> Fault:
    """A fault that makes some value unknown, and no more."""
    return Fault(by, begin, end, HEALTHY, HEALTHY)


def without_driver(kind: str, words: str) -> Fault:
    truth = Truth(no_driver=words)
    begin = lambda simulation: simulation.remove_driver(kind)  # noqa: E731  (a row of the table)
    return Fault("remove_driver", begin, Simulation.restore_driver, truth, truth)


def release(simulation: Simulation) -> None:
    """End all hangs."""
    for faults in (simulation, *simulation.gpus):
        faults.release()


def heal(simulation: Simulation) -> None:
    for faults in (simulation, *simulation.gpus):
        faults.heal()


def three_at_once(simulation: Simulation) -> None:
    simulation.gpus[0].hang()
    simulation.gpus[3].lose()
    simulation.gpus[7].deny()


def three_recover(simulation: Simulation) -> None:
    release(simulation)
    simulation.gpus[3].restore()
    simulation.gpus[7].permit()


def slow_down(seconds: float) -> Callable[[Simulation], None]:
    def begin(simulation: Simulation) -> None:
        simulation.call_seconds = seconds

    return begin


def churn(simulation: Simulation) -> None:
    for gpu in simulation.gpus:
        gpu.processes = [SimulatedProcess(pid=1, memory_bytes=1 << 30)]
        gpu.churn = True


def calm_down(simulation: Simulation) -> None:
    for gpu in simulation.gpus:
        gpu.churn = False


MISSING = ("nvmlDeviceGetFanSpeed", "nvmlDeviceGetFieldValues", "nvmlDeviceGetProcessUtilization")


def miss(simulation: Simulation) -> None:
    for symbol in MISSING:
        simulation.remove_function(symbol)


def find(simulation: Simulation) -> None:
    for symbol in MISSING:
        simulation.restore_function(symbol)


def lose_and_miscount(simulation: Simulation) -> None:
    """A lost GPU causes the agent to count the GPUs again, which fails once."""
    simulation.gpus[0].lose()
    simulation.fail("nvmlDeviceGetCount_v2", NvmlReturn.UNKNOWN, times=1)


NO_CONTACT = Truth(no_contact=True)
NO_COUNT = Truth(no_driver="The NVIDIA driver does not answer: Unknown Error; look for XID errors in dmesg")

FAULTS: Mapping[str, Fault] = {
    "a GPU falls off the bus": of_gpus(
        "lose", {1: LOST}, on(1, do=lambda gpu: gpu.lose()), on(1, do=lambda gpu: gpu.restore())
    ),
    "a GPU vanishes": Fault(
        "vanish",
        on(1, do=lambda gpu: gpu.vanish()),
        on(1, do=lambda gpu: gpu.appear()),
        Truth({1: LOST}),
        None,  # a GPU that was never there is none of this host: see tests/sampling/test_census.py
    ),
    "every GPU falls off the bus": of_gpus(
        "lose",
        dict.fromkeys(ALL, LOST),
        on(*ALL, do=lambda gpu: gpu.lose()),
        on(*ALL, do=lambda gpu: gpu.restore()),
    ),
    "a GPU may not be read": of_gpus(
        "deny", {1: DENIED}, on(1, do=lambda gpu: gpu.deny()), on(1, do=lambda gpu: gpu.permit())
    ),
    "no GPU may be read": of_gpus(
        "deny",
        dict.fromkeys(ALL, DENIED),
        on(*ALL, do=lambda gpu: gpu.deny()),
        on(*ALL, do=lambda gpu: gpu.permit()),
    ),
    "the first call on a GPU fails": harmless(
        "fail", on(2, do=lambda gpu: gpu.fail("nvmlDeviceGetMemoryInfo_v2", NvmlReturn.UNKNOWN)), heal
    ),
    "every call on a GPU hangs": of_gpus("hang", {1: STUCK}, on(1, do=lambda gpu: gpu.hang()), release),
    "one call on a GPU hangs": of_gpus(
        "hang", {5: STUCK}, on(5, do=lambda gpu: gpu.hang("nvmlDeviceGetPowerUsage")), release
    ),
    "two GPUs hang at once": of_gpus(
        "hang", {0: STUCK, 1: STUCK}, on(0, 1, do=lambda gpu: gpu.hang()), release
    ),
    "all GPUs hang": of_gpus("hang", dict.fromkeys(ALL, STUCK), on(*ALL, do=lambda gpu: gpu.hang()), release),
    "one hangs, one is lost, one is forbidden": of_gpus(
        "hang", {0: STUCK, 3: LOST, 7: DENIED}, three_at_once, three_recover
    ),
    "everything hangs": Fault(
        "hang", lambda simulation: simulation.hang(), release, Truth(dict.fromkeys(ALL, STUCK)), NO_CONTACT
    ),
    "nvmlInit hangs": Fault(
        "hang", lambda simulation: simulation.hang("nvmlInitWithFlags"), release, None, NO_CONTACT
    ),
    "counting the GPUs hangs": Fault(
        "hang", lambda simulation: simulation.hang("nvmlDeviceGetCount_v2"), release, HEALTHY, NO_CONTACT
    ),
    "counting the GPUs fails": Fault(
        "fail",
        lambda simulation: simulation.fail("nvmlDeviceGetCount_v2", NvmlReturn.UNKNOWN),
        heal,
        HEALTHY,
        NO_COUNT,
    ),
    "counting the GPUs fails once while one is lost": Fault(
        "fail",
        lose_and_miscount,
        on(0, do=lambda gpu: gpu.restore()),
        Truth({0: LOST}),
        Truth({0: LOST}, known_before=False),
    ),
    "a call on every GPU fails": harmless(
        "fail",
        lambda simulation: simulation.fail("nvmlDeviceGetPowerManagementLimit", NvmlReturn.TIMEOUT),
        heal,
    ),
    "there is no library": without_driver("absent", "No NVIDIA driver: the NVML library"),
    "the driver is not loaded": without_driver("not_loaded", "installed but not loaded"),
    "library and driver have different versions": without_driver("mismatched", "have different versions"),
    "the driver is reloaded while the agent runs": Fault(
        "reload_driver", lambda simulation: simulation.reload_driver(), None, HEALTHY, None
    ),
    "NVML is shut down while the agent runs": Fault(
        "shutdown_nvml", lambda simulation: simulation.shutdown_nvml(), None, HEALTHY, None
    ),
    "functions are missing": harmless("remove_function", miss, find),
    "a value is not supported": harmless(
        "unsupport",
        on(*ALL, do=lambda gpu: gpu.unsupport("nvmlDeviceGetFanSpeed")),
        on(*ALL, do=lambda gpu: gpu.support("nvmlDeviceGetFanSpeed")),
    ),
    "values are impossible": harmless(
        "fix",
        on(*ALL, do=lambda gpu: gpu.fix(memory_utilization=2**32 - 1, power_limit=2**32 - 1)),
        on(*ALL, do=lambda gpu: gpu.unfix("memory_utilization", "power_limit")),
    ),
    "process lists change while they are read": harmless("churn", churn, calm_down),
    "MIG is switched on": harmless(
        "enable_mig",
        on(0, 2, do=lambda gpu: gpu.enable_mig()),
        on(0, 2, do=lambda gpu: gpu.disable_mig()),
    ),
    "an application makes a GPU report an XID": harmless(
        "raise_xid", on(0, do=lambda gpu: gpu.raise_xid(31)), lambda _simulation: None
    ),
    "the driver is old": Fault(
        "set_driver_generation",
        lambda simulation: simulation.set_driver_generation("r470"),
        lambda simulation: simulation.set_driver_generation("current"),
        None,
        HEALTHY,
    ),
    "each call takes 2 ms": harmless("call_seconds", slow_down(0.002), slow_down(0)),
    "each call takes 50 ms": Fault("call_seconds", slow_down(0.05), slow_down(0), Truth(late=True), None),
}
