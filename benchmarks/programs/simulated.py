"""The simulated driver that every program here reads, and counts of what it was asked."""

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
    """Also adds up the CPU seconds that the simulation itself takes: what a real driver would not."""

    def __init__(self, gpus: int, call_seconds: float) -> None:
        super().__init__(gpus, call_seconds=call_seconds)
        self._used: defaultdict[int, float] = defaultdict(float)  # by thread: no lock in the way of a call

    @property
    def cpu_seconds(self) -> float:
        """Of all threads together."""
        return sum(tuple(self._used.values()))

    def _call(self, symbol: str, function: Any, arguments: tuple[Any, ...]) -> Any:
        started = time.thread_time()
        try:
            return super()._call(symbol, function, arguments)
        finally:
            self._used[threading.get_ident()] += time.thread_time() - started


def options() -> argparse.ArgumentParser:
    """What the simulated driver is like."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--call-us", type=float, default=0.0, help="microseconds that each NVML call takes")
    parser.add_argument("--pids", type=_pids, default=[], help="processes, dealt out to the GPUs in turn")
    return parser


def install(given: argparse.Namespace) -> MeteredSimulation:
    """In the place of the driver: PCIe throughput only by its 20 ms windows, as on most drivers."""
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
    """To each byte on stdin a line on stdout.

    To `t` the number of asyncio tasks that have not ended, else JSON: calls and samples so far, CPU
    seconds of the simulation so far.
    """

    def answer() -> None:
        while asked := os.read(0, 1):  # a thread inside sys.stdin would trip the interpreter's exit
            if asked == b"t":
                tasks = sum(isinstance(one, asyncio.Task) and not one.done() for one in gc.get_objects())
                os.write(1, f"{tasks}\n".encode())
                continue
            counts = {
                "calls": simulation.total_calls,
                "samples": simulation.calls["nvmlDeviceGetUtilizationRates"],  # once in each, of each GPU
                "simulation_seconds": simulation.cpu_seconds,
            }
            os.write(1, json.dumps(counts).encode() + b"\n")

    threading.Thread(target=answer, name="counts", daemon=True).start()


def _pids(text: str) -> Sequence[int]:
    return [int(pid) for pid in text.split(",") if pid]
