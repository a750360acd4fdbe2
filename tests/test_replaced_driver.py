"""A driver that is replaced under a running agent: real libraries, found by `dlopen`, and real processes."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.sampling.replaced_driver import PACE
from agent.server.agent_server import RESTART
from tests.support import loopback
from tests.support.agents import ROOT, Process, agent_process, wait_until
from tests.support.compiled import shared_library

pytestmark = pytest.mark.slow

MISMATCH = 18  # NVML_ERROR_LIB_RM_VERSION_MISMATCH
SOURCE = ROOT / "tests/support/replaceable_nvml.c"
WITHIN = 2 * PACE  # seconds: time for a second test, if the first has failed on a loaded machine
WHY = "The NVIDIA driver has been replaced, and only a new process can use it: the agent ends with status 75"


@dataclass
class Driver:
    """An installed NVML library."""

    folder: Path

    @property
    def place(self) -> Path:
        return self.folder / "libnvidia-ml.so.1"

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    @property
    def environ(self) -> dict[str, str]:
        """The variables with which a process finds the library."""
        return {
            "LD_LIBRARY_PATH": str(self.folder),
            "STUB_LOG": str(self.folder / "log"),
            "HISTORY_INTERVAL": "1",
            "TOKEN": "",
        }

    def install(self, **defined: str | int) -> None:
        """Replace the library on disk. Processes that have loaded the previous one keep it."""
        shared_library(SOURCE, self.folder / "new", **defined)
        (self.folder / "new").rename(self.place)

    def tries(self, but: Process) -> list[float]:
        """The times in seconds at which a process other than the agent called nvmlInit."""
        log = self.folder / "log"
        lines = [line.split() for line in (log.read_text() if log.exists() else "").splitlines()]
        return [int(ms) / 1000 for pid, _, ms in lines if int(pid) != but.popen.pid]


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    return Driver(tmp_path)


def error_of(agent: Process) -> str:
    error: str = loopback.get(f"{agent.url}/count", timeout=20).json()["error"]
    return error


def children_of(agent: Process) -> list[str]:
    """/proc/PID/status of each process that the agent started and has not waited for."""
    statuses = []
    for path in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):  # the process has ended
            statuses.append(path.read_text())
    return [status for status in statuses if f"\nPPid:\t{agent.popen.pid}\n" in status]


def zombies_of(agent: Process) -> list[str]:
    """Children that have ended and that the agent has not waited for yet."""
    return [child for child in children_of(agent) if "\nState:\tZ" in child]


def test_after_a_driver_upgrade_the_agent_ends_once_a_new_process_can_use_it(
    driver: Driver,
) -> None:
    successor = driver.folder / "successor"
    shared_library(SOURCE, successor, INIT=0, GATE=f'"{driver.gate}"')
    driver.install(INIT=MISMATCH, SUCCESSOR=f'"{successor}"', PLACE=f'"{driver.place}"')

    with agent_process(**driver.environ) as agent:
        wait_until(lambda: driver.tries(but=agent), "a new process has the new library")
        with loopback.stream("GET", f"{agent.url}/gpu/stream", timeout=WITHIN) as stream:
            pieces = stream.iter_text()
            assert "have different versions" in next(pieces)
            assert "have different versions" in error_of(agent), "the agent answers while the process is out"
            assert agent.popen.poll() is None

            driver.gate.touch()

            assert agent.popen.wait(WITHIN) == RESTART
            for _ in pieces:  # httpx.RemoteProtocolError if the stream was cut
                pass
        assert agent.log.count(WHY) == 1
        assert "Traceback" not in agent.log


def test_without_a_driver_mismatch_the_agent_starts_no_test_process(driver: Driver) -> None:
    driver.install(INIT=0)

    with agent_process(**driver.environ) as agent:
        for _ in range(3):
            assert loopback.get(f"{agent.url}/count", timeout=20).json() == {"code": 0, "data": 0}
            time.sleep(0.5)

        assert driver.tries(but=agent) == []
        assert children_of(agent) == []
        assert agent.stop() == 0


def test_a_simulated_driver_mismatch_does_not_end_the_agent(driver: Driver) -> None:
    driver.install(INIT=0)

    arguments = ("--simulate", "1", "--scenario", "driver-mismatch")
    with agent_process(*arguments, **driver.environ) as agent:
        assert "have different versions" in error_of(agent)
        assert children_of(agent) == []
        assert agent.stop() == 0


def test_an_agent_ends_in_time_with_status_0_while_its_test_process_hangs(driver: Driver) -> None:
    successor = driver.folder / "successor"
    shared_library(SOURCE, successor, INIT=0, GATE=f'"{driver.gate}"')
    driver.install(INIT=MISMATCH, SUCCESSOR=f'"{successor}"', PLACE=f'"{driver.place}"')

    with agent_process(**driver.environ) as agent:
        wait_until(lambda: driver.tries(but=agent), "a new process hangs")

        assert agent.stop() == 0
    driver.gate.touch()


def test_an_agent_goes_on_while_new_processes_fail_and_tests_once_a_minute(driver: Driver) -> None:
    driver.install(INIT=MISMATCH)

    with agent_process(**driver.environ) as agent:
        wait_until(lambda: driver.tries(but=agent), "a new process has failed")
        wait_until(lambda: not children_of(agent), "the process is gone")
        driver.install(INIT=0)
        while len(driver.tries(but=agent)) < 2:
            assert agent.popen.poll() is None, "the agent goes on"
            assert "have different versions" in error_of(agent)
            wait_until(lambda: not zombies_of(agent), "the agent has waited for its process")
            time.sleep(0.5)

        assert agent.popen.wait(WITHIN) == RESTART
        first, second = driver.tries(but=agent)
        assert second - first >= PACE - 1
