"""Both text formats of Prometheus, written for thousands of series."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_MOST_DIGITS = 6  # before the point; Go writes a larger number with an exponent
_INFINITE = {math.inf: "+Inf", -math.inf: "-Inf"}
_MOST_TEXTS = 4096  # label values, most of which are in many lines
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})  # of TEXT


@dataclass(frozen=True, slots=True)
class Family:
    """All series of one name. `name` is without the `_total` of a counter."""

    name: str
    kind: Literal["gauge", "counter"]
    documentation: str
    labels: Sequence[str]
    samples: list[tuple[Sequence[str], float]] = field(default_factory=list)  # label values, value

    @property
    def series_name(self) -> str:
        """The name that each series has."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


def text_of(families: Iterable[Family], content_type: str) -> bytes:
    """In TEXT or OPENMETRICS. Families without a sample are left out."""
    is_openmetrics = content_type == OPENMETRICS
    lines: list[str] = []
    for family in families:
        if family.samples:
            lines += _lines(family, is_openmetrics=is_openmetrics)
    if is_openmetrics:
        lines.append("# EOF\n")
    # Half a surrogate pair in a label must not make the scrape fail.
    return "".join(lines).encode(errors="replace")


def _lines(family: Family, *, is_openmetrics: bool) -> Iterator[str]:
    name = family.series_name
    described = family.name if is_openmetrics else name
    documentation = family.documentation.translate(_ESCAPES if is_openmetrics else _HELP_ESCAPES)
    yield f"# HELP {described} {documentation}\n# TYPE {described} {family.kind}\n"
    if not family.labels:
        for _, value in family.samples:
            yield f"{name} {number(value)}\n"
        return
    order = sorted(range(len(family.labels)), key=family.labels.__getitem__)
    labels = ",".join(f'{family.labels[place]}="%s"' for place in order)
    line = f"{name}{{{labels}}} %s\n"
    for values, value in family.samples:
        yield line % (*[_escaped(values[place]) for place in order], number(value))


@lru_cache(_MOST_TEXTS)
def _escaped(text: str) -> str:
    """Accepts non-strings too, so that one bad label does not make the scrape fail."""
    return str(text).translate(_ESCAPES)


def number(value: float) -> str:
    """The number as Go writes it."""
    value = float(value)
    if not math.isfinite(value):
        return _INFINITE.get(value, "NaN")
    text = repr(value)
    point = text.find(".")
    if point > _MOST_DIGITS and not text.startswith("-"):
        mantissa = f"{text[0]}.{text[1:point]}{text[point + 1 :]}".rstrip("0.")
        return f"{mantissa}e+{point - 1:02d}"
    return text
