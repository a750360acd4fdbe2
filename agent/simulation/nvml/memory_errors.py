"""Memory errors: ECC, retired pages and remapped rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from agent.simulation import wire
from agent.simulation.codes import VALUE_NOT_AVAILABLE_32, VALUE_NOT_AVAILABLE_64, NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import device_function

if TYPE_CHECKING:
    from agent.simulation.library import Device

_CORRECTED, _VOLATILE = 0, 0  # nvmlMemoryErrorType_t, nvmlEccCounterType_t; the others are 1
_SRAM_ERROR_STATUS_V1 = 0x0100_0068
_DRAM, _SRAM = 2, 7  # nvmlMemoryLocation_t
_MANY_SINGLE_BIT = 0  # nvmlPageRetirementCause_t; the other is 1


@device_function("nvmlDeviceGetEccMode")
def ecc_mode(device: Device, current: Any, pending: Any) -> None:
    wire.write(current, device.values.ecc_mode)
    wire.write(pending, device.values.ecc_pending)


@device_function("nvmlDeviceGetTotalEccErrors")
def ecc_errors(device: Device, kind: Any, counter: Any, count: Any) -> None:
    _refuse_unless(device.gpu.model.ecc)
    kind_name = "corrected" if wire.number(kind) == _CORRECTED else "uncorrected"
    since = "volatile" if wire.number(counter) == _VOLATILE else "aggregate"
    wire.write(count, getattr(device.gpu.error_counters, f"{kind_name}_{since}"))


@device_function("nvmlDeviceGetMemoryErrorCounter")
def errors_at_a_place(device: Device, kind: Any, counter: Any, place: Any, count: Any) -> None:
    places = {_DRAM: "dram", _SRAM: "sram"} if device.gpu.model.row_remapping else {_DRAM: "dram"}
    _refuse_unless(device.gpu.model.ecc and wire.number(place) in places)
    kind_name = "corrected" if wire.number(kind) == _CORRECTED else "uncorrected"
    since = "volatile" if wire.number(counter) == _VOLATILE else "aggregate"
    name = f"{places[wire.number(place)]}_{kind_name}_{since}"
    wire.write(count, getattr(device.gpu.error_counters, name))


@device_function("nvmlDeviceGetSramEccErrorStatus")
def sram_status(device: Device, status: Any) -> None:
    _refuse_unless(device.gpu.model.row_remapping)
    status, counters = wire.target(status), device.gpu.error_counters
    if status.version != _SRAM_ERROR_STATUS_V1:
        raise NvmlFailure(NvmlReturn.ARGUMENT_VERSION_MISMATCH)
    status.bThresholdExceeded = wire.value_or_marker(counters.sram_threshold_exceeded, VALUE_NOT_AVAILABLE_32)
    for since in ("volatile", "aggregate"):
        for member, kind in (("UncParity", "parity"), ("UncSecDed", "secded"), ("Cor", "corrected")):
            errors = getattr(counters, f"sram_{kind}_{since}")
            setattr(status, since + member, wire.value_or_marker(errors, VALUE_NOT_AVAILABLE_64))
    parts = cast("tuple[int, ...]", wire.value_or_raise(counters.sram_sources))
    for part, errors in zip(("L2", "Sm", "Mcu", "Pcie", "Other"), parts, strict=True):
        setattr(status, f"aggregateUncBucket{part}", wire.value_or_marker(errors, VALUE_NOT_AVAILABLE_64))


@device_function("nvmlDeviceGetRetiredPages")
def retired_pages(device: Device, cause: Any, count: Any, addresses: Any) -> None:
    _refuse_unless(device.gpu.model.page_retirement)
    counters = device.gpu.error_counters
    is_corrected = wire.number(cause) == _MANY_SINGLE_BIT
    pages = wire.value_or_raise(
        counters.retired_pages_corrected if is_corrected else counters.retired_pages_uncorrected
    )
    room = wire.number(wire.target(count))
    wire.write(count, pages)
    if room < pages:
        raise NvmlFailure(NvmlReturn.INSUFFICIENT_SIZE)
    for page in range(pages if addresses is not None else 0):
        wire.target(addresses)[page] = 0x1000 * (page + 1)


@device_function("nvmlDeviceGetRetiredPagesPendingStatus")
def retirement_pending(device: Device, pending: Any) -> None:
    _refuse_unless(device.gpu.model.page_retirement)
    wire.write(pending, device.gpu.error_counters.retirement_pending)


@device_function("nvmlDeviceGetRemappedRows")
def remapped_rows(device: Device, corrected: Any, uncorrected: Any, pending: Any, failed: Any) -> None:
    _refuse_unless(device.gpu.model.row_remapping)
    counters = device.gpu.error_counters
    wire.write(corrected, counters.remapped_rows_corrected)
    wire.write(uncorrected, counters.remapped_rows_uncorrected)
    wire.write(pending, counters.remapping_pending)
    wire.write(failed, counters.remapping_failed)


@device_function("nvmlDeviceGetRowRemapperHistogram")
def remap_banks(device: Device, histogram: Any) -> None:
    _refuse_unless(device.gpu.model.row_remapping)
    histogram = wire.target(histogram)
    remap_banks = cast("tuple[int, ...]", wire.value_or_raise(device.gpu.error_counters.remap_banks))
    for name, banks in zip(("max", "high", "partial", "low", "none"), remap_banks, strict=True):
        setattr(histogram, name, banks)


@device_function("nvmlDeviceGetUnrepairableMemoryFlag_v1")
def unrepairable_memory(device: Device, flag: Any) -> None:
    _refuse_unless(device.gpu.model.row_remapping)
    wire.target(flag).unrepairableMemory = wire.value_or_raise(device.gpu.error_counters.unrepairable_memory)


def _refuse_unless(supported: bool) -> None:
    if not supported:
        raise NvmlFailure(NvmlReturn.NOT_SUPPORTED)
