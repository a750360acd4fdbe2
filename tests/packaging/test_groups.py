"""The groups in which pyproject.toml declares packages, so that most installations are small.

The agent needs only the runtime dependencies. The quick suite also needs the group `dev`, which uv installs
by default. Loading a test file may need no other package, even if its tests are slow. Other packages are
imported by a fixture or a function of a slow test, or by a file that only slow tests load.
"""

from __future__ import annotations

import re
import sys
import tomllib
from functools import cache
from importlib.metadata import requires
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.imports import OURS, loaded_with, source
from tests.support.agents import ROOT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = "dependencies"
GROUPS = {
    group: {canonicalize_name(Requirement(text).name) for text in declared}
    for group, declared in {
        RUNTIME: PYPROJECT["project"]["dependencies"],
        **PYPROJECT["dependency-groups"],
    }.items()
}

# Import packages whose name differs from the name of the package to install.
INSTALLED_AS = {"dotenv": "python-dotenv", "pynvml": "nvidia-ml-py", "yaml": "pyyaml"}
# Packages that are not declared, because they always come with a declared one.
COMES_WITH = {
    "anyio": "starlette",
    "nvidia-ml-py": "nvitop",
    "pydantic": "fastapi",
    "starlette": "fastapi",
    "typing-extensions": "fastapi",
}
# Packages that are used without an import, with a file and a text that show the use.
USED_BY = {
    "gunicorn": ("tests/server/test_single_worker.py", "/gunicorn"),
    "httptools": ("agent/server/protocol.py", "uvicorn.protocols.http.httptools_impl"),
    "pytest-xdist": ("pyproject.toml", " -n 3 --dist "),
}

AGENT = [ROOT / "main.py", *(ROOT / "agent").rglob("*.py")]
TESTS = [*(ROOT / "tests").rglob("*.py")]
BENCHMARKS = [*(ROOT / "benchmarks").rglob("*.py")]


@cache
def loaded() -> set[Path]:
    """The files that the quick suite loads: those with tests, slow ones alone or not, and what they load."""
    names = re.compile(r"test_.*|conftest|ci_skips")  # the last is a plugin
    return loaded_with(path for path in TESTS if names.fullmatch(path.stem))


def package_of(module: str) -> str | None:
    """The package to install for an import; None if no package is needed."""
    top = module.partition(".")[0]
    if top in OURS or top in sys.stdlib_module_names:
        return None
    return INSTALLED_AS.get(top, str(canonicalize_name(top)))


def missing(imports: Iterable[tuple[Path, str]], groups: Collection[str], *, remedy: str) -> list[str]:
    """One sentence for each imported package that none of these groups has."""
    allowed = set().union(*(GROUPS[group] for group in groups))
    sentences = set()
    for path, module in imports:
        package = package_of(module)
        if package is not None and COMES_WITH.get(package, package) not in allowed:
            has = [group for group, packages in GROUPS.items() if package in packages]
            where = f"is in {has[0]!r}" if has else "is nowhere"
            file = path.relative_to(ROOT)
            sentences.add(f"{file} imports {package}, which {where} in pyproject.toml: {remedy}")
    return sorted(sentences)


def test_the_agent_imports_only_runtime_dependencies() -> None:
    imports = [(path, module) for path in AGENT for module in source(path).imports]
    remedy = "declare it there in [project] dependencies, or do without"
    assert missing(imports, [RUNTIME], remedy=remedy) == []


def test_packages_of_the_quick_suite_are_in_dev_and_all_others_of_tests_in_dev_or_slow() -> None:
    at_once = [(path, module) for path in loaded() for module in source(path).loading]
    remedy = (
        "declare it there in the group dev; or, if only slow tests need it, in the group slow, and import it"
        " in a fixture after tests.support.groups.needs_slow"
    )
    assert missing(at_once, [RUNTIME, "dev"], remedy=remedy) == []

    all_of_it = [(path, module) for path in [*TESTS, *BENCHMARKS] for module in source(path).imports]
    remedy = "declare it there in the group slow, or in dev if a quick test needs it"
    assert missing(all_of_it, [RUNTIME, "dev", "slow"], remedy=remedy) == []


def test_each_package_is_used_by_the_part_that_declares_it() -> None:
    """Otherwise, packages that only slow tests use would be installed for everybody."""
    ours, quick, every = (
        [source(path) for path in paths] for paths in (AGENT, loaded(), [*TESTS, *BENCHMARKS])
    )
    assert USED_BY.keys() <= set[str]().union(*GROUPS.values())
    by_others = {package for package, (file, text) in USED_BY.items() if text in (ROOT / file).read_text()}
    used = {
        RUNTIME: packages_of(*(one.imports | one.strings for one in ours)),  # uvicorn takes names
        "dev": packages_of(*(one.loading | one.programs for one in quick)),
        "slow": packages_of(*(one.imports | one.strings for one in every)),  # or a command line
    }
    idle = [
        f"{package} is in {group!r} of pyproject.toml, and {user} uses it: {remedy}"
        for group, user, remedy in (
            (RUNTIME, "nothing in agent/", "take it out"),
            ("dev", "no quick test", "move it to the group slow, or take it out"),
            ("slow", "no test and no benchmark", "take it out"),
        )
        for package in sorted(GROUPS[group] - used[group] - by_others)
    ]
    assert idle == []


def packages_of(*modules: set[str]) -> set[str]:
    return {package for module in set[str]().union(*modules) if (package := package_of(module))}


def test_each_package_of_lint_is_a_step_of_ci_or_has_the_types_of_another_package() -> None:
    script = (ROOT / ".ci/run").read_text()
    steps = re.findall(r"^step uv run --group lint (?:--group slow )?(\w+)", script, re.MULTILINE)
    types = {f"types-{package}" for group in (RUNTIME, "dev", "slow") for package in GROUPS[group]}
    idle = [
        f".ci/run has no step that runs {package}: take it out of the group lint in pyproject.toml"
        for package in GROUPS["lint"] - set(steps) - types
    ]
    assert idle == []


def test_no_package_is_declared_twice() -> None:
    declared = [package for packages in GROUPS.values() for package in packages]
    twice = {package for package in declared if declared.count(package) > 1}
    assert twice == set(), f"pyproject.toml has {', '.join(sorted(twice))} in two places"


def test_uv_installs_only_the_group_dev_by_default() -> None:
    assert set(GROUPS) == {RUNTIME, "dev", "lint", "slow"}
    assert "default-groups" not in PYPROJECT["tool"]["uv"]
    assert "optional-dependencies" not in PYPROJECT["project"]


@pytest.mark.parametrize(("package", "other"), COMES_WITH.items())
def test_a_package_that_is_not_declared_is_required_by_a_declared_one(package: str, other: str) -> None:
    assert package in {canonicalize_name(Requirement(text).name) for text in requires(other) or ()}
