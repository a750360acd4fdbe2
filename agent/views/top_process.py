"""A process among those that hold the most memory, of a GPU or of the host."""

from __future__ import annotations

from pydantic import BaseModel, Field


class TopProcess(BaseModel):
    """A process and the memory it holds.

    Both names are never shortened, as in `/processes`, because clients filter by them.
    """

    pid: int = Field(description="process id")
    name: str | None = Field(description="name of the program")
    username: str | None = Field(description="user who runs the process")
    memory_mb: float | None = Field(description="memory held on the GPU, or on the host, MiB")
    memory_percent: float | None = Field(
        description="share of the memory of the GPU, or of the host, percent"
    )
