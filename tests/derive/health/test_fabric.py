"""The NVLink fabric: which values are judged, and which are not."""

from __future__ import annotations

from typing import Any

import pytest

from agent.derive.findings import HealthVerdict
from agent.readings import Fabric, FabricConfiguration, FabricHealthSummary, FabricState, Lately
from tests.derive.health.sampled_gpus import findings, gpu, health

W, C = HealthVerdict.WARNING, HealthVerdict.CRITICAL
DONE: dict[str, Any] = {"state": FabricState.COMPLETED, "status": 0}
HEALTHY = DONE | {
    "health_summary": FabricHealthSummary.HEALTHY,
    "bandwidth_degraded": False,
    "route_recovery_in_progress": False,
    "route_unhealthy": False,
    "access_timeout_recovery": False,
    "incorrect_configuration": FabricConfiguration.NONE,
    "partition_assigned": True,
    "manager_connected": True,
}

BAD: list[dict[str, Any]] = [
    {"health_summary": FabricHealthSummary.UNHEALTHY},
    {"health_summary": FabricHealthSummary.LIMITED_CAPACITY},
    {"bandwidth_degraded": True},
    {"route_recovery_in_progress": True},
    {"route_unhealthy": True},
    {"access_timeout_recovery": True},
    *({"incorrect_configuration": wrong} for wrong in FabricConfiguration if wrong > 1),
    {"partition_assigned": False},
    {"manager_connected": False},
]


@pytest.mark.parametrize(
    ("fabric", "expected"),
    [
        ({}, []),
        (DONE, []),
        (HEALTHY, []),
        # no registration, as for a single GPU or an unknown state
        ({"status": 3}, []),
        ({"state": 4}, []),
        (DONE | {"status": None}, []),
        (DONE | {"status": 15}, [("fabric_failed", C)]),
        (DONE | {"status": 999}, [("fabric_failed", C)]),
        ({"state": FabricState.IN_PROGRESS, "status": 15}, []),
        *((HEALTHY | bad, [("fabric_unhealthy", W)]) for bad in BAD),
        (HEALTHY | {"health_summary": 77, "incorrect_configuration": 14}, []),
    ],
    ids=str,
)
def test_each_state_of_the_fabric_has_its_findings(
    fabric: dict[str, Any], expected: list[tuple[str, HealthVerdict]]
) -> None:
    assert findings(gpu(fabric=Fabric(**fabric)), lately=Lately()) == expected


def test_several_faults_of_the_fabric_are_one_finding() -> None:
    bad = HEALTHY | {"health_summary": FabricHealthSummary.UNHEALTHY, "route_unhealthy": True}

    assert [found.what for found in health(gpu(fabric=Fabric(**bad))).findings] == [
        "The GPU's part of the NVLink fabric is unhealthy: unhealthy, an unhealthy route"
    ]
