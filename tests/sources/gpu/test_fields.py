"""Field values: whole numbers of several types, each with a return code of its own."""

from __future__ import annotations

from typing import Any

import pynvml
import pytest

from agent.simulation import FieldId, NvmlReturn, Simulation
from agent.simulation.installation import forget_functions
from agent.sources.gpu.fields import SlowFields, field_values
from agent.sources.gpu.handle import GpuHandle
from agent.sources.gpu.unknown import Record, Refusal
from agent.sources.nvml import query


class OneField:
    """The simulated library, but every field value is the one that the test sets."""

    def __init__(self, library: Any, code: int, kind: int, **value: float) -> None:
        self._library = library
        self._code = code
        self._kind = kind
        self._value = value  # by the member of nvmlValue_t

    def __getattr__(self, symbol: str) -> Any:
        return self._fill if symbol == "nvmlDeviceGetFieldValues" else getattr(self._library, symbol)

    def _fill(self, _handle: Any, _count: Any, entries: Any) -> int:
        for entry in entries._obj:  # noqa: SLF001  (what ctypes.byref refers to)
            entry.nvmlReturn, entry.valueType = self._code, self._kind
            for member, number in self._value.items():
                setattr(entry.value, member, number)
        return NvmlReturn.SUCCESS


REPORTED, REFUSED = NvmlReturn.SUCCESS, NvmlReturn.UNKNOWN


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG, 7),
        (pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, 7),
        (pynvml.NVML_VALUE_TYPE_UNSIGNED_INT, None),
    ],
)
def test_only_64_bit_field_values_are_accepted_as_counters(kind: int, expected: int | None) -> None:
    with Simulation(1) as simulation:
        handle = GpuHandle(query("nvmlDeviceGetHandleByIndex", 0), Record())
        pynvml.nvmlLib = OneField(simulation, REPORTED, kind, ullVal=7)
        (value,) = field_values(handle, [FieldId.POWER_INSTANT], counters=True)

    assert (None if isinstance(value, Refusal) else value) == expected


def test_a_field_that_requires_a_reset_marks_the_gpu_until_the_field_is_reported() -> None:
    with Simulation(1) as simulation:
        handle = GpuHandle(query("nvmlDeviceGetHandleByIndex", 0), Record())
        kind = pynvml.NVML_VALUE_TYPE_UNSIGNED_INT
        pynvml.nvmlLib = OneField(simulation, pynvml.NVML_ERROR_RESET_REQUIRED, kind)
        field_values(handle, [FieldId.POWER_INSTANT])
        assert handle.requires_reset
        pynvml.nvmlLib = OneField(simulation, REPORTED, kind, uiVal=7)
        forget_functions()  # of the library before
        field_values(handle, [FieldId.POWER_INSTANT])
        assert not handle.requires_reset


@pytest.mark.parametrize(
    ("code", "kind", "value", "expected"),
    [
        pytest.param(REPORTED, pynvml.NVML_VALUE_TYPE_UNSIGNED_INT, {"uiVal": 7}, 7, id="unsigned int"),
        pytest.param(
            REPORTED, pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG, {"ulVal": 2**40}, 2**40, id="unsigned long"
        ),
        pytest.param(
            REPORTED,
            pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG,
            {"ullVal": 2**40},
            2**40,
            id="unsigned long long",
        ),
        pytest.param(
            REPORTED, pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG, {"sllVal": -7}, -7, id="signed long long"
        ),
        pytest.param(REPORTED, pynvml.NVML_VALUE_TYPE_SIGNED_INT, {"siVal": -1}, -1, id="signed int"),
        pytest.param(
            REPORTED, pynvml.NVML_VALUE_TYPE_SIGNED_INT, {"siVal": 2**30 + 1}, 2**30 + 1, id="large"
        ),
        pytest.param(
            REPORTED, pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG, {"sllVal": 2**62}, 2**62, id="large long long"
        ),
        pytest.param(REPORTED, pynvml.NVML_VALUE_TYPE_UNSIGNED_INT, {"uiVal": 0}, 0, id="zero is a value"),
        pytest.param(REPORTED, pynvml.NVML_VALUE_TYPE_DOUBLE, {"dVal": 7.0}, None, id="not a whole number"),
        pytest.param(
            REPORTED,
            pynvml.NVML_VALUE_TYPE_UNSIGNED_INT,
            {"uiVal": 2**32 - 1},
            None,
            id="NVML's number for no value",
        ),
        pytest.param(
            REPORTED,
            pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG,
            {"ullVal": 2**64 - 1},
            None,
            id="NVML's number for no value, in 64 bits",
        ),
        pytest.param(
            REFUSED,
            pynvml.NVML_VALUE_TYPE_UNSIGNED_INT,
            {"uiVal": 7},
            None,
            id="refused, with an old value left in the struct",
        ),
    ],
)
def test_a_field_value_is_the_whole_number_that_the_driver_reports(
    code: int, kind: int, value: dict[str, float], expected: int | None
) -> None:
    with Simulation(1) as simulation:
        handle = GpuHandle(query("nvmlDeviceGetHandleByIndex", 0), Record())
        pynvml.nvmlLib = OneField(simulation, code, kind, **value)  # the simulation's end restores it

        reported = field_values(handle, [FieldId.POWER_AVERAGE, FieldId.MEMORY_TEMP])

    refusal = Refusal("nvmlDeviceGetFieldValues", code)
    assert reported == [refusal if expected is None else expected] * 2
    errors = {("nvmlDeviceGetFieldValues", "NVML_ERROR_UNKNOWN"): 2} if code == REFUSED else {}
    assert handle.record.errors == errors


def test_zero_is_unknown_in_fields_where_it_means_none() -> None:
    plain, zero_is_none = FieldId.POWER_AVERAGE, FieldId.MEMORY_TEMP
    with Simulation(1) as simulation:
        handle = GpuHandle(query("nvmlDeviceGetHandleByIndex", 0), Record())
        pynvml.nvmlLib = OneField(simulation, REPORTED, pynvml.NVML_VALUE_TYPE_UNSIGNED_INT, uiVal=0)
        fields = SlowFields(handle, {plain: "a", zero_is_none: "b"}, zero_is_none={zero_is_none})

        assert fields.get(0.0) == {plain: 0, zero_is_none: None}
