"""STATE_DIR: one agent at a time, no network file system, and no lock file."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.state.folder import NETWORK_FILE_SYSTEM, PATIENCE, PAUSE, Refused, StateFolder, parse_mountinfo

MOUNTS = rb"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /var/lib rw,relatime shared:2 - xfs /dev/sdb1 rw
31 22 0:41 / /home rw,relatime shared:3 - nfs4 files:/home rw,vers=4.2
32 31 8:2 / /home/local\040disk rw,relatime - btrfs /dev/sdc1 rw
33 22 0:43 / /mnt/host rw,relatime - 9p drvfs rw
34 22 0:44 / /mnt/over rw,relatime - ext4 /dev/sdd1 rw
35 34 0:45 / /mnt/over rw,relatime - fuse.sshfs files: rw
36 22 0:46 / /var/lib rw,cut,off
37 22 0:47 / /var/lib - nfs files: rw
""".splitlines()


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("ext4", "/"),
        ("ext4", "/variable/x"),
        ("xfs", "/var/lib"),
        ("xfs", "/var/lib/nvidia-smi-web-agent"),
        ("nfs4", "/home/alice"),
        ("btrfs", "/home/local disk/state"),
        ("9p", "/mnt/host/c"),
        ("fuse.sshfs", "/mnt/over/state"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_its_mount(kind: str, path: str) -> None:
    assert parse_mountinfo(MOUNTS, path) == kind


def test_without_a_mount_the_file_system_is_unknown() -> None:
    assert parse_mountinfo([], "/var") is None


@pytest.mark.parametrize(
    "kind",
    ["nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "9p", "virtiofs", "vmhgfs", "quobyte", "beegfs_nodev"]
    + [f"fuse.{name}" for name in ("ceph", "sshfs", "vmhgfs-fuse", "mfs", "blobfuse2", "one-of-tomorrow")],
)
def test_a_network_file_system_is_recognized_by_its_type(kind: str) -> None:
    assert NETWORK_FILE_SYSTEM.fullmatch(kind)


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuse.fuse-overlayfs", "fuseblk", "f2fs"]
)
def test_a_local_file_system_is_no_network_file_system(kind: str) -> None:
    assert not NETWORK_FILE_SYSTEM.fullmatch(kind)


def test_a_network_file_system_is_refused_in_one_sentence(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_bytes(b"22 1 0:40 / / rw - nfs files:/ rw\n")

    with pytest.raises(Refused, match=r"is on a network file system \(nfs\)"):
        StateFolder(str(tmp_path / "state"), mounts=str(mounts)).take()


def test_a_second_agent_is_refused_until_the_first_has_released_the_folder(tmp_path: Path) -> None:
    first, second = (StateFolder(str(tmp_path), patience=0.0) for _ in range(2))
    first.take()
    with pytest.raises(Refused, match="is in use by another agent"):
        second.take()
    opened = [path.resolve() for path in Path("/proc/self/fd").iterdir()]
    assert opened.count(tmp_path) == 1, "the second leaves no file open"
    first.release()

    second.take()

    assert list(tmp_path.iterdir()) == []


def test_a_start_waits_four_seconds_for_the_agent_before_it(tmp_path: Path) -> None:
    assert (PATIENCE, PAUSE) == (4, 0.05)
    first = StateFolder(str(tmp_path))
    first.take()
    times = [100.0, 104.0]
    with pytest.raises(Refused):
        StateFolder(str(tmp_path), clock=lambda: times.pop(0)).take()

    times = [100.0, 103.9]

    def clock() -> float:
        if len(times) == 1:
            first.release()
        return times.pop(0)

    StateFolder(str(tmp_path), clock=clock).take()
    assert times == []


def test_a_start_that_waits_checks_at_most_twenty_times_a_second(tmp_path: Path) -> None:
    first, times = StateFolder(str(tmp_path)), list[float]()
    first.take()

    def clock() -> float:
        times.append(time.monotonic())
        return times[-1]

    with pytest.raises(Refused):
        StateFolder(str(tmp_path), patience=0.1, clock=clock).take()
    assert len(times) <= 4, "the beginning, and at 0, 0.05 and 0.1 seconds"


def test_a_folder_that_nobody_uses_any_more_is_released(tmp_path: Path) -> None:
    StateFolder(str(tmp_path)).take()
    StateFolder(str(tmp_path), patience=0.0).take()


def test_a_killed_process_releases_the_folder(tmp_path: Path) -> None:
    code = (
        "import sys, time; from agent.state.folder import StateFolder; folder = StateFolder(sys.argv[1]);"
        " folder.take(); print('taken', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(  # noqa: S603  (our own program)
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"taken\n"
        with pytest.raises(Refused):
            StateFolder(str(tmp_path), patience=0.0).take()
        other.kill()

    StateFolder(str(tmp_path), patience=10.0).take()


def test_the_folder_is_made_for_this_user_only(tmp_path: Path) -> None:
    folder = StateFolder(str(tmp_path / "state"))
    folder.take()

    assert folder.path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("becomes", ["gone", "another"])
def test_a_folder_that_is_no_longer_at_its_path_is_gone(tmp_path: Path, becomes: str) -> None:
    folder = StateFolder(str(tmp_path / "state"))
    folder.take()
    assert not folder.is_gone

    folder.path.rename(tmp_path / "elsewhere")
    if becomes == "another":
        folder.path.mkdir()

    assert folder.is_gone
