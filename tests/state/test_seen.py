"""The highest numbers are kept after a restart, for 14 days."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.readings import (
    DriverReading,
    GpuCensus,
    GpuSample,
    GpuState,
    NvLink,
    NvLinks,
    Snapshot,
)
from agent.readings.restored import KeptCard, Restored
from agent.state import seen
from agent.state.seen import FORGOTTEN_AFTER
from tests.sampling.test_history import snapshot
from tests.state.files import DAY, age, kept, restored
from tests.support.readings import reading, with_values

if TYPE_CHECKING:
    from sqlite3 import Connection


def card(at: float, *, links: int, most: int, width: int, widest: int, gpus: int = 1) -> Snapshot:
    known = with_values(
        reading(
            identity_uuid="a",
            identity_pci_bus_id="0000:01:00.0",
            pcie_width=width,
            pcie_widest_under_load=widest,
        ),
        nvlink=NvLinks(tuple(NvLink(number, number < links) for number in range(4)), most),
    )
    return replace(
        snapshot(at, 1),
        gpus=(GpuSample(0, GpuState.OK, known),),
        driver=DriverReading(gpus),
        census=GpuCensus(0, 8),
    )


def test_the_highest_numbers_are_known_for_14_days_after_they_were_last_reached(file: Connection) -> None:
    keeper = kept(file, seen.rows)
    keeper.add(card(0, links=4, most=4, width=16, widest=16, gpus=8))
    keeper.end()
    later = kept(file, seen.rows)
    later.add(card(10 * DAY, links=2, most=4, width=8, widest=16, gpus=7))
    later.end()

    assert FORGOTTEN_AFTER == 14 * DAY
    at = FORGOTTEN_AFTER - 60
    assert restored(file, at).gpu_count == 8
    assert restored(file, at).cards == {("a", "0000:01:00.0"): KeptCard(4, 16)}
    assert restored(file, at + 120) == replace(Restored(), history=[])
    age(file, at + 120)
    assert file.execute("SELECT * FROM seen").fetchall() == []


def most(snapshot: Snapshot) -> dict[object, object]:
    """The numbers that are reached."""
    found = seen.rows(snapshot)
    return {} if found is None else {row[0]: row[3] for row in found.rows}


@pytest.mark.parametrize(
    ("counted", "seen_before", "found"),
    [(8, 8, {"gpus": 8}), (7, 8, {}), (1, 1, {"gpus": 1}), (1, 0, {"gpus": 1}), (0, 0, {})],
)
def test_the_number_of_gpus_is_kept_when_it_is_reached(
    counted: int, seen_before: int, found: dict[str, int]
) -> None:
    empty = replace(snapshot(0), driver=DriverReading(counted), census=GpuCensus(0, seen_before))
    assert most(empty) == found
    assert most(replace(empty, driver=None)) == {}


@pytest.mark.parametrize(
    ("links", "width", "found"),
    [(4, 16, {"nvlinks": 4, "lanes": 16}), (3, 16, {"lanes": 16}), (4, 8, {"nvlinks": 4}), (0, 8, {})],
)
def test_the_numbers_of_a_card_are_kept_when_they_are_reached(
    links: int, width: int, found: dict[str, int]
) -> None:
    assert most(replace(card(0, links=links, most=4, width=width, widest=16), driver=None)) == found


def test_a_card_that_cannot_be_identified_or_read_has_no_numbers() -> None:
    (known,) = card(0, links=4, most=4, width=16, widest=16).gpus
    assert known.reading is not None
    for gpu in (
        replace(known, reading=with_values(known.reading, identity_uuid=None)),
        replace(known, reading=with_values(known.reading, identity_pci_bus_id=None)),
        GpuSample(0, GpuState.LOST, lasting=known.reading.lasting()),
    ):
        assert most(replace(snapshot(0), driver=None, gpus=(gpu,))) == {}


def test_a_clock_that_was_ahead_keeps_the_numbers_for_14_days_and_not_for_years(file: Connection) -> None:
    keeper = kept(file, seen.rows)
    keeper.add(card(3650 * DAY, links=4, most=4, width=16, widest=16, gpus=8))
    keeper.end()

    age(file, 0)
    age(file, FORGOTTEN_AFTER - 60)
    assert restored(file, FORGOTTEN_AFTER - 60).gpu_count == 8
    age(file, FORGOTTEN_AFTER + 60)
    assert file.execute("SELECT * FROM seen").fetchall() == []
