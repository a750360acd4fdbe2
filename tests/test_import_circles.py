"""No modules of agent/ import each other, not even for a type checker."""

from __future__ import annotations

import re

from tests.test_imports import FILES, ROOT, ours

BY_NAME = "agent.routes"  # it imports the files in it by their names, which no import statement shows


def imported_modules() -> dict[str, set[str]]:
    """For each module of agent/ the modules that it imports, including those for a type checker.

    An import also loads the packages of the module, except those that contain the importer.
    """
    graph: dict[str, set[str]] = {}
    for found in ours():
        parts = found.module.split(".")
        packages = {".".join(parts[:length]) for length in range(1, len(parts))}
        graph.setdefault(found.importer, set()).update(
            {found.module},
            {package for package in packages if not f"{found.importer}.".startswith(f"{package}.")},
        )
    graph[BY_NAME] |= {module for module in graph if module.startswith(f"{BY_NAME}.")}
    return graph


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """The sets of modules that import each other, directly or indirectly."""
    reached = {module: reach(module, graph) for module in graph}
    return {
        frozenset(other for other in reached[module] if module in reached.get(other, ()))
        for module in graph
        if module in reached[module]
    }


def reach(start: str, graph: dict[str, set[str]]) -> set[str]:
    """All modules that `start` imports, directly or indirectly."""
    reached: set[str] = set()
    ahead = [start]
    while ahead:
        new = graph.get(ahead.pop(), set()) - reached
        reached |= new
        ahead += new
    return reached


def test_circular_imports_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"d", "e"}}

    assert circles(graph) == {frozenset("abc"), frozenset("d")}


def test_only_the_routes_are_imported_by_name() -> None:
    users = [
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in FILES
        if re.search(r"\b(import_module|__import__|find_spec|run_module)\b", path.read_text())
    ]

    assert set(users) == {BY_NAME}, "a module imported by name must be in the graph of this file"


def test_no_modules_import_each_other_even_for_a_type_checker() -> None:
    found = [" <-> ".join(sorted(circle)) for circle in circles(imported_modules())]

    assert not found, "these import each other, by one way or another:\n" + "\n".join(found)
