"""The README and its commands, and the commands of docs/."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess

import pytest
import yaml

from agent.settings import documented
from tests.support.agents import ROOT, agent_process, wait_until
from tests.support.documents import commands

# Not docs/kubernetes.md, whose commands need a cluster, and docs/recipes.md, which has its own test.
WITH_COMMANDS = [
    "README.md",
    *(f"docs/{name}.md" for name in ("api", "authentication", "install", "simulation")),
]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 250, (
        "README.md: longer texts belong in docs/"
    )


def test_every_document_is_linked_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for document in (ROOT / "docs").glob("*.md"):
        assert f"| [docs/{document.name}](docs/{document.name}) |" in readme, "README.md, ## Where to read on"


# The start commands, each with the documented requests for it.
SHOWN = {
    "python3 -m venv .uv && .uv/bin/pip install uv && .uv/bin/uv run main.py": [],
    "uv run main.py --simulate 8": [
        "curl http://localhost:8000/status",
        "curl http://localhost:8000/gpu",
        'curl -N "http://localhost:8000/gpu/stream?interval=1"',
        'curl "http://localhost:8000/processes?idle=1"',
        "curl http://localhost:8000/users",
    ],
    "uv run main.py --simulate tests/hardware/documents/kepler_driver_352.xml": [
        "curl http://localhost:8000/status",
    ],
    "TOKEN=changeme uv run main.py --url-prefix server1": [
        'curl -H "Authorization: changeme" http://localhost:8000/server1/status',
    ],
}
SHOWN_IN_CI = {
    "git clone https://github.com/nvidia-smi-web/agent.git nvidia-smi-web-agent && cd nvidia-smi-web-agent",
    "python3 -m venv .uv && .uv/bin/pip install uv && .uv/bin/uv run pytest",
}
SHOWN_IN_TESTS_HTTP = {
    'curl "http://localhost:8000/usage?days=30&by=user"',
    (
        'until gpus=$(curl -fsS "http://localhost:8000/free?count=2&min_free_memory=20GiB&wait=50&format=plain")'
        "; do sleep 1; done; CUDA_VISIBLE_DEVICES=$gpus python train.py"
    ),
}
SHOWN_IN_TESTS_PACKAGING = {
    "docker compose up --detach",
    "openssl rand -hex 32 | sudo install --owner=10001 --mode=0400 /dev/stdin token",
    'curl -H "Authorization: $(sudo cat token)" http://localhost:8008/gpu',
    "docker build -t nvidia-smi-web-agent .",
    "uv tool install --constraints requirements.txt . && nvidia-smi-web-agent --version",
    "uv venv venv",
    (
        "uv pip install --python venv --constraints requirements.txt ."
        " && venv/bin/nvidia-smi-web-agent --version"
    ),
    "uv pip install --python venv --constraints requirements.txt nvidia_smi_web_agent-0.1.0-py3-none-any.whl",
    "pip install -r requirements.txt && uvicorn main:app --port 8008",
}


def docker_run() -> str:
    return next(command for command in commands("docs/install.md") if command.startswith("docker run "))


def test_every_documented_command_is_tested() -> None:
    requests = {request for requests in SHOWN.values() for request in requests}
    shown = set(SHOWN) | requests | SHOWN_IN_CI | SHOWN_IN_TESTS_HTTP | SHOWN_IN_TESTS_PACKAGING
    shown |= {docker_run()}
    known = {command for document in WITH_COMMANDS for command in commands(document)}
    assert shown == known, (
        "a command of README.md and docs/ stands in SHOWN (tests/test_readme.py) or its kin"
    )


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    "start",
    [
        pytest.param(start, marks=pytest.mark.slow if place else (), id=start)
        for place, start in enumerate(SHOWN)
    ],
)
def test_each_documented_start_command_and_its_requests_work(start: str) -> None:
    """Only the port is changed. Without a GPU here, the answer is at least the agent's own error."""
    words = shlex.split(start.split("&& ")[-1])
    at = words.index("main.py")
    environ = dict(word.split("=") for word in words[:at] if "=" in word)
    arguments = words[at + 1 :]
    prefix = "/server1" if "server1" in arguments else ""
    with agent_process(*arguments, prefix=prefix, **environ) as agent:
        address = agent.url.removesuffix(prefix)
        if "--simulate" in arguments:
            wait_until(lambda: agent.get("/count").status_code == 200, "the driver answers")
        for request in SHOWN[start]:
            curl = shlex.split(request.replace("http://localhost:8000", address))
            with subprocess.Popen(  # noqa: S603  (the documents' own command)
                [*curl, "--silent", "--max-time", "10"], stdout=subprocess.PIPE, text=True
            ) as asking:
                assert asking.stdout is not None
                shown = json.loads(asking.stdout.readline().removeprefix("data: "))
                asking.kill()  # otherwise a stream would go on
            assert shown.get("code", 0) in ((0,) if "--simulate" in arguments else (0, 2)), shown


def test_docker_run_uses_the_image_and_settings_of_the_project() -> None:
    arguments = shlex.split(docker_run())
    names = {row.name for row in documented()}
    environment = {arguments[at + 1].split("=")[0] for at, word in enumerate(arguments) if word == "-e"}
    assert environment <= names
    assert {"--gpus=all", "--pid=host", "8000:8000"} <= set(arguments)
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["gpu-metrics"]
    assert arguments[-1] == compose["image"]
    mounts = [arguments[at + 1] for at, word in enumerate(arguments) if word == "-v"]
    assert mounts == compose["volumes"]


@pytest.mark.parametrize("end", ["uv run main.py", "uv run pytest"])
def test_ci_runs_the_exact_commands_of_the_readme_for_newcomers(end: str) -> None:
    """`.ci/run` finds these lines by its own patterns."""
    script = (ROOT / ".ci" / "run").read_text()
    (pattern,) = re.findall(rf"grep --max-count=1 --extended-regexp '([^']+{end}\$)' README.md", script)
    found = re.search(pattern, (ROOT / "README.md").read_text(), re.MULTILINE)
    assert found
    (shown,) = (
        command
        for command in commands("README.md")
        if command.startswith("python3") and command.endswith(end)
    )
    assert found.group() == shown
