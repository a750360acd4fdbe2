"""`.ci/run` runs all checks, and no committed file names the host of a package registry."""

from __future__ import annotations

import re

import pytest

from tests.packaging.commands import succeed
from tests.support.agents import ROOT

SCRIPT = (ROOT / ".ci/run").read_text()


def test_the_script_of_ci_has_no_syntax_error() -> None:
    succeed(["bash", "-n", ".ci/run"], ROOT)


@pytest.mark.parametrize(
    "step",
    [
        "uv run --group lint ruff check",
        "uv run --group lint ruff format --check",
        "uv run --group lint --group slow mypy",
        "in_a_new_clone uv build --quiet",
        "timeout 36m uv run --group slow pytest -n 2 --dist loadfile -m 'slow and not measures'",
        "timeout 12m uv run --group slow pytest -n 0 -m measures",
    ],
)
def test_ci_runs_each_check(step: str) -> None:
    assert f"\nstep {step}\n" in SCRIPT


def test_the_slow_suite_is_the_last_step_of_ci_so_that_its_summary_ends_the_output() -> None:
    assert re.findall(r"^step (.*)$", SCRIPT, re.MULTILINE)[-1].endswith("pytest -n 0 -m measures")


def test_the_commands_of_the_readme_run_before_ci_installs_anything() -> None:
    """They run in their own folders: a newcomer has neither uv nor the packages of this checkout."""
    readme = [SCRIPT.index("\nstep in_a_new_clone serves "), SCRIPT.index("\nstep in_a_new_clone timeout ")]
    assert max(readme) < SCRIPT.index("pip install --quiet uv")


def test_the_time_limits_of_the_steps_add_up_to_less_than_an_hour() -> None:
    minutes = [int(minutes) for minutes in re.findall(r"timeout (?:--\S+ )*(\d+)m ", SCRIPT)]
    assert len(minutes) == 4
    assert sum(minutes) < 60


def test_no_committed_file_names_the_host_of_a_registry() -> None:
    hosts = [
        "pypi" + ".org",
        "python" + "hosted.org",
        "npm" + "js.org",
        "npm" + "js.com",
        "deb." + "debian.org",
    ]
    listed = succeed(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], ROOT)
    files = [ROOT / name for name in filter(None, listed.split("\0"))]
    named = [
        (str(file.relative_to(ROOT)), host)
        for file in files
        if file.is_file()
        for host in hosts
        if host.encode() in file.read_bytes()
    ]
    assert named == []
