"""A state file for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.state.file import open_file

if TYPE_CHECKING:
    from pathlib import Path
    from sqlite3 import Connection


@pytest.fixture
def file(tmp_path: Path) -> Connection:
    """A new state file."""
    return open_file(tmp_path / "agent.sqlite3")
