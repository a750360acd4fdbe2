"""Disks: transfers of physical disks (/proc/diskstats), and space on mounted ones (statvfs)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from agent.readings import DiskIo
from agent.sources.rates import gap, rate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

# Read-only images: always full, and stored as a file in a file system that is counted itself.
IMAGE_FILE_SYSTEMS = frozenset({"squashfs", "iso9660", "erofs", "cramfs", "romfs"})
# Block devices that are no disks: a file in another file system, or memory.
NO_DISK = ("/dev/loop", "/dev/ram", "/dev/zram")
# One path of a multipath NVMe disk: nvme0c1n1 leads to nvme0n1.
NVME_PATH = re.compile(r"(nvme\d+)c\d+(n\d+)")


class Counters(NamedTuple):
    """What a block device did since boot."""

    read_bytes: int
    write_bytes: int
    read_ops: int
    write_ops: int


class DiskTotals(NamedTuple):
    """Several disks together; `at` is in seconds of the monotonic clock."""

    at: float
    disks: frozenset[str]
    counters: Counters


def physical_disks(devices: Iterable[str], sys_root: Path) -> frozenset[str]:
    """The physical disks: no partitions, loop, ram, zram, device mapper or md.

    Only a whole device is listed in /sys/block, and only one with hardware has a `device` link there.
    """
    block = sys_root / "block"
    return frozenset(name for name in devices if (block / name.replace("/", "!") / "device").exists())


def add_up(counters: Mapping[str, Counters], physical: Collection[str], at: float) -> DiskTotals | None:
    """The sum over the physical disks; None if there are none."""
    disks = {name: counters[name] for name in physical if name in counters}
    for path in filter(NVME_PATH.fullmatch, tuple(disks)):
        # Before Linux 6.4 a multipath NVMe disk stays at zero and its paths count, since then both do.
        if any(counters.get(NVME_PATH.sub(r"\1\2", path), ())):
            del disks[path]
    if not disks:
        return None
    return DiskTotals(at, frozenset(disks), Counters(*map(sum, zip(*disks.values(), strict=True))))


def disk_io(before: DiskTotals | None, after: DiskTotals | None) -> DiskIo:
    """Totals, and rates where both readings are of the same disks."""
    if after is None:
        return DiskIo()
    if before is None or before.disks != after.disks:
        return DiskIo(*after.counters)
    seconds = gap(before.at, after.at)
    rates = (rate(old, new, seconds) for old, new in zip(before.counters, after.counters, strict=True))
    return DiskIo(*after.counters, *rates)


class DiskMeter:
    """Remembers the previous reading, for the rates."""

    def __init__(self, sys_root: Path = Path("/sys")) -> None:
        self._sys_root = sys_root
        self._devices: frozenset[str] = frozenset()
        self._physical: frozenset[str] = frozenset()
        self._before: DiskTotals | None = None

    def read(self, at: float) -> DiskIo:
        """Every physical disk, counted once; `at` is in seconds of the monotonic clock."""
        # nowrap would hide a counter that went backwards
        devices = psutil.disk_io_counters(perdisk=True, nowrap=False)
        counters = {
            name: Counters(device.read_bytes, device.write_bytes, device.read_count, device.write_count)
            for name, device in devices.items()
        }
        if counters.keys() != self._devices:
            self._devices = frozenset(counters)
            self._physical = physical_disks(counters, self._sys_root)
        before, self._before = self._before, add_up(counters, self._physical, at)
        return disk_io(before, self._before)


class Mount(NamedTuple):
    """A line of /proc/self/mounts."""

    device: str
    mount_point: str
    file_system: str


class DiskSpace(NamedTuple):
    """Bytes in files, and bytes that a user other than root can still fill (statvfs: f_bavail)."""

    used_bytes: int | None = None
    available_bytes: int | None = None


def mounted_devices(mounts: Iterable[Mount]) -> dict[str, list[str]]:
    """The mount points of each local block device, in the order they were mounted.

    Bind mounts and btrfs subvolumes share their device; /dev/mapper names are links to it.
    """
    devices: dict[str, list[str]] = {}
    for mount in mounts:
        if mount.file_system in IMAGE_FILE_SYSTEMS or mount.device.startswith(NO_DISK):
            continue
        name = str(Path(mount.device).resolve()) if mount.device.startswith("/") else mount.device
        devices.setdefault(name, []).append(mount.mount_point)
    return devices


def disk_space(devices: Mapping[str, Iterable[str]], usage: Callable[[str], tuple[int, int]]) -> DiskSpace:
    """Each device once, through the first of its mount points that answers (bytes used, bytes available)."""
    used = 0
    available: dict[str, int] = {}
    for device, mount_points in devices.items():
        for mount_point in mount_points:
            try:
                device_used, device_available = usage(mount_point)
            except OSError:
                continue
            used += device_used
            # ZFS datasets (tank/home) have files of their own but share what their pool (tank) has left
            pool = device if device.startswith("/") else device.partition("/")[0]
            available.setdefault(pool, device_available)
            break
    return DiskSpace(used, sum(available.values())) if available else DiskSpace()


def read_disk_space() -> DiskSpace:
    """Local block devices; "/" where none is mounted, as in a container."""
    # psutil's default leaves out what is not on a local block device: network, overlay, memory
    mounts = [Mount(mount.device, mount.mountpoint, mount.fstype) for mount in psutil.disk_partitions()]
    return disk_space(mounted_devices(mounts) or {"/": ["/"]}, _usage)


def _usage(mount_point: str) -> tuple[int, int]:
    usage = psutil.disk_usage(mount_point)
    return usage.used, usage.free
