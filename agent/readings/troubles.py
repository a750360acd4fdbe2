"""The table of what can be wrong with the driver or a GPU as a whole, and what to do.

An `error` is NVML's symbol of a return code, as in nvml.h: NVML_ERROR_TIMEOUT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LIB_RM_VERSION_MISMATCH = 18  # nvmlReturn_t
_PREFIX = "NVML_ERROR_"
_OTHER = "UNKNOWN"  # also for codes of newer drivers
ABOUT_A_STUCK_DRIVER = "look for XID errors in dmesg; if it persists, reboot"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong, and what to do; each for people, without a full stop."""

    what: str
    todo: str

    @property
    def sentence(self) -> str:
        """Both in one sentence."""
        return f"{self.what}; {self.todo}"


def driver_trouble(error: str, words: str, *, in_container: bool) -> Trouble:
    """The trouble of the driver: nvmlInit or nvmlDeviceGetCount failed with `error`, in NVML's `words`."""
    row = _row(error)
    return Trouble(row.driver.format(words=words.rstrip(".")), row.advice(in_container=in_container))


def gpu_trouble(error: str, words: str, *, in_container: bool) -> Trouble:
    """The trouble of one GPU: a call on it failed with `error`, in NVML's `words`."""
    row = _row(error)
    return Trouble(row.gpu.format(words=words.rstrip(".")), row.advice(in_container=in_container))


def todo_about_value(error: str) -> str:
    """What to do about a value that fails with `error`; the GPU as a whole can be read."""
    return _row(error).todo


def stuck_gpu(seconds: float) -> Trouble:
    """A call on the GPU has not returned for `seconds`."""
    return Trouble(
        f"A driver call on this GPU has not returned for {seconds:.0f} s",
        "look for its XID in dmesg; if it persists, reboot",
    )


def stuck_driver(seconds: float) -> Trouble:
    """The call that makes contact with the driver, or ends it, has not returned for `seconds`."""
    return Trouble(f"The driver has not answered for {seconds:.0f} s", ABOUT_A_STUCK_DRIVER)


def silent_gpu(seconds: float) -> Trouble:
    """The GPU's last reading is `seconds` old, and no call on it hangs."""
    return Trouble(
        f"The GPU has not answered; its last reading is {seconds:.0f} s old",
        "look at the load of the host, and for its XID in dmesg",
    )


def unknown_sleep(seconds: float) -> Trouble:
    """The kernel last reported `seconds` ago whether the GPUs sleep; meanwhile the GPU is not read."""
    return Trouble(
        f"Whether the GPU is asleep is unknown: the kernel last reported it {seconds:.0f} s ago",
        "look at dmesg, and whether /sys/bus/pci/devices/*/power can be read",
    )


# While the GPUs sleep, and are not read, the kernel no longer lists one of them.
UNPLUGGED = Trouble("The GPU is no longer on the PCI bus", "see lspci and dmesg; connect or reseat it")
# A source whose code fails, and a GPU about which nothing more is known.
AGENT_FAULT = Trouble("The agent failed while reading it; its log says why", "report what the log says")
UNREADABLE = Trouble("The GPU cannot be read", "see the log of the agent, and dmesg for its XID")

# A source without a thread of its own.
NO_THREAD = Trouble(
    "The agent cannot start a thread",
    "raise the limit: TasksMax= of the unit, the pids limit of the container, ulimit -u, or memory",
)

RESET = "stop what runs on it and reset it: nvidia-smi --gpu-reset"
_MAKE_CONTACT = (
    "the agent reconnects to the driver by itself; if the fault persists, restart the agent, then the host"
)
_UPGRADE = "upgrade the driver; if it is a recent one, upgrade the agent"
_WATCH = "look for XID errors in dmesg; if it persists, reset the GPU when its work is done, or reboot"
_GIVE_GPUS = "give the container the GPUs (--gpus all); if it had them before, recreate the container"
_MISFIT = "The NVIDIA kernel module and the NVML library have different versions"
_NO_LIBRARY = "No NVIDIA driver: the NVML library (libnvidia-ml.so.1) was not found"
_NOT_LOADED = "The NVIDIA driver is installed but not loaded"
_NO_COUNT = "The NVIDIA driver does not report how many GPUs there are: {words}"


@dataclass(frozen=True, slots=True)
class _Row:
    """One return code. `{words}`: NVML's error text, which is generic for codes newer than the library."""

    todo: str
    gpu: str = "The driver refuses to read the GPU: {words}"
    driver: str = "The NVIDIA driver does not answer: {words}"
    in_container: str | None = None  # what to do instead if the agent runs in a container

    def advice(self, *, in_container: bool) -> str:
        return self.in_container if in_container and self.in_container else self.todo


# By the name in nvml.h after NVML_ERROR_.
_ROWS: Mapping[str, _Row] = {
    "UNINITIALIZED": _Row(_MAKE_CONTACT),
    "INVALID_ARGUMENT": _Row(_MAKE_CONTACT),  # a handle from before a reset
    "NOT_SUPPORTED": _Row(_UPGRADE, driver=_NO_COUNT),
    "NO_PERMISSION": _Row(
        "let the agent's user open /dev/nvidiactl, /dev/nvidia0, /dev/nvidia1 and so on",
        gpu="No permission to read the GPU",
        driver="No permission to use the NVIDIA driver",
        in_container=_GIVE_GPUS,
    ),
    "ALREADY_INITIALIZED": _Row(_MAKE_CONTACT),
    "NOT_FOUND": _Row(_MAKE_CONTACT),
    "INSUFFICIENT_SIZE": _Row(_UPGRADE),
    "INSUFFICIENT_POWER": _Row(
        "switch the host off and connect the power cables of the GPU",
        gpu="The GPU lacks external power: a power cable is missing or loose",
        driver="A GPU lacks external power: a power cable is missing or loose",
    ),
    "DRIVER_NOT_LOADED": _Row(
        "load it with: modprobe nvidia",
        gpu=_NOT_LOADED,
        driver=_NOT_LOADED,
        in_container="load it on the host with: modprobe nvidia; if it is loaded, give the container the GPUs"
        " (--gpus all)",
    ),
    "TIMEOUT": _Row(
        "look at the load of the host, and for XID errors in dmesg; if it persists, reset the GPU or reboot",
        gpu="The GPU did not answer the driver in time",
        driver="The NVIDIA driver did not answer in time",
    ),
    "IRQ_ISSUE": _Row(
        "see dmesg and reboot; if it comes back, look at MSI and IOMMU in firmware and kernel settings",
        gpu="The kernel has trouble with the interrupts of the GPU",
        driver="The kernel has trouble with the interrupts of a GPU",
    ),
    "LIBRARY_NOT_FOUND": _Row(
        "install the driver, or give the container the NVIDIA runtime (--gpus all)",
        gpu=_NO_LIBRARY,
        driver=_NO_LIBRARY,
    ),
    "FUNCTION_NOT_FOUND": _Row(_UPGRADE, driver=_NO_COUNT),
    "CORRUPTED_INFOROM": _Row(
        "stop what runs on it and reset it; if it comes back, have the GPU replaced",
        gpu="The infoROM of the GPU is corrupted",
        driver="The infoROM of a GPU is corrupted",
    ),
    "GPU_IS_LOST": _Row(
        "look for its XID in dmesg; reset it or reboot, and reseat or replace it if it comes back",
        gpu="The GPU is lost: it fell off the bus, or the driver cannot reach it",
        driver="A GPU is lost: it fell off the bus, or the driver cannot reach it",
    ),
    "RESET_REQUIRED": _Row(RESET, gpu="The GPU requires a reset", driver="A GPU requires a reset"),
    "OPERATING_SYSTEM": _Row(
        "see dmesg and the audit log for what forbids it: DeviceAllow=, SELinux or AppArmor",
        gpu="The operating system denies access to the GPU",
        driver="The operating system denies access to the NVIDIA driver",
        in_container=_GIVE_GPUS,
    ),
    "LIB_RM_VERSION_MISMATCH": _Row(
        "after a driver upgrade reload the module, or reboot",
        gpu=_MISFIT,
        driver=_MISFIT,
        in_container="after a driver upgrade reload the module, or reboot the host; then recreate the"
        " container, which has the old library",
    ),
    "IN_USE": _Row(
        "check whether a reset, a change of its mode or a virtual machine holds the GPU, and let that end",
        gpu="Something else uses the GPU exclusively",
        driver="Something else uses a GPU exclusively",
    ),
    "MEMORY": _Row(
        "look at the free memory of the host, and at the memory limit of the agent's service or container",
        gpu="The driver does not have enough memory to read the GPU",
        driver="The NVIDIA driver does not have enough memory",
    ),
    "NO_DATA": _Row(_MAKE_CONTACT),
    "VGPU_ECC_NOT_SUPPORTED": _Row(_UPGRADE),
    "INSUFFICIENT_RESOURCES": _Row(
        "look at the limits of the agent's service or container (open files, processes), and in dmesg",
        gpu="The driver lacks a resource other than memory to read the GPU",
        driver="The NVIDIA driver lacks a resource other than memory",
    ),
    "FREQ_NOT_SUPPORTED": _Row(_UPGRADE),
    "ARGUMENT_VERSION_MISMATCH": _Row(
        _UPGRADE,
        gpu="The driver and the agent use different versions of the interface to read the GPU",
        driver="The NVIDIA driver and the agent use different versions of its interface",
    ),
    "DEPRECATED": _Row(_UPGRADE, driver=_NO_COUNT),
    "NOT_READY": _Row(
        "wait until it has started; if it persists, see dmesg and the log of the fabric manager",
        gpu="The GPU is not ready",
        driver="The NVIDIA driver is not ready",
    ),
    "GPU_NOT_FOUND": _Row(
        "check in lspci whether it is there, and in dmesg why the driver does not use it",
        gpu="The driver does not find the GPU",
        driver="The NVIDIA driver finds no GPU",
        in_container=_GIVE_GPUS,
    ),
    "INVALID_STATE": _Row(
        "see in nvidia-smi -q whether a change of mode (MIG, ECC ...) is pending, and reset the GPU if so",
        gpu="The GPU is in a state in which it cannot be read",
        driver="The NVIDIA driver is in a state in which it does not answer",
    ),
    "RESET_TYPE_NOT_SUPPORTED": _Row(_UPGRADE),
    _OTHER: _Row(
        _WATCH,
        in_container="the container may have lost its device files, as after systemctl daemon-reload on the"
        " host: recreate the container; if that does not help, look for XID errors in dmesg",
    ),
}


def _row(error: str) -> _Row:
    return _ROWS.get(error.removeprefix(_PREFIX), _ROWS[_OTHER])
