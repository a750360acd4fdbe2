"""The state of the simulated library: the driver, its GPUs and its handles."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.simulation import handles, residents
from agent.simulation.call_faults import Faults
from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.generations import DRIVER_GENERATIONS
from agent.simulation.gpm import GpmSamples
from agent.simulation.gpu import SimulatedGpu
from agent.simulation.installation import Before, forget_functions
from agent.simulation.kernel_log import SimulatedKernelLog
from agent.simulation.xid import EventSets

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

    from agent.simulation.gpu_values import GpuValues
    from agent.simulation.mig import MigInstance
    from agent.simulation.models import GpuModel
    from agent.simulation.residents import ProcessTable, Residents

Driver = Literal["present", "absent", "not_loaded", "mismatched"]
_INIT_FAILURES: dict[Driver, NvmlReturn] = {
    "absent": NvmlReturn.LIBRARY_NOT_FOUND,
    "not_loaded": NvmlReturn.DRIVER_NOT_LOADED,
    "mismatched": NvmlReturn.LIB_RM_VERSION_MISMATCH,
}


@dataclass(frozen=True, slots=True)
class Device:
    """The device of a handle: a GPU, or one of its MIG instances."""

    library: SimulatedLibrary
    gpu: SimulatedGpu
    instance: MigInstance | None = None

    @property
    def values(self) -> GpuValues:
        """The present values of the GPU."""
        return self.gpu.values


class SimulatedLibrary(Faults):
    """One GPU for each model, and their driver; `Simulation` adds the functions, and time.

    `symbols`: the NVML functions that there are. `clock` moves the values; `wall_clock` (seconds since the
    epoch) stamps process samples. Each call takes `call_seconds`, and each reading of PCIe throughput
    `pcie_window_seconds`, as the real one does.
    """

    def __init__(
        self,
        models: Iterable[GpuModel],
        symbols: Container[str],
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        call_seconds: float,
        pcie_window_seconds: float,
    ) -> None:
        super().__init__(symbols)
        self.call_seconds = call_seconds
        self.pcie_window_seconds = pcie_window_seconds
        self.wall_clock = wall_clock
        self.driver: Driver = "present"
        # As values of a GPU, these can be None (NOT_SUPPORTED) or an NvmlReturn.
        self.driver_version: str | NvmlReturn | None = ""
        self.cuda_version: int | None = 0  # 1000 * major + 10 * minor
        self.nvml_version: str | NvmlReturn | None = ""
        self.pcie_counters = True
        self.has_hypervisor = False  # /proc/cpuinfo shows that this is a virtual machine
        self.recovery_action = True  # its field value is known
        self.field_ids: Mapping[int, int] = {}  # what ids stand for, where not for themselves
        self.fabric_info = 3  # the newest form of nvmlDeviceGetGpuFabricInfoV that there is
        self.gpm_samples = GpmSamples()
        self.event_sets = EventSets()
        self.kernel_log = SimulatedKernelLog()
        self._clock = clock
        self._started = clock()
        self._initialising = threading.Lock()
        self._initialised = 0  # nvmlInit less nvmlShutdown
        self._epoch = 1  # driver loads; handles of earlier ones are stale
        self._absent: frozenset[str] = frozenset()  # symbols this driver generation lacks
        self._removed: set[str] = set()
        self._before: Before | None = None  # what this one took the place of, while it is installed
        self.residents: Residents = residents.in_place()
        self.gpus = [
            SimulatedGpu(index, model, symbols, self.elapsed, lambda gpu: self.residents.processes_on(gpu))
            for index, model in enumerate(models)
        ]
        for gpu in self.gpus:
            gpu.kernel_log = self.kernel_log.write
        self.listed = list(self.gpus)  # in the driver's order; settled by the first nvmlInit
        self.set_driver_generation("current")

    def elapsed(self) -> float:
        """Seconds since the simulation was made, by its clock."""
        return self._clock() - self._started

    def process_table(self, *, hide_command_args: bool, pod_logs: str) -> ProcessTable:
        """The process table of its host, instead of /proc."""
        return self.residents.process_table(
            self.gpus, self.elapsed, hide_command_args=hide_command_args, pod_logs=pod_logs
        )

    def advance(self) -> None:
        """Run the due steps of the scenario, if there is one."""

    # The driver

    def remove_driver(self, kind: Literal["absent", "not_loaded", "mismatched"] = "absent") -> None:
        """Make nvmlInit fail: no library, driver not loaded, or library and driver of different versions."""
        if kind not in _INIT_FAILURES:
            raise ValueError(f"{kind!r}: a driver can be {', '.join(_INIT_FAILURES)}.")
        self.reload_driver()
        self.driver = kind

    def restore_driver(self) -> None:
        """Load the driver again."""
        if self.driver != "present":
            self.reload_driver()
        self.driver = "present"

    def reload_driver(self) -> None:
        """The driver is reloaded: nvmlInit is needed, and earlier handles are stale for ever."""
        self._epoch += 1
        self._initialised = 0
        self.event_sets.close_all()

    def shutdown_nvml(self) -> None:
        """Act as after nvmlShutdown: every call is UNINITIALIZED until nvmlInit. Handles stay valid."""
        self._initialised = 0

    def initialise(self) -> None:
        """NVML: nvmlInit. NvmlFailure when there is no usable driver."""
        if self.driver != "present":
            raise NvmlFailure(_INIT_FAILURES[self.driver])
        with self._initialising:
            if self._initialised == 0:
                self.listed = self._present()
            self._initialised += 1

    def shut_down(self) -> None:
        """NVML: nvmlShutdown; takes effect when there were as many as nvmlInit."""
        with self._initialising:
            self._initialised -= 1
            if self._initialised == 0:
                self.event_sets.close_all()

    @property
    def is_initialised(self) -> bool:
        """Whether there was an nvmlInit that no nvmlShutdown ended."""
        return self._initialised > 0

    def count_in_new_process(self) -> int | None:
        """The number of GPUs after nvmlInit in a new process; None if that fails."""
        self.advance()
        return len(self._present()) if self.driver == "present" else None

    def _present(self) -> list[SimulatedGpu]:
        return [gpu for gpu in self.gpus if gpu.is_present]

    # Its functions

    def set_driver_generation(self, name: str) -> None:
        """Behave like a driver of DRIVER_GENERATIONS; functions are looked up again, as in a new process."""
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
        self.field_ids = generation.field_ids
        self.fabric_info = generation.fabric_info
        self._functions_changed()

    def remove_function(self, symbol: str) -> None:
        """Remove an NVML symbol (FunctionNotFound). ValueError for a symbol that it never had."""
        self._check_symbol(symbol)
        self._removed.add(symbol)
        self._functions_changed()

    def restore_function(self, symbol: str) -> None:
        """End `remove_function`."""
        self._removed.discard(symbol)
        self._functions_changed()

    def lacks(self, symbol: str) -> bool:
        """Whether this driver generation has no such function, or it was removed."""
        return symbol in self._absent or symbol in self._removed

    def _functions_changed(self) -> None:
        if self._before is not None:
            forget_functions()

    # Its handles

    def device(self, handle: int, symbol: str) -> Device:
        """The GPU or MIG instance of a handle; raises its faults as NvmlFailure."""
        epoch, index, mig_index = handles.decode(handle)
        if epoch != self._epoch or index >= len(self.gpus):
            raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
        gpu = self.gpus[index]
        gpu.raise_if_faulty(symbol, self.advance)
        gpu.wake()
        if mig_index is None:
            return Device(self, gpu)
        instance = gpu.mig_instance(mig_index)
        if instance is None:
            raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
        return Device(self, gpu, instance)

    def handle_of(self, gpu: SimulatedGpu, mig_index: int | None = None) -> int:
        """The handle of a GPU or one of its MIG instances, good until the driver is reloaded."""
        return handles.encode(self._epoch, gpu.index, mig_index)
