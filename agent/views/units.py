"""Units as the answers show them."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_utc(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 UTC: 2024-01-15T10:30:45Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def mib(value: float | None) -> float | None:
    """Bytes in MiB, which both APIs call MB."""
    return None if value is None else value / 1024**2


def gib(value: int | None) -> float | None:
    """Bytes in GiB, which `/gpu` calls GB."""
    return None if value is None else value / 1024**3
