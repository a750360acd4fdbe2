"""CONTRIBUTING.md follows one value through every file that it touches."""

from __future__ import annotations

import re

from tests.support.agents import ROOT

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
# The value in the code, or NVML's function for it.
VALUE = re.compile(r"default_limit_watts|nvmlDeviceGetPowerManagementDefaultLimit")


def section(heading: str) -> str:
    """The text below a heading."""
    return CONTRIBUTING.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def named(row: str) -> set[str]:
    """The files in the first cell of a table's row."""
    return set(re.findall(r"`([^`]+)`", row.split("|")[1]))


def test_the_table_of_the_example_value_lists_every_file_that_mentions_it() -> None:
    rows = re.findall(r"^\| `.*$", section("How one value passes through the code"), re.MULTILINE)
    followed = set().union(*map(named, rows))
    mentions = {
        str(path.relative_to(ROOT))
        for folder in ("agent", "benchmarks", "docs", "tests")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".js", ".h", ".md", ".json", ".txt"} and VALUE.search(path.read_text())
    } - {"tests/test_contributing.py"}

    assert followed == mentions, (
        "CONTRIBUTING.md, How one value passes through the code, needs a row for each file"
    )


def test_every_file_named_in_contributing_exists() -> None:
    files = re.findall(r"`((?:agent|docs|tests|deploy)/[\w./-]*|pyproject\.toml)`", CONTRIBUTING)

    assert len(files) > 15
    for file in files:
        assert (ROOT / file).exists(), f"CONTRIBUTING.md names {file}"


def test_every_class_named_in_the_table_of_words_exists() -> None:
    words = set(re.findall(r"`([A-Z]\w+)`", section("Words")))
    code = "\n".join(path.read_text() for path in (ROOT / "agent").rglob("*.py"))

    assert words >= {"GpuReading", "GpuSample", "GpuSlot"}
    for word in words:
        assert f"class {word}" in code, f"CONTRIBUTING.md explains {word}"
