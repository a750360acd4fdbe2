"""Names of Podman containers, from the command lines of their monitors in /proc."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from agent.readings import Belonging
from agent.sources.podman_names import PodmanNames
from agent.sources.procfs import Content, Stat
from tests.sources.fake_node import FakeNode, conmon
from tests.support.agents import wait_until

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = "0::/\n"
ID, OTHER = "4f2d9c0a" * 8, "9687bac5" * 8
ROOT = f"0::/machine.slice/libpod-{ID}.scope/container\n"
ROOTLESS = f"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container\n"
WHOLE = Belonging(container_id=ID, container_name="llama.cpp_1")
QUADLET = f"0::/system.slice/llama.service/libpod-payload-{ID}\n"


def name(node: FakeNode, pid: int) -> str | None:
    """The name of the container of this process, found by a new reader."""
    return node.belonging(pid).container_name


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    """Process 100 is conmon; the container has processes 101, its shell 102 and the child of that, 103."""
    node = FakeNode(tmp_path)
    node.add(100, ELSEWHERE, parent=1, comm="conmon", cmdline=conmon(ID, "llama.cpp_1"))
    for pid in (101, 102, 103):
        node.add(pid, ROOT, parent=pid - 1)
    return node


@pytest.mark.parametrize("pid", [101, 102, 103])
def test_every_process_of_a_container_has_the_container_s_name(node: FakeNode, pid: int) -> None:
    assert name(node, pid) == "llama.cpp_1"


@pytest.mark.parametrize("cgroup", [ROOTLESS, QUADLET, f"5:memory:/libpod_parent/libpod-{ID}\n"])
def test_a_container_has_its_name_whatever_started_it(node: FakeNode, cgroup: str) -> None:
    node.add(101, cgroup, parent=100)
    assert name(node, 101) == "llama.cpp_1"


def test_a_command_executed_in_a_container_has_the_container_s_name(node: FakeNode) -> None:
    """It has its own monitor, which is no child of a process of the container."""
    session = conmon(ID, "llama.cpp_1").replace(f"-u\0{ID}".encode(), f"-u\0{OTHER}".encode())
    node.add(200, ELSEWHERE, parent=1, comm="conmon", cmdline=session)
    node.add(201, ROOT, parent=200)
    assert name(node, 201) == "llama.cpp_1"


def test_a_nested_container_has_the_name_of_the_inner_one(node: FakeNode) -> None:
    node.add(110, ROOT, parent=103, comm="conmon", cmdline=conmon(OTHER, "inner"))
    node.add(111, ROOT.strip() + f"/libpod-{OTHER}\n", parent=110)
    assert name(node, 111) == "inner"
    assert name(node, 103) == "llama.cpp_1"


@pytest.mark.parametrize(
    ("cmdline", "comm"),
    [
        pytest.param(conmon(OTHER, "other"), "conmon", id="the monitor of another container"),
        pytest.param(conmon(ID, "x"), "sh", id="not a monitor"),
        pytest.param(conmon(ID, "x\x1b[31m"), "conmon", id="a name that Podman does not give"),
        pytest.param(b"/usr/bin/conmon\0-c\0" + ID.encode() + b"\0", "conmon", id="without a name"),
        pytest.param(b"/usr/bin/conmon\0-n", "conmon", id="cut short"),
        pytest.param(b"", "conmon", id="a zombie"),
    ],
)
def test_a_container_without_a_valid_name_is_unnamed(node: FakeNode, cmdline: bytes, comm: str) -> None:
    node.add(100, ELSEWHERE, parent=1, comm=comm, cmdline=cmdline)
    assert name(node, 103) is None


def test_a_container_of_another_runtime_gets_no_podman_name(node: FakeNode) -> None:
    node.add(101, f"0::/system.slice/docker-{ID}.scope\n", parent=100)
    assert name(node, 101) is None


def test_a_hung_monitor_delays_no_reading_and_is_read_again(node: FakeNode) -> None:
    path = node.root / "100/cmdline"
    path.unlink()
    os.mkfifo(path)
    reader = node.reader()
    assert reader.read(frozenset({103}), None)[103].belonging == Belonging(container_id=ID)
    writer = os.open(path, os.O_RDWR)
    path.unlink()
    os.close(writer)
    path.write_bytes(conmon(ID, "llama.cpp_1"))

    def a_minute_later() -> Belonging:
        node.clock.now += 60
        return reader.read(frozenset({103}), None)[103].belonging

    wait_until(lambda: a_minute_later() == WHOLE, "the hung thread has returned, and the container is named")


def test_a_user_who_claims_the_id_of_another_s_container_does_not_name_it(node: FakeNode) -> None:
    """Below the user manager, any user can make control groups of any name, and a program called conmon."""
    reader = node.reader()
    own = f"0::/user.slice/user-1001.slice/user@1001.service/app.slice/libpod-{ID}.scope\n"
    node.add(300, ELSEWHERE, parent=1, comm="conmon", cmdline=conmon(ID, "mine"))
    node.add(301, own, parent=300)
    assert reader.read(frozenset({301}), None)[301].belonging.container_name == "mine"
    assert reader.read(frozenset({103}), None)[103].belonging == WHOLE


def test_a_circle_of_parents_gives_no_name(node: FakeNode) -> None:
    node.add(101, ROOT, parent=103)
    assert name(node, 103) is None


def test_a_monitor_is_read_once_for_all_processes_of_its_container(node: FakeNode) -> None:
    reader = node.reader()
    assert reader.read(frozenset({101}), None)[101].belonging == WHOLE
    (node.root / "100/cmdline").unlink()
    assert reader.read(frozenset({103}), None)[103].belonging == WHOLE


def test_after_a_thousand_names_the_cache_starts_again(node: FakeNode) -> None:
    names, monitors_read = PodmanNames(str(node.root)), []

    def read_cmdline(pid: int, _stat: Stat) -> Content:
        monitors_read.append(pid)
        return Content(conmon(ID, "llama.cpp_1"))

    def reads_after(number: int) -> int:
        """How often a monitor was read so far, after a process of this control group."""
        child = Stat(b"sh", 0, 0, parent_pid=100, thread_count=1)
        belonging = names.with_names(Belonging(ID), Content(b"/libpod-%d" % number), child, read_cmdline)
        assert belonging.container_name == "llama.cpp_1"
        return len(monitors_read)

    assert [reads_after(number) for number in range(1024)] == list(range(1, 1025))
    assert reads_after(0) == 1024
    assert reads_after(1024) == 1025
    assert reads_after(0) == 1026
