"""Fixtures that every test may use."""

from __future__ import annotations

import gc
import importlib.util
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from agent.simulation import Simulation
from agent.simulation.installation import installed, uninstall_library
from agent.sources import new_process
from tests.support.clock import RunningLoop

if TYPE_CHECKING:
    from collections.abc import Iterator

# httpx imports sniffio at each request to an app, to check for trio. If it is not installed, each import
# searches every folder: a tenth of the time of tests/http. This entry ends the search at once.
if importlib.util.find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]  # as the import system documents it

pytest_plugins = ["tests.packaging.ci_skips"]


def pytest_configure() -> None:
    """Processes that tests start do not ignore SIGHUP, even if the tests run under `nohup`.

    A child inherits that a signal is ignored, but not a handler: with one, it has the default again.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda _sig, _frame: None)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests that measure as slow, so that the quick suite leaves them out."""
    if item.get_closest_marker("measures"):
        item.add_marker("slow")


def pytest_collection_finish() -> None:
    """Exclude all loaded objects from garbage collection, because they stay until the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Async tests run on asyncio, as the agent does, with patience for a machine that stands still."""
    return "asyncio", {"loop_factory": RunningLoop}


@pytest.fixture(autouse=True)
def driver_of_before() -> Iterator[None]:
    """End what an agent with SIMULATE_GPUS in the process of the tests leaves: a simulated driver."""
    before = installed()
    yield
    if new_process.count_gpus is not before.count_gpus_in_new_process:
        uninstall_library(before)


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    """Eight simulated GPUs instead of the driver."""
    with Simulation(gpus=8) as simulation:
        yield simulation
