"""The ports of a host as /sys shows them, and whether the machine is a virtual one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.simulation import Simulation
from agent.sources import slots
from agent.sources.slots import HostSlots

if TYPE_CHECKING:
    from pathlib import Path

MAX_CPUINFO_BYTES = 8192

BUS_ID = "00000000:01:00.0"  # as NVML writes it


def host(root: Path, *, width: str | None = "8\n", device: str = "0000:01:00.0") -> HostSlots:
    """A host with one GPU, below a port with this `max_link_width`; None: it has no such file."""
    port = root / "devices/pci0000:00/0000:00:01.0"
    (port / device).mkdir(parents=True)
    (port / device / "max_link_width").write_text("16\n")  # the card's own
    if width is not None:
        (port / "max_link_width").write_text(width)
    devices = root / "bus/pci/devices"
    devices.mkdir(parents=True)
    (devices / device).symlink_to(f"../../../devices/pci0000:00/0000:00:01.0/{device}")
    return HostSlots(str(root), str(root))


@pytest.mark.parametrize(
    ("width", "lanes"),
    [
        ("8\n", 8),
        ("16\n", 16),
        ("1\n", 1),
        ("32\n", 32),
        ("33\n", None),
        ("0\n", None),
        ("255\n", None),
        ("Unknown\n", None),
        ("", None),
        (None, None),
        ("8" * 100_000, None),
    ],
    ids=["8", "16", "1", "32", "33", "no link", "unreadable link", "a word", "empty", "no port", "endless"],
)
def test_the_port_above_the_gpu_reports_its_lanes(
    tmp_path: Path, width: str | None, lanes: int | None
) -> None:
    assert host(tmp_path, width=width).port_width(BUS_ID) == lanes


@pytest.mark.parametrize(
    ("bus_id", "device"),
    [
        ("00000000:01:00.0", "0000:01:00.0"),
        ("00000000:AF:00.0", "0000:af:00.0"),
        ("00010000:C1:1F.0", "10000:c1:1f.0"),
        ("0000:01:00.0", "0000:01:00.0"),
    ],
)
def test_a_bus_id_of_nvml_is_found_in_sys(tmp_path: Path, bus_id: str, device: str) -> None:
    assert host(tmp_path, device=device).port_width(bus_id) == 8


@pytest.mark.parametrize("bus_id", ["00000000:02:00.0", "", "GPU", "../../devices", "00000000:01:00.0/.."])
def test_a_bus_id_without_a_device_has_no_port(tmp_path: Path, bus_id: str) -> None:
    assert host(tmp_path).port_width(bus_id) is None


@pytest.mark.parametrize(
    ("speed", "generation"),
    [
        ("2.5 GT/s PCIe\n", 1),
        ("5.0 GT/s PCIe\n", 2),
        ("8 GT/s\n", 3),
        ("8.0 GT/s PCIe\n", 3),
        ("16.0 GT/s PCIe\n", 4),
        ("32.0 GT/s PCIe\n", 5),
        ("64.0 GT/s PCIe\n", 6),
        ("128.0 GT/s PCIe\n", 7),
        ("7.0 GT/s PCIe\n", None),
        ("nan GT/s\n", None),
        ("Unknown\n", None),
        ("", None),
        (None, None),
    ],
)
def test_the_port_above_the_gpu_reports_its_generation(
    tmp_path: Path, speed: str | None, generation: int | None
) -> None:
    slots_of_host = host(tmp_path)
    if speed is not None:
        (tmp_path / "devices/pci0000:00/0000:00:01.0/max_link_speed").write_text(speed)

    assert slots_of_host.port_generation(BUS_ID) == generation


def test_without_sys_ports_are_unknown(tmp_path: Path) -> None:
    nothing = HostSlots(str(tmp_path / "sys"), str(tmp_path / "proc"))

    assert (nothing.port_width(BUS_ID), nothing.are_virtual()) == (None, False)


PROCESSOR = "processor\t: 0\nmodel name\t: hypervisor of models\nflags\t\t: fpu vme{}\nbugs\t\t: none\n\n"


@pytest.mark.parametrize(
    ("cpuinfo", "is_virtual"),
    [
        pytest.param(PROCESSOR.format(" hypervisor lahf_lm"), True, id="a virtual machine"),
        pytest.param(PROCESSOR.format(" lahf_lm"), False, id="a host"),
        pytest.param(PROCESSOR.format(" hypervisors"), False, id="another flag"),
        pytest.param(PROCESSOR.format(" hypervisor") * 256, True, id="many processors"),
        pytest.param(
            "processor\t: 0\nFeatures\t: fp asimd evtstrm\n", False, id="ARM, which has no such flag"
        ),
        pytest.param("", False, id="nothing"),
    ],
)
def test_a_virtual_machine_is_recognized_by_a_flag_of_its_cpus(
    tmp_path: Path, cpuinfo: str, is_virtual: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(cpuinfo)

    assert HostSlots(proc_root=str(tmp_path)).are_virtual() is is_virtual


def test_only_whole_words_at_the_beginning_of_a_long_cpuinfo_count(tmp_path: Path) -> None:
    """`hypervisor_of_another_kind`, cut after its first word."""
    start = "flags\t\t: "
    flags = (
        start + "x" * (MAX_CPUINFO_BYTES - len(start) - len(" hypervisor")) + " hypervisor_of_another_kind"
    )
    (tmp_path / "cpuinfo").write_text(flags)

    assert HostSlots(proc_root=str(tmp_path)).are_virtual() is False


def test_a_simulation_installs_its_own_slots_and_removes_them() -> None:
    before = slots.in_place
    with Simulation(2) as simulation:
        simulation.gpus[1].port_width = 8
        widths = [slots.in_place.port_width(f"00000000:0{bus}:00.0") for bus in (1, 2, 3)]

        assert widths == [16, 8, None]
        assert slots.in_place.are_virtual() is False
    assert slots.in_place is before
