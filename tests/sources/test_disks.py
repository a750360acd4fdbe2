from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import psutil
import pytest

from agent.readings import DiskIo
from agent.sources.disks import (
    Counters,
    DiskMeter,
    DiskSpace,
    DiskTotals,
    Mount,
    add_up,
    disk_io,
    disk_space,
    mounted_devices,
    physical_disks,
    read_disk_space,
)

if TYPE_CHECKING:
    from pathlib import Path

IDLE = Counters(0, 0, 0, 0)
SOME = Counters(4096, 8192, 1, 2)
MORE = Counters(8192, 8192, 2, 2)


@pytest.mark.parametrize(
    ("device", "counts"),
    [
        pytest.param("nvme0n1", True, id="disk"),
        pytest.param("nvme0n1p1", False, id="partition"),
        pytest.param("loop0", False, id="loop"),
        pytest.param("dm-0", False, id="device mapper"),
        pytest.param("md127", False, id="md array"),
        pytest.param("zram0", False, id="compressed memory"),
        pytest.param("cciss/c0d0", True, id="disk with a slash in its name"),
    ],
)
def test_only_whole_devices_with_hardware_are_physical(device: str, counts: bool, tmp_path: Path) -> None:
    for whole in (
        "nvme0n1/device",
        "cciss!c0d0/device",
        "loop0",
        "dm-0",
        "md127",
        "zram0",
        "nvme0n1/nvme0n1p1",
    ):
        (tmp_path / "block" / whole).mkdir(parents=True)
    assert physical_disks([device], tmp_path) == ({device} if counts else set())


def test_a_container_without_sys_has_no_physical_disks(tmp_path: Path) -> None:
    assert physical_disks(["sda"], tmp_path / "absent") == frozenset()


@pytest.mark.parametrize(
    ("counters", "disks"),
    [
        pytest.param(
            {"sda": SOME, "sdb": SOME, "dm-0": SOME}, {"sda", "sdb"}, id="device mapper over two disks"
        ),
        pytest.param(
            {"nvme0n1": IDLE, "nvme0c0n1": SOME, "nvme0c1n1": SOME},
            {"nvme0n1", "nvme0c0n1", "nvme0c1n1"},
            id="multipath NVMe that counts on its paths",
        ),
        pytest.param(
            {"nvme0n1": SOME, "nvme0c0n1": SOME, "nvme0c1n1": SOME},
            {"nvme0n1"},
            id="multipath NVMe that counts on both",
        ),
        pytest.param({"nvme0c0n1": SOME}, {"nvme0c0n1"}, id="path without its disk"),
    ],
)
def test_a_transfer_is_counted_once(counters: dict[str, Counters], disks: set[str]) -> None:
    physical = counters.keys() - {"dm-0"}
    expected = sum(counters[disk].read_bytes for disk in disks)
    totals = add_up(counters, physical, at=0.0)
    assert totals is not None
    assert totals.disks == disks
    assert totals.counters.read_bytes == expected


def test_without_physical_disks_disk_io_is_unknown() -> None:
    assert add_up({"loop0": SOME}, (), at=0.0) is None
    assert disk_io(None, None) == DiskIo()


@pytest.mark.parametrize(
    ("before", "rates"),
    [
        pytest.param(None, (None, None, None, None), id="first reading"),
        pytest.param(
            DiskTotals(8.0, frozenset({"sda"}), SOME), (2048.0, 0.0, 0.5, 0.0), id="two seconds ago"
        ),
        pytest.param(DiskTotals(8.0, frozenset({"sdb"}), SOME), (None,) * 4, id="another disk"),
        pytest.param(DiskTotals(-3600.0, frozenset({"sda"}), SOME), (None,) * 4, id="an hour ago"),
        pytest.param(
            DiskTotals(8.0, frozenset({"sda"}), Counters(9000, 8192, 1, 2)),
            (None, 0.0, 0.5, 0.0),
            id="one counter went backwards",
        ),
    ],
)
def test_rates_need_two_readings_of_the_same_disks(
    before: DiskTotals | None, rates: tuple[float | None, ...]
) -> None:
    after = DiskTotals(10.0, frozenset({"sda"}), MORE)
    assert disk_io(before, after) == DiskIo(
        total_read_bytes=8192,
        total_write_bytes=8192,
        total_read_ops=2,
        total_write_ops=2,
        read_bytes_per_second=rates[0],
        write_bytes_per_second=rates[1],
        read_ops_per_second=rates[2],
        write_ops_per_second=rates[3],
    )


def test_a_meter_counts_the_present_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a disk whose counters have started again at 0."""
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    for disk in ("sdx", "sdy"):
        (tmp_path / "block" / disk / "device").mkdir(parents=True)
    meter = DiskMeter(tmp_path)

    def read(**sectors: int) -> tuple[int | None, int | None]:
        lines = (f"8 0 {disk} 3 0 {read} 0 5 0 {2 * read} 0 0 0 0\n" for disk, read in sectors.items())
        (tmp_path / "diskstats").write_text("".join(lines))
        io = meter.read(at=0.0)
        return io.total_read_bytes, io.total_write_bytes

    assert read(sdx=8) == (4096, 8192)
    assert read(sdx=1) == (512, 1024)
    assert read(sdx=2, sdy=8) == (5120, 10240)


def test_a_host_without_known_disks_reads_as_unknown(tmp_path: Path) -> None:
    assert DiskMeter(tmp_path).read(at=0.0) == DiskIo()


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        pytest.param(
            [Mount("/dev/sda1", "/", "ext4"), Mount("/dev/sda1", "/srv/bind", "ext4")],
            {"/dev/sda1": ["/", "/srv/bind"]},
            id="bind mount",
        ),
        pytest.param(
            [Mount("/dev/sda2", "/", "btrfs"), Mount("/dev/sda2", "/home", "btrfs")],
            {"/dev/sda2": ["/", "/home"]},
            id="btrfs subvolumes",
        ),
        pytest.param(
            [Mount("/dev/sda1", "/", "ext4"), Mount("/dev/sdb1", "/data", "xfs")],
            {"/dev/sda1": ["/"], "/dev/sdb1": ["/data"]},
            id="two disks",
        ),
        pytest.param([Mount("/dev/loop3", "/snap/core/1", "squashfs")], {}, id="snap"),
        pytest.param([Mount("/dev/sr0", "/media/cd", "iso9660")], {}, id="disc"),
        pytest.param([Mount("/dev/loop0", "/mnt/image", "ext4")], {}, id="image file"),
        pytest.param([Mount("/dev/zram0", "/scratch", "ext4")], {}, id="memory"),
    ],
)
def test_a_device_is_listed_once_with_all_its_mount_points(
    mounts: list[Mount], expected: dict[str, list[str]]
) -> None:
    assert mounted_devices(mounts) == expected


def test_two_names_of_a_device_are_one_device(tmp_path: Path) -> None:
    device, mapper_name = tmp_path / "dm-0", tmp_path / "vg-root"
    device.touch()
    mapper_name.symlink_to(device)
    mounts = [Mount(str(mapper_name), "/", "xfs"), Mount(str(device), "/srv", "xfs")]
    assert list(mounted_devices(mounts)) == [str(device)]


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        pytest.param({"/dev/sda1": ["/a", "/b"]}, DiskSpace(10, 90), id="mounted twice"),
        pytest.param({"/dev/sda1": ["/a"], "/dev/sdb1": ["/b"]}, DiskSpace(30, 170), id="two devices"),
        pytest.param({"/dev/sda1": ["/gone", "/a"]}, DiskSpace(10, 90), id="first mount point unreadable"),
        pytest.param(
            {"/dev/sda1": ["/gone"], "/dev/sdb1": ["/b"]}, DiskSpace(20, 80), id="device unreadable"
        ),
        pytest.param({"/dev/sda1": ["/gone"]}, DiskSpace(), id="nothing readable"),
        pytest.param(
            {"tank": ["/a"], "tank/home": ["/b"]}, DiskSpace(30, 90), id="ZFS datasets share a pool"
        ),
    ],
)
def test_space_is_counted_once_per_device(devices: dict[str, list[str]], expected: DiskSpace) -> None:
    spaces = {"/a": (10, 90), "/b": (20, 80)}

    def usage(mount_point: str) -> tuple[int, int]:
        if mount_point not in spaces:
            raise PermissionError(mount_point)
        return spaces[mount_point]

    assert disk_space(devices, usage) == expected


def test_this_host_has_disk_space() -> None:
    space = read_disk_space()
    assert space.used_bytes is not None
    assert space.available_bytes is not None
    assert space.used_bytes > 0
    assert space.used_bytes + space.available_bytes >= sum(shutil.disk_usage("/")[1:]) / 2
