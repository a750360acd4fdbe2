"""The bandwidth of a PCIe link, and its utilization."""

from __future__ import annotations

import pytest

from agent.derive.pcie import expected_width, max_bandwidth_mbps, mbps, total_mbps, utilization_percent
from agent.readings import Pcie
from tests.support.readings import reading


@pytest.mark.parametrize(
    ("generation", "width", "expected"),
    [
        (1, 16, 4000.0),
        (2, 16, 8000.0),
        (3, 16, 15760.0),
        (4, 16, 31504.0),
        (5, 16, 63008.0),
        (6, 16, 121008.0),
        (4, 8, 15752.0),
        (4, 4, 7876.0),
        (3, 1, 985.0),
        (7, 16, None),
        (0, 16, None),
        (4, 0, None),
        (None, 16, None),
        (4, None, None),
        (None, None, None),
    ],
)
def test_the_bandwidth_is_the_lanes_times_the_rate_of_the_generation(
    generation: int | None, width: int | None, expected: float | None
) -> None:
    assert max_bandwidth_mbps(generation, width) == expected


@pytest.mark.parametrize(
    ("card", "port", "seen", "expected"),
    [
        pytest.param(16, 16, None, 16, id="a card and its slot"),
        pytest.param(16, 8, None, 8, id="a slot of 8 lanes"),
        pytest.param(8, 16, None, 8, id="a card of 8 lanes"),
        pytest.param(16, 16, 8, 16, id="fewer seen than there could be"),
        pytest.param(16, None, None, None, id="unknown slot, no load yet"),
        pytest.param(16, None, 8, 8, id="unknown slot, 8 lanes under load"),
        pytest.param(None, 16, 8, 8, id="unknown card, 8 lanes under load"),
        pytest.param(None, None, None, None, id="nothing known"),
    ],
)
def test_the_possible_lanes_are_those_of_card_and_slot_or_else_those_seen(
    card: int | None, port: int | None, seen: int | None, expected: int | None
) -> None:
    assert expected_width(Pcie(max_width=card, port_width=port, widest_under_load=seen)) == expected


@pytest.mark.parametrize(("kib", "expected"), [(1024, 1.0), (0, 0.0), (512.5 * 1024, 512.5), (None, None)])
def test_a_megabyte_is_1024_kib(kib: float | None, expected: float | None) -> None:
    assert mbps(kib) == expected


@pytest.mark.parametrize(
    ("tx", "rx", "expected"),
    [(1024, 2048, 3.0), (0, 0, 0.0), (None, 2048, None), (1024, None, None), (None, None, None)],
)
def test_the_total_throughput_is_unknown_if_one_direction_is(
    tx: float | None, rx: float | None, expected: float | None
) -> None:
    assert total_mbps(reading(pcie_tx_kib_per_second=tx, pcie_rx_kib_per_second=rx)) == expected


LINK = {"pcie_max_generation": 4, "pcie_max_width": 16, "pcie_port_width": 16}  # 31504 MB/s


@pytest.mark.parametrize(
    ("tx_mbps", "rx_mbps", "expected"),
    [
        pytest.param(0, 0, 0.0, id="idle"),
        pytest.param(7876, 7876, 50.0, id="half"),
        pytest.param(31504, 0, 100.0, id="one direction full"),
        pytest.param(31504, 31504, 100.0, id="both directions full: at most 100"),
    ],
)
def test_utilization_is_both_directions_over_the_bandwidth_of_one(
    tx_mbps: float, rx_mbps: float, expected: float
) -> None:
    found = utilization_percent(
        reading(pcie_tx_kib_per_second=tx_mbps * 1024, pcie_rx_kib_per_second=rx_mbps * 1024, **LINK)
    )

    assert found == expected


def test_utilization_is_relative_to_the_best_link_and_not_to_the_present_one() -> None:
    found = utilization_percent(
        reading(
            pcie_tx_kib_per_second=7876 * 1024,
            pcie_rx_kib_per_second=0,
            pcie_generation=1,
            pcie_width=4,
            **LINK,
        )
    )

    assert found == 25.0


@pytest.mark.parametrize(
    "unknown",
    [*(f"pcie_{name}_kib_per_second" for name in ("tx", "rx")), *LINK],
)
def test_utilization_is_unknown_if_one_of_its_values_is(unknown: str) -> None:
    known = {"pcie_tx_kib_per_second": 1.0, "pcie_rx_kib_per_second": 1.0, **LINK}

    assert utilization_percent(reading(**{**known, unknown: None})) is None
