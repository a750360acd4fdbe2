"""Removes impossible numbers from a reading: each is unknown, with the driver's number as the reason."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter, is_
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from agent.readings import Reason, Unknown
from agent.sources.gpu.ranges import RANGES, Range
from agent.sources.return_codes import SUCCESS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agent.readings import GpuReading

    _Limit = Callable[[GpuReading], float | None]

# By the field of the reading: what is possible, and what the driver reported.
_Found = dict[str, tuple[Range, str]]


def only_possible(reading: GpuReading, before: GpuReading | None = None) -> GpuReading:
    """The reading, with None for each impossible number; the same object if all are possible.

    `before`: the result for the previous sample, if there was one.
    """
    if _ALL.all_can_be((reading,), reading, before):
        return reading
    found: _Found = {}
    sifted: GpuReading = _READING.sift(reading, reading, found)
    unknown = dict(reading.unknown)
    for path, (allowed, words) in found.items():
        if path not in unknown or unknown[path].reason is not Reason.FAILED:
            unknown[path] = _impossible(path, allowed.function, words, reading, before)
    return replace(sifted, unknown=MappingProxyType(unknown))


def _impossible(
    path: str, function: str, words: str, reading: GpuReading, before: GpuReading | None
) -> Unknown:
    since, reported_before = reading.sampled_since_boot, False
    if before is not None:
        earlier = before.unknown.get(path)
        reported_before = attrgetter(path)(before) is not None or (
            earlier is not None and earlier.reported_before
        )
        if earlier is not None and earlier.reason is Reason.IMPOSSIBLE:
            since = earlier.since
    return Unknown(Reason.IMPOSSIBLE, function, SUCCESS, words, since, reported_before)


class _Check:
    """Whether all numbers of a reading, or of the elements of a list, are possible.

    One pass without a call for each number, because each sample takes it and nearly all are possible.
    """

    def __init__(self, ranges: Mapping[str, Range]) -> None:
        """`ranges`: by path from here."""
        own = {path: one for path, one in ranges.items() if not _list_of(path)}
        plain = {path: one for path, one in own.items() if one.is_plain}
        self._get = attrgetter(*plain)  # of two or more, so that it gives a tuple
        self._least = [one.least for one in plain.values()]
        self._most = [one.most for one in plain.values()]
        self._limited: dict[_Limit, list[int]] = {}  # places in `_most`
        for place, one in enumerate(plain.values()):
            if one.limit is not None:
                self._limited.setdefault(one.limit, []).append(place)
        self._special = [(attrgetter(path), one) for path, one in own.items() if not one.is_plain]
        self._lists = [
            (attrgetter(name), _Check(_below(name, ranges)))
            for name in dict.fromkeys(map(_list_of, ranges))
            if name
        ]

    def all_can_be(self, elements: Iterable[Any], reading: GpuReading, before: Any = None) -> bool:
        """Whether none of them is impossible. `before`: the values that were checked before these."""
        least, most = self._least, self._most_of(reading)
        for element in elements:
            for value, lower, upper in zip(self._get(element), least, most, strict=True):
                if value is not None and not lower <= value <= upper:  # NaN is neither
                    return False
            for get, one in self._special:
                value = get(element)
                if value is not None and not one.admits(value, one.most):
                    return False
            for get, check in self._lists:
                held = get(element)
                if held and (before is None or held is not get(before)):
                    within = held if isinstance(held, tuple) else (held,)
                    if not check.all_can_be(within, reading):
                        return False
        return True

    def _most_of(self, reading: GpuReading) -> list[float]:
        if not self._limited:
            return self._most
        most = self._most.copy()
        for limit_of, places in self._limited.items():
            limit = limit_of(reading)
            if limit is not None:
                for place in places:
                    if limit < most[place]:
                        most[place] = limit
        return most


def _list_of(path: str) -> str:
    """The list, or the struct that may be absent, that holds this field; "" for one of a subject."""
    names = path.split(".")
    if names[0] == "processes":
        return names[0]
    return ".".join(names[:2]) if len(names) > 2 else ""


def _below(name: str, ranges: Mapping[str, Range]) -> dict[str, Range]:
    return {path.removeprefix(f"{name}."): one for path, one in ranges.items() if path.startswith(f"{name}.")}


class _Part:
    """A dataclass of the reading, or each element of a tuple of them."""

    def __init__(self, ranges: Mapping[str, Range], within: str = "") -> None:
        """`ranges`: by path from here; `within`: the path to here."""
        self._ranges = {path: one for path, one in ranges.items() if "." not in path}
        # What is in a list, or belongs to one struct, is noted by the name of that.
        self._noted = within if within == "processes" or "." in within else None
        self._within = within
        names = dict.fromkeys(path.partition(".")[0] for path in ranges if "." in path)
        self._parts = {
            name: _Part(_below(name, ranges), self._noted or f"{within}.{name}".removeprefix("."))
            for name in names
        }

    def sift(self, held: Any, reading: GpuReading, found: _Found) -> Any:
        """`held` without impossible numbers; the same object if all are possible.

        None if a number that the others depend on is impossible. A list with such an element is None too,
        because its elements were read at wrong offsets.
        """
        if not isinstance(held, tuple):
            return self._sift_one(held, reading, found)
        sifted = tuple(self._sift_one(element, reading, found) for element in held)
        return held if all(map(is_, sifted, held)) else None if None in sifted else sifted

    def _sift_one(self, held: Any, reading: GpuReading, found: _Found) -> Any:
        changes: dict[str, Any] = {}
        for name, one in self._ranges.items():
            value = getattr(held, name)
            if value is not None and not one.admits(value, one.most_of(reading)):
                if self._noted is None:
                    found[f"{self._within}.{name}"] = (one, one.words(value))
                else:
                    found.setdefault(self._noted, (one, f"{one.words(value)} ({name})"))
                if one.is_essential:
                    return None
                changes[name] = None
        for name, part in self._parts.items():
            value = getattr(held, name)
            if value:
                sifted = part.sift(value, reading, found)
                if sifted is not value:
                    changes[name] = sifted
        return replace(held, **changes) if changes else held


_ALL, _READING = _Check(RANGES), _Part(RANGES)
