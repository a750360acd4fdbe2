"""ECC errors of one GPU, and what became of the memory that had them."""

from __future__ import annotations

import pytest

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
