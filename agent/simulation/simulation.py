"""The simulation as a whole: a library that replaces the real one, with its functions, and a scenario."""

from __future__ import annotations

import threading
import time
from collections import Counter
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, Self

from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.installation import install_library, uninstall_library
from agent.simulation.library import SimulatedLibrary
from agent.simulation.models import MODELS
from agent.simulation.nvml import FUNCTIONS
from agent.simulation.runtime_power import SimulatedRuntimePower
from agent.simulation.scenarios import Scenario, scenario_named
from agent.simulation.slots import SimulatedSlots

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from agent.simulation.models import GpuModel
    from agent.simulation.nvml import NvmlFunction

MAX_GPUS = 128
PATIENCE = (
    2.0  # seconds for threads that are to end; whoever uninstalls first and ends them later waits so long
)


class Simulation(SimulatedLibrary):
    """N simulated GPUs and their driver. ValueError for a wrong number, model or scenario.

    `models` are keys of MODELS or models of one's own, cycled over the GPUs. `clock` moves the scenario too;
    see SimulatedLibrary.
    """

    def __init__(
        self,
        gpus: int = 8,
        models: Sequence[str | GpuModel] | None = None,
        scenario: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        call_seconds: float = 0.0,
        pcie_window_seconds: float = 0.02,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        if not 1 <= gpus <= MAX_GPUS:
            raise ValueError(f"{gpus} GPUs cannot be simulated; 1 to {MAX_GPUS} can.")
        self.scenario: Scenario = scenario_named(scenario or "healthy")
        chosen = tuple(models) if models is not None else self.scenario.models or ("h100",)
        unknown = [key for key in chosen if isinstance(key, str) and key not in MODELS]
        if unknown or not chosen:
            named = ", ".join(map(repr, unknown)) or "an empty list"
            raise ValueError(f"{named} is no GPU model; accepted are {', '.join(MODELS)}.")
        super().__init__(
            [MODELS[key] if isinstance(key, str) else key for key in islice(cycle(chosen), gpus)],
            FUNCTIONS,
            clock=clock,
            wall_clock=wall_clock,
            call_seconds=call_seconds,
            pcie_window_seconds=pcie_window_seconds,
        )
        self.calls: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._stepping = threading.Lock()
        self._steps_taken = 0
        self.advance()

    # Being in place of the real library

    def install(self) -> Self:
        """Replace the NVML library in nvidia-ml-py and nvitop."""
        if self._before is not None:
            raise RuntimeError("This simulation is installed already.")
        self._before = install_library(
            self, SimulatedSlots(self), SimulatedRuntimePower(self), self.count_in_new_process
        )
        return self

    def uninstall(self) -> None:
        """Restore the previous library, and release every hung call."""
        if self._before is not None:
            uninstall_library(self._before)
            self._before = None
        self.event_sets.close_all()
        self.kernel_log.close()
        for faults in (self, *self.gpus):
            faults.release()
        for faults in (self, *self.gpus):
            faults.join_held_up(PATIENCE)

    def __enter__(self) -> Self:
        return self.install()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.uninstall()

    # The scenario

    def advance(self) -> None:
        """Run the due steps of the scenario."""
        if not self.scenario.steps:
            return
        steps = self.scenario.steps
        due = self.scenario.steps_until(self.elapsed())
        if due <= self._steps_taken:
            return
        with self._stepping:
            # after a long silence only the last repetition matters
            for number in range(max(self._steps_taken, due - len(steps)), due):
                steps[number % len(steps)][1](self)
            self._steps_taken = max(self._steps_taken, due)

    # Calls

    @property
    def total_calls(self) -> int:
        """NVML calls since the start or `reset_calls`."""
        with self._counting:
            return self.calls.total()

    def reset_calls(self) -> None:
        """Count from zero."""
        with self._counting:
            self.calls.clear()

    def __getattr__(self, symbol: str) -> Callable[..., Any]:
        """The NVML function of that name; as with a real library, AttributeError when there is none."""
        function = FUNCTIONS.get(symbol)
        if function is None or self.lacks(symbol):
            raise AttributeError(symbol)

        def call(*arguments: Any) -> Any:  # Any: what ctypes would take; pynvml sets .restype on this
            return self._call(symbol, function, arguments)

        return call

    def _call(self, symbol: str, function: NvmlFunction, arguments: tuple[Any, ...]) -> Any:
        with self._counting:
            self.calls[symbol] += 1
        self.advance()
        if self.call_seconds:
            time.sleep(self.call_seconds)
        try:
            self.block_while_hung(symbol, self.advance)
            if function.needs_init and not self.is_initialised:
                return int(NvmlReturn.UNINITIALIZED)
            self.raise_if_failing(symbol)
            answer = function.run(self, symbol, arguments)
        except NvmlFailure as failure:
            return failure.code
        return int(NvmlReturn.SUCCESS) if answer is None else answer
