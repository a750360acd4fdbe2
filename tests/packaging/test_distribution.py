"""The wheel, the source archive and the checkout: each installs and serves with the documented commands."""

from __future__ import annotations

import re
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from agent import __version__
from tests.packaging.commands import run, serving, succeed
from tests.packaging.dockerfile import context
from tests.support import loopback
from tests.support.agents import ROOT, clean_environ, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.agents import Process

pytestmark = pytest.mark.slow

STREAM_END = 2.0  # seconds from SIGTERM to the end, streams open
NAME = f"nvidia_smi_web_agent-{__version__}"
# The image and the archives contain the same files of the package: all except byte code.
PACKAGE = {str(path) for path in context(ROOT, "agent")}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive. The wheel is built from the source archive."""
    folder = tmp_path_factory.mktemp("archives")
    built = run(["uv", "build", "--out-dir", str(folder)], ROOT)
    assert built.returncode == 0, built.stderr
    assert "warning" not in built.stderr.lower()
    return folder


def test_the_wheel_contains_only_the_package_and_the_program_of_its_command(
    archives: Path,
) -> None:
    with zipfile.ZipFile(archives / f"{NAME}-py3-none-any.whl") as wheel:
        names = {name for name in wheel.namelist() if not name.startswith(f"{NAME}.dist-info/")}
    assert names == PACKAGE | {"main.py"}
    assert "agent/simulation/__init__.py" in names


def test_the_wheel_requires_exactly_the_runtime_dependencies(archives: Path) -> None:
    """`uv tool install .` and pip install these for it."""
    with zipfile.ZipFile(archives / f"{NAME}-py3-none-any.whl") as wheel:
        metadata = wheel.read(f"{NAME}.dist-info/METADATA").decode()
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    brought = re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE)
    assert {Requirement(text) for text in brought} == {Requirement(text) for text in declared}


def test_the_source_archive_contains_the_package_its_documents_and_the_pins(archives: Path) -> None:
    with tarfile.open(archives / f"{NAME}.tar.gz") as archive:
        names = {str(PurePosixPath(name).relative_to(NAME)) for name in archive.getnames()}
    beside = {"main.py", "README.md", "CHANGELOG.md", "LICENSE", "requirements.txt", "pyproject.toml"}
    assert names - PACKAGE == beside | {"PKG-INFO", ".gitignore"}
    assert PACKAGE - names == set()


def test_the_wheel_runs_and_serves_under_the_pinned_versions(archives: Path, tmp_path: Path) -> None:
    succeed(["uv", "venv", "--python", sys.executable, "venv"], tmp_path)
    wheel = archives / f"{NAME}-py3-none-any.whl"
    install = [
        "uv",
        "pip",
        "install",
        "--python",
        str(tmp_path / "venv"),
        "--constraints",
        "requirements.txt",
    ]
    succeed([*install, str(wheel)], ROOT)
    script = str(tmp_path / "venv/bin/nvidia-smi-web-agent")
    assert succeed([script, "--version"], tmp_path) == f"nvidia-smi-web-agent {__version__}\n"
    port = free_port()
    command = [script, "--simulate", "2", "--host", "127.0.0.1", "--port", str(port)]
    with serving(command, tmp_path, f"http://127.0.0.1:{port}", clean_environ()) as agent:
        assert loopback.get(f"{agent.url}/count").json() == {"code": 0, "data": 2}
        assert agent.stop() == 0
    refused = run(["/bin/sh", "-c", f"{script} --port x >&- 2>&-"], tmp_path)
    assert (refused.returncode, refused.stderr) == (2, "")


@pytest.fixture
def from_checkout(tmp_path: Path) -> Iterator[Process]:
    """`pip install -r requirements.txt && uvicorn main:app --port …`"""
    for name in ["main.py", "requirements.txt", *PACKAGE]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    succeed([sys.executable, "-m", "venv", "venv"], tmp_path)
    succeed(["venv/bin/pip", "install", "--quiet", "-r", "requirements.txt"], tmp_path)
    port = free_port()
    command = ["venv/bin/uvicorn", "main:app", "--port", str(port)]
    environ = {**clean_environ(), "SIMULATE_GPUS": "2"}
    with serving(command, tmp_path, f"http://127.0.0.1:{port}", environ) as agent:
        yield agent


def test_a_checkout_with_pip_and_uvicorn_serves_and_ends_on_sigterm_with_streams_open(
    from_checkout: Process,
) -> None:
    agent = from_checkout
    assert loopback.get(f"{agent.url}/count").json() == {"code": 0, "data": 2}
    with (
        loopback.stream("GET", f"{agent.url}/gpu/stream") as one,
        loopback.stream("GET", f"{agent.url}/gpu/stream?interval=0.5") as other,
    ):
        streams = [stream.iter_lines() for stream in (one, other)]
        for lines in streams:
            next(lines)
        agent.popen.terminate()
        for lines in streams:
            list(lines)  # raises if the body has no proper end
    agent.popen.wait(STREAM_END)
