"""The output of nvidia-smi is parsed for each kind of GPU and driver; values that it lacks are Missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.derive.throttling import ClocksEventReason
from tests.hardware.smi import Missing, SmiError, SmiGpu, SmiLog, SmiProcess, missing_fields, parse

DOCUMENTS = Path(__file__).parent / "documents"

# A document of one GPU, with a value that the tests replace.
SMALL = """<?xml version="1.0" ?>
<nvidia_smi_log>
  <driver_version>610.10</driver_version>
  <gpu id="00000000:01:00.0">
    <temperature><gpu_temp>{value}</gpu_temp></temperature>
  </gpu>
</nvidia_smi_log>
"""


def document(name: str) -> SmiLog:
    """A document that nvidia-smi printed for this GPU and driver."""
    return parse((DOCUMENTS / f"{name}.xml").read_text())


def test_every_value_of_a_data_centre_gpu_under_a_new_driver_is_parsed() -> None:
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
            clocks_event_reasons_reported=0x1FF,
            fan_speed_percent=Missing.NOT_AVAILABLE,
            mig_mode="Disabled",
            processes=(SmiProcess(41877, "C", 65094),),
        ),
    )


def test_the_fan_and_the_graphics_processes_of_a_geforce_are_parsed() -> None:
    (gpu,) = document("geforce_driver_570").gpus
    assert gpu.fan_speed_percent == 33
    assert gpu.mig_mode is Missing.NOT_AVAILABLE
    assert gpu.power_draw_watts == (38.26,)
    assert gpu.clocks_event_reasons == ClocksEventReason.GPU_IDLE | ClocksEventReason.DISPLAY_CLOCK_SETTING
    assert gpu.processes == (
        SmiProcess(1802, "G", 1448),
        SmiProcess(1890, "C+G", Missing.NOT_AVAILABLE),
        SmiProcess(20044, "C", 512),
    )


def test_the_tag_names_of_drivers_before_r535_are_parsed() -> None:
    gpu = document("h100_driver_525").gpus[0]
    assert gpu.power_draw_watts == (70.85,)
    assert gpu.power_limit_watts == (650, 650)
    assert gpu.clocks_event_reasons == ClocksEventReason.GPU_IDLE
    assert gpu.pcie_width == 8
    assert gpu.processes == ()


def test_a_missing_clocks_event_reason_is_not_taken_for_inactive() -> None:
    reported = document("h100_driver_525").gpus[0].clocks_event_reasons_reported
    assert reported & ClocksEventReason.HW_SLOWDOWN
    assert not reported & ClocksEventReason.HW_THERMAL_SLOWDOWN


def test_a_gpu_with_almost_no_values_is_parsed() -> None:
    gpu = document("h100_driver_525").gpus[1]
    assert gpu.name == "NVIDIA H100 80GB HBM3"
    assert gpu.memory_total_mib == 81559
    assert gpu.memory_used_mib is Missing.NOT_AVAILABLE
    assert gpu.temperature_celsius is Missing.NOT_AVAILABLE
    assert gpu.power_draw_watts is Missing.NOT_AVAILABLE
    assert gpu.pcie_generation is Missing.NO_TAG
    assert gpu.clocks_event_reasons is Missing.NO_TAG
    assert gpu.processes is Missing.NOT_AVAILABLE
    assert {"gpu_percent", "pcie_width", "processes"} <= set(missing_fields(gpu))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("45 C", 45),
        (" 45 C ", 45),
        ("-5 C", -5),
        ("71.25 W", 71.25),
        ("16x", 16),
        ("N/A", Missing.NOT_AVAILABLE),
        ("[N/A]", Missing.NOT_AVAILABLE),
        ("[Not Supported]", Missing.NOT_AVAILABLE),
        ("Unknown Error", Missing.NOT_AVAILABLE),
        ("[Insufficient Permissions]", Missing.NOT_AVAILABLE),
        ("GPU is lost", Missing.NOT_AVAILABLE),
        ("[GPU requires reset]", Missing.NOT_AVAILABLE),
        ("ERR!", Missing.NOT_AVAILABLE),
        ("Not Found", Missing.NOT_AVAILABLE),
        ("Requested functionality has been deprecated", Missing.NOT_AVAILABLE),
        ("", Missing.NOT_AVAILABLE),
    ],
)
def test_a_value_is_parsed_as_its_number_or_as_missing(text: str, expected: float | Missing) -> None:
    assert parse(SMALL.format(value=text)).gpus[0].temperature_celsius == expected


def test_a_warning_before_the_document_is_skipped() -> None:
    log = parse("Warning: infoROM is corrupted at gpu 0000:01:00.0\n" + SMALL.format(value="45 C"))
    assert log.gpus[0].temperature_celsius == 45


def test_the_cuda_version_is_also_parsed_under_its_newer_name() -> None:
    newer = SMALL.replace("<gpu ", "<cuda_umd_version>13.2</cuda_umd_version><gpu ", 1)
    assert parse(newer.format(value="45 C")).cuda_version == "13.2"


@pytest.mark.parametrize("text", ["", "NVIDIA-SMI has failed", "<?xml version='1.0' ?><nvidia_smi_log>"])
def test_output_that_is_not_xml_is_an_error(text: str) -> None:
    with pytest.raises(SmiError, match="no XML"):
        parse(text)
