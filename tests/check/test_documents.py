"""docs/check.md has every key of the report and every problem, word for word."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel

from agent.check.report import EXIT_STATUS, Report
from agent.views.health import HealthFinding
from tests.support.agents import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = (ROOT / "docs" / "check.md").read_text()


def keys(shape: type[BaseModel], path: str = "") -> Iterator[tuple[str, str]]:
    """Each key with its description, followed by the keys inside it. A finding has the keys of the API."""
    for name, field in shape.model_fields.items():
        kinds = [*parts_of(field.annotation)]
        key = f"{path}{name}" + "[]" * any(get_origin(kind) is list for kind in kinds)
        yield key, field.description or ""
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not HealthFinding:
                yield from keys(kind, f"{key}.")


def parts_of(kind: Any) -> Iterator[Any]:
    """The type, and the parts of a union or a list. A dict has no parts: its keys are names of values."""
    yield kind
    if get_origin(kind) is not dict:
        for part in get_args(kind):
            yield from parts_of(part)


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = DOCUMENT.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = re.findall(r"^\|.*\|$", section, re.MULTILINE)[2:]
    return [[cell.strip(" `") for cell in line.split(" | ")] for line in lines]


def test_every_key_is_described() -> None:
    found = [(key.strip("| `"), what.strip("| ")) for key, what in rows("Keys")]
    assert found == [(key, what) for key, what in keys(Report)], (
        "docs/check.md, ## Keys, and report.py differ"
    )


def test_every_problem_is_described() -> None:
    code = "".join(path.read_text() for path in (ROOT / "agent" / "check").glob("*.py"))
    names = set(re.findall(r'Problem\(\s*name="(\w+)"', code))
    assert names == {row[0].strip("| `") for row in rows("Problems")}, "docs/check.md, ## Problems, has each"


def test_every_exit_status_is_described() -> None:
    found = [(row[1], int(row[0].strip("| "))) for row in rows("Exit status")]
    assert found == list(EXIT_STATUS.items())
