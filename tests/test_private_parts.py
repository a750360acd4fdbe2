"""Private parts of other libraries: each is used in one file, and a missing one is reported in words."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import pkgutil
import sys
import tomllib
from importlib.metadata import version
from inspect import isclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from fastapi.dependencies.models import Dependant
from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
FILES = sorted(path for folder in ("agent", "benchmarks") for path in (ROOT / folder).rglob("*.py"))

# These names begin with an underscore, but are public.
PUBLIC = frozenset({"os._exit", "_asdict", "_fields", "_make", "_replace"})


class Part(NamedTuple):
    """A private part of a library; `name` as pkgutil.resolve_name takes it."""

    library: str  # the distribution
    name: str
    used_in: str
    otherwise: str  # what happens without it


PARTS = [
    Part(
        "starlette",
        "starlette._utils:get_route_path",
        "agent/http/route_path.py",
        "authentication cannot see the same path as the router",
    ),
    Part(
        "nvitop",
        "nvitop.api.libnvml:_atexit_shutdown",
        "agent/sources/nvml.py",
        "the end of the agent waits 120 seconds for a driver call that hangs",
    ),
    Part(
        "nvitop",
        "nvitop.api.libnvml:_lazy_init",
        "agent/sources/nvml.py",
        "a call begins NVML by nvmlQuery, whose two locks cost more than most calls",
    ),
    Part(
        "nvidia-ml-py",
        "pynvml:_nvmlGetFunctionPointer",
        "agent/sources/nvml.py",
        "no function can be called that pynvml wraps too narrowly, such as the speed of the second fan",
    ),
    *(
        Part(
            "nvidia-ml-py",
            f"pynvml:{name}",
            "agent/simulation/installation.py",
            "a simulated library cannot take the place of the real one",
        )
        for name in ("nvmlLib", "_nvmlLib_refcount", "_nvmlGetFunctionPointer_cache")
    ),
    *(
        Part(
            "nvitop",
            f"nvitop.api.libnvml:{name}",
            "agent/simulation/installation.py",
            "nvitop goes on with what it knows of another library than the simulated one",
        )
        for name in (
            "__flags",
            "__initialized",
            "__shutting_down",
            "__get_memory_info_version_suffix",
            "UNKNOWN_FUNCTIONS",
        )
    ),
    *(
        Part(
            "uvicorn",
            f"uvicorn.protocols.http.httptools_impl:HttpToolsProtocol.{name}",
            "agent/server/protocol.py",
            otherwise,
        )
        for name, otherwise in {
            "_get_upgrade": "a request for a WebSocket cannot be refused",
            "_start_asgi_task": "a request that comes again is not answered",
            "_unsupported_upgrade_warning": "uvicorn logs advice that misleads",
            "_unset_keepalive_if_required": "uvicorn's timer may close a connection within our refusal",
        }.items()
    ),
]

# Fields of Dependant, FastAPI's analysis of a route. They have no underscore, but are undocumented.
OF_A_ROUTE = {
    "call",
    "cookie_params",
    "dependencies",
    "header_params",
    "http_connection_param_name",
    "name",
    "query_params",
    "request_param_name",
}

# The private names that the search finds in each file; no other file uses any.
REACHED = {
    "agent/server/protocol.py": {
        "LimitedHttpProtocol._get_upgrade",
        "LimitedHttpProtocol._start_asgi_task",
        "LimitedHttpProtocol._unset_keepalive_if_required",
        "LimitedHttpProtocol._unsupported_upgrade_warning",
    },
    "agent/http/route_path.py": {"starlette._utils"},
    "agent/simulation/installation.py": {"vars(libnvml)", "vars(pynvml)"},
    "agent/simulation/wire.py": {
        "argument._obj"
    },  # there is no other way to get the target of ctypes.byref()
    "agent/sources/nvml.py": {
        "libnvml._atexit_shutdown",
        "libnvml._lazy_init",
        "pynvml._nvmlGetFunctionPointer",
    },
}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in PUBLIC


def private_imports(node: ast.AST) -> Iterator[str]:
    """`import a._b`, `from a._b import c` and `from a import _b`."""
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        private = [f"{node.module}.{alias.name}" for alias in node.names if is_private(alias.name)]
        modules = private or [str(node.module)]
    else:
        return
    yield from (module for module in modules if any(map(is_private, module.split("."))))


def private_attributes(node: ast.AST) -> Iterator[str]:
    """`a._b`, `getattr(a, "_b")` and, for a library, `vars(a)`, except names of the class itself."""
    if isinstance(node, ast.Attribute) and is_private(node.attr):
        owner = ast.unparse(node.value)
        if owner not in {"self", "cls", "super()"} and f"{owner}.{node.attr}" not in PUBLIC:
            yield f"{owner}.{node.attr}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        match node.func.id, node.args:
            case "getattr" | "setattr" | "hasattr" | "delattr", [of, ast.Constant(str(name)), *_]:
                if is_private(name):
                    yield f"{ast.unparse(of)}.{name}"
            case "vars", [ast.Name()]:
                yield ast.unparse(node)


def own_names(kind: ast.ClassDef) -> set[str]:
    """The methods of a class, and the attributes that it sets on itself or on `self`."""
    methods = {node.name for node in kind.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    values = {
        node.id for node in ast.walk(kind) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return methods | values | {node.attr for node in of_self(kind) if isinstance(node.ctx, ast.Store)}


def of_self(kind: ast.ClassDef) -> Iterator[ast.Attribute]:
    for node in ast.walk(kind):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in {"self", "cls", "super()"}:
            yield node


def inherited(path: Path, tree: ast.Module) -> Iterator[str]:
    """The private names of a base class from another library that a class uses or overrides."""
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for node in ast.walk(tree):
        kind = vars(module).get(node.name) if isinstance(node, ast.ClassDef) else None
        if not isinstance(node, ast.ClassDef) or not isclass(kind):
            continue
        foreign = {name for base in kind.__mro__ if is_foreign(base) for name in vars(base)}
        used = own_names(node) | {attribute.attr for attribute in of_self(node)}
        yield from (f"{node.name}.{name}" for name in used & foreign if is_private(name))


def is_foreign(base: type) -> bool:
    library = base.__module__.partition(".")[0]
    return library not in sys.stdlib_module_names and library not in {"agent", "benchmarks"}


def names_in(tree: ast.Module) -> set[str]:
    return {name for node in ast.walk(tree) for name in (*private_imports(node), *private_attributes(node))}


def reached_from(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(), str(path))
    has_bases = any(isinstance(node, ast.ClassDef) and node.bases for node in ast.walk(tree))
    return names_in(tree) | set(inherited(path, tree) if has_bases else ())


def missing(part: Part) -> str | None:
    """A sentence about a missing part; None if the part exists."""
    try:
        pkgutil.resolve_name(part.name)
    except (ImportError, AttributeError):
        installed = f"{part.library} {version(part.library)}"
        return f"{installed} has no {part.name}: without it {part.otherwise}. See {part.used_in}."
    return None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import uvicorn._types", {"uvicorn._types"}),
        ("from starlette._utils import get_route_path", {"starlette._utils"}),
        ("from pynvml import _nvmlCheckReturn, nvmlInit", {"pynvml._nvmlCheckReturn"}),
        ("from __future__ import annotations", set()),
        ("pynvml._nvmlCheckReturn(0)", {"pynvml._nvmlCheckReturn"}),
        ("self._own + cls._own + super()._own + os._exit + row._asdict() + row.__class__", set()),
        ("getattr(argument, '_obj', 0)", {"argument._obj"}),
        ("vars(pynvml)['nvmlLib']", {"vars(pynvml)"}),
    ],
)
def test_the_search_finds_private_names(code: str, expected: set[str]) -> None:
    found = names_in(ast.parse(code))

    assert found == expected


def test_each_private_part_of_a_library_is_used_in_one_file() -> None:
    found = {str(path.relative_to(ROOT)): names for path in FILES if (names := reached_from(path))}

    assert found == REACHED, (
        "a new one needs a file, a reason there, and lines in PARTS and REACHED (tests/test_private_parts.py)"
    )


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_each_needed_private_part_exists(part: Part) -> None:
    assert not (words := missing(part)), words


def test_a_missing_private_part_is_reported_in_a_sentence() -> None:
    gone = Part("starlette", "starlette._utils:get_nothing", "agent/http/route_path.py", "paths differ")

    assert missing(gone) == (
        f"starlette {version('starlette')} has no starlette._utils:get_nothing: without it paths differ."
        " See agent/http/route_path.py."
    )


def test_starlette_s_router_uses_the_same_paths_as_the_agent() -> None:
    from agent.http.route_path import get_route_path

    routing: dict[str, Any] = vars(importlib.import_module("starlette.routing"))
    assert routing.get("get_route_path") is get_route_path, (
        "Starlette's router no longer takes its paths by starlette._utils.get_route_path:"
        " agent/http/route_path.py must follow it, or authentication and the routes see different paths"
    )


def test_fastapi_has_the_fields_of_a_route_that_the_agent_reads() -> None:
    gone = OF_A_ROUTE - {field.name for field in dataclasses.fields(Dependant)}

    assert not gone, (
        f"a Dependant of fastapi {version('fastapi')} has no {', '.join(sorted(gone))}: which parameters make"
        " an answer is then unknown. See agent/http/cache_key.py and agent/http/parameters.py."
    )


@pytest.mark.parametrize("library", sorted({"fastapi", *(part.library for part in PARTS)}))
def test_a_library_with_needed_private_parts_has_an_upper_version_bound(library: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bounds = {
        requirement.name: {one.operator for one in requirement.specifier}
        for requirement in map(Requirement, project["dependencies"])
    }

    assert "<" in bounds.get(library, ()), f"bound {library} in pyproject.toml: a newer one may lack our part"
