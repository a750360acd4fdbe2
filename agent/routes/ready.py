"""GET /ready"""

from __future__ import annotations

from collections import Counter
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from agent.derive.health import examine
from agent.derive.host_health import examine_host
from agent.http.endpoint import Access, Endpoint
from agent.http.errors import TryAgainLater
from agent.http.openapi import Tag
from agent.http.parameters import NO_CONTACT, CurrentSnapshot
from agent.readings import GpuState
from agent.views.health import Verdict, verdict_word

router = APIRouter(tags=[Tag.MONITORING])
ENDPOINT = Endpoint(router, access=Access.OPEN, failures=(503,), is_probe=True)


class HostReadiness(BaseModel):
    """How well the host is, without numbers: everybody may read this."""

    verdict: Verdict | None = Field(description="null: not known yet")
    findings: dict[str, Verdict] = Field(description="verdict of each finding about the host, by name")


class Readiness(BaseModel):
    """There is live data."""

    status: Literal["ready"] = Field(description="always ready: else the answer is 503")
    gpus: dict[GpuState, int] = Field(description="number of GPUs by state")
    health: dict[Verdict, int] = Field(description="number of GPUs by verdict")
    host: HostReadiness


@router.get("/ready", summary="Whether there is live data")
async def ready(snapshot: CurrentSnapshot) -> Readiness:
    """Ready while at least one GPU is in state ok: for whoever sends clients here."""
    states = Counter(gpu.state for gpu in snapshot.gpus)
    if not states[GpuState.OK]:
        found = ", ".join(f"{number} {state}" for state, number in states.items())
        no_gpu = f"No GPU is ok: {found or 'there is none'}" if snapshot.driver else NO_CONTACT
        raise TryAgainLater(snapshot.driver_error or no_gpu)
    verdicts = Counter(
        health.verdict.word for health in examine(snapshot).values() if health.verdict is not None
    )
    host = examine_host(snapshot)
    findings = {finding.name: finding.verdict.word for finding in host.findings}
    return Readiness(
        status="ready",
        gpus=dict(states),
        health=dict(verdicts),
        host=HostReadiness(verdict=verdict_word(host), findings=findings),
    )
