"""requirements.txt pins what pyproject.toml asks for: all of it, nothing else, and by hash."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING, NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from tests.packaging.commands import succeed
from tests.support.agents import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

COMMAND = (
    "uv export --no-dev --no-emit-project --output-file requirements.txt"  # as the file's header says it
)
REFRESH = f"refresh it: {COMMAND}"

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def environment(python: str, platform: str = "linux", machine: str = "x86_64") -> dict[str, str]:
    """What environment markers ask for."""
    return {
        "extra": "",
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "nt" if platform == "win32" else "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": {"linux": "Linux", "win32": "Windows", "darwin": "Darwin"}[platform],
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": platform,
    }


SUPPORTED = {
    f"{python}-{machine}": environment(python, machine=machine)
    for python in ("3.11", "3.12", "3.13", "3.14")
    for machine in ("x86_64", "aarch64")
}
ELSEWHERE = [
    environment("3.11", "win32", "AMD64"),
    environment("3.11", "darwin", "arm64"),
]  # lines for these idle


class Pin(NamedTuple):
    """One line of requirements.txt."""

    requirement: Requirement
    hashes: frozenset[str]

    @property
    def version(self) -> str:
        (only,) = self.requirement.specifier
        assert only.operator == "==", f"{self.requirement} is not exact"
        return only.version

    def applies(self, environ: Mapping[str, str]) -> bool:
        return self.requirement.marker is None or self.requirement.marker.evaluate(dict(environ))


def parse(text: str) -> dict[NormalizedName, Pin]:
    """The lines by package name."""
    text = re.sub(r"\\\n", " ", text)
    pins = {}
    for line in filter(None, (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())):
        head, *hashes = re.split(r"\s+--hash=", line)
        requirement = Requirement(head)
        pins[canonicalize_name(requirement.name)] = Pin(requirement, frozenset(hashes))
    return pins


TEXT = (ROOT / "requirements.txt").read_text()
PINS = parse(TEXT)


def needed(environ: Mapping[str, str]) -> list[Requirement]:
    """Everything that pyproject.toml leads to there, by what the installed packages say they need."""
    found: dict[str, Requirement] = {}
    to_do = [Requirement(text) for text in PYPROJECT["project"]["dependencies"]]
    while to_do:
        requirement = to_do.pop()
        if str(requirement) not in found:
            found[str(requirement)] = requirement
            to_do += asked_by(requirement, environ)
    return list(found.values())


def asked_by(requirement: Requirement, environ: Mapping[str, str]) -> Iterable[Requirement]:
    """What one requirement brings along; nothing if it is not installed, being for another system."""
    try:
        texts = requires(requirement.name) or []
    except PackageNotFoundError:
        return
    for dependency in map(Requirement, texts):
        extras = ["", *requirement.extras]
        if dependency.marker is None or any(
            dependency.marker.evaluate({**environ, "extra": extra}) for extra in extras
        ):
            yield dependency


@pytest.mark.parametrize("environ", SUPPORTED.values(), ids=SUPPORTED)
def test_everything_that_the_agent_needs_is_pinned_within_its_range(environ: dict[str, str]) -> None:
    wrong = []
    for requirement in needed(environ):
        pin = PINS.get(canonicalize_name(requirement.name))
        if pin is None or not pin.applies(environ):
            wrong.append(f"{requirement} is not pinned")
        elif not requirement.specifier.contains(pin.version, prereleases=True):
            wrong.append(f"{requirement} does not admit {pin.version}")
    assert wrong == [], REFRESH


def test_nothing_is_pinned_that_the_agent_does_not_need() -> None:
    wanted = {
        canonicalize_name(requirement.name)
        for environ in [*SUPPORTED.values(), *ELSEWHERE]
        for requirement in needed(environ)
    }
    assert PINS.keys() - wanted == set(), REFRESH


def test_the_tests_run_with_the_versions_that_are_pinned() -> None:
    installed = {name: version(name) for name, pin in PINS.items() if pin.applies(environment("3.11"))}
    assert {name: PINS[name].version for name in installed} == installed, f"uv sync; or {REFRESH}"


def test_every_line_is_held_by_sha256() -> None:
    loose = [name for name, pin in PINS.items() if not pin.hashes]
    others = [
        text for pin in PINS.values() for text in pin.hashes if not re.fullmatch("sha256:[0-9a-f]{64}", text)
    ]
    assert (loose, others) == ([], [])


def test_the_file_names_no_address_and_says_how_it_was_made() -> None:
    assert "://" not in TEXT
    assert "index-url" not in TEXT
    assert f"#    {COMMAND}\n" in TEXT


@pytest.mark.slow
def test_the_command_in_its_header_makes_it_anew(tmp_path: Path) -> None:
    """From pyproject.toml alone, as in a fresh clone, where there is no uv.lock."""
    for name in ("pyproject.toml", "README.md", "LICENSE", "agent/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    succeed(COMMAND.split(), tmp_path)
    assert parse((tmp_path / "requirements.txt").read_text()) == PINS, REFRESH


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_nothing_has_to_be_compiled(machine: str, python: str, tmp_path: Path) -> None:
    """A slim image has no compiler, nor has many a GPU host."""
    command = [
        *("uv", "pip", "install", "--dry-run", "--no-config", "--target", str(tmp_path)),
        *("--python-platform", f"{machine}-manylinux_2_28", "--python-version", python),
        *("--only-binary", ":all:", "--require-hashes", "--requirement", "requirements.txt"),
    ]
    succeed(command, ROOT)
