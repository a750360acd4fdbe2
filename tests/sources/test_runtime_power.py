"""Whether the GPUs of a host may sleep, and do, from a folder that stands in for /sys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.readings import RuntimePower, SourceError
from agent.sources.runtime_power import HostRuntimePower

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = "0000:01:00.0", "0000:02:00.0"
AS_NVML_WRITES = {FIRST: "00000000:01:00.0", SECOND: "00000000:02:00.0"}


def device(
    sys_root: Path,
    bus_id: str,
    *,
    control: str,
    status: str,
    vendor: str = "0x10de",
    driver: str | None = "nvidia",
) -> None:
    power = sys_root / "bus/pci/devices" / bus_id / "power"
    power.mkdir(parents=True)
    (power.parent / "vendor").write_text(f"{vendor}\n")
    (power.parent / "class").write_text("0x030000\n")
    (power / "control").write_text(f"{control}\n")
    (power / "runtime_status").write_text(f"{status}\n")
    if driver is not None:
        (power.parent / "driver").symlink_to(f"../../../bus/pci/drivers/{driver}")


@pytest.mark.parametrize(
    ("first", "second", "suspended"),
    [
        ("suspended", "suspended", True),
        ("active", "suspended", False),
        ("resuming", "suspended", False),
        ("error", "error", False),
    ],
)
def test_the_gpus_count_as_suspended_once_all_of_them_are(
    tmp_path: Path, first: str, second: str, suspended: bool
) -> None:
    device(tmp_path, FIRST, control="auto", status=first)
    device(tmp_path, SECOND, control="auto", status=second)

    power = HostRuntimePower(str(tmp_path)).read()

    assert power == RuntimePower(tuple(AS_NVML_WRITES.values()), suspended)


@pytest.mark.parametrize(
    ("control", "status"), [("on", "active"), ("auto", "unsupported"), ("on", "suspended")]
)
def test_there_is_no_runtime_power_if_one_gpu_never_sleeps(tmp_path: Path, control: str, status: str) -> None:
    device(tmp_path, FIRST, control="auto", status="suspended")
    device(tmp_path, SECOND, control=control, status=status)

    assert HostRuntimePower(str(tmp_path)).read() is None


def test_a_gpu_without_a_driver_never_sleeps(tmp_path: Path) -> None:
    """The kernel suspends it as well, for example while the module of the driver is not loaded."""
    device(tmp_path, FIRST, control="auto", status="suspended")
    device(tmp_path, SECOND, control="auto", status="suspended", driver=None)

    assert HostRuntimePower(str(tmp_path)).read() is None


@pytest.mark.parametrize("driver", ["vfio-pci", "nouveau"])
def test_a_gpu_of_another_driver_does_not_count(tmp_path: Path, driver: str) -> None:
    device(tmp_path, SECOND, control="auto", status="suspended", driver=driver)
    assert HostRuntimePower(str(tmp_path)).read() is None

    device(tmp_path, FIRST, control="auto", status="suspended")
    assert HostRuntimePower(str(tmp_path)).read() == RuntimePower((AS_NVML_WRITES[FIRST],), True)


def test_a_gpu_of_another_vendor_does_not_count(tmp_path: Path) -> None:
    device(tmp_path, FIRST, control="auto", status="suspended")
    device(tmp_path, SECOND, control="on", status="active", vendor="0x8086")

    assert HostRuntimePower(str(tmp_path)).read() == RuntimePower((AS_NVML_WRITES[FIRST],), True)


def test_without_a_gpu_there_is_no_runtime_power(tmp_path: Path) -> None:
    assert HostRuntimePower(str(tmp_path)).read() is None


def test_an_unreadable_file_is_a_source_error(tmp_path: Path) -> None:
    device(tmp_path, FIRST, control="auto", status="active")
    (tmp_path / "bus/pci/devices" / FIRST / "power/runtime_status").unlink()

    with pytest.raises(SourceError, match="runtime power of the GPUs cannot be read"):
        HostRuntimePower(str(tmp_path)).read()
