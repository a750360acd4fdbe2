"""The imports of each file and their time, read from the source, so that no package has to be installed."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from tests.support.agents import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

OURS = {"agent", "benchmarks", "main", "tests"}
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True)
class Source:
    """The imports and the strings of one of our files."""

    loading: set[str] = field(
        default_factory=set
    )  # modules imported when the file is loaded: not in a function, and not only for types
    later: set[str] = field(default_factory=set)  # modules imported later
    programs: set[str] = field(default_factory=set)  # modules imported by programs in its strings
    strings: set[str] = field(default_factory=set)

    @property
    def imports(self) -> set[str]:
        """All modules."""
        return self.loading | self.later | self.programs

    def read(self, node: ast.AST, *, loading: bool) -> None:
        """Add the imports and strings of this node and of all nodes below it."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            self.strings.add(node.value)
            self.programs.update(_imported_by_program(node.value))
        for_typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        loading = loading and not for_typing and not isinstance(node, FUNCTIONS)
        (self.loading if loading else self.later).update(_modules(node))
        for child in ast.iter_child_nodes(node):
            self.read(child, loading=loading)


@cache
def source(path: Path) -> Source:
    """The imports and strings of one file."""
    found = Source()
    found.read(ast.parse(path.read_text("utf-8"), str(path)), loading=True)
    return found


def loaded_with(paths: Iterable[Path]) -> set[Path]:
    """These files, and all our files that are loaded with them."""
    loaded: set[Path] = set()
    todo = list(paths)
    while todo:
        path = todo.pop()
        if path not in loaded:
            loaded.add(path)
            todo += [file for module in source(path).loading for file in _files_of(module)]
    return loaded


def _modules(node: ast.AST) -> Iterator[str]:
    """The modules that this statement imports; for `from a import b`, both a and a.b are possible."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _imported_by_program(text: str) -> set[str]:
    if not re.search(r"^(import|from) ", text, re.MULTILINE):
        return set()
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return set()
    return {module for node in ast.walk(tree) for module in _modules(node)}


@cache
def _files_of(module: str) -> tuple[Path, ...]:
    """Our files that this import loads: the module and the packages that contain it."""
    parts = module.split(".")
    if parts[0] not in OURS:
        return ()
    paths = [ROOT.joinpath(*parts[:length]) for length in range(1, len(parts) + 1)]
    files = [file for path in paths for file in (path.with_suffix(".py"), path / "__init__.py")]
    return tuple(file for file in files if file.is_file())
