"""The NVLink fabric that each GPU belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.readings import FabricConfiguration

if TYPE_CHECKING:
    from agent.readings import Fabric
    from agent.views.prometheus.families import ReadingValues, ValuesByLabel


GAUGES: ReadingValues = (
    (
        "fabric_state",
        "State of the registration in the NVLink fabric (nvmlGpuFabricState_t); 3: completed.",
        lambda r: r.fabric.state,
    ),
    (
        "fabric_status",
        "Result of the completed registration in the NVLink fabric (nvmlReturn_t); 0: success.",
        lambda r: r.fabric.status,
    ),
    (
        "fabric_health",
        "Health of the NVLink fabric; 1: healthy, 2: unhealthy, 3: limited capacity.",
        lambda r: r.fabric.health_summary,
    ),
)
BY_LABEL: ValuesByLabel = (
    (
        "fabric_trouble",
        "trouble",
        "1 while this is wrong with the GPU's part of the NVLink fabric, else 0.",
        lambda r: _troubles(r.fabric),
    ),
)


def _troubles(fabric: Fabric) -> dict[str, float | None]:
    wrong = fabric.incorrect_configuration
    return {
        "bandwidth_degraded": fabric.bandwidth_degraded,
        "route_recovery_in_progress": fabric.route_recovery_in_progress,
        "route_unhealthy": fabric.route_unhealthy,
        "access_timeout_recovery": fabric.access_timeout_recovery,
        "incorrect_configuration": None if wrong is None else wrong != FabricConfiguration.NONE,
        "no_partition": _not(fabric.partition_assigned),
        "manager_disconnected": _not(fabric.manager_connected),
    }


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer
