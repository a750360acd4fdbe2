"""`/usage` on the wire: rounding, unknown values, and a CSV that any spreadsheet reads."""

from __future__ import annotations

import csv
import json
from io import StringIO
from typing import Any

import pytest

from agent.readings import UsageBy, UsageReading, UsageSums, UsageTotal
from agent.views.usage import Period, UsageHours, usage_csv, usage_json

HOUR = 3600.0
GIB = 2**30
PERIOD = Period("2026-10-28", "2026-11-26", "Europe/Berlin", 1_795_690_000.0)
SUMS = UsageSums(10 * HOUR, 8 * HOUR, 4 * HOUR, HOUR, 2 * HOUR, 6.0 * GIB * HOUR, 5 * GIB)
UNREPORTED = UsageSums(held_seconds=1.8)
USERS = UsageReading(
    (UsageTotal(1001, "alice", SUMS), UsageTotal(None, None, UNREPORTED)), 3, "2026-11-01", 40 * HOUR
)
GPU = UsageTotal("GPU-1", "H100", SUMS, 20 * HOUR, 7.2e6)
SAID = {
    "hours_held": 10.0,
    "hours_used": 4.0,
    "hours_told": 8.0,
    "hours_idle": 1.0,
    "gpu_memory_mean_mb": 3072.0,
    "gpu_memory_peak_mb": 5120.0,
}
NOT_SAID = {
    "hours_held": 0.001,
    "hours_used": None,
    "hours_told": 0.0,
    "hours_idle": None,
    "gpu_memory_mean_mb": None,
    "gpu_memory_peak_mb": None,
}


def usage_view(by: UsageBy, found: UsageReading) -> dict[str, Any]:
    answer = json.loads(b"".join(usage_json(by, PERIOD, found, {"GPU-1": 4})))
    UsageHours.model_validate(answer["data"])
    data: dict[str, Any] = answer["data"]
    return data


def table(by: UsageBy, found: UsageReading) -> list[dict[str, str]]:
    text = b"".join(usage_csv(by, PERIOD, found, {"GPU-1": 4})).decode()
    assert text.endswith("\r\n")
    return list(csv.DictReader(StringIO(text)))


def test_the_hours_of_users_have_the_days_of_their_period() -> None:
    assert usage_view(UsageBy.USER, USERS) == {
        "by": "user",
        "first_day": "2026-10-28",
        "last_day": "2026-11-26",
        "zone": "Europe/Berlin",
        "since": "2026-11-01",
        "written_at": 1_795_690_000_000,
        "hours_watched": 40.0,
        "left_out": 3,
        "users": [
            {"username": "alice", "uid": 1001, **SAID},
            {"username": None, "uid": None, **NOT_SAID},
        ],
    }


def test_a_day_has_its_watched_hours_and_its_energy_in_kwh() -> None:
    found = UsageReading((UsageTotal("2026-11-26", None, SUMS, 20 * HOUR, 7.2e6),))
    data = usage_view(UsageBy.DAY, found)
    assert data["days"] == [{"day": "2026-11-26", **SAID, "hours_watched": 20.0, "energy_kwh": 2.0}]
    assert data.keys().isdisjoint({"users", "gpus"})


@pytest.mark.parametrize(("uuid", "idx"), [("GPU-1", 4), ("GPU-gone", None)])
def test_a_gpu_has_its_present_index_or_null(uuid: str, idx: int | None) -> None:
    (row,) = usage_view(UsageBy.GPU, UsageReading((GPU._replace(key=uuid),)))["gpus"]
    assert row == {
        "idx": idx, "uuid": uuid, "name": "H100", **SAID, "hours_watched": 20.0, "energy_kwh": 2.0,
    }  # fmt: skip


def test_energy_that_was_never_reported_is_null() -> None:
    (row,) = usage_view(UsageBy.GPU, UsageReading((GPU._replace(energy_joules=None),)))["gpus"]
    assert row["energy_kwh"] is None


@pytest.mark.parametrize(("watched", "held"), [(0.0, None), (HOUR, 0.0)])
def test_hours_held_are_0_only_if_processes_were_reported(watched: float, held: float | None) -> None:
    found = UsageReading((GPU._replace(sums=UsageSums(), watched_seconds=watched),))
    assert usage_view(UsageBy.GPU, found)["gpus"][0]["hours_held"] == held


def test_a_line_of_csv_has_its_days_and_an_empty_field_for_unknown() -> None:
    alice, nobody = table(UsageBy.USER, USERS)
    days = {
        "first_day": "2026-10-28", "last_day": "2026-11-26", "zone": "Europe/Berlin",
        "since": "2026-11-01", "written_at": "2026-11-26T10:46:40Z",
    }  # fmt: skip
    assert alice == {
        **days,
        "username": "alice",
        "uid": "1001",
        **{name: str(value) for name, value in SAID.items()},
    }
    assert nobody == {
        **days, "username": "", "uid": "",
        **{name: "" if value is None else str(value) for name, value in NOT_SAID.items()},
    }  # fmt: skip


@pytest.mark.parametrize("by", UsageBy)
def test_csv_without_rows_has_only_the_line_of_column_names(by: UsageBy) -> None:
    (line,) = b"".join(usage_csv(by, PERIOD, UsageReading(), {})).decode().splitlines()
    assert line.startswith("first_day,last_day,zone,since,written_at,")
    assert "hours_held" in line


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_a_user_name_in_csv_cannot_be_a_formula(name: str) -> None:
    (row,) = table(UsageBy.USER, UsageReading((UsageTotal(1001, name, SUMS),)))
    assert row["username"] == f"'{name}"


def test_a_user_name_in_csv_with_a_comma_or_a_quote_is_one_field() -> None:
    (row,) = table(UsageBy.USER, UsageReading((UsageTotal(1001, 'a,"b"\nc', SUMS),)))
    assert row["username"] == 'a,"b"\nc'
