"""ECC errors of one GPU, and what became of the memory that had them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.readings import Reason, SramSources
from agent.simulation import NvmlReturn
from agent.simulation.error_counters import ErrorCounters
from tests.sources.one_gpu import one_gpu


def test_before_ampere_retired_pages_are_reported() -> None:
    with one_gpu("k80") as one:
        one.gpu.error_counters = ErrorCounters(
            retired_pages_corrected=3, retired_pages_uncorrected=1, retirement_pending=True
        )
        errors = one.read().memory_errors

    assert (errors.retired_pages_corrected, errors.retired_pages_uncorrected) == (3, 1)
    assert errors.retirement_pending is True
    assert errors.remapping_pending is None


@pytest.mark.parametrize(("pending", "failed"), [(True, False), (False, True)], ids=["pending", "failed"])
def test_pending_and_failed_row_remappings_are_reported_separately(pending: bool, failed: bool) -> None:
    with one_gpu() as one:
        one.gpu.error_counters = ErrorCounters(remapping_pending=pending, remapping_failed=failed)
        errors = one.read().memory_errors

    assert (errors.remapping_pending, errors.remapping_failed) == (pending, failed)


# By kind of memory: SRAM and DRAM

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
def test_older_drivers_report_both_sums_of_sram_errors_too(generation: str) -> None:
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


def test_dram_errors_are_reported_where_sram_errors_are_not() -> None:
    with one_gpu("k80") as one:
        one.gpu.error_counters = BY_PLACE
        reading = one.read()

    assert reading.memory_errors.dram_uncorrected_volatile == 8
    assert reading.memory_errors.sram_uncorrected_volatile is None
    assert reading.unknown["memory_errors.sram_uncorrected_volatile"].function == COUNTER


def test_a_sum_with_an_unreported_part_is_unknown() -> None:
    with one_gpu() as one:
        one.gpu.error_counters = replace(BY_PLACE, sram_parity_volatile=NvmlReturn.NOT_SUPPORTED)
        errors = one.read().memory_errors

    assert (errors.sram_parity_volatile, errors.sram_secded_volatile) == (None, 3)
    assert (errors.sram_uncorrected_volatile, errors.sram_uncorrected_aggregate) == (None, 0)


def test_one_call_reads_all_sram_errors() -> None:
    with one_gpu() as one:
        one.read()

    assert (one.simulation.calls[STATUS], one.simulation.calls[COUNTER]) == (1, 4)
