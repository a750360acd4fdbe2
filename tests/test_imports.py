"""Imports point one way, and each library is used in one place.

cli -> check -> app
cli -> app -> routes -> http, views -> derive -> readings
       app -> sampling -> derive, readings
       app -> sources -> readings
       app, routes -> state -> sampling, readings
"""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]

# Part of agent/ -> the parts that it may import. `agent` itself holds the version.
MAY_IMPORT: dict[str, set[str]] = {
    # what was measured, and how it flows to the client
    "readings": set(),
    "sources": {"readings"},
    "sampling": {"derive", "readings"},  # it knows sources only by protocols
    "derive": {"readings"},
    "views": {"derive", "readings"},
    "state": {"derive", "readings", "sampling"},  # sampling does not know of a file
    "http": {"derive", "readings", "sampling", "settings", "state", "views"},
    "routes": {"derive", "http", "readings", "sampling", "state", "views"},
    "app": {"http", "readings", "routes", "sampling", "server", "settings", "simulation", "sources", "state"},
    # the process around it
    "settings": {"simulation"},  # the names of the scenarios
    "server": {
        "http",
        "settings",
    },  # the envelope of a refusal, the checks of a request's head; the address to probe
    "check": {"app", "derive", "readings", "sampling", "server", "settings", "sources", "views"},
    "cli": {"app", "check", "server", "settings"},
    # instead of the driver
    # the processes of its lab are readings, made by the parser of /proc
    "simulation": {"readings", "sources"},
}

# Library -> the parts that may import it. Every part may import any other library.
KNOWN_TO: dict[str, set[str]] = {
    "nvitop": {"sources", "simulation"},
    "pynvml": {"sources", "simulation"},
    "psutil": {"sources"},
    "dotenv": {"settings"},
    "uvicorn": {"cli", "server"},
    "sqlite3": {"http", "state"},
}
WEB = {"fastapi", "fastapi_offline", "starlette"}
WITHOUT_WEB = {"readings", "sources", "sampling", "derive", "state", "views", "simulation", "settings"}
WITHOUT_PYDANTIC = WITHOUT_WEB - {"views"}


class Import(NamedTuple):
    """`file` imports `module`; `typing_only` if it does so only for a type checker."""

    file: str
    module: str
    typing_only: bool

    @property
    def part(self) -> str:
        """The part of agent/ that the file belongs to."""
        return part_of(".".join(Path(self.file).with_suffix("").parts))

    @property
    def importer(self) -> str:
        """The module that the file is."""
        return ".".join(Path(self.file).with_suffix("").parts).removesuffix(".__init__")


def part_of(module: str) -> str:
    """agent.sources.nvml and agent.sources belong to `sources`; agent itself to ``."""
    return module.removesuffix(".__init__").partition(".")[2].partition(".")[0]


def imports_of(path: Path) -> Iterator[Import]:
    """Every import of a module, at any place in it."""
    file = str(path.relative_to(ROOT))
    tree = ast.parse(path.read_text(), file)
    for_typing = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for child in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: a relative import, which this test does not read"
            # `from agent.routes import gpu` imports agent.routes.gpu
            modules = [
                name if is_module(name := f"{node.module}.{alias.name}") else str(node.module)
                for alias in node.names
            ]
        else:
            continue
        for module in modules:
            yield Import(file, module, node in for_typing)


def is_module(name: str) -> bool:
    """Whether that is a module or package of agent/."""
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


FILES = sorted((ROOT / "agent").rglob("*.py"))


@cache
def imports() -> tuple[Import, ...]:
    """Every import in agent/."""
    return tuple(found for path in FILES for found in imports_of(path))


def ours() -> list[Import]:
    """The imports of modules of agent/."""
    return [found for found in imports() if found.module.partition(".")[0] == "agent"]


def theirs() -> list[Import]:
    """The imports of the standard library and of installed packages."""
    return [found for found in imports() if found.module.partition(".")[0] != "agent"]


def violations(wrong: list[Import], why: str) -> str:
    """One line for each wrong import."""
    return "\n".join(f"{found.file} imports {found.module}: {why}" for found in wrong)


def test_the_search_finds_the_imports() -> None:
    assert Import("agent/app.py", "agent.http.openapi", typing_only=False) in imports()
    assert Import("agent/app.py", "agent.simulation", typing_only=False) in imports()
    assert Import("agent/app.py", "agent.settings", typing_only=True) in imports()
    assert Import("agent/sources/nvml.py", "pynvml", typing_only=False) in imports()


def test_every_part_of_the_agent_is_in_may_import() -> None:
    parts = {part_of(".".join(path.relative_to(ROOT).with_suffix("").parts)): path for path in FILES}
    new = [str(path.relative_to(ROOT)) for part, path in parts.items() if part and part not in MAY_IMPORT]

    assert not new, f"what may {', '.join(new)} import? MAY_IMPORT in tests/test_imports.py must say"


def test_imports_follow_the_direction_of_may_import() -> None:
    wrong = [
        found
        for found in ours()
        if (target := part_of(found.module))
        and target not in {found.part, *MAY_IMPORT.get(found.part, set())}
    ]

    assert not wrong, violations(wrong, "against the direction of MAY_IMPORT (tests/test_imports.py)")


@pytest.mark.parametrize("library", KNOWN_TO)
def test_a_library_is_imported_only_by_the_parts_that_may_know_it(library: str) -> None:
    users = [found for found in theirs() if found.module.partition(".")[0] == library]
    wrong = [found for found in users if found.part not in KNOWN_TO[library]]

    assert users, f"{library} is used nowhere; remove it from KNOWN_TO (tests/test_imports.py)"
    assert not wrong, violations(
        wrong,
        f"only {', '.join(sorted(KNOWN_TO[library]))} may know {library}: KNOWN_TO (tests/test_imports.py)",
    )


def test_only_routes_and_the_parts_above_import_the_web_framework() -> None:
    wrong = [
        found for found in theirs() if found.part in WITHOUT_WEB and found.module.partition(".")[0] in WEB
    ]

    assert not wrong, violations(wrong, "a web framework has no business here")


def test_readings_and_derived_values_do_not_import_pydantic() -> None:
    wrong = [
        found
        for found in theirs()
        if found.part in WITHOUT_PYDANTIC and found.module.partition(".")[0] == "pydantic"
    ]

    assert not wrong, violations(wrong, "wire shapes belong to views and routes")


def test_only_declared_libraries_are_imported() -> None:
    declared = KNOWN_TO.keys() | WEB | {"anyio", "pydantic", "typing_extensions"}
    wrong = [
        found
        for found in theirs()
        if (library := found.module.partition(".")[0]) not in sys.stdlib_module_names
        and library not in declared
    ]

    assert not wrong, violations(
        wrong, "not one of our dependencies, or not in KNOWN_TO (tests/test_imports.py) yet"
    )


def test_only_main_py_ends_the_process_by_force() -> None:
    """main.py may do so once all output is flushed, but a program that imports `agent` must go on."""
    users = [
        str(path.relative_to(ROOT))
        for path in [*FILES, ROOT / "main.py"]
        if re.search(r"\b(os\._exit|_exit\(|abort\(|SIGKILL)", path.read_text())
    ]
    assert users == ["main.py"]
