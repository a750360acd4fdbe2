"""The columns of `/history`: their units, and which of them an answer has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from agent.derive.rounding import tenths
from agent.readings import GpuSeries, HistoryReading
from agent.sampling.history import GPU_FIELDS, HOST_FIELDS
from agent.views.history import (
    DEFAULT,
    FIELDS,
    GPU_COLUMNS,
    HOST_COLUMNS,
    DeviceHistory,
    HostHistory,
    history_json,
)

if TYPE_CHECKING:
    from collections.abc import Collection

MIB = 2.0**20
NUMBERS = {field: [float(number), None, 0.0] for number, field in enumerate(GPU_FIELDS, 1)}
REMEMBERED = HistoryReading(
    (1.0, 2.0, 3.0),
    (
        GpuSeries(
            0,
            "GPU-0",
            NUMBERS | {"memory.used_bytes": [3 * MIB, None, 0.0], "pcie.tx_kib_per_second": [1536.0]},
        ),
    ),
    {"cpu_percent": [43.25, None, 0.0], "memory_used_bytes": [5 * MIB, None, 0.0]},
)


def shown(fields: Collection[str] = DEFAULT) -> Any:
    return json.loads(b"".join(history_json(REMEMBERED, 10.0, fields)))["data"]


def test_the_columns_are_exactly_the_values_that_the_history_keeps() -> None:
    assert [column.field for column in GPU_COLUMNS.values()] == list(GPU_FIELDS)
    assert [column.field for column in HOST_COLUMNS.values()] == list(HOST_FIELDS)
    assert {"idx", "uuid", *GPU_COLUMNS} == DeviceHistory.model_fields.keys()
    assert HOST_COLUMNS.keys() == HostHistory.model_fields.keys()
    assert FIELDS[: len(DEFAULT)] == DEFAULT


def test_without_fields_there_are_the_four_default_columns() -> None:
    data = shown()
    assert list(data) == ["interval", "longest_seconds", "ts", "devices"]
    assert list(data["devices"][0]) == ["idx", "uuid", *DEFAULT]


@pytest.mark.parametrize(
    "fields", [["host"], ["tensor_percent"], ["fan_speed_percent", "gpu_utilization"], FIELDS]
)
def test_only_the_requested_columns_are_in_the_answer(fields: Collection[str]) -> None:
    data = shown(fields)
    assert ("host" in data) == ("host" in fields)
    assert data["devices"][0].keys() == {"idx", "uuid", *fields} - {"host"}


def test_the_units_are_those_of_gpu_and_unknown_values_are_null() -> None:
    data = shown(FIELDS)
    (device,) = data["devices"]
    assert (device["memory_used_mb"], device["pcie_tx_mbps"]) == ([3.0, None, 0.0], [1.5])
    assert device["power_watts"] == [4.0, None, 0.0]
    assert str(device["gpu_utilization"]) == "[1, None, 0]", "whole numbers have no decimal point"
    assert data["host"] == {"cpu_percent": [43.3, None, 0.0], "memory_used_mb": [5.0, None, 0.0]}


@pytest.mark.parametrize("watts", [0.04, 0.05, 99.95, 99.949, 123.45, 1e6 / 7])
def test_values_are_rounded_as_in_every_other_answer(watts: float) -> None:
    series = GpuSeries(0, None, {"power.usage_watts": [watts]})
    body = b"".join(history_json(HistoryReading((1.0,), (series,)), 10.0, ["power_watts"]))
    assert json.loads(body)["data"]["devices"][0]["power_watts"] == [tenths(watts)]
