"""Scripts that come as one: a browser asks for six files at a time, and each round takes a round trip.

The files in agent/web/ stay as they are, and a page made of them would do the same. What is joined follows a
few forms, each on a line of its own: `import { one, other } from "./file.js";`, `import * as name from
"./file.js";`, and `export` before a const, a function or a class.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_IMPORT = re.compile(r'^import (\* as (\w+)|\{ \w+(?:, \w+)* \}) from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:const|class|(?:async )?function\*?) (\w+))", re.MULTILINE)
_OTHER = re.compile(r"^\s*(?:import\b(?!\s*[(.])|export\b).*", re.MULTILINE)


def joined(entry: str, files: Mapping[str, str]) -> dict[str, str]:
    """The same files; that of `entry` has in it all that it imports, and those only pass on what is in there.

    A name is that of a file without `.js`. Raises ValueError for a form that is none of those, or a circle.
    """
    parts: dict[str, str] = {}
    exports: dict[str, list[str]] = {}

    def take(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            raise ValueError(f"{' imports '.join((*way, name))}: a circle")
        if name in parts:
            return
        text = files[name]
        for names, _, needed in _IMPORT.findall(text):
            if needed not in files:
                raise ValueError(f"{name}.js imports {needed}.js, and there is none")
            take(needed, (*way, name))
            asked = [] if names.startswith("*") else re.findall(r"\w+", names)
            if absent := set(asked) - set(exports[needed]):
                raise ValueError(f"{name}.js imports {', '.join(sorted(absent))}, which {needed}.js lacks")
        exports[name] = [exported for _, exported in _EXPORT.findall(text)]
        body = _EXPORT.sub(r"\1", _IMPORT.sub(_taken, text)).rstrip() + "\n"
        if other := _OTHER.search(body):
            raise ValueError(f"{name}.js has {other[0]!r}, which cannot be joined")
        passed_on = f"return {{ {', '.join(exports[name])} }};\n" if exports[name] else ""
        parts[name] = f"// {name}.js\nconst ${name} = (() => {{\n{body}{passed_on}}})();\n"

    take(entry, ())
    inner = [name for name in parts if name != entry]
    passed_on = f"export {{ {', '.join(f'${name}' for name in inner)} }};\n"
    return {
        **files,
        **{name: _shim(name, entry, exports[name]) for name in inner},
        entry: "".join(parts.values()) + passed_on,
    }


def _taken(found: re.Match[str]) -> str:
    names, whole, source = found.groups()
    return f"const {whole or names} = ${source};"


def _shim(name: str, entry: str, exports: list[str]) -> str:
    return f'import {{ ${name} }} from "./{entry}.js";\nexport const {{ {", ".join(exports)} }} = ${name};\n'
