"""The page stays small, and asks nothing of anybody but its agent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from agent.routes.page import WEB

if TYPE_CHECKING:
    from pathlib import Path

FILES = sorted(WEB.iterdir())


def test_all_of_it_is_at_most_60_kilobytes() -> None:
    assert sum(file.stat().st_size for file in FILES) <= 60_000


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_comes_from_another_origin_and_nothing_is_inline(file: Path) -> None:
    text = file.read_text()

    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert "innerHTML" not in text
    assert not re.search(r"\son\w+=|<style|style=", text)
