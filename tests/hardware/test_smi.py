"""The output of nvidia-smi is parsed for each kind of GPU and driver; missing values are Untold."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.derive.throttling import ClocksEventReason
from tests.hardware.smi import SmiError, SmiGpu, SmiLog, SmiProcess, Untold, parse, untold_fields

DOCUMENTS = Path(__file__).parent / "documents"

# Of one GPU, with what the tests below replace.
SMALL = """<?xml version="1.0" ?>
<nvidia_smi_log>
  <driver_version>610.10</driver_version>
  <gpu id="00000000:01:00.0">
    <temperature><gpu_temp>{value}</gpu_temp></temperature>
  </gpu>
</nvidia_smi_log>
"""


def document(name: str) -> SmiLog:
    """A document as that GPU under that driver prints it."""
    return parse((DOCUMENTS / f"{name}.xml").read_text())


def test_a_data_centre_gpu_under_a_new_driver_is_understood_in_full() -> None:
    log = document("h200_driver_580")
    assert (log.driver_version, log.cuda_version, log.attached_gpus) == ("580.95.05", "13.0", 1)
    assert log.gpus == (
        SmiGpu(
            index=0,
            uuid="GPU-7d2c1f84-9b3e-4a51-8c70-2f6d5e1a9b03",
            name="NVIDIA H200",
            memory_total_mib=143771,
            memory_reserved_mib=613,
            memory_used_mib=65112,
            memory_free_mib=78048,
            gpu_percent=97,
            memory_percent=41,
            temperature_celsius=45,
            power_draw_watts=(691.02, 698.55),
            power_limit_watts=(700, 700),
            graphics_clock_mhz=1740,
            memory_clock_mhz=3201,
            max_graphics_clock_mhz=1980,
            max_memory_clock_mhz=3201,
            pcie_max_generation=5,
            pcie_generation=5,
            pcie_max_width=16,
            pcie_width=16,
            pcie_tx_kib_per_second=431,
            pcie_rx_kib_per_second=1210,
            clocks_event_reasons=ClocksEventReason.SW_POWER_CAP | ClocksEventReason.SW_THERMAL_SLOWDOWN,
            clocks_event_reasons_told=0x1FF,
            fan_speed_percent=Untold.NOT_AVAILABLE,
            mig_mode="Disabled",
            processes=(SmiProcess(41877, "C", 65094),),
        ),
    )


def test_a_geforce_tells_its_fan_and_its_graphics_processes() -> None:
    (gpu,) = document("geforce_driver_570").gpus
    assert gpu.fan_speed_percent == 33
    assert gpu.mig_mode is Untold.NOT_AVAILABLE
    assert gpu.power_draw_watts == (38.26,)
    assert gpu.clocks_event_reasons == ClocksEventReason.GPU_IDLE | ClocksEventReason.DISPLAY_CLOCK_SETTING
    assert gpu.processes == (
        SmiProcess(1802, "G", 1448),
        SmiProcess(1890, "C+G", Untold.NOT_AVAILABLE),
        SmiProcess(20044, "C", 512),
    )


def test_the_names_that_drivers_before_r535_used_are_understood() -> None:
    gpu = document("h100_driver_525").gpus[0]
    assert gpu.power_draw_watts == (70.85,)
    assert gpu.power_limit_watts == (650, 650)
    assert gpu.clocks_event_reasons == ClocksEventReason.GPU_IDLE
    assert gpu.pcie_width == 8
    assert gpu.processes == ()


def test_a_clocks_event_reason_that_is_not_reported_is_not_taken_for_inactive() -> None:
    told = document("h100_driver_525").gpus[0].clocks_event_reasons_told
    assert told & ClocksEventReason.HW_SLOWDOWN
    assert not told & ClocksEventReason.HW_THERMAL_SLOWDOWN


def test_a_gpu_that_tells_next_to_nothing_is_no_fault() -> None:
    gpu = document("h100_driver_525").gpus[1]
    assert gpu.name == "NVIDIA H100 80GB HBM3"
    assert gpu.memory_total_mib == 81559
    assert gpu.memory_used_mib is Untold.NOT_AVAILABLE
    assert gpu.temperature_celsius is Untold.NOT_AVAILABLE
    assert gpu.power_draw_watts is Untold.NOT_AVAILABLE
    assert gpu.pcie_generation is Untold.NO_TAG
    assert gpu.clocks_event_reasons is Untold.NO_TAG
    assert gpu.processes is Untold.NOT_AVAILABLE
    assert {"gpu_percent", "pcie_width", "processes"} <= set(untold_fields(gpu))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("45 C", 45),
        (" 45 C ", 45),
        ("-5 C", -5),
        ("71.25 W", 71.25),
        ("16x", 16),
        ("N/A", Untold.NOT_AVAILABLE),
        ("[N/A]", Untold.NOT_AVAILABLE),
        ("[Not Supported]", Untold.NOT_AVAILABLE),
        ("Unknown Error", Untold.NOT_AVAILABLE),
        ("[Insufficient Permissions]", Untold.NOT_AVAILABLE),
        ("GPU is lost", Untold.NOT_AVAILABLE),
        ("[GPU requires reset]", Untold.NOT_AVAILABLE),
        ("ERR!", Untold.NOT_AVAILABLE),
        ("Not Found", Untold.NOT_AVAILABLE),
        ("Requested functionality has been deprecated", Untold.NOT_AVAILABLE),
        ("", Untold.NOT_AVAILABLE),
    ],
)
def test_a_value_is_its_number_or_untold(text: str, expected: float | Untold) -> None:
    assert parse(SMALL.format(value=text)).gpus[0].temperature_celsius == expected


def test_a_warning_in_front_of_the_document_is_passed_over() -> None:
    log = parse("Warning: infoROM is corrupted at gpu 0000:01:00.0\n" + SMALL.format(value="45 C"))
    assert log.gpus[0].temperature_celsius == 45


def test_the_cuda_version_is_found_under_its_newer_name_too() -> None:
    newer = SMALL.replace("<gpu ", "<cuda_umd_version>13.2</cuda_umd_version><gpu ", 1)
    assert parse(newer.format(value="45 C")).cuda_version == "13.2"


@pytest.mark.parametrize("text", ["", "NVIDIA-SMI has failed", "<?xml version='1.0' ?><nvidia_smi_log>"])
def test_what_is_no_document_is_said_to_be_none(text: str) -> None:
    with pytest.raises(SmiError, match="no XML"):
        parse(text)
