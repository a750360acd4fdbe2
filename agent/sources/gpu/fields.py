"""Field values of several subjects, read in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml

from agent.sources.field_values import FUNCTION, query_field_values, unpack_field_values
from agent.sources.gpu.paces import SLOW_PACE
from agent.sources.gpu.unknown import Refusal
from agent.sources.paced_value import Paced

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from agent.sources.field_values import FieldKey
    from agent.sources.gpu.handle import GpuHandle


def field_values(handle: GpuHandle, fields: Sequence[FieldKey], *, counters: bool = False) -> list[Any]:
    """Whole numbers by field id, or by (field id, scope); a Refusal for each that is not reported.

    `counters`: only values of 64 bits; another driver may use the id for something else.
    NVML: nvmlDeviceGetFieldValues, in which each field has a return code of its own.
    """
    answer = handle.call(query_field_values, fields)
    if isinstance(answer, Refusal):
        return [answer] * len(fields)
    values: list[Any] = []
    for field, (code, number) in zip(
        fields, unpack_field_values(answer, len(fields), counters=counters), strict=True
    ):
        if code == pynvml.NVML_ERROR_RESET_REQUIRED or handle.requires_reset:
            handle.follow_reset(f"{FUNCTION} {field}", code)
        values.append(_refusal(handle, code) if number is None else number)
    return values


def fields_by_key(handle: GpuHandle, keys: Sequence[FieldKey]) -> dict[FieldKey, Any]:
    """Like `field_values`, by key of the query."""
    return dict(zip(keys, field_values(handle, keys), strict=True))


def _refusal(handle: GpuHandle, code: int) -> Refusal:
    refusal = Refusal(FUNCTION, code)
    handle.record.count(refusal)
    return refusal


class SlowFields:
    """Whole numbers by field id, or by (field id, scope). NVML: nvmlDeviceGetFieldValues.

    None for each that is not reported. `fields`: the field of the reading that each fills; of those in
    `zero_is_none` 0 means that there is none.
    """

    def __init__(
        self, handle: GpuHandle, fields: Mapping[FieldKey, str], zero_is_none: Container[FieldKey]
    ) -> None:
        self._handle = handle
        self._fields = fields
        self._zero_is_none = zero_is_none
        self._paced: Paced[Mapping[FieldKey, int | None]] = Paced(SLOW_PACE, self._read)

    def get(self, now: float) -> Mapping[FieldKey, int | None]:
        """By field id, or by (field id, scope); `now` in seconds of the monotonic clock."""
        return self._paced.get(now)

    def _read(self) -> Mapping[FieldKey, int | None]:
        answers = field_values(self._handle, list(self._fields))
        return {
            number: self._handle.take(name, answer, _or_none if number in self._zero_is_none else int)
            for (number, name), answer in zip(self._fields.items(), answers, strict=True)
        }


def _or_none(value: int) -> int | None:
    return value or None
