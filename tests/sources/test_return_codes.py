"""The reason for each return code of NVML, including unknown codes."""

from __future__ import annotations

import pynvml
import pytest

from agent.readings import Reason
from agent.sources.return_codes import FATAL, SUCCESS, reason_of, symbol_of, words_of

CLASSES = {
    Reason.NOT_SUPPORTED: {2, 3, 6, 21, 22, 24, 26, 30},
    Reason.MISSING: {13, 25},
    Reason.NO_PERMISSION: {4, 17},
    Reason.FAILED: {1, 5, 7, 8, 9, 10, 11, 12, 14, 15, 16, 18, 19, 20, 23, 27, 28, 29, 999},
}
KNOWN = {getattr(pynvml, name) for name in dir(pynvml) if name.startswith("NVML_ERROR_")}


def test_every_return_code_of_nvml_has_its_reason() -> None:
    assert {*range(1, 30), 999} <= KNOWN

    assert {code: reason_of(code) for code in KNOWN} == {
        code: reason for reason, codes in CLASSES.items() for code in codes
    }


@pytest.mark.parametrize("code", [31, 500, 998])
def test_a_code_of_a_later_driver_is_a_failure_with_its_number(code: int) -> None:
    assert (reason_of(code), symbol_of(code)) == (Reason.FAILED, f"NVML_ERROR_{code}")


def test_a_successful_call_without_a_value_is_not_supported() -> None:
    assert (reason_of(0), symbol_of(0), words_of(0)) == (Reason.NOT_SUPPORTED, SUCCESS, "no value")


def test_symbols_and_words_are_those_of_nvml() -> None:
    assert symbol_of(999) == "NVML_ERROR_UNKNOWN"
    assert words_of(999) == "Unknown Error"


def test_a_required_reset_is_no_fatal_error_of_a_gpu() -> None:
    assert pynvml.NVMLError_ResetRequired not in FATAL
    assert pynvml.NVMLError_GpuIsLost in FATAL
