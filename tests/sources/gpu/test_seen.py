"""The highest numbers of a card from before the start count only in the same slot."""

from __future__ import annotations

import pytest

from agent.readings import GpuIdentity
from agent.readings.restored import KeptCard
from agent.sources.gpu.seen import Seen, SeenCards

BEST = {("GPU-a", "0000:01:00.0"): KeptCard(4, 16)}


@pytest.mark.parametrize(
    ("expected", "uuid", "bus"),
    [
        (Seen(4, 16), "GPU-a", "0000:01:00.0"),
        (Seen(2, 8), "GPU-a", "0000:02:00.0"),
        (Seen(2, 8), "GPU-b", "0000:01:00.0"),
        (Seen(2, 8), "GPU-a", None),
    ],
)
def test_a_card_is_recognized_by_its_uuid_and_slot(expected: Seen, uuid: str, bus: str | None) -> None:
    assert SeenCards(BEST).get(GpuIdentity(uuid, pci_bus_id=bus), Seen(2, 8)) == expected


def test_each_card_has_its_own_highest_numbers() -> None:
    cards, a, b = SeenCards({}), GpuIdentity("GPU-a"), GpuIdentity("GPU-b")

    assert (cards.get(a, Seen()), cards.get(b, Seen(2, 8))) == (Seen(0, None), Seen(2, 8))
    assert cards.get(a, Seen(3, 4)) == Seen(0, None)


def test_a_card_that_was_never_under_load_has_no_lanes() -> None:
    best = {("GPU-a", "0000:01:00.0"): KeptCard(4, None)}

    assert SeenCards(best).get(GpuIdentity("GPU-a", pci_bus_id="0000:01:00.0"), Seen()) == Seen(4, None)


def test_higher_numbers_since_the_start_are_kept() -> None:
    cards, identity = SeenCards(BEST), GpuIdentity("GPU-a", pci_bus_id="0000:01:00.0")
    seen = cards.get(identity, Seen(6, None))
    seen.lanes = 32

    assert cards.get(identity, Seen()) is seen
    assert seen == Seen(6, 32)
