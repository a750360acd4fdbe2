"""Any call may fail with any code of nvml.h, or hang: its GPU reports that, and no other is affected."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import FieldId, NvmlReturn, SimulatedGpu, SimulatedProcess, Simulation
from agent.sources.gpu import GpuSource
from agent.sources.nvml import DriverSource
from tests.faults.endpoints import SCHEDULING, Asker, every_gpu_is_ok, states_of
from tests.support.agents import agent_server, hung_agent_server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

# Each with a fault of its own, every fourth without any; two slow cores read them within SAMPLE_TIMEOUT.
GPUS = 48
SAMPLE_INTERVAL = 1.0
SAMPLE_TIMEOUT = 0.5
SHOWS_WITHIN = 2 * SAMPLE_INTERVAL + SAMPLE_TIMEOUT + SCHEDULING
WELL_WITHIN = 2 * SAMPLE_INTERVAL + SCHEDULING

CODES = (*range(1, 30), 999)  # nvmlReturn_t
# UNINITIALIZED, DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, GPU_IS_LOST, LIB_RM_VERSION_MISMATCH
NO_OTHER_CALL_CAN_SUCCEED = {1, 9, 12, 15, 18}
# INVALID_ARGUMENT, GPU_NOT_FOUND: every GPU has memory, so the handle is of none
SPEAKS_FOR_THE_WHOLE_GPU = NO_OTHER_CALL_CAN_SUCCEED | {2, 28}
OF_NO_GPU = (
    "nvmlSystem",
    "nvmlErrorString",
    "nvmlInit",
    "nvmlDeviceGetCount",
    "nvmlGpmSampleAlloc",
    "nvmlGpmSampleFree",
    "nvmlGpmMetrics",
)


# Some functions are only called of a GPU that is partitioned, or does not count bytes on PCIe.
KINDS: Mapping[str, Callable[[SimulatedGpu], object]] = {
    "plain": lambda _: None,
    "partitioned": lambda gpu: gpu.enable_mig(),
    "without counters": lambda gpu: gpu.unsupport(FieldId.PCIE_COUNT_TX_BYTES, FieldId.PCIE_COUNT_RX_BYTES),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A function that returns `code`, or, where that is None, never returns, on a GPU of that kind."""

    symbol: str
    kind: str
    code: int | None

    def begin(self, gpu: SimulatedGpu) -> None:
        if self.code is None:
            gpu.hang(self.symbol)
        else:
            gpu.fail(self.symbol, self.code)

    @property
    def states(self) -> set[str]:
        """What the GPU may be said to be."""
        if self.code is None:
            return {"stuck"}
        if self.symbol == "nvmlDeviceGetHandleByIndex_v2":
            return {"lost"}
        if self.symbol == "nvmlDeviceGetMemoryInfo_v2" and self.code in SPEAKS_FOR_THE_WHOLE_GPU:
            return {"lost"}
        if self.code in NO_OTHER_CALL_CAN_SUCCEED:
            return {"lost", "ok"}  # if it was only that call, the first of the next sample knows better
        return {"ok"}


def prepare(gpu: SimulatedGpu, kind: str) -> None:
    """One that works: of an idle one fewer functions are asked."""
    gpu.fix(gpu_utilization=90)
    gpu.processes = [SimulatedProcess(pid=1)]
    KINDS[kind](gpu)


def functions_called(*, each_time: bool) -> dict[str, str]:
    """The functions of one GPU that the agent calls at its first sample, or at each; of which kind of GPU."""
    found: dict[str, str] = {}
    for kind in KINDS:
        with Simulation(1) as simulation:
            prepare(simulation.gpus[0], kind)
            source = GpuSource(0)
            source.read()
            source.measure_slow_counters()
            if each_time:
                time.sleep(0.11)  # GPM wants 100 ms between two samples
                simulation.reset_calls()
                source.read()
            found = dict.fromkeys(simulation.calls, kind) | found
    return {symbol: kind for symbol, kind in sorted(found.items()) if not symbol.startswith(OF_NO_GPU)}


def batches(faults: list[Fault]) -> list[dict[int, Fault]]:
    """The faults by GPU, a GPU that is well between any three."""
    faulty = [index for index in range(GPUS) if index % 4]
    return [
        dict(zip(faulty, faults[start : start + len(faulty)], strict=False))
        for start in range(0, len(faults), len(faulty))
    ]


@pytest.mark.parametrize("at_start", [False, True], ids=["in a running agent", "before the agent"])
async def test_each_call_in_each_way(at_start: bool, caplog: pytest.LogCaptureFixture) -> None:
    functions = functions_called(each_time=not at_start)
    assert len(functions) >= (25 if at_start else 8)
    every_fault = [Fault(*function, code) for function, code in product(functions.items(), [None, *CODES])]
    for faults in batches(every_fault):
        with Simulation(GPUS) as simulation:
            for index, fault in faults.items():
                prepare(simulation.gpus[index], fault.kind)
            if at_start:
                begin(faults, simulation)
            with agent_server(
                SAMPLE_INTERVAL=str(SAMPLE_INTERVAL), SAMPLE_TIMEOUT=str(SAMPLE_TIMEOUT)
            ) as url:
                async with Asker(url) as asker:
                    if not at_start:
                        await asker.see(every_gpu_is_ok, SCHEDULING, "all is well")
                        begin(faults, simulation)
                    await the_truth_is_told(faults, asker)
                    for gpu in simulation.gpus:
                        gpu.heal()
                        gpu.release()
                    await asker.see(every_gpu_is_ok, WELL_WITHIN, "all is well again")
    faults_of_ours = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not faults_of_ours, "what a driver does is no error of the agent"


def begin(faults: dict[int, Fault], simulation: Simulation) -> None:
    for index, fault in faults.items():
        fault.begin(simulation.gpus[index])


async def the_truth_is_told(faults: dict[int, Fault], asker: Asker) -> None:
    """In /status and in /gpu; the state goes with a sentence."""

    def wrong(states: list[str]) -> set[str]:
        allowed = [faults[index].states if index in faults else {"ok"} for index in range(GPUS)]
        return {
            f"GPU {index}, {faults.get(index)}: {state}"
            for index, state in enumerate(states)
            if state not in allowed[index]
        }

    await asker.see(lambda status: not wrong(states_of(status)), SHOWS_WITHIN, f"it is told of {faults}")
    gpus = (await asker.ask("/gpu")).json["gpus"]
    assert not wrong([gpu["state"] for gpu in gpus])
    for gpu in gpus:
        assert (gpu["state"] == "ok") == (gpu["error"] is None)
        assert "agent failed" not in (gpu["error"] or "")


def library_functions_called() -> list[str]:
    """Those that concern no GPU alone."""
    with Simulation(1) as simulation:
        DriverSource().read()
        source = GpuSource(0)
        source.read()
        time.sleep(0.11)  # GPM wants 100 ms between two samples
        source.read()
        return sorted(symbol for symbol in simulation.calls if symbol.startswith(OF_NO_GPU))


@pytest.mark.parametrize("way", ["hangs", "fails", "is missing"])
async def test_each_call_of_the_library_as_a_whole(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """There before the agent: it concerns every GPU, or none, and all is well when it ends."""
    symbols = library_functions_called()
    assert len(symbols) >= 6
    for symbol in symbols:
        with Simulation(2) as simulation:
            if way == "hangs":
                simulation.hang(symbol)
            elif way == "fails":
                simulation.fail(symbol, NvmlReturn.UNKNOWN)
            else:
                simulation.remove_function(symbol)
            with hung_agent_server(SAMPLE_INTERVAL="0.5", SAMPLE_TIMEOUT="0.5") as url:
                async with Asker(url) as asker:
                    await asker.see(knows_what_is_wrong, 2.0, f"it is clear that {symbol} {way}")
                    simulation.release()
                    simulation.heal()
                    simulation.restore_function(symbol)
                    await asker.see(
                        lambda status: states_of(status) == ["ok"] * 2, 1.0 + SCHEDULING, f"{symbol} is well"
                    )
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def knows_what_is_wrong(status: Any) -> bool:
    if status["data"] is None:
        assert "agent failed" not in status["error"]
        return True
    return set(states_of(status)) in ({"ok"}, {"stuck"})
