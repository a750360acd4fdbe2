"""Whether the GPUs of this host may sleep, as those of laptops do, and whether they sleep now.

The kernel suspends an unused device if its runtime power management is on; an open NVML handle counts as use.
It also suspends a device without a driver, which no program can wake. Reading these files wakes no device.
"""

from __future__ import annotations

from typing import Protocol

from agent.readings import RuntimePower, SourceError
from agent.sources.pci import DEVICES, SYS, as_the_kernel_writes, driver_of, nvidia_gpus
from agent.sources.procfs import MAX_BYTES, read_beginning


class RuntimePowerSource(Protocol):
    """The interface of the source."""

    def read(self) -> RuntimePower | None:
        """None: there is no GPU, or not every one of them may sleep.

        Raises SourceError if it cannot be read.
        """


class HostRuntimePower:
    """The state of the host, from /sys/bus/pci/devices."""

    def __init__(self, sys_root: str = SYS) -> None:
        self._sys_root = sys_root

    def read(self) -> RuntimePower | None:
        """From `driver`, `power/control` and `power/runtime_status` of each GPU. Raises SourceError."""
        bus_ids = nvidia_gpus(self._sys_root)
        folder = f"{self._sys_root}/{DEVICES}"
        try:
            states = [_state(f"{folder}/{as_the_kernel_writes(bus_id)}") for bus_id in bus_ids]
        except OSError as error:
            raise SourceError(f"The runtime power of the GPUs cannot be read: {error}") from error
        if not states or None in states:
            return None
        return RuntimePower(bus_ids, all(state == b"suspended" for state in states))


def _state(device: str) -> bytes | None:
    """The runtime status of the device in this folder; None: it never sleeps. Raises OSError."""
    state = _read_power_file(device, "runtime_status")
    may_sleep = _read_power_file(device, "control") == b"auto" and state != b"unsupported"
    return state if may_sleep and driver_of(device) is not None else None


def _read_power_file(device: str, name: str) -> bytes:
    return read_beginning(f"{device}/power/{name}", MAX_BYTES).data.strip()


# A simulation replaces this, as it does with the NVML library.
in_place: RuntimePowerSource = HostRuntimePower()
