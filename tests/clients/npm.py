"""Packages of npm, for slow tests."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.packaging.commands import run

if TYPE_CHECKING:
    from pathlib import Path


def install(folder: Path, *packages: str) -> None:
    """`packages`, each NAME@VERSION, below `folder`. Skips where that cannot be done; in CI it then fails."""
    if shutil.which("npm") is None:
        pytest.skip("needs npm (Debian: apt-get install npm)")
    options = ["--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    (folder / "package.json").write_text("{}")
    finished = run(["npm", "install", *options, *packages], folder)
    if finished.returncode != 0:
        pytest.skip(f"npm cannot install {' '.join(packages)}: {finished.stderr[-500:]}")
