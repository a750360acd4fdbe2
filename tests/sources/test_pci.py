"""The NVIDIA GPUs of a host, from a folder that stands in for /sys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.sources import pci
from agent.sources.pci import as_the_kernel_writes, nvidia_gpus

if TYPE_CHECKING:
    from pathlib import Path


def add_device(
    sys_root: Path,
    name: str,
    *,
    vendor: str = "0x10de",
    kind: str = "0x030200",
    driver: str | None = "nvidia",
) -> None:
    device = sys_root / "bus/pci/devices" / name
    device.mkdir(parents=True)
    (device / "vendor").write_text(f"{vendor}\n")
    (device / "class").write_text(f"{kind}\n")
    if driver is not None:
        (device / "driver").symlink_to(f"../../../bus/pci/drivers/{driver}")


def test_only_nvidia_display_controllers_are_gpus_with_bus_ids_as_nvml_writes_them(tmp_path: Path) -> None:
    add_device(tmp_path, "0000:3b:00.0")
    add_device(tmp_path, "0001:af:00.0", kind="0x030000", driver=None)  # without a driver
    add_device(tmp_path, "0000:3b:00.1", kind="0x040300")  # its audio
    add_device(tmp_path, "0000:02:00.0", vendor="0x1a03")  # on the mainboard
    add_device(tmp_path, "0000:5e:00.0", driver="vfio-pci")  # of a virtual machine
    (tmp_path / "bus/pci/devices/0000:00:00.0").mkdir()  # without files

    assert nvidia_gpus(str(tmp_path)) == ("00000000:3B:00.0", "00000001:AF:00.0")


def test_a_host_without_pci_has_no_gpus(tmp_path: Path) -> None:
    assert nvidia_gpus(str(tmp_path)) == ()


def test_gpus_beyond_the_maximum_number_of_devices_are_not_listed(tmp_path: Path) -> None:
    add_device(tmp_path, "0000:3b:00.0")
    add_device(tmp_path, "0000:3b:00.1", kind="0x040300")

    assert nvidia_gpus(str(tmp_path), limit=2) == ("00000000:3B:00.0",)
    assert nvidia_gpus(str(tmp_path), limit=1) == ()
    assert pci.MAX_DEVICES == 4096


@pytest.mark.parametrize(
    ("bus_id", "expected"),
    [("00010000:3B:00.0", "10000:3b:00.0"), ("0000:AF:1F.7", "0000:af:1f.7"), ("", None)],
)
def test_a_bus_id_of_nvml_is_converted_to_the_form_of_the_kernel(bus_id: str, expected: str | None) -> None:
    assert as_the_kernel_writes(bus_id) == expected
