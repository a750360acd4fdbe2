"""ECC errors of one GPU, and what became of the memory that had them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.readings import Reason, SramSources
from agent.simulation import NvmlReturn
from agent.simulation.error_counters import ErrorCounters
from tests.sources.one_gpu import one_gpu


def test_pages_are_retired_before_ampere() -> None:
    with one_gpu("k80") as one:
        one.gpu.error_counters = ErrorCounters(
            retired_pages_corrected=3, retired_pages_uncorrected=1, retirement_pending=True
        )
        errors = one.read().memory_errors

    assert (errors.retired_pages_corrected, errors.retired_pages_uncorrected) == (3, 1)
    assert errors.retirement_pending is True
    assert errors.remapping_pending is None


@pytest.mark.parametrize(("pending", "failed"), [(True, False), (False, True)], ids=["pending", "failed"])
def test_a_row_that_will_be_remapped_is_no_row_that_could_not_be(pending: bool, failed: bool) -> None:
    with one_gpu() as one:
        one.gpu.error_counters = ErrorCounters(remapping_pending=pending, remapping_failed=failed)
        errors = one.read().memory_errors

    assert (errors.remapping_pending, errors.remapping_failed) == (pending, failed)


# By place

STATUS, COUNTER = "nvmlDeviceGetSramEccErrorStatus", "nvmlDeviceGetMemoryErrorCounter"
BY_PLACE = ErrorCounters(
    sram_corrected_volatile=1,
    sram_uncorrected_volatile=5,
    sram_parity_volatile=2,
    sram_secded_volatile=3,
    dram_corrected_aggregate=7,
    dram_uncorrected_volatile=8,
)


@pytest.mark.parametrize("generation", ["current", "r535"])
def test_both_sums_of_sram_are_reported_by_older_drivers_too(generation: str) -> None:
    with one_gpu() as one:
        one.simulation.set_driver_generation(generation)
        one.gpu.error_counters = BY_PLACE
        reading = one.read()

    errors = reading.memory_errors
    assert (errors.sram_corrected_volatile, errors.sram_uncorrected_volatile) == (1, 5)
    assert (errors.dram_corrected_aggregate, errors.dram_uncorrected_volatile) == (7, 8)
    is_current = generation == "current"
    assert (errors.sram_parity_volatile, errors.sram_secded_volatile) == (
        (2, 3) if is_current else (None, None)
    )
    assert errors.sram_sources == (SramSources(0, 0, 0, 0, 0) if is_current else None)
    if not is_current:
        assert reading.unknown["memory_errors.sram_parity_volatile"].reason is Reason.MISSING


def test_dram_of_a_gpu_that_tells_nothing_of_sram_is_reported() -> None:
    with one_gpu("k80") as one:
        one.gpu.error_counters = BY_PLACE
        reading = one.read()

    assert reading.memory_errors.dram_uncorrected_volatile == 8
    assert reading.memory_errors.sram_uncorrected_volatile is None
    assert reading.unknown["memory_errors.sram_uncorrected_volatile"].function == COUNTER


def test_a_sum_of_which_a_part_is_not_reported_is_unknown() -> None:
    with one_gpu() as one:
        one.gpu.error_counters = replace(BY_PLACE, sram_parity_volatile=NvmlReturn.NOT_SUPPORTED)
        errors = one.read().memory_errors

    assert (errors.sram_parity_volatile, errors.sram_secded_volatile) == (None, 3)
    assert (errors.sram_uncorrected_volatile, errors.sram_uncorrected_aggregate) == (None, 0)


def test_one_struct_tells_all_of_sram() -> None:
    with one_gpu() as one:
        one.read()

    assert (one.simulation.calls[STATUS], one.simulation.calls[COUNTER]) == (1, 4)
