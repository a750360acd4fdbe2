"""Joins the page's scripts into one: a browser loads six files at a time, and each batch takes a round trip.

The files in agent/web/ are not changed, and also work without joining. A script that is joined uses only
these forms, each on a line of its own: `import { one, other } from "./file.js";`, `import * as name from
"./file.js";`, and `export` before a const, a function or a class.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_IMPORT = re.compile(r'^import (\* as (\w+)|\{ \w+(?:, \w+)* \}) from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:const|class|(?:async )?function\*?) (\w+))", re.MULTILINE)
_OTHER = re.compile(r"^\s*(?:import\b(?!\s*[(.])|export\b).*", re.MULTILINE)


def joined(entries: Sequence[str], files: Mapping[str, str]) -> dict[str, str]:
    """The same files; each entry contains the scripts that it imports and no earlier entry has.

    The own file of a contained script only re-exports its names. A name is a file name without `.js`.
    Raises ValueError for any other form, or for a circular import.
    """
    made = dict(files)
    homes: dict[str, str] = {}  # by the name of a contained script: the name of the entry that contains it
    for entry in entries:
        made |= _joined(entry, files, homes)
    return made


def _joined(entry: str, files: Mapping[str, str], homes: dict[str, str]) -> dict[str, str]:
    parts: dict[str, str] = {}
    borrowed: dict[str, list[str]] = {}  # by the name of an entry: names of the scripts that it contains

    def take(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            raise ValueError(f"{' imports '.join((*way, name))}: a circle")
        if name in parts:
            return
        if name in homes:
            there = borrowed.setdefault(homes[name], [])
            if name not in there:
                there.append(name)
            return
        for needed in _needed(name, files):
            take(needed, (*way, name))
        parts[name] = _part(name, files[name])

    take(entry, ())
    inner = [name for name in parts if name != entry]
    homes.update(dict.fromkeys(inner, entry))
    script = [_import(names, home) for home, names in borrowed.items()] + [*parts.values()]
    if inner:
        script.append(f"export {{ {', '.join(f'${name}' for name in inner)} }};\n")
    if own := _exports(files[entry]):
        script.append(f"export const {{ {', '.join(own)} }} = ${entry};\n")
    shims = {name: _import([name], entry) + _reexport(name, files[name]) for name in inner}
    return {**shims, entry: "".join(script)}


def _needed(name: str, files: Mapping[str, str]) -> Iterator[str]:
    """The scripts that one imports; checks that they exist and export what it imports."""
    for names, _, needed in _IMPORT.findall(files[name]):
        if needed not in files:
            raise ValueError(f"{name}.js imports {needed}.js, and there is none")
        yield needed
        asked = [] if names.startswith("*") else re.findall(r"\w+", names)
        if absent := set(asked) - set(_exports(files[needed])):
            raise ValueError(f"{name}.js imports {', '.join(sorted(absent))}, which {needed}.js lacks")


def _part(name: str, text: str) -> str:
    """A script as a function of its own, that is called at once and returns its exports."""
    body = _EXPORT.sub(r"\1", _IMPORT.sub(_as_const, text)).rstrip() + "\n"
    if other := _OTHER.search(body):
        raise ValueError(f"{name}.js has {other[0]!r}, which cannot be joined")
    exports = _exports(text)
    passed_on = f"return {{ {', '.join(exports)} }};\n" if exports else ""
    return f"// {name}.js\nconst ${name} = (() => {{\n{body}{passed_on}}})();\n"


def _exports(text: str) -> list[str]:
    return [exported for _, exported in _EXPORT.findall(text)]


def _as_const(found: re.Match[str]) -> str:
    names, whole, source = found.groups()
    return f"const {whole or names} = ${source};"


def _import(names: Sequence[str], home: str) -> str:
    return f'import {{ {", ".join(f"${name}" for name in names)} }} from "./{home}.js";\n'


def _reexport(name: str, text: str) -> str:
    return f"export const {{ {', '.join(_exports(text))} }} = ${name};\n"
