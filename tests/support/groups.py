"""Tests that need the dependency group `slow` of pyproject.toml; only `dev` is always installed."""

from __future__ import annotations

import pytest


def needs_slow(package: str) -> None:
    """Skip the test if this import package, of the group `slow`, is not installed."""
    pytest.importorskip(
        package, reason=f"needs {package}, of the group slow: uv run --group slow pytest -n 0 -m slow"
    )
