"""A test that skips fails in CI."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.packaging.commands import run
from tests.support.agents import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """
import pytest

@pytest.mark.skipif(True, reason="by a mark")
def test_skips_by_a_mark(): pass

def test_skips_by_itself():
    pytest.skip("by itself")

@pytest.mark.xfail(reason="known")
def test_is_expected_to_fail():
    assert False

@pytest.mark.gpu
def test_needs_a_gpu():
    pytest.skip("no GPU")

def test_passes(): pass
"""


def summary_of(tests: str, folder: Path, *, ci: str) -> str:
    """The last line of a pytest run with the plugin."""
    (folder / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = gpu\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.packaging.ci_skips", "-p", "no:cacheprovider"]
    output = run(command, folder, CI=ci, PYTHONPATH=str(ROOT), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1").stdout
    return output.splitlines()[-1].strip("= ").partition(" in ")[0]


def test_in_ci_only_a_test_that_needs_a_gpu_may_skip(tmp_path: Path) -> None:
    assert summary_of(TESTS, tmp_path, ci="true") == "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error"


def test_in_ci_a_whole_file_that_skips_fails(tmp_path: Path) -> None:
    assert summary_of('import pytest\npytest.importorskip("no_such")\n', tmp_path, ci="true") == "1 error"


def test_outside_of_ci_tests_that_cannot_run_may_skip(tmp_path: Path) -> None:
    assert summary_of(TESTS, tmp_path, ci="") == "1 passed, 3 skipped, 1 xfailed"
