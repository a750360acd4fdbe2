"""Imports point one way, each library is known in one place, each subject has one name: held by a test.

cli -> app -> routes -> views -> derive -> readings
       app -> sampling -> sources -> readings
              sampling -> derive
"""

from __future__ import annotations

import ast
import dataclasses
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from agent.readings import GpuReading

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]

# Part of agent/ -> the parts that it may import. `agent` itself holds the version.
MAY_IMPORT: dict[str, set[str]] = {
    # what was measured, and how it flows to the client
    "readings": set(),
    "sources": {"readings"},
    "sampling": {"derive", "readings"},  # it knows sources by protocols alone
    "derive": {"readings"},
    "views": {"derive", "readings"},
    "routes": {"agent", "answers", "derive", "errors", "logs", "openapi", "readings", "sampling", "views"},
    "app": {"agent", "answers", "auth", "errors", "middleware", "openapi", "routes", "sampling", "settings"}
    | {"signals", "simulation", "sources"},
    "simulation": {"sources"},  # procfs: a simulated GPU runs processes of this host
    # what the routes and the server stand on
    "agent": {"answers", "derive", "errors", "sampling", "settings"},
    "answers": {"agent", "readings", "route_path"},
    "auth": {"errors", "route_path"},
    "errors": set(),
    "middleware": {"answers", "errors", "request_head", "route_path"},
    "openapi": {"errors"},
    "route_path": set(),
    # how it is started
    "cli": {"app", "environment", "forwarded", "listener", "logs", "protocol", "server", "settings"}
    | {"single_worker"},
    "environment": {"settings"},
    "forwarded": set(),
    "listener": set(),
    "log_writer": set(),
    "logs": {"log_writer", "plain_text"},
    "plain_text": set(),
    "probe": {"environment", "listener", "settings"},
    "protocol": {"errors", "request_head"},
    "request_head": set(),
    "server": {"signals"},
    "single_worker": {"signals"},
    "setting_kinds": set(),
    "settings": {"setting_kinds", "simulation"},  # the names of the scenarios
    "signals": set(),
}

# Library -> the parts that may know it; of any other library every part may.
KNOWN_TO: dict[str, set[str]] = {
    "nvitop": {"sources", "simulation"},
    "pynvml": {"sources", "simulation"},
    "psutil": {"sources"},
    "dotenv": {"environment"},
    "uvicorn": {"cli", "protocol", "server"},
    "prometheus_client": {"views"},
}
WEB = {"fastapi", "fastapi_offline", "starlette"}
WITHOUT_WEB = {
    "readings",
    "sources",
    "sampling",
    "derive",
    "views",
    "simulation",
    "settings",
    "setting_kinds",
}
WITHOUT_PYDANTIC = {"readings", "sources", "sampling", "derive", "simulation", "settings", "setting_kinds"}

# Modules that import each other. To be emptied; nothing new comes in.
CIRCLES_STILL_ALLOWED = {frozenset({"agent.agent", "agent.answers"})}


class Import(NamedTuple):
    """`file` imports `module`; `typing_only` where it does so for a type checker alone."""

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
    """Every import of a module, wherever in it."""
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
            # of `from agent.routes import gpu` it is agent.routes.gpu that is imported
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
IMPORTS = [found for path in FILES for found in imports_of(path)]
OURS = [found for found in IMPORTS if found.module.partition(".")[0] == "agent"]
THEIRS = [found for found in IMPORTS if found not in OURS]


def imported_modules() -> dict[str, set[str]]:
    """The modules of agent/ that each of them imports, those for a type checker included.

    Who imports a module loads its packages too, apart from those that the importer is in itself.
    """
    graph: dict[str, set[str]] = {}
    for found in OURS:
        parts = found.module.split(".")
        packages = {".".join(parts[:length]) for length in range(1, len(parts))}
        graph.setdefault(found.importer, set()).update(
            {found.module},
            {package for package in packages if not f"{found.importer}.".startswith(f"{package}.")},
        )
    return graph


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """The modules that reach each other, and themselves, by what they import; one set for each circle."""
    reached = {module: reach(module, graph) for module in graph}
    return {
        frozenset(other for other in reached[module] if module in reached.get(other, ()))
        for module in graph
        if module in reached[module]
    }


def reach(start: str, graph: dict[str, set[str]]) -> set[str]:
    """All that `start` imports, and what that imports in turn."""
    reached: set[str] = set()
    ahead = [start]
    while ahead:
        new = graph.get(ahead.pop(), set()) - reached
        reached |= new
        ahead += new
    return reached


def violations(imports: list[Import], why: str) -> str:
    """One line for each."""
    return "\n".join(f"{found.file} imports {found.module}: {why}" for found in imports)


def test_the_walk_sees_the_imports() -> None:
    assert Import("agent/app.py", "agent.routes.gpu", typing_only=False) in IMPORTS
    assert Import("agent/app.py", "agent.simulation", typing_only=False) in IMPORTS
    assert Import("agent/app.py", "agent.settings", typing_only=True) in IMPORTS
    assert Import("agent/sources/nvml.py", "pynvml", typing_only=False) in IMPORTS


def test_every_part_has_its_place() -> None:
    parts = {part_of(".".join(path.relative_to(ROOT).with_suffix("").parts)): path for path in FILES}
    new = [str(path.relative_to(ROOT)) for part, path in parts.items() if part and part not in MAY_IMPORT]

    assert not new, f"what may {', '.join(new)} import? MAY_IMPORT must say"


def test_imports_point_one_way() -> None:
    wrong = [
        found
        for found in OURS
        if (target := part_of(found.module))
        and target not in {found.part, *MAY_IMPORT.get(found.part, set())}
    ]

    assert not wrong, violations(wrong, "against the direction of MAY_IMPORT")


@pytest.mark.parametrize("library", KNOWN_TO)
def test_a_library_is_known_in_its_place_alone(library: str) -> None:
    users = [found for found in THEIRS if found.module.partition(".")[0] == library]
    wrong = [found for found in users if found.part not in KNOWN_TO[library]]

    assert users, f"{library} is used nowhere; remove it here"
    assert not wrong, violations(wrong, f"{library} belongs to {', '.join(sorted(KNOWN_TO[library]))}")


def test_the_web_framework_is_unknown_beneath_the_routes() -> None:
    wrong = [found for found in THEIRS if found.part in WITHOUT_WEB and found.module.partition(".")[0] in WEB]

    assert not wrong, violations(wrong, "a web framework has no business here")


def test_what_is_measured_knows_nothing_of_how_it_is_shown() -> None:
    wrong = [
        found
        for found in THEIRS
        if found.part in WITHOUT_PYDANTIC and found.module.partition(".")[0] == "pydantic"
    ]

    assert not wrong, violations(wrong, "wire shapes belong to views and routes")


def test_only_declared_libraries_are_imported() -> None:
    declared = KNOWN_TO.keys() | WEB | {"pydantic"}
    wrong = [
        found
        for found in THEIRS
        if (library := found.module.partition(".")[0]) not in sys.stdlib_module_names
        and library not in declared
    ]

    assert not wrong, violations(wrong, "not one of our dependencies, or not in this test's tables yet")


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"d", "e"}}

    assert circles(graph) == {frozenset("abc"), frozenset("d")}


def test_no_modules_import_each_other_not_even_for_a_type_checker() -> None:
    found = circles(imported_modules())
    new = [" <-> ".join(sorted(circle)) for circle in found - CIRCLES_STILL_ALLOWED]
    gone = [" <-> ".join(sorted(circle)) for circle in CIRCLES_STILL_ALLOWED - found]

    assert not new, "these import each other, by one way or another:\n" + "\n".join(new)
    assert not gone, "no circles any more; take them out of CIRCLES_STILL_ALLOWED:\n" + "\n".join(gone)


def test_only_the_program_itself_ends_the_process_by_force() -> None:
    """main.py may, once all is flushed; whoever imports `agent` keeps their process."""
    users = [
        str(path.relative_to(ROOT))
        for path in [*FILES, ROOT / "main.py"]
        if re.search(r"\b(os\._exit|_exit\(|abort\(|SIGKILL)", path.read_text())
    ]
    assert users == ["main.py"]


# The rooms that have a file for each subject.
ROOMS = {
    "readings": "agent/readings/gpu",
    "sources": "agent/sources/gpu",
    "views": "agent/views/gpu",
    "metrics": "agent/views/prometheus",
}
EVERY_ROOM = frozenset(ROOMS)

# Subject -> the rooms that need a file of its name. GpuReading has a field of the same name, but for XIDs.
SUBJECTS: dict[str, frozenset[str]] = {
    "clocks": EVERY_ROOM,
    "engines": EVERY_ROOM,
    "fans": EVERY_ROOM,
    "gpm": EVERY_ROOM,
    "identity": EVERY_ROOM,
    "memory": EVERY_ROOM,
    "memory_errors": EVERY_ROOM,
    "mig": EVERY_ROOM,
    "modes": EVERY_ROOM,
    "nvlink": EVERY_ROOM,
    "pcie": EVERY_ROOM,
    "power": EVERY_ROOM,
    "processes": EVERY_ROOM,
    "recovery": EVERY_ROOM - {"views"},  # /gpu shows the finding that it makes
    "thermal": EVERY_ROOM,
    "utilization": EVERY_ROOM,
    "xid": EVERY_ROOM,
}
# Room -> what else is in it: what puts the subjects together, and what they share.
BESIDE_SUBJECTS: dict[str, set[str]] = {
    "readings": set(),
    "sources": {"fields", "once", "paces"},
    "views": {"activity", "detail", "device"},
    "metrics": {"agent", "families", "gpus", "health", "users"},
}


def is_empty(path: Path) -> bool:
    """Whether a module defines nothing: a docstring and imports at most."""
    statements = ast.parse(path.read_text()).body
    return not any(
        isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign)
        for statement in statements
    )


@pytest.mark.parametrize("room", ROOMS)
def test_a_subject_has_a_file_in_each_room_that_it_needs(room: str) -> None:
    folder = ROOMS[room]
    needed = {subject for subject, rooms in SUBJECTS.items() if room in rooms}
    there = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"} - BESIDE_SUBJECTS[room]

    empty = {name for name in needed & there if is_empty(ROOT / folder / f"{name}.py")}
    wrong = {
        "is missing: add it, or say in SUBJECTS that the subject does not need it": needed - there,
        "is of no subject: name it in SUBJECTS, or in BESIDE_SUBJECTS": there - needed,
        "is empty: take it away, and say in SUBJECTS that the subject does not need it": empty,
    }
    problems = [f"{folder}/{name}.py {why}" for why, names in wrong.items() for name in sorted(names)]
    assert not problems, "\n".join(problems)


def test_a_reading_has_a_field_for_each_subject() -> None:
    fields = {field.name for field in dataclasses.fields(GpuReading)} - {"sampled_at", "sampled_monotonic"}

    assert fields == SUBJECTS.keys() - {"xid"}, "GpuReading, in agent/readings/gpu/__init__.py, and SUBJECTS"
