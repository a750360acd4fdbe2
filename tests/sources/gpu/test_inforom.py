"""Whether the InfoROM is valid: checked rarely, after a sample, by a return code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.readings import Reason, SourceError
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


def test_a_gpu_that_was_let_go_keeps_its_value_and_its_pace(one: OneGpu) -> None:
    """That of a laptop is let go after each sample without demand."""
    one.read()
    for _ in range(3):
        one.source.release()
        assert one.read(after=INFOROM_PACE / 5).inforom.is_valid is True
    assert one.simulation.calls[VALIDATE] == 1

    one.source.release()
    one.read(after=INFOROM_PACE / 2)
    assert one.simulation.calls[VALIDATE] == 2


def test_after_an_error_of_the_whole_gpu_it_is_read_anew(one: OneGpu) -> None:
    """It may have been reset, or replaced."""
    one.read()
    one.gpu.lose()
    with pytest.raises(SourceError):
        one.read(after=1)
    one.gpu.restore()

    assert one.read(after=1).inforom.is_valid is None
    assert one.simulation.calls[VALIDATE] == 2


@pytest.mark.parametrize("has_another_name", [True, False])
def test_another_gpu_at_the_index_has_a_value_of_its_own(one: OneGpu, has_another_name: bool) -> None:
    one.read()
    one.source.release(may_be_another=not has_another_name)
    if has_another_name:
        one.gpu.fix(uuid="GPU-another")

    assert one.read(after=1).inforom.is_valid is None
    assert one.simulation.calls[VALIDATE] == 2
