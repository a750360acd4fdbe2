"""How well a GPU and the host are, as the rich API shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from agent.derive.health import Health

VerdictWord = Literal["healthy", "warning", "critical"]


class HealthReport(BaseModel):
    """A verdict and every reason for it."""

    verdict: VerdictWord | None = Field(description="null: not known yet")
    reasons: list[str] = Field(
        description="everything that is wrong, the gravest first; detail=1 and /status also say what to do"
    )


def health_view(health: Health) -> HealthReport:
    """The wire shape of a verdict."""
    return HealthReport(
        verdict=verdict_word(health),
        reasons=[finding.what for finding in health.findings],
    )


def verdict_word(health: Health) -> VerdictWord | None:
    """As the wire shows it."""
    return None if health.verdict is None else health.verdict.word


class HealthFinding(BaseModel):
    """One reason of a verdict."""

    name: str = Field(description="name of the finding for programs, as in remapping_pending")
    verdict: VerdictWord = Field(description="verdict that this finding leads to")
    what: str = Field(description="what is wrong")
    todo: str = Field(description="what to do")


def findings_view(health: Health) -> list[HealthFinding]:
    """The wire shape of every reason."""
    return [
        HealthFinding(name=finding.name, verdict=finding.verdict.word, what=finding.what, todo=finding.todo)
        for finding in health.findings
    ]
