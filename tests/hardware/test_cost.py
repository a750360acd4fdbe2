"""On a real GPU: the cost of queries, values of GPM, and an agent without demand releases the driver."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pynvml
import pytest

from agent.sampling.contact import MAX_WAIT_FOR_GPUS
from agent.sampling.pace import POLL_LINGER_INTERVALS, RELEASE_AFTER
from agent.sources.gpu.gpm import MIN_GAP, GpmSource
from agent.sources.gpu.handle import GpuHandle
from agent.sources.gpu.paces import SLOW_PACE
from agent.sources.gpu.unknown import Record
from agent.sources.nvml import query, query_or_none
from tests.hardware.conftest import READY_DEADLINE, all_ok
from tests.hardware.driver import micro, sample_costs
from tests.support.agents import Process, agent_process, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hardware.driver import TimedLibrary
    from tests.hardware.smi import SmiLog

pytestmark = pytest.mark.gpu

SAMPLES = 40


@pytest.mark.parametrize("step", [1.0, SLOW_PACE + 1], ids=["one a second", "with all slow values"])
def test_a_sample_takes_less_than_half_of_the_time_that_a_request_waits(
    library: TimedLibrary, record_property: Callable[[str, object], None], step: float
) -> None:
    costs = sample_costs(library, 0, samples=SAMPLES, step=step)
    sys.stdout.write(f"\n{costs.table()}\n")
    for symbol, seconds in costs.calls.items():
        record_property(f"{symbol} p50 µs", micro(sorted(seconds)[len(seconds) // 2]))
    slowest_but_one = sorted(costs.samples)[-2]  # of 40, because one may be slowed down by other programs
    record_property("sample, the slowest but one of 40, µs", micro(slowest_but_one))
    assert slowest_but_one < MAX_WAIT_FOR_GPUS / 2, costs.table()


def test_gpm_values_are_known_after_two_samples_if_the_gpu_supports_gpm(
    handle: Any, record_property: Callable[[str, object], None]
) -> None:
    source = GpmSource(GpuHandle(handle, Record()))
    is_supported = source.read(time.monotonic()).supported
    capability = query_or_none("nvmlDeviceGetCudaComputeCapability", handle)
    text = f"compute capability {capability}, GPM {'supported' if is_supported else 'not supported'}"
    record_property("GPM", text)
    sys.stdout.write(f"\n{text}\n")
    try:
        if not is_supported:
            return
        skip_if_refused(handle)
        time.sleep(MIN_GAP * 2)
        gpm = source.read(time.monotonic())
        sys.stdout.write(f"{gpm}\n")
        assert gpm.sm_activity_percent is not None
        assert gpm.dram_activity_percent is not None
    finally:
        source.release()


def skip_if_refused(handle: Any) -> None:
    """Skip if the driver supports GPM but refuses samples to this user."""
    buffer = query("nvmlGpmSampleAlloc")
    try:
        query("nvmlGpmSampleGet", handle, buffer)
    except pynvml.NVMLError as error:
        pytest.skip(f"the driver refuses a GPM sample: {error}")
    finally:
        query_or_none("nvmlGpmSampleFree", buffer)


def test_a_hopper_or_newer_gpu_has_gpm(handle: Any) -> None:
    capability = query_or_none("nvmlDeviceGetCudaComputeCapability", handle)
    if capability is None or tuple(capability) < (9, 0):
        pytest.skip(f"compute capability {capability}: GPM begins with 9.0")
    mode = query_or_none("nvmlDeviceGetMigMode", handle)
    if mode is not None and mode[0] == pynvml.NVML_DEVICE_MIG_ENABLE:
        pytest.skip("MIG is on: GPM values are those of its instances")
    source = GpmSource(GpuHandle(handle, Record()))
    try:
        assert source.read(time.monotonic()).supported
    finally:
        source.release()


def device_files(pid: int) -> set[str]:
    """The NVIDIA device files that a process holds open."""
    found: set[str] = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:  # closed meanwhile
            continue
        if target.startswith("/dev/nvidia"):
            found.add(target)
    return found


@pytest.mark.slow
def test_an_agent_without_requests_releases_the_driver_and_opens_it_again_on_demand(
    first_log: SmiLog,
) -> None:
    """A GPU reset, a MIG change or a driver upgrade then finds no open handle."""
    with agent_process(HISTORY_INTERVAL="0", SAMPLE_INTERVAL="0.5") as agent:
        ready(agent, first_log)
        held = device_files(agent.popen.pid)
        if not held:
            pytest.skip("this kernel does not show the device files that a process holds open")
        sys.stdout.write(f"\nheld open while asked: {', '.join(sorted(held))}\n")
        time.sleep(RELEASE_AFTER + POLL_LINGER_INTERVALS * 0.5 + 3)
        assert httpx.get(f"{agent.url}/health", timeout=30).status_code == httpx.codes.OK
        assert device_files(agent.popen.pid) == set()
        ready(agent, first_log)
        assert device_files(agent.popen.pid)
        assert "Traceback" not in agent.log


def ready(agent: Process, log: SmiLog) -> None:
    wait_until(
        lambda: all_ok(agent, len(log.gpus)),
        lambda: f"every GPU is ok; the agent's log:\n{agent.log}",
        deadline=READY_DEADLINE,
    )


def test_the_agent_ends_within_two_seconds_with_status_0_and_no_error_in_its_log(first_log: SmiLog) -> None:
    with agent_process(HISTORY_INTERVAL="0") as agent:
        ready(agent, first_log)
        began = time.monotonic()
        assert agent.stop() == 0, agent.log
        assert time.monotonic() - began < 2
        assert "Traceback" not in agent.log
        assert "ERROR" not in agent.log
