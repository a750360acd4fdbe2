"""The agent on a simulated driver whose processes start and end, with a fault each minute."""

from __future__ import annotations

import argparse
import itertools
import threading
import time
from typing import TYPE_CHECKING

import main
from agent.simulation import NvmlReturn, SimulatedProcess
from benchmarks.programs import simulated

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.programs.simulated import MeteredSimulation

# What begins and what ends each fault, which lasts half of FAULT_SECONDS.
FAULTS: tuple[tuple[Callable[[MeteredSimulation], None], Callable[[MeteredSimulation], None]], ...] = (
    (lambda s: s.gpus[1].lose(), lambda s: s.gpus[1].restore()),
    (lambda s: s.gpus[2].hang(), lambda s: s.gpus[2].release()),
    (lambda s: s.gpus[3].deny(), lambda s: s.gpus[3].permit()),
    (lambda s: s.reload_driver(), lambda _: None),
    (lambda s: s.gpus[1].raise_xid(31), lambda s: s.gpus[1].raise_xid(79)),
    (lambda s: s.fail("nvmlDeviceGetCount_v2", NvmlReturn.UNKNOWN), lambda s: s.heal()),
    (lambda s: s.remove_driver("not_loaded"), lambda s: s.restore_driver()),
    (lambda s: setattr(s, "call_seconds", 0.002), lambda s: setattr(s, "call_seconds", 0.0)),
    (lambda s: s.gpus[0].enable_mig(), lambda s: s.gpus[0].disable_mig()),
)
CHURN_SECONDS = 0.5  # after each of these intervals all processes of one GPU are replaced


def trouble(simulation: MeteredSimulation, fault_seconds: float) -> None:
    """Replace processes all the time, and make a fault now and then; never returns."""
    pids = itertools.count(4_200_000)  # above every pid of the host, so that no such process exists
    started = time.monotonic()
    for turn in itertools.count():
        gpu = simulation.gpus[turn % len(simulation.gpus)]
        gpu.processes = [SimulatedProcess(next(pids), "C", 2**30, sm_utilization=30) for _ in range(8)]
        time.sleep(CHURN_SECONDS)
        elapsed = time.monotonic() - started
        number, phase = divmod(elapsed, fault_seconds)
        begin, end = FAULTS[int(number) % len(FAULTS)]
        if phase < CHURN_SECONDS and number:
            begin(simulation)
        elif 0 <= phase - fault_seconds / 2 < CHURN_SECONDS and number:
            end(simulation)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        parents=[simulated.options()], add_help=False, conflict_handler="resolve"
    )
    parser.add_argument("--fault-seconds", type=float, default=60.0, help="from one fault to the next")
    given, arguments = parser.parse_known_args()
    simulation = simulated.install(given)
    simulated.answer_for_ever(simulation)
    threading.Thread(
        target=trouble, args=(simulation, given.fault_seconds), name="trouble", daemon=True
    ).start()
    main.run(arguments)
