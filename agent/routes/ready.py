"""GET /ready"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from agent.derive.findings import HealthVerdict
from agent.derive.health import examine
from agent.derive.host_health import examine_host
from agent.http.endpoint import Access, Endpoint
from agent.http.errors import TryAgainLater
from agent.http.json_response import model_response
from agent.http.openapi import Tag
from agent.http.parameters import CurrentSnapshot, Shared, no_contact
from agent.readings import GpuState
from agent.views.health import Verdict, verdict_word

if TYPE_CHECKING:
    from agent.derive.health import Health
    from agent.http.shared_state import SharedState

StateWord = Literal["kept", "full", "slow", "read_only", "gone", "refused", "failed"]


class HostReadiness(BaseModel):
    """The verdict on the host, without numbers, because everybody may read it."""

    verdict: Verdict | None = Field(description="null: not known yet")
    findings: dict[str, Verdict] = Field(description="verdict of each finding about the host, by name")


class Readiness(BaseModel):
    """At least one GPU gives live values."""

    status: Literal["ready"] = Field(description="always ready; otherwise the answer is 503")
    gpus: dict[GpuState, int] = Field(description="number of GPUs by state")
    health: dict[Verdict, int] = Field(
        description="number of GPUs by verdict, 0 too; one without a verdict is not counted"
    )
    host: HostReadiness
    state: StateWord | None = Field(
        description="kept: what a restart would lose is written to STATE_DIR; another word: why it is in"
        " memory alone; null: STATE_DIR is not set"
    )


router = APIRouter(tags=[Tag.MONITORING])
ENDPOINT = Endpoint(router, answer=Readiness, access=Access.OPEN, failures=(503,), is_probe=True)

Require = Annotated[
    Literal["healthy", ""],
    Query(
        description="healthy: 503 also while a GPU or the host is critical, but not for a warning or a"
        " verdict that"
        " is not known yet. Empty: one GPU with live values is enough"
    ),
]


@router.get("/ready", summary="Whether there is live data")
async def ready(shared: Shared, snapshot: CurrentSnapshot, require: Require = "") -> Response:
    """Ready while at least one GPU is in state ok or asleep.

    require=healthy is for checks that see only the HTTP status and alert somebody.
    """
    states = Counter(gpu.state for gpu in snapshot.gpus)
    if not (states[GpuState.OK] or states[GpuState.ASLEEP]):
        found = ", ".join(f"{number} {state}" for state, number in states.items())
        no_gpu = f"No GPU is ok: {found or 'there is none'}" if snapshot.driver else no_contact(snapshot)
        raise TryAgainLater(snapshot.driver_error or no_gpu)
    verdicts = Counter(verdict_word(health) for health in examine(snapshot).values())
    host = examine_host(snapshot)
    if require:
        _refuse_critical(verdicts["critical"], host)
    findings = {finding.name: finding.verdict.word for finding in host.findings}
    return model_response(
        Readiness(
            status="ready",
            gpus=dict(states),
            health={verdict.word: verdicts[verdict.word] for verdict in HealthVerdict},
            host=HostReadiness(verdict=verdict_word(host), findings=findings),
            state=_state_word(shared),
        )
    )


def _state_word(shared: SharedState) -> StateWord | None:
    if shared.store is None:
        return None
    trouble = shared.store.reading.trouble
    return "kept" if trouble is None else trouble.fault.value


def _refuse_critical(gpus: int, host: Health) -> None:
    """Raises TryAgainLater, which names no GPU, because everybody may read it."""
    critical = [f"{gpus} GPU{'s' if gpus > 1 else ''}"] if gpus else []
    critical += [f"the host ({one.name})" for one in host.findings if one.verdict is HealthVerdict.CRITICAL]
    if critical:
        raise TryAgainLater(f"Critical: {' and '.join(critical)}; /summary and /status say why")
