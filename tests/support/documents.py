"""The documents: README and others of the root, and docs/."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.agents import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def documents() -> list[Path]:
    """Every document that people read."""
    return [
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").glob("*.md")),
        ROOT / "benchmarks" / "RESULTS.md",
    ]


def table(document: str, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head; `inline code` as it is."""
    below = (ROOT / document).read_text().split(f"{heading}\n", 1)[1]
    rows = re.search(r"((?:^\|.*\|\n)+)", below, re.MULTILINE)
    assert rows, f"there is a table below {heading} of {document}"
    lines = rows.group(1).splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def commands(document: str) -> Iterator[str]:
    """Every line of every `bash` block."""
    for block in re.findall(r"^```bash\n(.*?)```", (ROOT / document).read_text(), re.DOTALL | re.MULTILINE):
        yield from block.strip().splitlines()


def anchors(document: str) -> set[str]:
    """The headings of a Markdown text, as GitHub writes them in URLs."""
    text = re.sub(r"^```.*?^```", "", document, flags=re.DOTALL | re.MULTILINE)
    return {
        re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
