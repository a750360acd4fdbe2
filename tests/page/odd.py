"""Answers in which one value is of another type or missing, as an agent of another version may send them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING = object()
ODD: tuple[Any, ...] = ("constructor", [None], {}, None, MISSING)
NO_ANSWERS: tuple[Any, ...] = (
    {"status": "maintenance"},
    {},
    [],
    [1],
    {"code": 0, "data": None},
    {"code": 0, "data": {}},
)


def variants(answer: Any) -> Iterator[tuple[str, Any]]:
    """The answer with each of its values replaced by each odd one; of a list only the first entry."""
    for path in _paths(answer):
        for odd in ODD:
            varied = copy.deepcopy(answer)
            part = varied
            for name in path[:-1]:
                part = part[name]
            if odd is MISSING:
                del part[path[-1]]
            else:
                part[path[-1]] = odd
            yield f"{'.'.join(map(str, path))}={'missing' if odd is MISSING else odd}", varied


def _paths(part: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    entries = (
        part.items() if isinstance(part, dict) else enumerate(part[:1]) if isinstance(part, list) else ()
    )
    for name, value in entries:
        yield (*way, name)
        yield from _paths(value, (*way, name))
