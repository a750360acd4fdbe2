"""Rows of figures, their goals, and the printed table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COLUMNS = ("what", "value", "floor", "ratio", "goal", "met?")


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on the value of a row, on its ratio to the floor, or on its difference from the floor."""

    of: Literal["value", "ratio", "above floor"]
    at_least: float | None = None
    at_most: float | None = None

    def __str__(self) -> str:
        bound = f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"
        return bound if self.of == "value" else f"{self.of} {bound}"

    def is_met(self, number: float) -> bool:
        """Whether the number is within the bound."""
        return (self.at_least is None or number >= self.at_least) and (
            self.at_most is None or number <= self.at_most
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; `floor` is the same figure of a program that does as little as possible."""

    what: str
    value: float
    unit: str = ""
    floor: float | None = None
    goal: Goal | None = None

    @property
    def ratio(self) -> float | None:
        """The value divided by the floor; None without a floor."""
        return self.value / self.floor if self.floor else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        if self.goal is None:
            return None
        match self.goal.of:
            case "value":
                number: float | None = self.value
            case "ratio":
                number = self.ratio
            case "above floor":
                number = None if self.floor is None else self.value - self.floor
        return number is not None and self.goal.is_met(number)

    def cells(self) -> tuple[str, ...]:
        """The cells of this row in the table."""
        return (
            self.what,
            f"{shown(self.value)} {self.unit}".rstrip(),
            "" if self.floor is None else shown(self.floor),
            "" if self.ratio is None else shown(self.ratio),
            "" if self.goal is None else str(self.goal),
            {True: "yes", False: "NO", None: ""}[self.met],
        )


def shown(number: float) -> str:
    """The number with three significant digits, without an exponent."""
    if abs(number) >= 100:
        return f"{number:,.0f}"
    if abs(number) >= 10:
        return f"{number:.1f}"
    return f"{number:.2f}" if abs(number) >= 1 else f"{number:.3f}"


def table(title: str, rows: Iterable[Row]) -> str:
    """The table as plain text under its title: text is aligned to the left, numbers to the right."""
    lines: list[Sequence[str]] = [COLUMNS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    numbers = (False, True, True, True, False, False)
    text = [
        "  ".join(
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(line, widths, numbers, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([title, *text]) + "\n"
