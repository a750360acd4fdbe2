"""The highest numbers are kept after a restart, for 14 days."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

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

    at = FORGOTTEN_AFTER - 60
    assert restored(file, at).gpu_count == 8
    assert restored(file, at).cards == {("a", "0000:01:00.0"): KeptCard(4, 16)}
    assert restored(file, at + 120) == replace(Restored(), history=[])
    age(file, at + 120)
    assert file.execute("SELECT * FROM seen").fetchall() == []


def test_a_clock_that_was_ahead_keeps_the_numbers_for_14_days_and_not_for_years(file: Connection) -> None:
    keeper = kept(file, seen.rows)
    keeper.add(card(3650 * DAY, links=4, most=4, width=16, widest=16, gpus=8))
    keeper.end()

    age(file, 0)
    age(file, FORGOTTEN_AFTER - 60)
    assert restored(file, FORGOTTEN_AFTER - 60).gpu_count == 8
    age(file, FORGOTTEN_AFTER + 60)
    assert file.execute("SELECT * FROM seen").fetchall() == []
