"""Tables and links of README and docs/. A test of one document is beside the tests of its subject."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from agent import __version__
from agent.readings import GpuState
from agent.routes import ENDPOINTS
from agent.settings import documented, scenarios
from agent.sources.gpu import paces
from agent.sources.paced_value import HOST_SLOW_PACE
from tests.support.agents import ROOT, agent_client
from tests.support.documents import anchors, documents, table

if TYPE_CHECKING:
    from pathlib import Path


def test_the_table_of_settings_equals_the_settings_of_the_program() -> None:
    expected = [
        [f"`{row.name}`", f"`{row.default}`" if row.default else "", row.accepted, row.help]
        for row in documented()
    ]
    found = table("docs/settings.md", "# Settings")
    assert expected == found, "docs/settings.md and agent/settings/__init__.py differ"


def test_the_table_of_scenarios_equals_those_of_the_simulation() -> None:
    known = [[f"`{name}`", what] for name, what in scenarios().items()]
    found = table("docs/simulation.md", "## Scenarios")
    assert known == found, "docs/simulation.md, ## Scenarios, and agent/simulation/scenarios.py differ"


@pytest.mark.anyio
async def test_the_documented_answer_of_the_replay_is_exact() -> None:
    document = (ROOT / "docs" / "simulation.md").read_text()
    found = re.search(r"--simulate (\S+\.xml)\n.*?```json\n(.*?)```", document, re.DOTALL)
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
async def test_the_table_of_endpoints_equals_those_of_the_agent() -> None:
    rows = table("docs/api.md", "## Endpoints")
    async with agent_client() as client:
        document = (await client.get("/openapi.json")).json()
    served = {f"`GET {path}`" for path in document["paths"]} | {"`GET /docs`", "`GET /`"}  # for people
    assert served == {row[0] for row in rows}, "docs/api.md, ## Endpoints, needs a row for each"
    access = {path: endpoint.access for endpoint in ENDPOINTS for path in endpoint.paths}
    for path, who, _ in rows:
        assert who == access[path.removeprefix("`GET ").rstrip("`")], path


def test_the_table_of_states_is_complete() -> None:
    documented_names = [row[0] for row in table("docs/api.md", "## What the values mean")]
    assert [f"`{state}`" for state in GpuState] == documented_names, (
        "docs/api.md, ## What the values mean, has each state"
    )


def test_every_pace_slower_than_the_samples_is_documented() -> None:
    documented_names = [row[1] for row in table("docs/api.md", "### How old a value is")]
    known = sorted(
        {*(value for name, value in vars(paces).items() if name.endswith("_PACE")), HOST_SLOW_PACE}
    )
    words = {60: "60 s", 300: "5 minutes", 3600: "an hour"}
    assert [words.get(int(pace), f"{pace:.0f} s") for pace in known] == documented_names, (
        "docs/api.md and paces.py differ"
    )


def test_every_runtime_dependency_has_a_documented_reason() -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = {f"`{dependency.split('>')[0]}`" for dependency in project["dependencies"]}
    documented_names = {row[0] for row in table("docs/how-it-works.md", "## Dependencies")}
    assert required == documented_names, "docs/how-it-works.md, ## Dependencies, says why"


def test_every_folder_of_the_agent_is_documented() -> None:
    folders = {
        f"`agent/{path.name}/`"
        for path in (ROOT / "agent").iterdir()
        if path.is_dir() and path.name != "__pycache__"
    }
    documented_names = {row[0] for row in table("docs/how-it-works.md", "# How it works")}
    assert folders == documented_names, "docs/how-it-works.md has each folder"


def test_the_newest_release_in_the_changelog_is_this_version() -> None:
    releases = re.findall(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert releases[0] == __version__, "CHANGELOG.md and agent/__init__.py differ"


def test_every_example_and_manifest_names_this_version() -> None:
    manifest = ROOT / "deploy" / "kubernetes" / "daemonset.yaml"
    named = {
        version
        for path in (ROOT / "README.md", manifest, *(ROOT / "docs").glob("*.md"))
        for version in re.findall(
            r"(?:web-agent[: ]|web_agent-|git checkout v)(\d+\.\d+\.\d+)", path.read_text()
        )
    }
    assert named == {__version__}


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_an_existing_file_or_heading(document: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        file, _, heading = target.partition("#")
        if target.startswith("https://"):
            continue
        aim = (document.parent / file).resolve() if file else document
        assert aim.exists(), target
        assert not heading or heading in anchors(aim.read_text()), target
