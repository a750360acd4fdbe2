"""What the README promises: its tables and its commands."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from agent.readings import GpuState
from agent.routes import ENDPOINTS
from agent.settings import documented, scenarios
from tests.support.agents import ROOT, agent_client, agent_process

if TYPE_CHECKING:
    from collections.abc import Iterator

README = (ROOT / "README.md").read_text()


def table(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head; `inline code` as it is."""
    below = README.split(f"\n{heading}\n", 1)[1]
    rows = re.search(r"((?:^\|.*\|\n)+)", below, re.MULTILINE)
    assert rows, f"there is a table below {heading}"
    lines = rows.group(1).splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def commands() -> Iterator[str]:
    """Every line of every shell block."""
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL):
        yield from block.strip().splitlines()


def test_the_settings_table_is_what_the_program_knows() -> None:
    expected = [
        [f"`{row.name}`", f"`{row.default}`" if row.default else "", row.accepted, row.help]
        for row in documented()
    ]
    assert expected == table("## Settings"), "README.md, ## Settings, and agent/settings/__init__.py differ"


def test_the_scenarios_table_is_what_the_simulation_knows() -> None:
    known = [[f"`{name}`", what] for name, what in scenarios().items()]
    assert known == table("### Scenarios"), (
        "README.md, ### Scenarios, and agent/simulation/scenarios.py differ"
    )


@pytest.mark.anyio
async def test_the_replay_is_shown_as_it_is_answered() -> None:
    below = README.split("\n### Replay\n", 1)[1]
    found = re.search(r"--simulate (\S+\.xml)\n.*?```json\n(.*?)```", below, re.DOTALL)
    assert found
    async with agent_client(SIMULATE_GPUS=str(ROOT / found[1])) as client:
        answer = (await client.get("/status")).json()
    shown = json.loads(found[2])
    for one in (answer, shown):
        for device in one["data"]["devices"]:
            del device["ts"], device["age_ms"]
    assert answer == shown


@pytest.mark.anyio
@pytest.mark.usefixtures("simulation")
async def test_the_endpoints_table_is_what_the_agent_serves() -> None:
    async with agent_client() as client:
        document = (await client.get("/openapi.json")).json()
    served = {f"`GET {path}`" for path in document["paths"]} | {"`GET /docs`", "`GET /`"}  # for people
    assert served == {row[0] for row in table("## Endpoints")}, (
        "README.md, ## Endpoints, needs a row for each"
    )
    access = {path: endpoint.access for endpoint in ENDPOINTS for path in endpoint.paths}
    for path, who, _ in table("## Endpoints"):
        assert who == access[path.removeprefix("`GET ").rstrip("`")], path


def test_the_states_table_is_complete() -> None:
    told = [row[0] for row in table("### What the values mean")]
    assert [f"`{state}`" for state in GpuState] == told, (
        "README.md, ### What the values mean, needs each state"
    )


def test_every_runtime_dependency_has_its_reason() -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = {f"`{dependency.split('>')[0]}`" for dependency in project["dependencies"]}
    assert required == {row[0] for row in table("## Dependencies")}, "README.md, ## Dependencies, says why"


def test_every_folder_of_the_agent_is_explained() -> None:
    folders = {
        f"`agent/{path.name}/`"
        for path in (ROOT / "agent").iterdir()
        if path.is_dir() and path.name != "__pycache__"
    }
    assert folders == {row[0] for row in table("## How it works")}, "README.md, ## How it works, has each"


def test_every_link_leads_to_a_file_or_a_heading() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in README.splitlines()
        if line.startswith("#")
    }
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert targets
    for target in targets:
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif not target.startswith("https://"):
            assert (ROOT / target).exists(), target


# The README's start commands, each with the requests that it shows for it.
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
    "uv tool install . && nvidia-smi-web-agent --version",
    "pip install -r requirements.txt && uvicorn main:app --port 8008",
}


def docker_run() -> str:
    return next(command for command in commands() if command.startswith("docker run "))


def test_no_command_is_left_unshown() -> None:
    requests = {request for requests in SHOWN.values() for request in requests}
    shown = set(SHOWN) | requests | SHOWN_IN_CI | SHOWN_IN_TESTS_HTTP | SHOWN_IN_TESTS_PACKAGING
    shown |= {docker_run()}
    assert shown == set(commands()), (
        "a command of README.md stands in SHOWN (tests/test_readme.py) or its kin"
    )


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("start", SHOWN, ids=lambda start: start)
def test_a_start_command_and_its_requests_work_as_they_are_written(start: str) -> None:
    """Port apart; without a GPU here, what the agent answers is at least its own sentence."""
    words = shlex.split(start.split("&& ")[-1])
    at = words.index("main.py")
    environ = dict(word.split("=") for word in words[:at] if "=" in word)
    arguments = words[at + 1 :]
    prefix = "/server1" if "server1" in arguments else ""
    with agent_process(*arguments, prefix=prefix, **environ) as agent:
        address = agent.url.removesuffix(prefix)
        for request in SHOWN[start]:
            curl = shlex.split(request.replace("http://localhost:8000", address))
            with subprocess.Popen(  # noqa: S603  (the README's own command)
                [*curl, "--silent", "--max-time", "10"], stdout=subprocess.PIPE, text=True
            ) as asking:
                assert asking.stdout is not None
                shown = json.loads(asking.stdout.readline().removeprefix("data: "))
                asking.kill()  # a stream would go on
            assert shown.get("code", 0) in ((0,) if "--simulate" in arguments else (0, 2)), shown


def test_docker_run_names_what_the_image_and_the_settings_know() -> None:
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
def test_ci_runs_the_readme_s_own_commands_for_newcomers(end: str) -> None:
    """`.ci/run` looks the lines up here by its own patterns."""
    script = (ROOT / ".ci" / "run").read_text()
    (pattern,) = re.findall(rf"grep --max-count=1 --extended-regexp '([^']+{end}\$)' README.md", script)
    found = re.search(pattern, README, re.MULTILINE)
    assert found
    (shown,) = (command for command in commands() if command.startswith("python3") and command.endswith(end))
    assert found.group() == shown
