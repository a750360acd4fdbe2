"""The health of a GPU and of the host, as in `/gpu`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType

if TYPE_CHECKING:
    from agent.derive.health import Health

# With a name of its own, so that the OpenAPI document has one schema for it, not one for each use.
Verdict = TypeAliasType(
    "Verdict",
    Annotated[
        Literal["healthy", "warning", "critical"],
        Field(description="verdict on a GPU or on the host; critical: it does not work, or not for long"),
    ],
)


class HealthReport(BaseModel):
    """A verdict and every reason for it."""

    verdict: Verdict | None = Field(description="null: not known yet")
    reasons: list[str] = Field(
        description="everything that is wrong, the gravest first; detail=1 and /status also say what to do"
    )


def health_view(health: Health) -> HealthReport:
    """The wire shape of a verdict."""
    return HealthReport(
        verdict=verdict_word(health),
        reasons=[finding.what for finding in health.findings],
    )


def verdict_word(health: Health) -> Verdict | None:
    """As the wire shows it."""
    return None if health.verdict is None else health.verdict.word


class HealthFinding(BaseModel):
    """One reason of a verdict."""

    name: str = Field(description="name of the finding for programs, as in remapping_pending")
    verdict: Verdict = Field(description="verdict that this finding leads to")
    what: str = Field(description="what is wrong")
    todo: str = Field(description="what to do")


def findings_view(health: Health) -> list[HealthFinding]:
    """The wire shape of every reason."""
    return [
        HealthFinding(name=finding.name, verdict=finding.verdict.word, what=finding.what, todo=finding.todo)
        for finding in health.findings
    ]
