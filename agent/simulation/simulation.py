"""The simulated library as a whole: its GPUs, its driver, its clock, and the one way every call takes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, Literal, Self

from agent.simulation import handles
from agent.simulation.call_faults import Faults, check_symbol
from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.generations import DRIVER_GENERATIONS
from agent.simulation.gpu import SimulatedGpu
from agent.simulation.installation import Before, forget_functions, put_in_place, take_away
from agent.simulation.models import MODELS
from agent.simulation.nvml import FUNCTIONS, Device, gpm
from agent.simulation.processes import LocalProcesses
from agent.simulation.scenarios import Scenario, scenario_named
from agent.simulation.xid import EventSets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from agent.simulation.nvml.registry import NvmlFunction

MAX_GPUS = 128
Driver = Literal["present", "absent", "not_loaded", "mismatched"]
_INIT_FAILURES: dict[Driver, NvmlReturn] = {
    "absent": NvmlReturn.LIBRARY_NOT_FOUND,
    "not_loaded": NvmlReturn.DRIVER_NOT_LOADED,
    "mismatched": NvmlReturn.LIB_RM_VERSION_MISMATCH,
}


class Simulation(Faults):
    """N simulated GPUs and their driver. ValueError for a wrong number, model or scenario.

    `models` are keys of MODELS, cycled over the GPUs. `clock` moves the values and the scenario; `wall_clock`
    (seconds since the epoch) stamps process samples. Each call takes `call_seconds`, and each reading of PCIe
    throughput `pcie_window_seconds`, as the real one does.
    """

    def __init__(
        self,
        gpus: int = 8,
        models: Sequence[str] | None = None,
        scenario: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        call_seconds: float = 0.0,
        pcie_window_seconds: float = 0.02,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        if not 1 <= gpus <= MAX_GPUS:
            raise ValueError(f"{gpus} GPUs cannot be simulated; 1 to {MAX_GPUS} can.")
        self.scenario: Scenario = scenario_named(scenario or "healthy")
        chosen = tuple(models) if models is not None else self.scenario.models or ("h100",)
        unknown = [key for key in chosen if key not in MODELS]
        if unknown or not chosen:
            named = ", ".join(map(repr, unknown)) or "an empty list"
            raise ValueError(f"{named} is no GPU model; accepted are {', '.join(MODELS)}.")
        self.call_seconds = call_seconds
        self.pcie_window_seconds = pcie_window_seconds
        self.wall_clock = wall_clock
        self.driver: Driver = "present"
        self.driver_version = ""
        self.cuda_version = 0  # 1000 * major + 10 * minor
        self.nvml_version = ""
        self.pcie_counters = True
        self.recovery_action = True  # its field value is known
        self.gpm_samples = gpm.GpmSamples()
        self.event_sets = EventSets()
        self.calls: Counter[str] = Counter()
        self._clock = clock
        self._started = clock()
        self._lock = threading.Lock()
        self._stepping = threading.Lock()
        self._steps_taken = 0
        self._initialised = 0  # nvmlInit less nvmlShutdown
        self._epoch = 1  # driver loads; handles of earlier ones are stale
        self._absent: frozenset[str] = frozenset()  # symbols this driver generation lacks
        self._removed: set[str] = set()
        self._before: Before | None = None
        local = LocalProcesses()
        self.gpus = [
            SimulatedGpu(index, MODELS[key], self.elapsed, local)
            for index, key in enumerate(islice(cycle(chosen), gpus))
        ]
        self.set_driver_generation("current")
        self.advance()

    def elapsed(self) -> float:
        """Seconds since the simulation was made, by its clock."""
        return self._clock() - self._started

    # Being in place of the real library

    def install(self) -> Self:
        """Take the place of the NVML library in nvidia-ml-py and nvitop."""
        if self._before is not None:
            raise RuntimeError("This simulation is installed already.")
        self._before = put_in_place(self)
        return self

    def uninstall(self) -> None:
        """Give the place back as it was, and let every hanging call go."""
        if self._before is not None:
            take_away(self._before)
            self._before = None
        self.event_sets.close_all()
        for faults in (self, *self.gpus):
            faults.release()

    def __enter__(self) -> Self:
        return self.install()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.uninstall()

    # The driver

    def remove_driver(self, kind: Literal["absent", "not_loaded", "mismatched"] = "absent") -> None:
        """Let nvmlInit fail: no library, driver not loaded, or library and driver not of one version."""
        if kind not in _INIT_FAILURES:
            raise ValueError(f"{kind!r}: a driver can be {', '.join(_INIT_FAILURES)}.")
        self.reload_driver()
        self.driver = kind

    def restore_driver(self) -> None:
        """Load the driver, afresh."""
        if self.driver != "present":
            self.reload_driver()
        self.driver = "present"

    def reload_driver(self) -> None:
        """The driver is loaded anew beneath us: nvmlInit is needed, handles of before are stale for good."""
        self._epoch += 1
        self._initialised = 0
        self.event_sets.close_all()

    def shutdown_nvml(self) -> None:
        """Somebody called nvmlShutdown: every call is UNINITIALIZED until nvmlInit. Handles stay good."""
        self._initialised = 0

    def set_driver_generation(self, name: str) -> None:
        """Be a driver of DRIVER_GENERATIONS; as with a new process, functions are looked for again."""
        if name not in DRIVER_GENERATIONS:
            raise ValueError(
                f"{name!r} is no driver generation; accepted are {', '.join(DRIVER_GENERATIONS)}."
            )
        generation = DRIVER_GENERATIONS[name]
        self._absent = generation.absent
        self.driver_version = generation.driver_version
        self.cuda_version = generation.cuda_version
        self.nvml_version = f"{generation.cuda_version // 1000}.{generation.driver_version}"
        self.pcie_counters = generation.pcie_counters
        self.recovery_action = generation.recovery_action
        self._functions_changed()

    def remove_function(self, symbol: str) -> None:
        """Let the library lack an NVML symbol (FunctionNotFound). ValueError for one it never had."""
        check_symbol(symbol)
        self._removed.add(symbol)
        self._functions_changed()

    def restore_function(self, symbol: str) -> None:
        """End `remove_function`."""
        self._removed.discard(symbol)
        self._functions_changed()

    def initialise(self) -> None:
        """NVML: nvmlInit. NvmlFailure when there is no usable driver."""
        if self.driver != "present":
            raise NvmlFailure(_INIT_FAILURES[self.driver])
        with self._lock:
            self._initialised += 1

    def shut_down(self) -> None:
        """NVML: nvmlShutdown; the last of as many as there were nvmlInit takes effect."""
        with self._lock:
            self._initialised -= 1

    # Calls

    @property
    def total_calls(self) -> int:
        """NVML calls since the start or `reset_calls`."""
        with self._lock:
            return self.calls.total()

    def reset_calls(self) -> None:
        """Count from zero."""
        with self._lock:
            self.calls.clear()

    def __getattr__(self, symbol: str) -> Callable[..., Any]:
        """The NVML function of that name; as with a real library, AttributeError when there is none."""
        if not symbol.startswith("nvml") or symbol not in FUNCTIONS:
            raise AttributeError(symbol)
        if symbol in self._absent or symbol in self._removed:
            raise AttributeError(symbol)
        function = FUNCTIONS[symbol]

        def call(*arguments: Any) -> Any:  # Any: what ctypes would take; pynvml sets .restype on this
            return self._call(symbol, function, arguments)

        return call

    def device(self, handle: int, symbol: str) -> Device:
        """The GPU or MIG instance behind a handle, with what is wrong with it raised as NvmlFailure."""
        epoch, index, mig_index = handles.decode(handle)
        if epoch != self._epoch or index >= len(self.gpus):
            raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
        gpu = self.gpus[index]
        gpu.raise_if_faulty(symbol, self.advance)
        if mig_index is None:
            return Device(self, gpu)
        if mig_index >= len(gpu.mig_instances):
            raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
        return Device(self, gpu, gpu.mig_instances[mig_index])

    def handle_of(self, gpu: SimulatedGpu, mig_index: int | None = None) -> int:
        """The handle of a GPU or one of its MIG instances, good until the driver is reloaded."""
        return handles.encode(self._epoch, gpu.index, mig_index)

    def advance(self) -> None:
        """Take the scenario's steps that are due."""
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

    def _call(self, symbol: str, function: NvmlFunction, arguments: tuple[Any, ...]) -> Any:
        with self._lock:
            self.calls[symbol] += 1
        self.advance()
        if self.call_seconds:
            time.sleep(self.call_seconds)
        try:
            self.block_while_hung(symbol, self.advance)
            if function.needs_init and self._initialised <= 0:
                return int(NvmlReturn.UNINITIALIZED)
            self.raise_if_failing(symbol)
            answer = function.run(self, symbol, arguments)
        except NvmlFailure as failure:
            return failure.code
        return int(NvmlReturn.SUCCESS) if answer is None else answer

    def _functions_changed(self) -> None:
        if self._before is not None:
            forget_functions()
