"""Which GPU it is."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pynvml
import pytest

from agent.readings import GpuIdentity, SourceError
from agent.simulation import NvmlReturn, Simulation
from agent.sources.gpu import GpuSource
from agent.sources.gpu.paces import SLOW_PACE
from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        yield one


def test_another_gpu_in_the_slot_has_its_own_identity(one: OneGpu) -> None:
    one.read()
    one.gpu.fix(uuid="GPU-another", name="NVIDIA H200", max_graphics_clock=1995)
    one.simulation.reload_driver()
    pynvml.nvmlInit()
    with pytest.raises(SourceError):
        one.read(after=1)

    reading = one.read(after=1)

    assert (reading.identity.uuid, reading.identity.name, reading.clocks.max_graphics_mhz) == (
        "GPU-another",
        "NVIDIA H200",
        1995,
    )


def test_a_uuid_that_is_reported_late_is_known_when_the_gpu_is_lost(one: OneGpu) -> None:
    one.gpu.fail("nvmlDeviceGetUUID", NvmlReturn.UNKNOWN)
    assert one.read().identity.uuid is None
    one.gpu.heal()
    uuid = one.read(after=SLOW_PACE).identity.uuid
    one.gpu.lose()
    with pytest.raises(SourceError) as lost:
        one.read(after=1)

    assert uuid
    assert lost.value.lasting is not None
    assert lost.value.lasting.identity.uuid == uuid


def test_a_gpu_lost_from_the_start_still_has_its_uuid(one: OneGpu) -> None:
    one.gpu.fail("nvmlDeviceGetMemoryInfo_v2", NvmlReturn.GPU_IS_LOST)
    with pytest.raises(SourceError) as lost:
        one.read()

    assert lost.value.lasting is not None
    assert lost.value.lasting.identity.uuid == one.gpu.values.uuid


def test_a_replaced_gpu_that_reports_its_uuid_late_has_no_errors_of_the_gpu_before(one: OneGpu) -> None:
    one.read()
    one.source.release()
    one.gpu.fix(uuid="GPU-another")
    one.gpu.fail("nvmlDeviceGetUUID", NvmlReturn.UNKNOWN)
    assert one.read(after=1).driver_errors
    one.gpu.heal()
    one.read(after=SLOW_PACE)

    reading = one.read(after=1)

    assert (reading.identity.uuid, reading.driver_errors) == ("GPU-another", {})


def test_everything_written_on_the_board_is_reported(one: OneGpu) -> None:
    one.gpu.fix(
        uuid="GPU-a",
        name="NVIDIA H100",
        bus_id="00000000:3b:00.0",
        serial="132",
        part_number="900",
        vbios_version="96.00",
        compute_capability=(9, 1),
        architecture=9,
        gsp_firmware_version="580.1",
    )
    board = GpuIdentity(
        "GPU-a", "NVIDIA H100", "00000000:3B:00.0", "132", "900", "96.00", (9, 1), 9, "580.1", True
    )
    assert one.read().identity == board


def test_an_empty_part_number_is_unknown(one: OneGpu) -> None:
    one.gpu.fix(part_number="")

    reading = one.read()

    assert reading.identity.part_number is None
    assert reading.unknown["identity.part_number"].function == "nvmlDeviceGetBoardPartNumber"


def test_a_gpu_without_gsp_firmware_reports_no_firmware_version() -> None:
    with one_gpu("k80") as one:
        identity = one.read().identity

    assert (identity.gsp_firmware_enabled, identity.gsp_firmware_version) == (False, None)


def test_gpus_read_at_the_same_time_report_their_own_firmware_mode() -> None:
    """The default arguments of nvidia-ml-py are two numbers that all threads would share."""
    with Simulation(2) as simulation:
        simulation.gpus[1].fix(gsp_firmware_mode=0)
        together = threading.Barrier(2)

        def read(index: int) -> set[bool | None]:
            together.wait()
            return {GpuSource(index).read().identity.gsp_firmware_enabled for _ in range(20)}

        with ThreadPoolExecutor(2) as threads:
            assert list(threads.map(read, range(2))) == [{True}, {False}]
