"""Logs changes: one line per change of state, never one per attempt."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent.derive.findings import HealthVerdict
from agent.derive.host_health import examine_host
from agent.readings import GpuState

if TYPE_CHECKING:
    from agent.derive.health import Health
    from agent.readings import DriverReading, GpuSample, Snapshot

logger = logging.getLogger(__name__)


class ChangeLog:
    """Compares each Snapshot with the state that was logged last."""

    def __init__(self) -> None:
        self._driver: DriverReading | str | None = None
        self._host: Health | None = None  # the latest verdict on it
        self._states: dict[int, GpuState] = {}  # by GPU index
        self._stuck: set[str] = set()

    def note(self, snapshot: Snapshot) -> None:
        """Log changes of the driver, the host and each GPU."""
        driver = snapshot.driver_error or snapshot.driver
        if driver is not None and driver != self._driver:
            self._driver = driver
            if snapshot.driver is not None:
                logger.info("%s", _describe(snapshot.driver))
            else:
                logger.warning("%s. Without a GPU, --simulate 8 shows what the agent does", driver)
        if snapshot.driver is not None:
            self._note_host(examine_host(snapshot))
        for gpu in snapshot.gpus:
            self._note_gpu(gpu)

    def note_stuck(self, name: str, stuck_after: float | None, meaning: str) -> None:
        """Log that `name` has not answered for `stuck_after` seconds, or (None) that it answers again."""
        if (stuck_after is not None) == (name in self._stuck):
            return
        self._stuck ^= {name}
        if stuck_after is not None:
            logger.warning("%s has not answered for %g s: %s", name, stuck_after, meaning)
        else:
            logger.info("%s answers again", name)

    def _note_host(self, health: Health) -> None:
        if health.verdict is None or health == self._host:
            return
        for reason in health.reasons:
            logger.warning("%s", reason)
        if health.verdict is HealthVerdict.HEALTHY and self._host is not None:
            logger.info("The host is healthy again")
        self._host = health

    def _note_gpu(self, gpu: GpuSample) -> None:
        before = self._states.get(gpu.index)
        if gpu.state is before or gpu.state in (GpuState.STARTING, GpuState.STALE):
            return
        if gpu.state is GpuState.ASLEEP:
            logger.info("%s is asleep: the kernel has suspended it because nobody uses it", _name(gpu))
        elif gpu.state is not GpuState.OK:
            why = "; ".join(filter(None, (gpu.error, gpu.todo)))
            logger.warning("%s is %s. %s", _name(gpu), gpu.state, why)
        elif before is not None:
            logger.info("%s is ok again", _name(gpu))
        self._states[gpu.index] = gpu.state


def _name(gpu: GpuSample) -> str:
    """The name of a GPU: its index, and its UUID or PCI bus id if known."""
    known = gpu.identity.uuid or gpu.identity.pci_bus_id
    return f"GPU {gpu.index} ({known})" if known else f"GPU {gpu.index}"


def _describe(driver: DriverReading) -> str:
    gpus = "1 GPU" if driver.gpu_count == 1 else f"{driver.gpu_count} GPUs"
    return f"NVIDIA driver {driver.driver_version or 'of unknown version'}: {gpus}"
