"""The values of detail=1 in a document of nvidia-smi, parsed independently of the replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.hardware.replayed_fabric import FABRIC
from tests.hardware.smi import Missing, is_failed, number_at, text_at, version_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from xml.etree.ElementTree import Element

    from tests.hardware.comparing import Theirs

_FLAGS = {"Enabled": True, "Disabled": False, "Yes": True, "No": False}


def never(_: Element) -> Theirs:
    """The reader of a value that no document has."""
    return Missing.NO_TAG


def _text(*paths: str) -> Callable[[Element], Theirs]:
    return lambda gpu: text_at(gpu, *paths)


def _version(path: str) -> Callable[[Element], Theirs]:
    return lambda gpu: version_at(gpu, path)


def _number(*paths: str) -> Callable[[Element], Theirs]:
    return lambda gpu: number_at(gpu, *paths)


def _flag(*paths: str) -> Callable[[Element], Theirs]:
    def read(gpu: Element) -> Theirs:
        text = text_at(gpu, *paths)
        return text if isinstance(text, Missing) else _FLAGS.get(text, Missing.NOT_AVAILABLE)

    return read


def _lower(path: str) -> Callable[[Element], Theirs]:
    def read(gpu: Element) -> Theirs:
        text = text_at(gpu, path)
        return text if isinstance(text, Missing) else text.lower()

    return read


def _sum(*paths: str) -> Callable[[Element], Theirs]:
    def read(gpu: Element) -> Theirs:
        if any(is_failed(gpu, path) for path in paths):
            return Missing.NOT_AVAILABLE
        numbers = [number_at(gpu, path) for path in paths]
        reported = [number for number in numbers if not isinstance(number, Missing)]
        return sum(reported) if reported else Missing.NO_TAG

    return read


def _power(*names: str) -> Callable[[Element], Theirs]:
    sections = ("gpu_power_readings", "power_readings")
    return _number(*(f"{section}/{name}" for section in sections for name in names))


def _threshold(name: str) -> Callable[[Element], Theirs]:
    return _number(f"temperature/gpu_temp_{name}_threshold")


def _margin(name: str) -> Callable[[Element], Theirs]:
    return _number(f"temperature/gpu_temp_{name}_tlimit_threshold")


def _seconds(name: str) -> Callable[[Element], Theirs]:
    """Reported in microseconds."""
    path = f"clocks_event_reasons_counters/clocks_event_reasons_counters_{name}"

    def read(gpu: Element) -> Theirs:
        number = number_at(gpu, path)
        return number if isinstance(number, Missing) else number / 1e6

    return read


def _ecc(since: str, *kinds: str, total: str) -> Callable[[Element], Theirs]:
    parts = _sum(*(f"ecc_errors/{since}/{kind}" for kind in kinds))

    def read(gpu: Element) -> Theirs:
        path = f"ecc_errors/{since}/{total}/total"
        whole = number_at(gpu, path)
        return parts(gpu) if isinstance(whole, Missing) and not is_failed(gpu, path) else whole

    return read


def _bus_id(gpu: Element) -> Theirs:
    """A shortened document may have the bus ID only as the attribute of the GPU."""
    reported = text_at(gpu, "pci/pci_bus_id")
    return gpu.get("id", reported) if isinstance(reported, Missing) else reported


def _virtualization_mode(gpu: Element) -> Theirs:
    reported = text_at(gpu, "gpu_virtualization_mode/virtualization_mode")
    return reported if isinstance(reported, Missing) else reported.lower().replace("-", "").replace(" ", "_")


def _port_generation(gpu: Element) -> Theirs:
    """The generation of the host; 0 in the document means unknown."""
    return number_at(gpu, f"{_PCIE}/pcie_gen/max_host_link_gen") or Missing.NOT_AVAILABLE


def _sram_uncorrected(since: str) -> Callable[[Element], Theirs]:
    """Since R545 the count has two parts. With only one part, the sum is unknown."""

    def read(gpu: Element) -> Theirs:
        kinds = [number_at(gpu, f"ecc_errors/{since}/sram_uncorrectable_{kind}") for kind in _SRAM_KINDS]
        reported = [kind for kind in kinds if not isinstance(kind, Missing)]
        if len(reported) == len(kinds):
            return sum(reported)
        return Missing.NOT_AVAILABLE if reported else number_at(gpu, f"ecc_errors/{since}/sram_uncorrectable")

    return read


def _part_number(gpu: Element) -> Theirs:
    old = gpu.find("board_part_number") is None
    return text_at(gpu, "gpu_part_number" if old else "board_part_number")


_PCIE = "pci/pci_gpu_link_info"
_SRAM_KINDS = ("parity", "secded")
_CORRECTED = ("sram_correctable", "dram_correctable")
_UNCORRECTED = (
    *("sram_uncorrectable", "sram_uncorrectable_parity", "sram_uncorrectable_secded"),
    "dram_uncorrectable",
)

# By the path in `detail`.
DETAILS: tuple[tuple[str, Callable[[Element], Theirs]], ...] = (
    ("board.serial", _text("serial")),
    ("board.part_number", _part_number),
    ("board.vbios_version", _version("vbios_version")),
    ("board.pci_bus_id", _bus_id),
    ("board.compute_capability", never),
    ("board.architecture", _text("product_architecture")),
    ("board.gsp_firmware_version", _text("gsp_firmware_version")),
    ("board.gsp_firmware_enabled", never),
    ("modes.performance_state", _text("performance_state")),
    ("modes.persistence_mode", _flag("persistence_mode")),
    ("modes.compute_mode", _lower("compute_mode")),
    ("modes.ecc_enabled", _flag("ecc_mode/current_ecc")),
    ("modes.ecc_pending", _flag("ecc_mode/pending_ecc")),
    ("modes.mig_enabled", _flag("mig_mode/current_mig")),
    ("modes.mig_pending", _flag("mig_mode/pending_mig")),
    ("modes.virtualization_mode", _virtualization_mode),
    ("modes.addressing_mode", _lower("addressing_mode")),
    ("temperatures.memory_celsius", _number("temperature/memory_temp")),
    ("temperatures.max_operating_celsius", _threshold("max_gpu")),
    ("temperatures.slowdown_celsius", _threshold("slow")),
    ("temperatures.shutdown_celsius", _threshold("max")),
    ("temperatures.memory_max_celsius", _threshold("max_mem")),
    ("temperatures.margin_celsius", _number("temperature/gpu_temp_tlimit")),
    ("temperatures.max_operating_margin_celsius", _margin("max_gpu")),
    ("temperatures.slowdown_margin_celsius", _margin("slow")),
    ("temperatures.shutdown_margin_celsius", _margin("max")),
    ("temperatures.memory_max_margin_celsius", _margin("max_mem")),
    ("throttled_seconds.sw_power_cap", _seconds("sw_power_cap")),
    ("throttled_seconds.sync_boost", _seconds("sync_boost")),
    ("throttled_seconds.sw_thermal_slowdown", _seconds("sw_therm_slowdown")),
    ("throttled_seconds.hw_thermal_slowdown", _seconds("hw_therm_slowdown")),
    ("throttled_seconds.hw_power_brake_slowdown", _seconds("hw_power_brake")),
    ("throttled_seconds.thermal", never),
    ("power.instant_watts", _power("instant_power_draw")),
    ("power.average_watts", _power("average_power_draw")),
    ("power.enforced_limit_watts", _power("current_power_limit", "enforced_power_limit")),
    ("power.default_limit_watts", _power("default_power_limit")),
    ("power.min_limit_watts", _power("min_power_limit")),
    ("power.max_limit_watts", _power("max_power_limit")),
    *(
        item
        for ours, theirs in (("memory", "gpu_memory_power_readings"), ("module", "module_power_readings"))
        for item in (
            (f"power.{ours}.instant_watts", _number(f"{theirs}/instant_power_draw")),
            (
                f"power.{ours}.average_watts",
                _number(f"{theirs}/average_power_draw", f"{theirs}/power_draw"),
            ),
        )
    ),
    ("power.module.limit_watts", _number("module_power_readings/current_power_limit")),
    ("power.energy_joules", never),
    ("clocks.sm_mhz", _number("clocks/sm_clock")),
    ("clocks.video_mhz", _number("clocks/video_clock")),
    ("clocks.max_sm_mhz", _number("max_clocks/sm_clock")),
    ("clocks.max_video_mhz", _number("max_clocks/video_clock")),
    ("engines.encoder_percent", _number("utilization/encoder_util")),
    ("engines.decoder_percent", _number("utilization/decoder_util")),
    ("engines.jpeg_percent", _number("utilization/jpeg_util")),
    ("engines.ofa_percent", _number("utilization/ofa_util")),
    *(
        (f"engines.{ours}_sessions.{name}", _number(f"{theirs}/{tag}"))
        for ours, theirs in (("encoder", "encoder_stats"), ("capture", "fbc_stats"))
        for name, tag in (
            ("count", "session_count"),
            ("fps", "average_fps"),
            ("latency_microseconds", "average_latency"),
        )
    ),
    *((f"performance.{name}_percent", never) for name in ("sm", "sm_occupancy", "tensor", "dram")),
    ("memory.reserved_mb", _number("fb_memory_usage/reserved")),
    ("bar1.total_mb", _number("bar1_memory_usage/total")),
    ("bar1.used_mb", _number("bar1_memory_usage/used")),
    ("fan_count", never),
    ("pcie.card_generation", _number(f"{_PCIE}/pcie_gen/max_device_link_gen")),
    ("pcie.port_generation", _port_generation),
    ("pcie.card_width", _number("pci/pci_gpu_link_info/link_widths/max_link_width")),
    ("pcie.port_width", never),
    ("pcie_replays", _number("pci/replay_counter")),
    ("nvlinks", never),
    ("ecc.corrected_volatile", _ecc("volatile", *_CORRECTED, total="single_bit")),
    ("ecc.uncorrected_volatile", _ecc("volatile", *_UNCORRECTED, total="double_bit")),
    ("ecc.corrected_aggregate", _ecc("aggregate", *_CORRECTED, total="single_bit")),
    ("ecc.uncorrected_aggregate", _ecc("aggregate", *_UNCORRECTED, total="double_bit")),
    *(
        item
        for since in ("volatile", "aggregate")
        for item in (
            (f"ecc.sram.corrected_{since}", _number(f"ecc_errors/{since}/sram_correctable")),
            (f"ecc.sram.uncorrected_{since}", _sram_uncorrected(since)),
            *(
                (f"ecc.sram.{kind}_{since}", _number(f"ecc_errors/{since}/sram_uncorrectable_{kind}"))
                for kind in _SRAM_KINDS
            ),
            *(
                (
                    f"ecc.dram.{kind}_{since}",
                    _number(f"ecc_errors/{since}/dram_{tag}", f"ecc_errors/{since}/{bits}/device_memory"),
                )
                for kind, tag, bits in (
                    ("corrected", "correctable", "single_bit"),
                    ("uncorrected", "uncorrectable", "double_bit"),
                )
            ),
        )
    ),
    ("ecc.sram_threshold_exceeded", _flag("ecc_errors/aggregate/sram_threshold_exceeded")),
    ("ecc.unrepairable_memory", _flag("ecc_errors/unrepairable_memory")),
    ("repairs.channel_pending", _flag("ecc_errors/channel_repair_pending")),
    ("repairs.tpc_pending", _flag("ecc_errors/tpc_repair_pending")),
    ("inforom_valid", never),
    *FABRIC,
    ("retired_pages.corrected", _number("retired_pages/multiple_single_bit_retirement/retired_count")),
    ("retired_pages.uncorrected", _number("retired_pages/double_bit_retirement/retired_count")),
    ("retired_pages.pending", _flag("retired_pages/pending_retirement", "retired_pages/pending_blacklist")),
    ("remapped_rows.corrected", _number("remapped_rows/remapped_row_corr")),
    ("remapped_rows.uncorrected", _number("remapped_rows/remapped_row_unc")),
    ("remapped_rows.pending", _flag("remapped_rows/remapped_row_pending")),
    ("remapped_rows.failed", _flag("remapped_rows/remapped_row_failure")),
    ("xids", never),
)
# Values of detail=1 that are compared in another way, or derived from others.
DETAILS_ALONE = {
    "fans": "a list; empty, because no document has their number",
    "mig_instances": "a list; compared by itself",
    "remapped_rows.banks": "an object; compared by itself",
    "ecc.sram.sources": "an object; compared by itself",
    "pcie.widest_under_load": "remembered by the agent",
    "findings": "our judgement",
    "unknown": "why something is null",
    "failed": "the driver's words for it",
}
