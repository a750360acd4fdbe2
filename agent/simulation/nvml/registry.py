"""The registry of simulated NVML functions.

To add one: decorate a Python function with @device_function in the module of its subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from agent.simulation import wire
from agent.simulation.codes import NvmlFailure, NvmlReturn

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.simulation.codes import FieldId
    from agent.simulation.library import Device, SimulatedLibrary

Kind = Literal["unsigned", "signed", "counter"]
_Key = TypeVar("_Key", str, int)
_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True)
class NvmlFunction:
    """An exported symbol. `run` takes the library, the symbol and the C arguments."""

    # Any: C arguments, and nvmlErrorString's bytes
    run: Callable[[SimulatedLibrary, str, tuple[Any, ...]], Any]
    needs_init: bool = True


@dataclass(frozen=True, slots=True)
class FieldValue:
    """A field of nvmlDeviceGetFieldValues. `read` takes the scope (a link, say); None: not supported."""

    read: Callable[[Device, int], int | None]
    kind: Kind


FUNCTIONS: dict[str, NvmlFunction] = {}
FIELDS: dict[int, FieldValue] = {}


def library_function(
    *symbols: str, needs_init: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Export a function of the library as a whole, called with the SimulatedLibrary and the C arguments."""

    def register(body: Callable[..., Any]) -> Callable[..., Any]:
        for symbol in symbols:
            _add(FUNCTIONS, symbol, NvmlFunction(lambda library, _, rest: body(library, *rest), needs_init))
        return body

    return register


def device_function(
    *symbols: str, on_instance: bool = False, on_partitioned: bool = True
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Export a function whose first C argument is a handle, called with its Device and the rest.

    `on_instance`: works for handles of MIG instances. `on_partitioned`: works for a GPU with MIG instances.
    """

    def run(
        body: Callable[..., None], library: SimulatedLibrary, symbol: str, arguments: tuple[Any, ...]
    ) -> None:
        device = library.device(wire.read_handle(arguments[0]), symbol)
        partitioned = device.instance is None and device.gpu.mig_instances
        if (device.instance and not on_instance) or (partitioned and not on_partitioned):
            raise NvmlFailure(NvmlReturn.NOT_SUPPORTED)
        body(device, *arguments[1:])

    def register(body: Callable[..., None]) -> Callable[..., None]:
        for symbol in symbols:
            _add(FUNCTIONS, symbol, NvmlFunction(lambda *call: run(body, *call)))
        return body

    return register


def field_value(
    *fields: FieldId, kind: Kind = "unsigned"
) -> Callable[[Callable[[Device, int], int | None]], Callable[[Device, int], int | None]]:
    """Make nvmlDeviceGetFieldValues return these fields; counters in 64 bits, others in 32."""

    def register(read: Callable[[Device, int], int | None]) -> Callable[[Device, int], int | None]:
        for field in fields:
            _add(FIELDS, field, FieldValue(read, kind))
        return read

    return register


def _add(table: dict[_Key, _Entry], key: _Key, entry: _Entry) -> None:
    if key in table:
        raise ValueError(f"{key} is exported twice.")
    table[key] = entry
