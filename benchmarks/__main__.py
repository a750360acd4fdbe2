"""`python -m benchmarks [SECTION …] [--quick] [--write]`; each section is a file in `sections/`."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import machine, wrk
from benchmarks.table import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SECTIONS = tuple(sorted(file.stem for file in Path(__file__).parent.glob("sections/[!_]*.py")))
RESULTS = Path(__file__).with_name("RESULTS.md")
FENCE = "```text\n"


def main() -> int:
    """Prints a table for each section. The exit status is 1 if a program is missing or a goal is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"Measures the agent beside its floors. Sections: {', '.join(SECTIONS)}.",
    )
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; default: all"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a short run: does it work, and roughly how fast"
    )
    parser.add_argument("--write", action="store_true", help=f"put what was measured into {RESULTS.name}")
    given = parser.parse_args()
    if unknown := sorted(set(given.sections) - set(SECTIONS)):
        parser.error(f"{', '.join(unknown)}: no such section; there are {', '.join(SECTIONS)}")
    if "page" in (given.sections or SECTIONS) and find_spec("playwright") is None:
        sys.stderr.write("Section page needs the group slow: uv run --group slow python -m benchmarks\n")
        return 1
    if lacking := wrk.missing():
        sys.stderr.write(lacking + "\n")
        return 1
    printed: list[str] = []
    met = True
    for text, fine in measured(given.sections or SECTIONS, quick=given.quick):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        printed.append(text)
        met = met and fine
    if given.write:
        RESULTS.write_text(with_tables(RESULTS.read_text("utf-8"), "\n".join(printed)), "utf-8")
    return 0 if met else 1


def measured(sections: Iterable[str], *, quick: bool) -> Iterator[tuple[str, bool]]:
    """The text of each section, and whether it reached its goals; first a line about the machine."""
    yield f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC{', quick' * quick}: {machine.describe()}\n", True
    for name in sections:
        section = import_module(f"benchmarks.sections.{name}")
        machine.wait_until_quiet()
        with machine.effort() as effort:
            rows = list(section.run(quick=quick))
        note = f"({effort.seconds:.0f} s; others used {effort.others_cores:.2f} cores)\n"
        yield table(section.TITLE, rows) + note, all(row.met is not False for row in rows)


def with_tables(text: str, tables: str) -> str:
    """The text with these tables instead of the earlier ones; the text around them does not change."""
    before, fence, after = text.partition(FENCE)
    _, end, words = after.partition("```\n")
    return before + fence + tables + end + words


if __name__ == "__main__":
    sys.exit(main())
