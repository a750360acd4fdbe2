"""Findings from conditions over time, with the values at each threshold."""

from __future__ import annotations

from typing import Any

import pytest

from agent.derive.findings import HealthVerdict
from agent.derive.health import examine
from agent.readings import Lately, LedgerReading, Snapshot
from tests.derive.health.sampled_gpus import NOW, findings, gpu, health

LOW = Lately(low_margin_seconds=60)
W, C = HealthVerdict.WARNING, HealthVerdict.CRITICAL
HOT = {"thermal_margin_celsius": -3, "thermal_slowdown_margin_celsius": -2}
PENDING = {"fabric_state": 2}


@pytest.mark.parametrize(
    ("values", "lately", "expected"),
    [
        (HOT, LOW, [("thermal_margin_exhausted", W)]),
        (HOT, Lately(low_margin_seconds=59), []),
        (
            HOT | {"thermal_margin_celsius": -2},
            LOW,
            [("thermal_margin_exhausted", W)],
        ),
        (HOT | {"thermal_margin_celsius": -1}, LOW, []),
        (HOT | {"thermal_margin_celsius": None}, LOW, []),
        (HOT | {"thermal_slowdown_margin_celsius": None}, LOW, []),
        (HOT | {"clocks_event_reasons": 0x20}, LOW, [("thermal_slowdown_sw", W)]),
        (HOT | {"clocks_event_reasons": 0x40}, LOW, [("thermal_slowdown_hw", C)]),
        (
            HOT | {"clocks_event_reasons": 0x4},
            LOW,
            [("thermal_margin_exhausted", W)],
        ),
        ({}, Lately(slowed_by_heat_seconds=30.5), [("slowed_by_heat", W)]),
        ({}, Lately(slowed_by_heat_seconds=30), []),
        ({"clocks_event_reasons": 0x20}, Lately(slowed_by_heat_seconds=90), [("thermal_slowdown_sw", W)]),
        ({}, Lately(slowed_by_brake_seconds=30.5), [("slowed_by_brake", W)]),
        ({}, Lately(slowed_by_brake_seconds=30), []),
        ({"clocks_event_reasons": 0x80}, Lately(slowed_by_brake_seconds=90), [("power_brake", W)]),
        # at its power limit all the time, which is normal
        ({"clocks_event_reasons": 0x4, "throttling_power_cap_seconds": 1e6}, Lately(), []),
        (PENDING, Lately(fabric_pending_seconds=300), [("fabric_not_ready", C)]),
        ({"fabric_state": 1}, Lately(fabric_pending_seconds=300), [("fabric_not_ready", C)]),
        (PENDING, Lately(fabric_pending_seconds=299), []),
        (PENDING, None, [("fabric_not_ready", C)]),
        (HOT, None, []),
        ({"nvlink_links": ()}, None, []),
        ({"fabric_state": 3}, Lately(fabric_pending_seconds=300), []),
        ({"fabric_state": None}, Lately(fabric_pending_seconds=300), []),
        ({"nvlink_links": ()}, Lately(nvlink_recoveries=1), [("nvlink_recovery", W)]),
        ({"nvlink_links": None}, Lately(nvlink_recoveries=1), []),
        ({"nvlink_links": ()}, Lately(), []),
    ],
    ids=str,
)
def test_each_rule_finds_a_condition_that_lasts(
    values: dict[str, Any], lately: Lately | None, expected: list[tuple[str, HealthVerdict]]
) -> None:
    assert findings(gpu(**values), lately=lately) == expected


@pytest.mark.parametrize(("uuid", "names"), [("GPU-0", ["ghost_utilization"]), ("GPU-1", [])])
def test_ghost_utilization_is_a_finding_only_of_its_own_gpu(uuid: str, names: list[str]) -> None:
    ledger = LedgerReading(ghost_utilization={uuid: True})
    found = examine(Snapshot(NOW, 0, gpus=(gpu(),), ledger=ledger))[0]

    assert [finding.name for finding in found.findings] == names


def test_the_sentences_have_durations_and_counts() -> None:
    lately = Lately(slowed_by_heat_seconds=45.4, fabric_pending_seconds=420, nvlink_recoveries=2)

    assert [found.what for found in health(gpu(nvlink_links=(), **PENDING), lately=lately).findings] == [
        "The registration with the NVLink fabric is in progress for 7 minutes: CUDA does not start",
        "The GPU was too hot and slowed down for 45 s of the last 5 minutes",
        "The NVLinks had to recover 2 times in the last hour",
    ]
    (once,) = health(gpu(nvlink_links=()), lately=Lately(nvlink_recoveries=1)).findings
    assert once.what == "The NVLinks had to recover once in the last hour"
