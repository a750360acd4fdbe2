"""Whether the driver's pids are those of this namespace, from links in /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from agent.sources.pid_namespace import INITIAL, has_gpu_open, is_initial

if TYPE_CHECKING:
    from pathlib import Path


def link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param(INITIAL, True, id="on the host, or with --pid=host"),
        pytest.param("pid:[4026532281]", False, id="in a container"),
        pytest.param(None, True, id="a kernel without PID namespaces"),
    ],
)
def test_the_initial_namespace_is_recognized_by_its_number(
    tmp_path: Path, target: str | None, expected: bool
) -> None:
    if target is not None:
        link(tmp_path / "self/ns/pid", target)
    assert expected == is_initial(str(tmp_path))


def test_an_unreadable_namespace_is_not_the_initial_one(tmp_path: Path) -> None:
    (tmp_path / "self/ns/pid").mkdir(parents=True)  # exists, but is no link
    assert not is_initial(str(tmp_path))


def test_a_namespace_made_with_unshare_is_not_the_initial_one() -> None:
    code = "from agent.sources.pid_namespace import is_initial; print(is_initial('/proc'))"
    unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    try:
        run = subprocess.run(  # noqa: S603  (our own code)
            [*unshare, sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("util-linux is not installed")
    if run.returncode:
        pytest.skip(f"no PID namespace may be made here: {run.stderr.strip()}")
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        pytest.param(["/dev/null", "/dev/nvidia3"], True, id="a GPU"),
        pytest.param(["/dev/nvidiactl"], True, id="the control device"),
        pytest.param(["/dev/nvidia-uvm"], True, id="unified memory"),
        pytest.param(["/dev/nvidia-caps/nvidia-cap1"], True, id="a MIG capability"),
        pytest.param(["/dev/null", "/dev/dxg"], True, id="the GPU of WSL2"),
        pytest.param(["/dev/null", "socket:[4711]", "/home/ada/dev/nvidia0"], False, id="other files"),
        pytest.param([], False, id="no files"),
    ],
)
def test_a_process_with_an_open_gpu_is_recognized_by_its_files(
    tmp_path: Path, targets: list[str], expected: bool
) -> None:
    (tmp_path / "42/fd").mkdir(parents=True)
    for number, target in enumerate(targets):
        link(tmp_path / "42/fd" / str(number), target)
    assert expected == has_gpu_open(str(tmp_path), 42)


def test_an_ended_process_has_no_gpu_open(tmp_path: Path) -> None:
    assert has_gpu_open(str(tmp_path), 42) is False


def test_it_is_unknown_whether_a_process_with_unreadable_files_has_a_gpu_open(tmp_path: Path) -> None:
    (tmp_path / "42").mkdir()
    (tmp_path / "42/fd").touch()  # exists, but is no folder; root could read any folder
    assert has_gpu_open(str(tmp_path), 42) is None


def test_the_agent_itself_does_not_count_as_having_a_gpu_open(tmp_path: Path) -> None:
    link(tmp_path / str(os.getpid()) / "fd/3", "/dev/nvidia0")
    assert not has_gpu_open(str(tmp_path), os.getpid())
