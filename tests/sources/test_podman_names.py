"""Names of Podman's containers, out of a /proc with their monitors in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from agent.readings import Belonging
from agent.sources.pid_namespace import INITIAL
from agent.sources.processes import ProcessReader
from tests.sources.fake_proc import Clock

if TYPE_CHECKING:
    from pathlib import Path

ID, OTHER = "4f2d9c0a" * 8, "9687bac5" * 8
ROOT = f"0::/machine.slice/libpod-{ID}.scope/container\n"
ROOTLESS = f"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container\n"
QUADLET = f"0::/system.slice/llama.service/libpod-payload-{ID}\n"


def conmon(container_id: str, name: str) -> bytes:
    """The command line of a monitor, as Podman 4 and 5 start it."""
    words = ["/usr/bin/conmon", "--api-version", "1", "-c", container_id, "-u", container_id]
    words += ["-r", "/usr/bin/crun", "-b", f"/run/containers/{container_id}", "-p", "/run/pidfile"]
    words += ["-n", name, "--exit-dir", "/run/libpod/exits", "--full-attach", "-s", "-l", "journald"]
    words += ["--exit-command", "/usr/bin/podman", "--exit-command-arg", "-n", "--exit-command-arg", "stop"]
    return b"".join(word.encode() + b"\0" for word in words)


class Node:
    """A /proc; each process has a parent."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "self/ns").mkdir(parents=True)
        (root / "self/ns/pid").symlink_to(INITIAL)
        self.clock = Clock()
        self.reader = ProcessReader(proc_root=str(root), clock=self.clock)

    def add(
        self, pid: int, parent: int, *, comm: str = "python3", cmdline: bytes = b"x\0", cgroup: str = "0::/\n"
    ) -> None:
        folder = self.root / str(pid)
        folder.mkdir(exist_ok=True)
        stat = f"{pid} ({comm}) S {parent} 1 1 0 -1 0 0 0 0 0 9 0 0 0 20 0 1 0 {pid}00 0 0\n"
        files = {
            "stat": stat,
            "statm": "100 25 0 0 0 0 0\n",
            "status": "Uid:\t0\t0\t0\t0\n",
            "cgroup": cgroup,
        }
        for name, content in files.items():
            (folder / name).write_text(content)
        (folder / "cmdline").write_bytes(cmdline)
        (folder / "environ").touch()

    def name(self, pid: int) -> str | None:
        return self.reader.read(frozenset({pid}), None)[pid].belonging.container_name


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """conmon 100 of a container whose first process is 101, a shell 102 in it and its child 103."""
    node = Node(tmp_path)
    node.add(100, 1, comm="conmon", cmdline=conmon(ID, "llama.cpp_1"))
    for pid in (101, 102, 103):
        node.add(pid, pid - 1, cgroup=ROOT)
    return node


@pytest.mark.parametrize("pid", [101, 102, 103])
def test_every_process_of_a_container_has_its_name(node: Node, pid: int) -> None:
    assert node.name(pid) == "llama.cpp_1"


@pytest.mark.parametrize("cgroup", [ROOTLESS, QUADLET, f"5:memory:/libpod_parent/libpod-{ID}\n"])
def test_a_container_has_its_name_whoever_started_it(node: Node, cgroup: str) -> None:
    node.add(101, 100, cgroup=cgroup)
    assert node.name(101) == "llama.cpp_1"


def test_what_is_executed_in_a_container_has_its_name(node: Node) -> None:
    """It has a monitor of its own, a child of none of the container's processes."""
    session = conmon(ID, "llama.cpp_1").replace(f"-u\0{ID}".encode(), f"-u\0{OTHER}".encode())
    node.add(200, 1, comm="conmon", cmdline=session)
    node.add(201, 200, cgroup=ROOT)
    assert node.name(201) == "llama.cpp_1"


def test_a_container_in_a_container_has_the_name_of_the_inner_one(node: Node) -> None:
    node.add(110, 103, comm="conmon", cmdline=conmon(OTHER, "inner"), cgroup=ROOT)
    node.add(111, 110, cgroup=ROOT.strip() + f"/libpod-{OTHER}\n")
    assert node.name(111) == "inner"
    assert node.name(103) == "llama.cpp_1"


@pytest.mark.parametrize(
    ("cmdline", "comm"),
    [
        pytest.param(conmon(OTHER, "other"), "conmon", id="the monitor of another container"),
        pytest.param(conmon(ID, "x"), "sh", id="no monitor"),
        pytest.param(conmon(ID, "x\x1b[31m"), "conmon", id="a name that Podman does not give"),
        pytest.param(b"/usr/bin/conmon\0-c\0" + ID.encode() + b"\0", "conmon", id="without a name"),
        pytest.param(b"/usr/bin/conmon\0-n", "conmon", id="cut short"),
        pytest.param(b"", "conmon", id="a zombie"),
    ],
)
def test_a_name_that_is_not_told_is_unknown(node: Node, cmdline: bytes, comm: str) -> None:
    node.add(100, 1, comm=comm, cmdline=cmdline)
    assert node.name(103) is None


def test_no_name_is_looked_for_in_a_container_of_another_runtime(node: Node) -> None:
    node.add(101, 100, cgroup=f"0::/system.slice/docker-{ID}.scope\n")
    assert node.name(101) is None


def test_a_monitor_that_hangs_keeps_nobody_and_is_asked_again(node: Node) -> None:
    path = node.root / "100/cmdline"
    path.unlink()
    os.mkfifo(path)
    assert node.name(103) is None
    writer = os.open(path, os.O_RDWR)
    path.unlink()
    os.close(writer)
    path.write_bytes(conmon(ID, "llama.cpp_1"))
    node.clock.now += 60
    assert node.name(103) == "llama.cpp_1"


def test_ancestors_in_a_circle_are_left(node: Node) -> None:
    node.add(101, 103, cgroup=ROOT)
    assert node.name(103) is None


def test_a_renamed_container_keeps_the_name_that_its_monitor_has(node: Node) -> None:
    """Nothing is read twice for one container, either."""
    assert node.name(101) == "llama.cpp_1"
    (node.root / "100/cmdline").unlink()
    assert node.name(103) == "llama.cpp_1"


def test_the_belonging_is_whole_otherwise(node: Node) -> None:
    belonging = node.reader.read(frozenset({103}), None)[103].belonging
    assert belonging == Belonging(container_id=ID, container_name="llama.cpp_1")
