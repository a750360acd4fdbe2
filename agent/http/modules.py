"""Scripts that come as one: a browser asks for six files at a time, and each round takes a round trip.

The files in agent/web/ stay as they are, and a page made of them would do the same. What is joined follows a
few forms, each on a line of its own: `import { one, other } from "./file.js";`, `import * as name from
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
    """The same files; that of each entry has in it all that it imports, but for what an earlier one has.

    What is in one is only passed on by its own file. A name is that of a file without `.js`. Raises
    ValueError for a form that is none of those, or a circle.
    """
    made = dict(files)
    homes: dict[str, str] = {}  # by the name of a script that is in another: that of the other
    for entry in entries:
        made |= _joined(entry, files, homes)
    return made


def _joined(entry: str, files: Mapping[str, str], homes: dict[str, str]) -> dict[str, str]:
    parts: dict[str, str] = {}
    borrowed: dict[str, list[str]] = {}  # by the file that has them: names of scripts

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
    shims = {name: _import([name], entry) + _passing_on(name, files[name]) for name in inner}
    return {**shims, entry: "".join(script)}


def _needed(name: str, files: Mapping[str, str]) -> Iterator[str]:
    """The scripts that one imports, which are there and have what it takes of them."""
    for names, _, needed in _IMPORT.findall(files[name]):
        if needed not in files:
            raise ValueError(f"{name}.js imports {needed}.js, and there is none")
        yield needed
        asked = [] if names.startswith("*") else re.findall(r"\w+", names)
        if absent := set(asked) - set(_exports(files[needed])):
            raise ValueError(f"{name}.js imports {', '.join(sorted(absent))}, which {needed}.js lacks")


def _part(name: str, text: str) -> str:
    """A script as a function of its own, that is called at once and returns its exports."""
    body = _EXPORT.sub(r"\1", _IMPORT.sub(_taken, text)).rstrip() + "\n"
    if other := _OTHER.search(body):
        raise ValueError(f"{name}.js has {other[0]!r}, which cannot be joined")
    exports = _exports(text)
    passed_on = f"return {{ {', '.join(exports)} }};\n" if exports else ""
    return f"// {name}.js\nconst ${name} = (() => {{\n{body}{passed_on}}})();\n"


def _exports(text: str) -> list[str]:
    return [exported for _, exported in _EXPORT.findall(text)]


def _taken(found: re.Match[str]) -> str:
    names, whole, source = found.groups()
    return f"const {whole or names} = ${source};"


def _import(names: Sequence[str], home: str) -> str:
    return f'import {{ {", ".join(f"${name}" for name in names)} }} from "./{home}.js";\n'


def _passing_on(name: str, text: str) -> str:
    return f"export const {{ {', '.join(_exports(text))} }} = ${name};\n"
