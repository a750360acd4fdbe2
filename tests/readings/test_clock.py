"""The local dates of the host, and its time zone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from agent.readings import local_day, local_zone

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("zone", "day"),
    [("UTC", "2026-11-26"), ("Europe/Berlin", "2026-11-27"), ("America/New_York", "2026-11-26")],
)
def test_a_time_has_the_date_of_its_zone(zone: str, day: str) -> None:
    assert local_day(1_795_735_800.0, ZoneInfo(zone)) == day  # 23:30 UTC


def test_the_zone_is_the_one_that_etc_localtime_links_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TZ", raising=False)
    zones = tmp_path / "zoneinfo" / "Europe"
    zones.mkdir(parents=True)
    (zones / "Berlin").touch()
    link = tmp_path / "localtime"
    link.symlink_to(zones / "Berlin")
    assert local_zone(link) == "Europe/Berlin"
    link.unlink()
    link.touch()
    assert local_zone(link) == time.tzname[0], "a copy of a zone has no name"


@pytest.mark.parametrize("given", ["Asia/Tokyo", ":Asia/Tokyo"])
def test_the_environment_takes_precedence(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", given)
    assert local_zone() == "Asia/Tokyo"
