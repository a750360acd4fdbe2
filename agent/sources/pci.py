"""The NVIDIA GPUs on the PCI buses of this host, from /sys, including those that NVML cannot read."""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path

from agent.sources.procfs import MAX_BYTES, read_beginning

SYS = "/sys"
DEVICES = "bus/pci/devices"  # below SYS: a folder for each, by its bus id as the kernel writes it
MAX_DEVICES = 4096  # that are looked at
_NVIDIA, _DISPLAY = b"0x10de", b"0x03"
_BUS_ID = re.compile(r"([0-9A-F]{4,8}):([0-9A-F]{2}:[0-9A-F]{2}\.[0-7])", re.IGNORECASE)


def nvidia_gpus(sys_root: str = SYS, limit: int = MAX_DEVICES) -> tuple[str, ...]:
    """Their bus ids in NVML's form; none if there are more devices than `limit`."""
    folder = f"{sys_root}/{DEVICES}"
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, limit + 1)]
    except OSError:
        return ()
    if len(names) > limit:
        return ()
    return tuple(_as_nvml_writes(name) for name in sorted(names) if _is_gpu_of_ours(f"{folder}/{name}"))


def _is_gpu_of_ours(device: str) -> bool:
    """A GPU bound to another driver (vfio-pci, for a virtual machine) is not visible to NVML."""
    try:
        vendor = read_beginning(f"{device}/vendor", MAX_BYTES).data.strip()
        if vendor != _NVIDIA or not read_beginning(f"{device}/class", MAX_BYTES).data.startswith(_DISPLAY):
            return False
    except OSError:
        return False
    return driver_of(device) in (None, "nvidia")


def driver_of(device: str) -> str | None:
    """The kernel driver that the device in this folder is bound to; None: none."""
    try:
        return Path(device, "driver").readlink().name
    except OSError:
        return None


def as_the_kernel_writes(bus_id: str) -> str | None:
    """00000000:3B:00.0 of NVML, which writes eight digits of the domain, is 0000:3b:00.0; None: no bus id."""
    found = _BUS_ID.fullmatch(bus_id)
    return f"{int(found[1], 16):04x}:{found[2].lower()}" if found else None


def _as_nvml_writes(name: str) -> str:
    """The other way round."""
    domain, _, rest = name.partition(":")
    return f"{domain.zfill(8)}:{rest}".upper()
