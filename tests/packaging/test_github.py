"""The workflows and the issue forms are valid for GitHub, and the workflows publish nothing."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.packaging.commands import succeed
from tests.packaging.test_requirements import SUPPORTED
from tests.support.agents import ROOT
from tests.support.groups import needs_slow

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SCHEMAS = {
    **dict.fromkeys(WORKFLOWS, "vendor.github-workflows"),
    ROOT / ".github/ISSUE_TEMPLATE/bug.yml": "vendor.github-issue-forms",
    ROOT / ".github/ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
}


def jobs(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows" / name).read_text())["jobs"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("path", "schema"), SCHEMAS.items(), ids=lambda value: str(value).rpartition("/")[2])
def test_each_file_is_valid_by_its_schema(path: Path, schema: str) -> None:
    needs_slow("check_jsonschema")
    succeed([sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)], ROOT)


def test_each_file_has_a_schema() -> None:
    assert set((ROOT / ".github").rglob("*.yml")) == set(SCHEMAS)


def test_the_quick_suite_runs_on_each_supported_python_and_machine() -> None:
    matrix = jobs("tests.yml")["quick"]["strategy"]["matrix"]
    machines = {"ubuntu-24.04": "x86_64", "ubuntu-24.04-arm": "aarch64"}
    assert {
        f"{python}-{machines[runner]}" for python in matrix["python"] for runner in matrix["runner"]
    } == set(SUPPORTED)


def test_the_workflow_runs_the_script_of_ci() -> None:
    assert jobs("tests.yml")["all"]["steps"][-1] == {"run": ".ci/run"}


def test_a_release_is_built_only_after_the_tests() -> None:
    release = jobs("release.yml")
    assert release["tests"] == {"uses": "./.github/workflows/tests.yml"}
    assert [release[job]["needs"] for job in ("wheel", "image")] == ["tests", "tests"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_read_permission_only_and_publishes_nothing(path: Path) -> None:
    text = path.read_text()
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    assert not re.search(r"secrets\.|docker (push|login)|uv publish|twine|permissions: write", text)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_shell_command_contains_an_expression_of_github(path: Path) -> None:
    """The name of a branch or a tag reaches a shell as a variable, never as text of the script."""
    steps = [step for job in jobs(path.name).values() for step in job.get("steps", ())]
    assert [step["run"] for step in steps if "${{" in step.get("run", "")] == []


def test_the_bug_form_requires_the_documents_that_can_be_replayed() -> None:
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text())
    required = [
        part["attributes"]["label"] for part in form["body"] if part.get("validations", {}).get("required")
    ]
    labels = " ".join(required)
    assert "--check --json" in labels
    assert "nvidia-smi -q -x" in labels
