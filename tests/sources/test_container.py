"""Whether the agent runs in a container, judged by its file system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.sources.container import in_container

if TYPE_CHECKING:
    from pathlib import Path

HOST = """\
22 27 0:21 / /proc rw,relatime shared:5 - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
90 27 0:44 / /var/lib/docker/overlay2/5a/merged rw,relatime shared:9 - overlay overlay rw,lowerdir=/a:/b
"""
CONTAINERD = """\
1001 980 0:310 / / rw,relatime master:77 - overlay overlay rw,lowerdir=/a:/b,upperdir=/c
1002 1001 0:312 / /proc rw,nosuid - proc proc rw
"""


def root_with(folder: Path, **files: str) -> str:
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return str(folder)


@pytest.mark.parametrize("mark", [".dockerenv", "run__.containerenv", "run__systemd__container"])
def test_a_container_is_recognized_by_the_file_of_its_manager(tmp_path: Path, mark: str) -> None:
    assert in_container(root_with(tmp_path, proc__self__mountinfo=HOST, **{mark: ""}))


@pytest.mark.parametrize(
    ("mountinfo", "expected"), [(HOST, False), (CONTAINERD, True), ("", False), ("?\n", False)]
)
def test_a_container_without_such_a_file_is_recognized_by_its_overlay_root(
    tmp_path: Path, mountinfo: str, expected: bool
) -> None:
    assert in_container(root_with(tmp_path, proc__self__mountinfo=mountinfo)) == expected


@pytest.mark.parametrize(("length", "expected"), [(65_536, True), (65_537, False)])
def test_64_kib_of_mounts_are_read(tmp_path: Path, length: int, expected: bool) -> None:
    overlay = "1001 980 0:310 / / rw - overlay "
    mountinfo = f"\n{overlay}".rjust(length, "-")

    assert in_container(root_with(tmp_path, proc__self__mountinfo=mountinfo)) == expected


@pytest.mark.parametrize(("namespace", "expected"), [(4026531839, False), (4026532201, True)])
def test_an_overlay_root_in_the_initial_ipc_namespace_is_a_host(
    tmp_path: Path, namespace: int, expected: bool
) -> None:
    root = root_with(tmp_path, proc__self__mountinfo=CONTAINERD)
    (tmp_path / "proc/self/ns").mkdir()
    (tmp_path / "proc/self/ns/ipc").symlink_to(f"ipc:[{namespace}]")

    assert in_container(root) == expected


def test_without_readable_files_it_is_a_host(tmp_path: Path) -> None:
    assert not in_container(str(tmp_path))
