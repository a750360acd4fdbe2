from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from agent.readings import HostProcess
from agent.sources.attempt import attempt
from agent.sources.host import HostSource, hottest
from agent.sources.paced_value import paced_slowly
from agent.sources.process_source import ProcessSource
from agent.sources.processes import ELSEWHERE
from tests.support.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator


def numbers(value: object) -> Iterator[float]:
    """Every number of a reading, however deep."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, int | float):
        yield value


@pytest.mark.parametrize(
    ("sensors", "expected"),
    [
        pytest.param([45.0, 61.5, 38.0], 61.5, id="several sensors"),
        pytest.param([45.0, 150.0], 150.0, id="the hottest plausible value"),
        pytest.param([45.0, 150.5], 45.0, id="hotter than plausible"),
        pytest.param([45.0, 255.0], 45.0, id="not wired up: 255"),
        pytest.param([45.0, -273.2, 0.0], 45.0, id="not wired up: 0 and below"),
        pytest.param([math.nan, 45.0], 45.0, id="not a number"),
        pytest.param([0.5], 0.5, id="a cold sensor"),
        pytest.param([None, 0.0], None, id="none is plausible"),
        pytest.param([], None, id="no sensors"),
    ],
)
def test_the_temperature_is_that_of_the_hottest_plausible_sensor(
    sensors: list[float | None], expected: float | None
) -> None:
    assert hottest(sensors) == expected


@pytest.mark.parametrize(
    "error",
    [
        PermissionError("/sys"),
        FileNotFoundError("/proc"),
        ValueError("an unknown line"),
        IndexError("a line that is too short"),
        NotImplementedError("not on this kernel"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_part_that_fails_is_unknown(error: Exception) -> None:
    def fail() -> int:
        raise error

    assert attempt(fail, None) is None


def test_slow_values_are_read_about_every_ten_seconds() -> None:
    values = iter([1, 2])
    kept = paced_slowly(lambda: next(values), 0)
    assert [kept.get(at) for at in (100.0, 101.0, 110.0, 111.0)] == [1, 1, 2, 2]


def test_a_slow_value_that_begins_to_fail_becomes_unknown() -> None:
    values = [PermissionError(), None, 1]

    def read() -> int | None:
        value = values.pop()
        if isinstance(value, Exception):
            raise value
        return value

    kept = paced_slowly(read, None)
    assert [kept.get(at) for at in (0.0, 10.0, 20.0)] == [1, None, None]


def test_the_first_reading_has_no_rates() -> None:
    host = HostSource().read()
    processes = ProcessSource(pids_are_ours=True).read(frozenset({os.getpid()}))
    assert host.cpu_percent is None
    assert host.cpu_per_core_percent is None
    assert host.disk_io.read_bytes_per_second is None
    assert processes.gpu_processes[os.getpid()].cpu_percent is None


def test_the_second_reading_has_plausible_rates() -> None:
    clock = Clock()
    source, process_source = HostSource(clock), ProcessSource(pids_are_ours=True, clock=clock)
    source.read()
    process_source.read(frozenset({os.getpid()}))
    # work until the kernel's clock, of a hundred ticks a second, has moved on every core
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    clock.now += 2.0  # processes are not read more often
    host = source.read()
    processes = process_source.read(frozenset({os.getpid()}))
    assert host.cpu_percent is not None
    assert host.cpu_per_core_percent is not None
    assert 0 < host.cpu_percent <= 100
    assert len(host.cpu_per_core_percent) == os.cpu_count()
    assert all(0 <= percent <= 100 for percent in host.cpu_per_core_percent)
    assert processes.gpu_processes[os.getpid()].cpu_percent is not None
    has_disks = host.disk_io.total_read_bytes is not None  # some machines have none
    assert (host.disk_io.read_bytes_per_second is not None) == has_disks


def test_after_an_hour_without_readings_rates_are_unknown() -> None:
    clock = Clock()
    source, process_source = HostSource(clock), ProcessSource(pids_are_ours=True, clock=clock)
    source.read()
    process_source.read(frozenset({os.getpid()}))
    clock.now += 3600.0
    host = source.read()
    processes = process_source.read(frozenset({os.getpid()}))
    assert host.cpu_percent is None
    assert host.disk_io.read_bytes_per_second is None
    assert processes.gpu_processes[os.getpid()].cpu_percent is None


def test_the_reading_of_this_host_is_plausible() -> None:
    host, processes = HostSource().read(), ProcessSource().read(frozenset())
    assert host.hostname == socket.gethostname()
    assert host.cpu_count_logical == os.cpu_count()
    assert host.memory_total_bytes is not None
    assert host.memory_used_bytes is not None
    assert host.memory_available_bytes is not None
    assert host.memory_used_bytes + host.memory_available_bytes == host.memory_total_bytes
    assert host.memory_percent is not None
    assert 0 < host.memory_percent < 100
    assert host.disk_used_bytes is not None
    assert 1 <= len(processes.top_processes or ()) <= 5
    assert processes.gpu_processes == {}


def test_a_hostname_can_be_set_for_an_agent_in_a_container() -> None:
    assert HostSource(name="gpu-node-1").read().hostname == "gpu-node-1"


def test_every_number_of_a_reading_is_finite_and_not_negative() -> None:
    host, processes = HostSource().read(), ProcessSource(pids_are_ours=True).read(frozenset({os.getpid()}))
    found = [*numbers(asdict(host)), *numbers(asdict(processes))]
    assert len(found) > 20
    assert all(number >= 0 and math.isfinite(number) for number in found)


def test_an_ended_process_is_reported_as_ended_and_nothing_else() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        clock = Clock()
        source = ProcessSource(pids_are_ours=True, clock=clock)
        pids = frozenset({child.pid, os.getpid()})
        alive = source.read(pids).gpu_processes
        assert alive.keys() == pids
        assert all(process.name for process in alive.values())
        child.kill()
        child.wait()
        clock.now += 2.0
        described = source.read(pids).gpu_processes
        assert described.keys() == pids
        assert described[child.pid] == HostProcess(child.pid, command=ELSEWHERE)
