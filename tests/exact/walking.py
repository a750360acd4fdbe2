"""Walks a tree of readings: the value of each field, and the same tree with one field changed."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

import agent.readings

if TYPE_CHECKING:
    from collections.abc import Iterator


class Leaf(NamedTuple):
    """One value of one field of one object in the tree."""

    field: str  # "Fan.speed_rpm"
    value: Any  # the entries of a tuple of plain values come one by one


def readings() -> dict[str, type]:
    """Every dataclass and named tuple of agent/readings, by name.

    Without the texts of troubles.py, the lines of kernel_lines.py, from which readings are made, and values
    that are kept in a file.
    """
    aside = {f"agent.readings.{name}" for name in ("troubles", "kernel_lines", "restored", "state", "usage")}
    modules = pkgutil.walk_packages(agent.readings.__path__, "agent.readings.")
    return {
        name: member
        for module in modules
        if module.name not in aside
        for name, member in vars(importlib.import_module(module.name)).items()
        if isinstance(member, type) and member.__module__ == module.name and names(member)
    }


def names(kind: type) -> tuple[str, ...]:
    """The fields of a reading; none of any other class."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    return tuple(getattr(kind, "_fields", ()))


def leaves(value: Any, field: str = "") -> Iterator[Leaf]:
    """Every value under this one that is neither a reading nor a container; not the keys of mappings."""
    if own := names(type(value)):
        for name in own:
            yield from leaves(getattr(value, name), f"{type(value).__name__}.{name}")
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from leaves(entry, field)
    elif isinstance(value, tuple):
        for entry in value:
            yield from leaves(entry, field)
    else:
        yield Leaf(field, value)


def fields_with_a_value(value: Any) -> set[str]:
    """The fields below this value that have a value somewhere: neither None nor an empty container."""
    found: set[str] = set()
    if own := names(type(value)):
        for name in own:
            held = getattr(value, name)
            if held is not None and held != () and held != {}:
                found |= {f"{type(value).__name__}.{name}"} | fields_with_a_value(held)
    elif isinstance(value, Mapping | tuple):
        for entry in value.values() if isinstance(value, Mapping) else value:
            found |= fields_with_a_value(entry)
    return found


def with_other(value: Any, field: str) -> Any:
    """The same tree, in which this field ("Fan.speed_rpm") has another value everywhere."""
    if own := names(type(value)):
        held = {name: getattr(value, name) for name in own}
        changed = {
            name: other(one) if f"{type(value).__name__}.{name}" == field else with_other(one, field)
            for name, one in held.items()
        }
        return value if all(changed[name] is held[name] for name in own) else type(value)(**changed)
    if isinstance(value, Mapping):
        entries = {key: with_other(entry, field) for key, entry in value.items()}
        return value if all(entries[key] is value[key] for key in value) else entries
    if isinstance(value, tuple):
        row = tuple(with_other(entry, field) for entry in value)
        return value if all(new is old for new, old in zip(row, value, strict=True)) else row
    return value


def other(value: Any) -> Any:
    """Another value of the same type; an empty one for a container."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, Enum):
        return next(one for one in type(value) if one is not value)
    if isinstance(value, int | float):
        return value + 5 * 1024**2 if value > 1024**2 else value + 7
    if isinstance(value, str):
        return f"x{value}"
    if isinstance(value, tuple) and not any(names(type(entry)) for entry in value):
        return tuple(other(entry) for entry in value)
    return () if isinstance(value, tuple) else {} if isinstance(value, Mapping) else None


def is_countable(value: Any) -> bool:
    """Whether there are enough values of this type for every field to have one of its own."""
    return not isinstance(value, bool | Enum | None)
