"""Every value is read from a compiled libnvidia-ml, because the simulation has no C structs."""

from __future__ import annotations

import ctypes
import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pynvml
import pytest

from agent.readings import DriverReading
from agent.simulation.installation import install_library, uninstall_library
from agent.sources.gpu import GpuSource
from agent.sources.gpu.xid import XidEventSource
from agent.sources.nvml import DriverSource
from benchmarks import driver
from benchmarks.driver.answers import TEXTS
from tests.sources.compiled_driver import UUID, expected_pcie, expected_reading
from tests.sources.one_gpu import TwoClocks

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTS = re.findall(r"_\((\w+), (\d)\)", Path(driver.__file__).with_name("structs.h").read_text("ascii"))
XID = 79


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if lacking := driver.missing():
        pytest.skip(lacking)
    return ctypes.CDLL(str(driver.build(tmp_path_factory.mktemp("driver"))))


@pytest.fixture
def installed(library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two GPUs of two links each; the first has two processes."""
    for name, value in {"GPUS": 2, "LINKS": 2, "PIDS": "100,200,300", "XID": XID}.items():
        monkeypatch.setenv(f"NVML_{name}", str(value))
    before = install_library(library)
    yield
    uninstall_library(before)


@pytest.mark.parametrize(("name", "version"), [pytest.param(*struct, id=struct[0]) for struct in STRUCTS])
def test_each_struct_has_the_size_of_the_compiled_one(library: ctypes.CDLL, name: str, version: str) -> None:
    ours: Any = getattr(pynvml, f"c_{name}", None) or getattr(pynvml, name)
    size = library.size_of_struct(name.encode())
    assert (size & 0xFF_FFFF, size >> 24) == (ctypes.sizeof(ours), int(version))


@pytest.mark.usefixtures("installed")
def test_every_value_of_a_gpu_is_the_one_that_the_compiled_driver_has() -> None:
    clock = TwoClocks()
    source = GpuSource(0, clock=clock, now=clock.wall, since_boot=clock)
    source.read()
    source.measure_slow_counters()
    clock.now += 6.0  # longer than every pace at which rates are read
    reading = source.read()
    expected = replace(
        expected_reading(clock.now),
        pcie=replace(
            expected_pcie(),
            port_generation=reading.pcie.port_generation,  # the machine's own values
            port_width=reading.pcie.port_width,
        ),
    )
    unknown = set(reading.unknown) - {"pcie.port_generation", "pcie.port_width"}
    assert not unknown
    assert replace(reading, unknown=MappingProxyType({})) == expected


@pytest.mark.usefixtures("installed")
def test_the_driver_reading_and_an_xid_are_those_of_the_compiled_driver() -> None:
    assert DriverSource().read() == DriverReading(
        2, TEXTS["DRIVER_VERSION"], "13.0", TEXTS["NVML_VERSION"], ()
    )
    events = XidEventSource()
    events.listen(2)
    assert events.wait() == (UUID, XID)
    events.close()
