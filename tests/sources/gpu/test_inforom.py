"""Whether the InfoROM is valid: checked rarely, after a sample, by a return code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.readings import Reason
from agent.simulation import NvmlReturn
from agent.sources.gpu.paces import INFOROM_PACE
from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator

VALIDATE = "nvmlDeviceValidateInforom"


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        yield one


def valid_after_check(one: OneGpu) -> bool | None:
    """Whether the InfoROM is valid, as reported by the sample after the check."""
    one.read()
    return one.read(after=1).inforom.is_valid


def test_no_sample_waits_for_the_inforom_check(one: OneGpu) -> None:
    assert one.source.read().inforom.is_valid is None
    assert one.simulation.calls[VALIDATE] == 0

    assert valid_after_check(one) is True


def test_a_corrupted_inforom_is_a_value_and_no_failure(one: OneGpu) -> None:
    one.gpu.error_counters.inforom = NvmlReturn.CORRUPTED_INFOROM

    assert valid_after_check(one) is False
    reading = one.read(after=1)
    assert "inforom.is_valid" not in reading.unknown
    assert reading.driver_errors == {}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (NvmlReturn.NOT_SUPPORTED, Reason.NOT_SUPPORTED),
        (NvmlReturn.FUNCTION_NOT_FOUND, Reason.MISSING),
        (NvmlReturn.NO_PERMISSION, Reason.NO_PERMISSION),
        (NvmlReturn.UNKNOWN, Reason.FAILED),
    ],
)
def test_every_other_return_code_is_the_reason_why_the_inforom_is_unknown(
    one: OneGpu, code: NvmlReturn, reason: Reason
) -> None:
    one.gpu.fail(VALIDATE, code)

    assert valid_after_check(one) is None
    unknown = one.read(after=1).unknown["inforom.is_valid"]
    assert (unknown.reason, unknown.function) == (reason, VALIDATE)


def test_the_inforom_is_checked_at_contact_and_then_once_an_hour(one: OneGpu) -> None:
    for _ in range(10):
        one.read(after=INFOROM_PACE / 10 - 1)
    assert one.simulation.calls[VALIDATE] == 1

    one.read(after=INFOROM_PACE / 10 + 10)
    assert one.simulation.calls[VALIDATE] == 2
    one.source.release()
    one.read()
    assert one.simulation.calls[VALIDATE] == 3
