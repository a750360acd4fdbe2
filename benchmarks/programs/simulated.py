"""The simulated driver of all programs in this folder, and counters of its calls."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pynvml

from agent.simulation import SimulatedProcess, Simulation

if TYPE_CHECKING:
    from collections.abc import Sequence

PCIE_COUNTERS = (pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES, pynvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES)
PROCESS_BYTES = 4 * 1024**3


class MeteredSimulation(Simulation):
    """A simulation that also counts its own CPU seconds, which a real driver would not use."""

    def __init__(self, gpus: int, call_seconds: float) -> None:
        super().__init__(gpus, call_seconds=call_seconds)
        # By thread, so that no call waits for a lock.
        self._used: defaultdict[int, float] = defaultdict(float)

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all threads together."""
        return sum(tuple(self._used.values()))

    def _call(self, symbol: str, function: Any, arguments: tuple[Any, ...]) -> Any:
        started = time.thread_time()
        try:
            return super()._call(symbol, function, arguments)
        finally:
            self._used[threading.get_ident()] += time.thread_time() - started


def options() -> argparse.ArgumentParser:
    """The command-line options for the simulated driver."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--call-us", type=float, default=0.0, help="microseconds that each NVML call takes")
    parser.add_argument("--pids", type=_pids, default=[], help="processes, dealt out to the GPUs in turn")
    return parser


def install(given: argparse.Namespace) -> MeteredSimulation:
    """Replace the driver. PCIe throughput is measured in 20 ms windows only, as by most drivers."""
    simulation = MeteredSimulation(given.gpus, given.call_us / 1_000_000)
    for gpu in simulation.gpus:
        gpu.unsupport(*PCIE_COUNTERS)
        gpu.processes = [
            SimulatedProcess(pid, "C", PROCESS_BYTES, sm_utilization=10)
            for pid in given.pids[gpu.index :: given.gpus]
        ]
    simulation.install()
    return simulation


def answer_for_ever(simulation: MeteredSimulation) -> None:
    """Write a line to stdout for each byte on stdin.

    For `t` the number of unfinished asyncio tasks. For any other byte JSON with the calls, the samples and
    the CPU seconds of the simulation so far.
    """

    def answer() -> None:
        # Not sys.stdin: a thread that blocks in it would disturb the exit of the interpreter.
        while asked := os.read(0, 1):
            if asked == b"t":
                tasks = sum(isinstance(one, asyncio.Task) and not one.done() for one in gc.get_objects())
                os.write(1, f"{tasks}\n".encode())
                continue
            counts = {
                "calls": simulation.total_calls,
                # Called once for each GPU in each sample.
                "samples": simulation.calls["nvmlDeviceGetUtilizationRates"],
                "simulation_seconds": simulation.cpu_seconds,
            }
            os.write(1, json.dumps(counts).encode() + b"\n")

    threading.Thread(target=answer, name="counts", daemon=True).start()


def _pids(text: str) -> Sequence[int]:
    return [int(pid) for pid in text.split(",") if pid]
