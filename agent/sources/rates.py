"""Rates from two readings of a counter."""

from __future__ import annotations

# A scrape may come every few minutes, and needs the mean since the last one. After a longer pause the mean
# would cover a time without demand, and would not describe the present.
MAX_GAP_SECONDS = 300.0


def gap(before: float | None, after: float) -> float | None:
    """Seconds between two readings; None where they cannot make a rate."""
    if before is None or not 0 < after - before <= MAX_GAP_SECONDS:
        return None
    return after - before


def rate(before: float | None, after: float | None, seconds: float | None) -> float | None:
    """Growth of a counter per second; None without two readings, or when it went backwards."""
    if before is None or after is None or seconds is None or after < before:
        return None
    return (after - before) / seconds
