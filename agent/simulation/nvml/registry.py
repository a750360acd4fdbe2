"""How an NVML function is added: a decorated Python function, one screen above or below its relatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import NvmlFailure, NvmlReturn

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.simulation.gpu import SimulatedGpu
    from agent.simulation.load_curves import GpuValues
    from agent.simulation.mig import MigInstance
    from agent.simulation.simulation import Simulation


@dataclass(frozen=True, slots=True)
class Device:
    """What a handle names: a GPU, or one of its MIG instances."""

    simulation: Simulation
    gpu: SimulatedGpu
    instance: MigInstance | None = None

    @property
    def values(self) -> GpuValues:
        """What the GPU tells now."""
        return self.gpu.values


@dataclass(frozen=True, slots=True)
class NvmlFunction:
    """An exported symbol. `run` takes the simulation, the symbol and the C arguments."""

    run: Callable[[Simulation, str, tuple[Any, ...]], Any]  # Any: C arguments, and nvmlErrorString's bytes
    needs_init: bool = True


FUNCTIONS: dict[str, NvmlFunction] = {}


def library_function(
    *symbols: str, needs_init: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Export a function of the library as a whole, called with the Simulation and the C arguments."""

    def register(body: Callable[..., Any]) -> Callable[..., Any]:
        for symbol in symbols:
            _add(symbol, NvmlFunction(lambda simulation, _, rest: body(simulation, *rest), needs_init))
        return body

    return register


def device_function(
    *symbols: str, on_instance: bool = False, on_partitioned: bool = True
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Export a function whose first C argument is a handle, called with its Device and the rest.

    `on_instance`: works for handles of MIG instances. `on_partitioned`: works for a GPU while it has some.
    """

    def run(
        body: Callable[..., None], simulation: Simulation, symbol: str, arguments: tuple[Any, ...]
    ) -> None:
        device = simulation.device(wire.read_handle(arguments[0]), symbol)
        partitioned = device.instance is None and device.gpu.mig_instances
        if (device.instance and not on_instance) or (partitioned and not on_partitioned):
            raise NvmlFailure(NvmlReturn.NOT_SUPPORTED)
        body(device, *arguments[1:])

    def register(body: Callable[..., None]) -> Callable[..., None]:
        for symbol in symbols:
            _add(symbol, NvmlFunction(lambda *call: run(body, *call)))
        return body

    return register


def _add(symbol: str, function: NvmlFunction) -> None:
    if symbol in FUNCTIONS:
        raise ValueError(f"{symbol} is exported twice.")
    FUNCTIONS[symbol] = function
