"""requirements.txt pins exactly the requirements of pyproject.toml, by hash."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from tests.packaging.commands import succeed
from tests.support.agents import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# From the header of the file. The versions in the file stay the same; --upgrade takes the newest.
COMMAND = (
    "uv pip compile --universal --python-version 3.11 --generate-hashes"
    " --output-file requirements.txt pyproject.toml"
)
REFRESH = f"refresh it: {COMMAND}"

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def environment(python: str, platform: str = "linux", machine: str = "x86_64") -> dict[str, str]:
    """The variables of environment markers."""
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


@pytest.mark.parametrize("environ", SUPPORTED.values(), ids=SUPPORTED)
def test_every_runtime_dependency_is_pinned_within_its_declared_range(environ: dict[str, str]) -> None:
    """Only pyproject.toml counts: the file is not wrong because of a newer release."""
    wrong = []
    for requirement in map(Requirement, PYPROJECT["project"]["dependencies"]):
        pin = PINS.get(canonicalize_name(requirement.name))
        if pin is None or not pin.applies(environ):
            wrong.append(f"{requirement} is not pinned")
        elif not requirement.specifier.contains(pin.version, prereleases=True):
            wrong.append(f"{requirement} does not admit {pin.version}")
    assert wrong == [], REFRESH


def test_every_pin_has_sha256_hashes_only() -> None:
    loose = [name for name, pin in PINS.items() if not pin.hashes]
    others = [
        text for pin in PINS.values() for text in pin.hashes if not re.fullmatch("sha256:[0-9a-f]{64}", text)
    ]
    assert (loose, others) == ([], [])


def test_the_file_names_no_url_and_has_the_command_that_made_it() -> None:
    assert "://" not in TEXT
    assert "index-url" not in TEXT
    assert f"#    {COMMAND}\n" in TEXT


@pytest.mark.slow
def test_the_command_in_the_header_makes_the_same_pins_again(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", "agent/__init__.py", "requirements.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    succeed(COMMAND.split(), tmp_path)
    again = parse((tmp_path / "requirements.txt").read_text())
    assert {name: pin.requirement for name, pin in again.items()} == {
        name: pin.requirement for name, pin in PINS.items()
    }, REFRESH
    assert [name for name, pin in PINS.items() if not pin.hashes <= again[name].hashes] == [], REFRESH


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_no_package_has_to_be_compiled(machine: str, python: str, tmp_path: Path) -> None:
    """A slim image and many GPU hosts have no compiler."""
    command = [
        *("uv", "pip", "install", "--dry-run", "--no-config", "--target", str(tmp_path)),
        *("--python-platform", f"{machine}-manylinux_2_28", "--python-version", python),
        *("--only-binary", ":all:", "--require-hashes", "--requirement", "requirements.txt"),
    ]
    succeed(command, ROOT)


@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.11", "3.14"])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_pin_has_a_wheel_for_each_supported_machine(machine: str, python: str, tmp_path: Path) -> None:
    """GH200, GB200 and DGX Spark have Arm processors; nothing is compiled when an image is built."""
    command = ["uv", "pip", "install", "--dry-run", "--only-binary=:all:", "--require-hashes"]
    where = [f"--python-platform={machine}-manylinux_2_28", f"--python-version={python}", "--target=nowhere"]
    succeed([*command, *where, "--requirement", str(ROOT / "requirements.txt")], tmp_path)
