"""Fixtures of the tests on a real GPU. Each skips without a GPU, and says what is missing."""

from __future__ import annotations

import ctypes
import shutil
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from agent.sources.nvml import DriverSource, query
from tests.hardware.driver import LIBRARY, TimedLibrary, timed_driver
from tests.hardware.smi import SmiError, SmiLog, run_smi
from tests.support.agents import Process, agent_process, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

# Seconds until every GPU is ok. Without persistence mode the driver first wakes each GPU.
READY_DEADLINE = 60.0


@pytest.fixture(scope="session")
def first_log() -> SmiLog:
    """The output of nvidia-smi before any test runs."""
    if shutil.which("nvidia-smi") is None:
        pytest.skip("needs a real NVIDIA GPU: there is no nvidia-smi on the PATH")
    try:
        ctypes.CDLL(LIBRARY)
    except OSError as error:
        pytest.skip(f"needs a real NVIDIA GPU: there is no NVML library ({error})")
    try:
        log = run_smi()
    except SmiError as error:
        pytest.skip(f"needs a real NVIDIA GPU: {error}")
    if not log.gpus:
        pytest.skip("needs a real NVIDIA GPU: nvidia-smi lists none")
    return log


@pytest.fixture(scope="session")
def agent(first_log: SmiLog) -> Iterator[Process]:
    """An agent on the real driver, started as a user does, after it has read every GPU."""
    with agent_process(HISTORY_INTERVAL="0") as process:
        wait_until(
            lambda: all_ok(process, len(first_log.gpus)),
            lambda: f"every GPU is ok; the agent's log:\n{process.log}",
            deadline=READY_DEADLINE,
        )
        yield process


def all_ok(process: Process, count: int) -> bool:
    """Whether the agent has read every GPU."""
    response = httpx.get(f"{process.url}/status", timeout=30)
    if response.status_code != httpx.codes.OK:
        return False
    devices = response.json()["data"]["devices"]
    return len(devices) == count and all(device["state"] == "ok" for device in devices)


@pytest.fixture
def library(first_log: SmiLog) -> Iterator[TimedLibrary]:  # noqa: ARG001  (skips without a GPU)
    """The real NVML library in this process, initialized; each call is timed."""
    with timed_driver(ctypes.CDLL(LIBRARY)) as library:
        driver = DriverSource()
        driver.read()
        yield library
        driver.release()


@pytest.fixture
def handle(library: TimedLibrary) -> Any:  # noqa: ARG001  (NVML is initialized)
    """NVML's handle of the first GPU."""
    return query("nvmlDeviceGetHandleByIndex", 0)
