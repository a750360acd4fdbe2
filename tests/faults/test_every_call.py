"""Any call may fail with any code of nvml.h, or hang: only its own GPU is affected, and reports it."""

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
from tests.faults.endpoints import SCHEDULING, TimedClient, every_gpu_is_ok, states_of
from tests.support.agents import agent_server, hung_agent_server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

# Each has its own fault, every fourth has none; two slow cores can read all of them within SAMPLE_TIMEOUT.
GPUS = 48
SAMPLE_INTERVAL = 1.0
SAMPLE_TIMEOUT = 0.5
SHOWS_WITHIN = 2 * SAMPLE_INTERVAL + SAMPLE_TIMEOUT + SCHEDULING
RECOVERS_WITHIN = 2 * SAMPLE_INTERVAL + SCHEDULING

CODES = (*range(1, 30), 999)  # nvmlReturn_t
# UNINITIALIZED, DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, GPU_IS_LOST, LIB_RM_VERSION_MISMATCH
NO_OTHER_CALL_CAN_SUCCEED = {1, 9, 12, 15, 18}
# INVALID_ARGUMENT, GPU_NOT_FOUND: every GPU has memory, so the handle is invalid
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


# Some functions are only called for a GPU that is partitioned, or that does not count PCIe bytes.
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
        """The states that the agent may report for the GPU."""
        if self.code is None:
            return {"stuck"}
        if self.symbol == "nvmlDeviceGetHandleByIndex_v2":
            return {"lost"}
        if self.symbol == "nvmlDeviceGetMemoryInfo_v2" and self.code in SPEAKS_FOR_THE_WHOLE_GPU:
            return {"lost"}
        if self.code in NO_OTHER_CALL_CAN_SUCCEED:
            return {"lost", "ok"}  # ok if only this call fails: the next sample can be read
        return {"ok"}


def prepare(gpu: SimulatedGpu, kind: str) -> None:
    """Make the GPU busy, because fewer functions are called for an idle GPU."""
    gpu.fix(gpu_utilization=90)
    gpu.processes = [SimulatedProcess(pid=1)]
    KINDS[kind](gpu)


def functions_called(*, each_time: bool) -> dict[str, str]:
    """The functions called in the first sample of a GPU, or in each, with a kind of GPU that needs them."""
    found: dict[str, str] = {}
    for kind in KINDS:
        with Simulation(1) as simulation:
            prepare(simulation.gpus[0], kind)
            source = GpuSource(0)
            source.read()
            source.measure_slow_counters()
            if each_time:
                time.sleep(0.11)  # GPM needs 100 ms between two samples
                simulation.reset_calls()
                source.read()
            found = dict.fromkeys(simulation.calls, kind) | found
    return {symbol: kind for symbol, kind in sorted(found.items()) if not symbol.startswith(OF_NO_GPU)}


def batches(faults: list[Fault]) -> list[dict[int, Fault]]:
    """The faults by GPU; after three faulty GPUs comes a healthy one."""
    faulty = [index for index in range(GPUS) if index % 4]
    return [
        dict(zip(faulty, faults[start : start + len(faulty)], strict=False))
        for start in range(0, len(faults), len(faulty))
    ]


@pytest.mark.parametrize("at_start", [False, True], ids=["in a running agent", "before the agent"])
async def test_each_failing_or_hung_call_affects_only_its_own_gpu(
    at_start: bool, caplog: pytest.LogCaptureFixture
) -> None:
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
                async with TimedClient(url) as client:
                    if not at_start:
                        await client.wait_for(every_gpu_is_ok, SCHEDULING, "all GPUs are ok")
                        begin(faults, simulation)
                    await check_states(faults, client)
                    for gpu in simulation.gpus:
                        gpu.heal()
                        gpu.release()
                    await client.wait_for(every_gpu_is_ok, RECOVERS_WITHIN, "all GPUs are ok again")
    errors_of_the_agent = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not errors_of_the_agent, "a driver fault is no error of the agent"


def begin(faults: dict[int, Fault], simulation: Simulation) -> None:
    for index, fault in faults.items():
        fault.begin(simulation.gpus[index])


async def check_states(faults: dict[int, Fault], client: TimedClient) -> None:
    """Check the states in /status and in /gpu; each state but ok has an error."""

    def wrong(states: list[str]) -> set[str]:
        allowed = [faults[index].states if index in faults else {"ok"} for index in range(GPUS)]
        return {
            f"GPU {index}, {faults.get(index)}: {state}"
            for index, state in enumerate(states)
            if state not in allowed[index]
        }

    await client.wait_for(lambda status: not wrong(states_of(status)), SHOWS_WITHIN, f"it reports {faults}")
    gpus = (await client.get("/gpu")).json["gpus"]
    assert not wrong([gpu["state"] for gpu in gpus])
    for gpu in gpus:
        assert (gpu["state"] == "ok") == (gpu["error"] is None)
        assert "agent failed" not in (gpu["error"] or "")


def library_functions_called() -> list[str]:
    """The functions that are not called for a single GPU."""
    with Simulation(1) as simulation:
        DriverSource().read()
        source = GpuSource(0)
        source.read()
        time.sleep(0.11)  # GPM needs 100 ms between two samples
        source.read()
        return sorted(symbol for symbol in simulation.calls if symbol.startswith(OF_NO_GPU))


@pytest.mark.parametrize("way", ["hangs", "fails", "is missing"])
async def test_each_failing_call_of_the_whole_library_ends_without_an_error_of_the_agent(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The fault begins before the agent, affects every GPU or none, and leaves no effect when it ends."""
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
                async with TimedClient(url) as client:
                    await client.wait_for(shows_the_fault, 2.0, f"/status shows that {symbol} {way}")
                    simulation.release()
                    simulation.heal()
                    simulation.restore_function(symbol)
                    await client.wait_for(
                        lambda status: states_of(status) == ["ok"] * 2,
                        1.0 + SCHEDULING,
                        f"{symbol} works again",
                    )
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def shows_the_fault(status: Any) -> bool:
    if status["data"] is None:
        assert "agent failed" not in status["error"]
        return True
    return set(states_of(status)) in ({"ok"}, {"stuck"})
