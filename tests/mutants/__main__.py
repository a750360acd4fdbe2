"""`python -m tests.mutants agent/derive`: print small changes to that code that its tests do not notice."""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.mutants.mutations import mutants
from tests.mutants.running import copy_of_the_repository, notices, tests_of

if TYPE_CHECKING:
    from tests.mutants.mutations import Mutant


def main() -> int:
    """The exit status; 1 if a mutant is not noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("code", nargs="+", type=Path, help="files or folders of agent/")
    parser.add_argument("--each", type=int, default=12, help="maximum number of mutants of each module (12)")
    parser.add_argument("--seed", default="1", help="choose other mutants with another seed")
    parser.add_argument("--line", type=int, help="only mutants of this line")
    parser.add_argument("--rounds", type=int, help="run only this many rounds of tests, the nearest first")
    parser.add_argument("--tests", nargs="+", help="run these test files instead of those of the module")
    options = parser.parse_args()
    total = unnoticed = 0
    with copy_of_the_repository():
        for path in (module for code in options.code for module in modules(code)):
            chosen = choose(path, options.each, options.seed, options.line)
            survivors = survivors_of(
                path, chosen, [options.tests] if options.tests else tests_of(path)[: options.rounds]
            )
            total += len(chosen)
            unnoticed += len(survivors)
            say(f"{path}: {len(chosen) - len(survivors)} of {len(chosen)} noticed")
            for mutant in survivors:
                say(f"  {path}:{mutant.line}: {mutant.before}  ->  {mutant.after}")
    say(f"{total - unnoticed} of {total} mutants noticed")
    return 1 if unnoticed else 0


def modules(code: Path) -> list[Path]:
    """A file, or all files below a folder."""
    return sorted(code.rglob("*.py")) if code.is_dir() else [code]


def choose(path: Path, most: int, seed: str, line: int | None) -> list[Mutant]:
    """At most `most` mutants of a module. The same seed chooses the same mutants."""
    found = [mutant for mutant in mutants(path.read_text()) if line in {None, mutant.line}]
    chance = random.Random(f"{seed} {path}")  # noqa: S311  (no secret)
    return sorted(chance.sample(found, min(most, len(found))))


def survivors_of(path: Path, chosen: list[Mutant], rounds: list[list[str]]) -> list[Mutant]:
    """The mutants that no test notices. Each round of tests runs for those that the round before missed."""
    for tests in rounds:
        survivors = [mutant for mutant in chosen if not notices(path, mutant.source, tests)]
        if survivors != chosen and notices(path, path.read_text(), tests):
            say(f"{path}: these tests fail without a change too: {' '.join(tests)}")
            continue
        chosen = survivors
    return chosen


def say(line: str) -> None:
    """Print a line at once: the next one may take minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
