"""The packages and the size of an installation, by the commands of the documents and of the systemd unit."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.utils import NormalizedName, canonicalize_name

from agent import __version__
from tests.packaging.commands import succeed
from tests.packaging.dockerfile import context
from tests.packaging.test_groups import GROUPS, RUNTIME
from tests.packaging.test_requirements import PINS
from tests.support.agents import ROOT
from tests.support.documents import commands

pytestmark = pytest.mark.slow


def copy_project(folder: Path) -> None:
    """Copy the files from which the project is built: the package, and the files that describe it."""
    described = ("pyproject.toml", "README.md", "LICENSE", "main.py", "requirements.txt")
    for file in [*map(Path, described), *context(ROOT, "agent")]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes((ROOT / file).read_bytes())


def packages_and_mebibytes(folder: Path) -> tuple[set[str], float]:
    """The packages of the environment `.venv` in this folder, and its MiB."""
    listed = succeed(["uv", "pip", "list", "--quiet", "--python", ".venv", "--format", "freeze"], folder)
    names = {str(canonicalize_name(re.split(r"[=@ ]", line)[0])) for line in listed.splitlines()}
    kibibytes = succeed(["du", "--summarize", "--block-size=1K", ".venv"], folder).split()[0]
    return names - {"nvidia-smi-web-agent"}, int(kibibytes) / 1024


def test_uv_sync_installs_no_browser_and_no_type_checker(tmp_path: Path) -> None:
    copy_project(tmp_path)
    environment = {"UV_PROJECT_ENVIRONMENT": ".venv", "VIRTUAL_ENV": ""}
    succeed(["uv", "sync", "--compile-bytecode"], tmp_path, **environment)  # as after the first start
    packages, mebibytes = packages_and_mebibytes(tmp_path)
    assert packages & (GROUPS["lint"] | GROUPS["slow"]) == set()
    assert GROUPS[RUNTIME] | GROUPS["dev"] <= packages
    assert mebibytes <= 85


def install_as_the_unit_says(folder: Path) -> None:
    """Run the commands in the comments of the unit that make the environment."""
    unit = (ROOT / "nvidia-smi-web-agent.example.service").read_text()
    commands = re.findall(r"^# +(?:UV_PYTHON_INSTALL_DIR=\S+ )?(uv .*)$", unit, re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["venv", "pip"]
    for command in commands:
        succeed(command.split(), folder, VIRTUAL_ENV="")


def test_the_installation_of_the_unit_has_the_packages_of_the_image(tmp_path: Path) -> None:
    """These are the pinned runtime dependencies with all that they require, and no group."""
    copy_project(tmp_path)
    install_as_the_unit_says(tmp_path)
    here = {name: str(value) for name, value in default_environment().items()}
    packages, mebibytes = packages_and_mebibytes(tmp_path)
    assert packages == {name for name, pin in PINS.items() if pin.applies(here)}
    assert mebibytes <= 48


def test_the_installation_of_the_unit_refuses_a_package_with_another_hash(tmp_path: Path) -> None:
    copy_project(tmp_path)
    pins = tmp_path / "requirements.txt"
    pins.write_text(re.sub(r"(?<=sha256:)....", "0000", pins.read_text()))
    with pytest.raises(AssertionError, match="Hash mismatch"):
        install_as_the_unit_says(tmp_path)


@pytest.mark.parametrize("start", ["uv pip install --python venv --constraints", "uv tool install"])
def test_each_documented_command_installs_the_pinned_versions_and_once_more_upgrades(
    start: str, tmp_path: Path
) -> None:
    documented = [*commands("docs/install.md")]
    (command, *_) = (line for line in documented if line.startswith(start))
    copy_project(tmp_path)
    environment = {"UV_TOOL_DIR": "tools", "UV_TOOL_BIN_DIR": "bin", "PATH": f"bin:{os.environ['PATH']}"}
    if "--python venv" in command:
        before = documented[documented.index(command) - 1]
        assert before == "uv venv venv"
        succeed(before.split(), tmp_path)
    for version in (__version__, f"{__version__}.post1"):
        (tmp_path / "agent" / "__init__.py").write_text(f'__version__ = "{version}"\n')
        output = succeed(["sh", "-ec", command], tmp_path, **environment)
        assert output == f"nvidia-smi-web-agent {version}\n"
    (environ,) = (path.parent for path in tmp_path.rglob("pyvenv.cfg"))
    listed = succeed(["uv", "pip", "freeze", "--quiet", "--python", str(environ)], tmp_path).split()
    installed = dict(line.split("==") for line in listed if "==" in line)
    assert len(installed) > 15
    assert {name: PINS[NormalizedName(name)].version for name in installed} == installed


def test_the_wheel_replaces_an_installation_from_a_checkout(tmp_path: Path) -> None:
    """The documented lines of one environment work in turn, as someone may run them."""
    documented = [*commands("docs/install.md")]
    first = documented.index("uv venv venv")
    wheel = documented[first + 2].split()[-1]
    copy_project(tmp_path)
    succeed(["uv", "build", "--quiet", "--wheel", "--out-dir", "."], tmp_path)
    for command in documented[first : first + 3]:
        succeed(["sh", "-ec", command], tmp_path)
    listed = succeed(["uv", "pip", "freeze", "--quiet", "--python", "venv"], tmp_path)
    assert f"nvidia-smi-web-agent @ file://{tmp_path}/{wheel}\n" in listed
