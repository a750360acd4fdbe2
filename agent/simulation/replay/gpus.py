"""One GPU of a document as the simulation has it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from agent.simulation.codes import VALUE_NOT_AVAILABLE_32, ClocksEventReason, NvmlReturn, RecoveryAction
from agent.simulation.mig import MigInstance
from agent.simulation.models import GpuModel
from agent.simulation.replay.errors_by_place import replay_errors_by_place
from agent.simulation.replay.fabric import replay_fabric
from agent.simulation.replay.words import MISSING, is_absent, together
from agent.simulation.wire import value_or_marker

if TYPE_CHECKING:
    from agent.simulation.gpu import SimulatedGpu
    from agent.simulation.replay.words import Section

# Its values are never used: each comes from the document, or is missing.
MODEL = GpuModel(
    name="a GPU of a document",
    compute_capability=(0, 0),
    architecture=0,
    memory_total_mib=None,
    idle_power_watts=0,
    full_power_watts=0,
    power_limit_watts=None,
    idle_celsius=0,
    full_celsius=0,
    slowdown_celsius=0,
    graphics_clocks_mhz=(0, 0),
    memory_clocks_mhz=None,
    video_clocks_mhz=None,
    pcie_generations=(1, 1),
    pcie_width=1,
    bar1_total_mib=None,
    ecc=True,
    row_remapping=True,
    page_retirement=True,
)

_SWITCH = {"enabled": 1, "disabled": 0}
_YES = {"yes": 1, "no": 0}
_PERFORMANCE_STATES = {f"p{number}": number for number in range(16)}
_COMPUTE_MODES = {  # nvmlComputeMode_t
    "default": 0,
    "exclusive thread": 1,
    "prohibited": 2,
    "exclusive process": 3,
}
_ARCHITECTURES = {  # nvmlDeviceArchitecture_t
    "kepler": 2,
    "maxwell": 3,
    "pascal": 4,
    "volta": 5,
    "turing": 6,
    "ampere": 7,
    "ada lovelace": 8,
    "hopper": 9,
    "blackwell": 10,
    "rubin": 13,
}
_ADDRESSING_MODES = {"none": 0, "hmm": 1, "ats": 2}  # nvmlDeviceAddressingModeType_t
_VIRTUALIZATION_MODES = {  # nvmlGpuVirtualizationMode_t
    "none": 0,
    "pass-through": 1,
    "vgpu": 2,
    "host vgpu": 3,
    "host vsga": 4,
}
_RECOVERY_ACTIONS = {
    **{action.name.lower().replace("_", " "): action for action in RecoveryAction},
    "reset": RecoveryAction.GPU_RESET,
    "reboot": RecoveryAction.NODE_REBOOT,
}
_LATER_ACTION = 255  # an action of a later driver, whose number is in no document
_REASONS = {
    "gpu_idle": ClocksEventReason.GPU_IDLE,
    "applications_clocks_setting": ClocksEventReason.APPLICATIONS_CLOCKS_SETTING,
    "sw_power_cap": ClocksEventReason.SW_POWER_CAP,
    "hw_slowdown": ClocksEventReason.HW_SLOWDOWN,
    "sync_boost": ClocksEventReason.SYNC_BOOST,
    "sw_thermal_slowdown": ClocksEventReason.SW_THERMAL_SLOWDOWN,
    "hw_thermal_slowdown": ClocksEventReason.HW_THERMAL_SLOWDOWN,
    "hw_power_brake_slowdown": ClocksEventReason.HW_POWER_BRAKE_SLOWDOWN,
    "display_clocks_setting": ClocksEventReason.DISPLAY_CLOCKS_SETTING,
}
_MOST_PAGES = 4096  # NVML retires at most 64; callers allocate an address for each
_BANKS = ("max", "high", "partial", "low", "none")
_BUS_ID = re.compile(r"[0-9A-F]{4,8}:[0-9A-F]{2}:[0-9A-F]{2}\.[0-7]")


def replay_gpu(gpu: SimulatedGpu, section: Section) -> None:
    """Give the GPU the values of the document."""
    gpu.fix(**_values(section))
    gpu.port_width = None  # of the slot, which no document has
    generation = section.number(f"{_PCIE}/pcie_gen/max_host_link_gen")
    gpu.port_generation = None if isinstance(generation, NvmlReturn) else generation or None
    gpu.nvlinks = []
    gpu.compute_mode = section.choice(_COMPUTE_MODES, "compute_mode")
    gpu.virtualization_mode = section.choice(
        _VIRTUALIZATION_MODES, "gpu_virtualization_mode/virtualization_mode"
    )
    _replay_mig(gpu, section)
    _replay_errors(gpu, section)
    gpu.fabric = replay_fabric(section)


def _values(section: Section) -> dict[str, Any]:
    """Every one of GpuValues, under all the names that tags had from R352 to R610."""
    return {
        "name": section.text("product_name"),
        "uuid": section.text("uuid"),
        "bus_id": _bus_id(section),
        "serial": section.text("serial"),
        "part_number": section.text("board_part_number")  # before R525 it stood under the other name
        if section.has("board_part_number")
        else section.text("gpu_part_number"),
        "vbios_version": section.version("vbios_version"),
        "compute_capability": MISSING,
        "architecture": section.choice(_ARCHITECTURES, "product_architecture"),
        "gsp_firmware_version": section.text("gsp_firmware_version"),
        "gsp_firmware_mode": MISSING,
        "memory_total": section.bytes("fb_memory_usage/total"),
        "memory_reserved": section.bytes("fb_memory_usage/reserved"),
        "memory_used": section.bytes("fb_memory_usage/used"),
        "memory_free": section.bytes("fb_memory_usage/free"),
        "bar1_total": section.bytes("bar1_memory_usage/total"),
        "bar1_used": section.bytes("bar1_memory_usage/used"),
        "gpu_utilization": section.number("utilization/gpu_util"),
        "memory_utilization": section.number("utilization/memory_util"),
        "encoder_utilization": section.number("utilization/encoder_util"),
        "decoder_utilization": section.number("utilization/decoder_util"),
        "jpeg_utilization": section.number("utilization/jpeg_util"),
        "ofa_utilization": section.number("utilization/ofa_util"),
        "encoder_stats": _sessions(section, "encoder_stats"),
        "capture_stats": _sessions(section, "fbc_stats"),
        **dict.fromkeys(("sm_activity", "sm_occupancy", "tensor_activity", "dram_activity"), MISSING),
        "temperature": section.number("temperature/gpu_temp"),
        "memory_temperature": section.number("temperature/memory_temp"),
        "shutdown_threshold": _threshold(section, "gpu_temp_max"),
        "slowdown_threshold": _threshold(section, "gpu_temp_slow"),
        "max_operating_threshold": _threshold(section, "gpu_temp_max_gpu"),
        "memory_max_threshold": _threshold(section, "gpu_temp_max_mem"),
        "temperature_margin": section.margin("temperature/gpu_temp_tlimit"),
        "shutdown_tlimit": section.margin("temperature/gpu_temp_max_tlimit_threshold"),
        "slowdown_tlimit": section.margin("temperature/gpu_temp_slow_tlimit_threshold"),
        "memory_max_tlimit": section.margin("temperature/gpu_temp_max_mem_tlimit_threshold"),
        "max_operating_tlimit": section.margin("temperature/gpu_temp_max_gpu_tlimit_threshold"),
        **_slowed(section),
        **_power(section),
        **_clocks(section),
        "pcie_generation": section.number(f"{_PCIE}/pcie_gen/current_link_gen"),
        "pcie_max_generation": section.number(f"{_PCIE}/pcie_gen/max_link_gen"),
        "pcie_width": section.number(f"{_PCIE}/link_widths/current_link_width"),
        "pcie_max_width": section.number(f"{_PCIE}/link_widths/max_link_width"),
        "pcie_card_generation": section.number(f"{_PCIE}/pcie_gen/max_device_link_gen"),
        "pcie_tx": section.number("pci/tx_util"),
        "pcie_rx": section.number("pci/rx_util"),
        "performance_state": section.choice(_PERFORMANCE_STATES, "performance_state"),
        "persistence_mode": section.choice(_SWITCH, "persistence_mode"),
        **_ecc(section),
        "addressing_mode": section.choice(_ADDRESSING_MODES, "addressing_mode"),
        "fan_speed": section.number("fan_speed"),
        **dict.fromkeys(("fan_speed_rpm", "nvlink_tx", "nvlink_rx", "nvlink_speed"), MISSING),
    }


_PCIE = "pci/pci_gpu_link_info"


def _sessions(section: Section, place: str) -> tuple[int, ...] | NvmlReturn:
    names = ("session_count", "average_fps", "average_latency")
    return together(*(section.number(f"{place}/{name}") for name in names))


def _ecc(section: Section) -> dict[str, int]:
    """Two values of one function, which fails only if both are missing."""
    modes = [section.choice(_SWITCH, f"ecc_mode/{which}_ecc") for which in ("current", "pending")]
    if not isinstance(together(*modes), NvmlReturn):
        modes = [value_or_marker(mode, VALUE_NOT_AVAILABLE_32) for mode in modes]
    return dict(zip(("ecc_mode", "ecc_pending"), modes, strict=True))


def _bus_id(section: Section) -> str | NvmlReturn:
    text = section.text("pci/pci_bus_id")
    if isinstance(text, NvmlReturn):
        text = section.attribute("id")
    if isinstance(text, NvmlReturn) or _BUS_ID.fullmatch(text.upper()):
        return text if isinstance(text, NvmlReturn) else text.upper()
    return NvmlReturn.UNKNOWN


def _threshold(section: Section, name: str) -> int | NvmlReturn:
    """The temperature; newer GPUs report a margin instead, and have no such threshold."""
    if section.has(f"temperature/{name}_tlimit_threshold"):
        return NvmlReturn.NOT_SUPPORTED
    return section.number(f"temperature/{name}_threshold")


def _slowed(section: Section) -> dict[str, int | NvmlReturn]:
    """For how long, by what; that of heat as a whole is in no document."""
    counter = "clocks_event_reasons_counters/clocks_event_reasons_counters"
    return {
        "slowed_by_power_cap": section.nanoseconds(f"{counter}_sw_power_cap"),
        "slowed_by_sync_boost": section.nanoseconds(f"{counter}_sync_boost"),
        "slowed_by_software_thermal": section.nanoseconds(f"{counter}_sw_therm_slowdown"),
        "slowed_by_hardware_thermal": section.nanoseconds(f"{counter}_hw_therm_slowdown"),
        "slowed_by_power_brake": section.nanoseconds(f"{counter}_hw_power_brake"),
        "slowed_by_thermal": MISSING,
    }


def _power(section: Section) -> dict[str, Any]:
    """Of the GPU, its memory and its module; R535 renamed section and limits, R570 reports two draws."""

    def draw(*names: str) -> int | NvmlReturn:
        places = ("gpu_power_readings", "power_readings")
        return section.milliwatts(*(f"{place}/{name}" for place in places for name in names))

    return {
        "power_usage": draw("power_draw", "average_power_draw", "instant_power_draw"),
        "power_average": draw("average_power_draw"),
        "power_instant": draw("instant_power_draw"),
        "power_limit": draw("requested_power_limit", "power_limit"),
        "enforced_power_limit": draw("current_power_limit", "enforced_power_limit"),
        "default_power_limit": draw("default_power_limit"),
        "power_limits": together(draw("min_power_limit"), draw("max_power_limit")),
        **{
            f"{ours}_power_average": section.milliwatts(
                f"{theirs}/average_power_draw", f"{theirs}/power_draw"
            )
            for ours, theirs in _PARTS.items()
        },
        **{
            f"{ours}_power_instant": section.milliwatts(f"{theirs}/instant_power_draw")
            for ours, theirs in _PARTS.items()
        },
        "module_power_limit": section.milliwatts("module_power_readings/current_power_limit"),
    }


_PARTS = {"memory": "gpu_memory_power_readings", "module": "module_power_readings"}


def _clocks(section: Section) -> dict[str, int | NvmlReturn]:
    domains = {"graphics": "graphics", "sm": "sm", "memory": "mem", "video": "video"}
    now = {f"{ours}_clock": section.number(f"clocks/{theirs}_clock") for ours, theirs in domains.items()}
    most = {
        f"max_{ours}_clock": section.number(f"max_clocks/{theirs}_clock") for ours, theirs in domains.items()
    }
    reasons = [  # the second is the name before R535
        (
            bit,
            (
                f"clocks_event_reasons/clocks_event_reason_{name}",
                f"clocks_throttle_reasons/clocks_throttle_reason_{name}",
            ),
        )
        for name, bit in _REASONS.items()
    ]
    return (
        now
        | most
        | {
            "clocks_event_reasons": section.bits(*reasons),
            "supported_clocks_event_reasons": section.bits(*reasons, active_or_not=True),
        }
    )


def _replay_mig(gpu: SimulatedGpu, section: Section) -> None:
    mode = section.choice(_SWITCH, "mig_mode/current_mig")
    pending = section.choice(_SWITCH, "mig_mode/pending_mig")
    gpu.has_mig, gpu.mig_enabled, gpu.mig_pending = True, mode == 1, pending
    if isinstance(mode, NvmlReturn):
        gpu.fail("nvmlDeviceGetMigMode", mode)
    gpu.mig_instances = [
        _mig_instance(number, one) for number, one in enumerate(section.sections(_MIG_DEVICES))
    ]


_MIG_DEVICES = "mig_devices/mig_device"


def _mig_instance(number: int, section: Section) -> MigInstance:
    """Its profile and its UUID are in no document."""
    index = section.number("index")
    return MigInstance(
        mig_index=number if isinstance(index, NvmlReturn) else index,
        profile=None,
        uuid=None,
        gpu_instance_id=section.number("gpu_instance_id"),
        compute_instance_id=section.number("compute_instance_id"),
        memory_total=section.bytes("fb_memory_usage/total"),
        memory_used=section.bytes("fb_memory_usage/used"),
        memory_free=section.bytes("fb_memory_usage/free"),
        memory_reserved=section.bytes("fb_memory_usage/reserved"),
    )


def _replay_errors(gpu: SimulatedGpu, section: Section) -> None:
    counters = gpu.error_counters
    for since in ("volatile", "aggregate"):
        place = f"ecc_errors/{since}"
        corrected = section.number(f"{place}/single_bit/total")
        if is_absent(corrected):
            corrected = section.sum(*(f"{place}/{name}" for name in _CORRECTED))
        uncorrected = section.number(f"{place}/double_bit/total")
        if is_absent(uncorrected):
            uncorrected = section.sum(*(f"{place}/{name}" for name in _UNCORRECTED))
        setattr(counters, f"corrected_{since}", corrected)
        setattr(counters, f"uncorrected_{since}", uncorrected)
    replay_errors_by_place(gpu, section)
    pages = "retired_pages"
    counters.retired_pages_corrected = section.number(
        f"{pages}/multiple_single_bit_retirement/retired_count", most=_MOST_PAGES
    )
    counters.retired_pages_uncorrected = section.number(
        f"{pages}/double_bit_retirement/retired_count", most=_MOST_PAGES
    )
    counters.retirement_pending = section.choice(
        _YES, f"{pages}/pending_retirement", f"{pages}/pending_blacklist"
    )
    counters.remapped_rows_corrected = section.number("remapped_rows/remapped_row_corr")
    counters.remapped_rows_uncorrected = section.number("remapped_rows/remapped_row_unc")
    counters.remapping_pending = section.choice(_YES, "remapped_rows/remapped_row_pending")
    counters.remapping_failed = section.choice(_YES, "remapped_rows/remapped_row_failure")
    histogram = "remapped_rows/row_remapper_histogram/row_remapper_histogram"
    banks = tuple(section.number(f"{histogram}_{name}") for name in _BANKS)
    refused = next((count for count in banks if isinstance(count, NvmlReturn)), None)
    counters.remap_banks = banks if refused is None else refused
    ecc = "ecc_errors"
    counters.sram_threshold_exceeded = section.choice(_YES, f"{ecc}/aggregate/sram_threshold_exceeded")
    counters.unrepairable_memory = section.choice(_YES, f"{ecc}/unrepairable_memory")
    counters.channel_repair_pending = section.choice(_YES, f"{ecc}/channel_repair_pending")
    counters.tpc_repair_pending = section.choice(_YES, f"{ecc}/tpc_repair_pending")
    counters.pcie_replays = section.number("pci/replay_counter")
    counters.recovery_action = _recovery_action(section)


def _recovery_action(section: Section) -> int:
    """Any word but "None" asks for an action, so that the GPU is not healthy."""
    action = section.version("gpu_recovery_action")
    if action is MISSING:
        return _reset_status(section)
    return action if isinstance(action, NvmlReturn) else _RECOVERY_ACTIONS.get(action.lower(), _LATER_ACTION)


def _reset_status(section: Section) -> int:
    """Drivers before R570 report two of the actions."""
    reset = section.choice(_YES, "gpu_reset_status/reset_required")
    drain = section.choice(_YES, "gpu_reset_status/drain_and_reset_recommended")
    if reset == _YES["yes"]:
        return RecoveryAction.GPU_RESET
    if drain == _YES["yes"]:
        return RecoveryAction.DRAIN_AND_RESET
    return reset if isinstance(reset, NvmlReturn) or is_absent(drain) else drain


_CORRECTED = ("sram_correctable", "dram_correctable")
_UNCORRECTED = (
    "sram_uncorrectable",
    "sram_uncorrectable_parity",  # R535 and newer report it in two parts
    "sram_uncorrectable_secded",
    "dram_uncorrectable",
)
