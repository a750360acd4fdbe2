"""Units as the answers show them."""

from __future__ import annotations

import pytest

from agent.views.units import gib, iso_utc, mib


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1705314645.0, "2024-01-15T10:30:45Z"),
        (1705314645.999, "2024-01-15T10:30:45Z"),
        (0.0, "1970-01-01T00:00:00Z"),
    ],
)
def test_a_time_is_iso_8601_in_utc_with_whole_seconds(seconds: float, expected: str) -> None:
    assert iso_utc(seconds) == expected


def test_bytes_are_converted_to_mebibytes_and_gibibytes() -> None:
    assert (mib(3 * 2**19), gib(3 * 2**29), mib(0), gib(0)) == (1.5, 1.5, 0.0, 0.0)
    assert (mib(None), gib(None)) == (None, None)
