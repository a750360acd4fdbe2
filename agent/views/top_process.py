"""A process among those that hold the most memory, of a GPU or of the host."""

from __future__ import annotations

from pydantic import BaseModel, Field

# Characters of a name among the top processes: every event of every stream repeats them, and a GPU has 2 KiB.
MAX_NAME = 13


class TopProcess(BaseModel):
    """A process and the memory it holds."""

    pid: int = Field(description="process id")
    name: str | None = Field(description="program")
    username: str | None = Field(description="owner")
    memory_mb: float | None = Field(description="MiB")
    memory_percent: float | None = Field(description="of all there is, percent")


def short(name: str | None) -> str | None:
    """At most MAX_NAME characters."""
    return name if name is None or len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"
