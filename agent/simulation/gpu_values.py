"""All values that a simulated GPU reports at one moment, computed from its load."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.simulation.codes import ClocksEventReason, NvmlReturn
from agent.simulation.load_curves import (
    NVLINK_KIB,
    PCIE_RX_SHARE,
    PCIE_TX_SHARE,
    POWER_CAP_SHARE,
    lagged_load,
    pcie_capacity_kib,
    power_mw,
    slowed_ns,
    workload,
)
from agent.simulation.models import MIB

if TYPE_CHECKING:
    from agent.simulation.load_curves import Workload
    from agent.simulation.models import GpuModel

IDLE_BELOW = 0.02  # load
DESKTOP_BYTES = 24 * MIB  # in use on each GPU that has a desktop


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuValues:
    """Everything a GPU reports at one moment, in NVML's units.

    None: NOT_SUPPORTED. A value can also be an NvmlReturn, which its function then returns.
    """

    name: str | None
    uuid: str | None
    bus_id: str | None  # on the PCI bus: domain, bus, device and function
    serial: str | None
    part_number: str | None
    vbios_version: str | None
    compute_capability: tuple[int, int] | None
    architecture: int | None
    gsp_firmware_version: str | None  # "": that of the driver
    gsp_firmware_mode: int | None  # 0 off, 1 on
    memory_total: int | None  # bytes
    memory_reserved: int | None  # bytes
    memory_used: int | None  # bytes, without the reserved ones
    memory_free: int | None  # bytes; follows the three above
    bar1_total: int | None  # bytes
    bar1_used: int | None  # bytes
    gpu_utilization: int | None  # %
    memory_utilization: int | None  # %
    encoder_utilization: int | None  # %
    decoder_utilization: int | None  # %
    jpeg_utilization: int | None  # %
    ofa_utilization: int | None  # %
    encoder_stats: tuple[int, int, int] | None  # sessions, frames per second, microseconds
    capture_stats: tuple[int, int, int] | None  # as above
    sm_activity: float | None  # %, GPM
    sm_occupancy: float | None  # %, GPM
    tensor_activity: float | None  # %, GPM
    dram_activity: float | None  # %, GPM
    temperature: int | None  # Celsius
    memory_temperature: int | None  # Celsius
    shutdown_threshold: int | None  # Celsius
    slowdown_threshold: int | None  # Celsius; of the hardware
    max_operating_threshold: int | None  # Celsius; the driver slows it down
    memory_max_threshold: int | None  # Celsius
    temperature_margin: int | None  # Celsius, may be less than 0 as the next; follows the temperature
    shutdown_tlimit: int | None  # Celsius: the margin at which it happens, as the next
    slowdown_tlimit: int | None  # Celsius
    memory_max_tlimit: int | None  # Celsius
    max_operating_tlimit: int | None  # Celsius
    slowed_by_power_cap: int | None  # ns
    slowed_by_sync_boost: int | None  # ns
    slowed_by_software_thermal: int | None  # ns
    slowed_by_hardware_thermal: int | None  # ns
    slowed_by_power_brake: int | None  # ns
    slowed_by_thermal: int | None  # ns; software and hardware
    power_usage: int | None  # mW
    power_average: int | None  # mW; follows power_usage, as power_instant does
    power_instant: int | None  # mW
    power_limit: int | None  # mW; as requested
    enforced_power_limit: int | None  # mW; follows power_limit
    default_power_limit: int | None  # mW
    power_limits: tuple[int, int] | None  # mW; the least and the most that the limit can be set to
    memory_power_average: int | None  # mW
    memory_power_instant: int | None  # mW
    module_power_average: int | None  # mW
    module_power_instant: int | None  # mW
    module_power_limit: int | None  # mW
    graphics_clock: int | None  # MHz
    sm_clock: int | None  # MHz; follows graphics_clock
    memory_clock: int | None  # MHz
    video_clock: int | None  # MHz
    max_graphics_clock: int | None  # MHz
    max_sm_clock: int | None  # MHz; follows max_graphics_clock
    max_memory_clock: int | None  # MHz
    max_video_clock: int | None  # MHz
    pcie_generation: int | None
    pcie_width: int | None
    pcie_max_generation: int | None
    pcie_max_width: int | None
    pcie_card_generation: int | None
    pcie_tx: int | None  # KiB/s
    pcie_rx: int | None  # KiB/s
    clocks_event_reasons: int | None  # bitmask
    supported_clocks_event_reasons: int | None  # bitmask
    performance_state: int | None  # 0 fastest to 15
    persistence_mode: int | None  # 0 off, 1 on
    ecc_mode: int | None  # 0 off, 1 on
    ecc_pending: int | None  # the mode after the next reboot; follows ecc_mode
    addressing_mode: int | None  # nvmlDeviceAddressingModeType_t
    fan_speed: int | None  # %
    fan_speed_rpm: int | None
    nvlink_tx: int  # KiB/s, each link
    nvlink_rx: int  # KiB/s, each link
    nvlink_speed: int | None  # MB/s, each link in each direction


def memory_left(total: int | None, reserved: int | None, used: int | None) -> int | None:
    """Bytes that are neither used nor reserved: free memory."""
    return None if total is None or used is None else max(0, total - used - (reserved or 0))


def margin_left(model: GpuModel, temperature: int | None) -> int | None:
    """Celsius below the temperature from which the driver slows the GPU down; a return code stays one."""
    if not model.has_margin or temperature is None or isinstance(temperature, NvmlReturn):
        return temperature if model.has_margin else None
    return model.slowdown_celsius - temperature


def values_at(model: GpuModel, index: int, elapsed: float) -> GpuValues:
    """All values of GPU `index` at `elapsed` seconds; those that depend on each other fit together."""
    work = workload(index)
    load = work.load(elapsed)
    idle = load < IDLE_BELOW
    warmth = lagged_load(work, elapsed)
    heat = model.full_celsius - model.idle_celsius
    temperature = round(model.idle_celsius + warmth * heat)
    power = round(power_mw(model, load))
    limit = None if model.power_limit_watts is None else 1000 * model.power_limit_watts
    reasons = _clocks_event_reasons(model, temperature, power, limit, idle=idle)
    capped, too_hot = slowed_ns(model, index, elapsed)
    total = None if model.memory_total_mib is None else model.memory_total_mib * MIB
    reserved = None if total is None else model.memory_reserved_mib * MIB
    used = _memory_used(model, work, load, warmth, total, reserved)
    capacity = pcie_capacity_kib(model)
    fan = _fan_percent(model, temperature)
    generations = model.pcie_generations or (None, None)
    memory_clocks = model.memory_clocks_mhz or (None, None)
    video_clocks = model.video_clocks_mhz or (None, None)
    low_clock, high_clock = model.graphics_clocks_mhz
    major, minor = model.compute_capability
    slowdown = model.slowdown_celsius
    ecc = 1 if model.ecc else None
    lowest, highest = model.power_range_watts or (None, None)
    slowed = reasons & ~ClocksEventReason.GPU_IDLE
    sustained = high_clock * 9 // 10 // 15 * 15 if slowed else high_clock  # clocks step by 15 MHz
    return GpuValues(
        name=model.name,
        uuid=f"GPU-{uuid.uuid5(uuid.NAMESPACE_OID, f'{model.name} {index}')}",
        bus_id=f"00000000:{index + 1:02X}:00.0",
        serial=f"13206210{index:05}" if model.has_serial else None,
        part_number=model.part_number,
        vbios_version=f"{major:02}.{minor:02}.74.00.01",
        compute_capability=model.compute_capability,
        architecture=model.architecture,
        gsp_firmware_version="" if model.gsp_firmware else None,
        gsp_firmware_mode=int(model.gsp_firmware),
        memory_total=total,
        memory_reserved=reserved,
        memory_used=used,
        memory_free=memory_left(total, reserved, used),
        bar1_total=None if model.bar1_total_mib is None else model.bar1_total_mib * MIB,
        bar1_used=2 * MIB,
        gpu_utilization=min(100, round(105 * load)),  # kernels overlap: busier than its SMs
        memory_utilization=round(55 * load),
        encoder_utilization=0,
        decoder_utilization=round(12 * load) if index % 4 == 2 else 0,  # serving decodes video
        jpeg_utilization=0,
        ofa_utilization=0,
        encoder_stats=(0, 0, 0),
        capture_stats=(0, 0, 0),
        sm_activity=82 * load if model.gpm else None,
        sm_occupancy=38 * load if model.gpm else None,
        tensor_activity=29 * load if model.gpm else None,
        dram_activity=47 * load if model.gpm else None,
        temperature=temperature,
        memory_temperature=temperature + 6 if model.memory_temperature else None,
        shutdown_threshold=slowdown + 8,
        slowdown_threshold=slowdown + 5,
        max_operating_threshold=slowdown,
        memory_max_threshold=model.memory_max_celsius,
        temperature_margin=margin_left(model, temperature),
        shutdown_tlimit=-8 if model.has_margin else None,
        slowdown_tlimit=-5 if model.has_margin else None,
        memory_max_tlimit=0 if model.has_margin and model.memory_temperature else None,
        max_operating_tlimit=0 if model.has_margin else None,
        slowed_by_power_cap=capped,
        slowed_by_sync_boost=0,
        slowed_by_software_thermal=too_hot,
        slowed_by_hardware_thermal=0,
        slowed_by_power_brake=0,
        slowed_by_thermal=too_hot,
        power_usage=power,
        power_average=power,
        power_instant=power,
        power_limit=limit,
        enforced_power_limit=limit,
        default_power_limit=limit,
        power_limits=None if lowest is None or highest is None else (1000 * lowest, 1000 * highest),
        memory_power_average=None
        if model.memory_power_share is None
        else round(model.memory_power_share * power),
        memory_power_instant=None,
        module_power_average=None,
        module_power_instant=None,
        module_power_limit=None,
        graphics_clock=low_clock if idle else sustained,
        sm_clock=low_clock if idle else sustained,
        memory_clock=memory_clocks[0 if idle else 1],
        video_clock=video_clocks[0 if idle else 1],
        max_graphics_clock=high_clock,
        max_sm_clock=high_clock,
        max_memory_clock=memory_clocks[1],
        max_video_clock=video_clocks[1],
        pcie_generation=generations[0 if idle else 1],
        pcie_width=model.pcie_width,
        pcie_max_generation=generations[1],
        pcie_max_width=model.pcie_width,
        pcie_card_generation=generations[1],
        pcie_tx=None if capacity is None else round(PCIE_TX_SHARE * capacity * load),
        pcie_rx=None if capacity is None else round(PCIE_RX_SHARE * capacity * load),
        clocks_event_reasons=reasons,
        supported_clocks_event_reasons=sum(ClocksEventReason),
        performance_state=8 if idle else 0,
        persistence_mode=int(model.persistence_mode),
        ecc_mode=ecc,
        ecc_pending=ecc,
        addressing_mode=0,
        fan_speed=fan,
        fan_speed_rpm=None if fan is None or model.fan_max_rpm is None else model.fan_max_rpm * fan // 100,
        nvlink_tx=round(NVLINK_KIB * load),
        nvlink_rx=round(NVLINK_KIB * load),
        nvlink_speed=model.nvlink_speed or None,
    )


def _clocks_event_reasons(
    model: GpuModel, temperature: int, power: int, limit: int | None, *, idle: bool
) -> int:
    """The bitmask; power and its limit in mW."""
    reasons = 0
    if idle:
        reasons |= ClocksEventReason.GPU_IDLE
    if limit is not None and power > POWER_CAP_SHARE * limit:
        reasons |= ClocksEventReason.SW_POWER_CAP
    if temperature >= model.slowdown_celsius:
        reasons |= ClocksEventReason.SW_THERMAL_SLOWDOWN
    return reasons


def _memory_used(
    model: GpuModel, work: Workload, load: float, warmth: float, total: int | None, reserved: int | None
) -> int | None:
    """Bytes. Allocations outlive a checkpoint's dip: memory follows the recent load, in whole MiB."""
    if total is None or reserved is None:
        return None
    share = 0.25 + 0.55 * work.high + 0.05 * warmth if work.high else work.held
    if load == 0 and work.high:  # between two jobs
        share = 0.0
    used = int(share * (total - reserved)) // MIB * MIB
    return used + DESKTOP_BYTES if model.graphics_processes else used


def _fan_percent(model: GpuModel, temperature: int) -> int | None:
    if not model.fans:
        return None
    if model.fan_stops_when_cool and temperature < 45:
        return 0
    return max(30, min(100, 30 + (temperature - 45) * 3 // 2))
