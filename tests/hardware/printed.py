"""The output that nvidia-smi would print for the library that nvidia-ml-py uses now: for tests without a GPU.

It reads with plain nvidia-ml-py instead of the agent's sources, so that a wrong unit there is found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import pynvml

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024**2

_REASONS = {
    "gpu_idle": 0x1,
    "applications_clocks_setting": 0x2,
    "sw_power_cap": 0x4,
    "hw_slowdown": 0x8,
    "sync_boost": 0x10,
    "sw_thermal_slowdown": 0x20,
    "hw_thermal_slowdown": 0x40,
    "hw_power_brake_slowdown": 0x80,
    "display_clocks_setting": 0x100,
}


def printed() -> str:
    """The document of `nvidia-smi -q -x`."""
    pynvml.nvmlInit()
    try:
        cuda = pynvml.nvmlSystemGetCudaDriverVersion()
        count = pynvml.nvmlDeviceGetCount()
        return '<?xml version="1.0" ?>\n<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v13.dtd">\n' + _tag(
            "nvidia_smi_log",
            _tag("driver_version", pynvml.nvmlSystemGetDriverVersion()),
            _tag("cuda_version", f"{cuda // 1000}.{cuda % 1000 // 10}"),
            _tag("attached_gpus", count),
            *(_gpu(pynvml.nvmlDeviceGetHandleByIndex(index)) for index in range(count)),
        )
    finally:
        pynvml.nvmlShutdown()


def _gpu(handle: Any) -> str:
    def query(name: str, *arguments: Any) -> Any:
        """The result of an NVML function; None for N/A."""
        try:
            return getattr(pynvml, name)(handle, *arguments)
        except pynvml.NVMLError:
            return None

    memory = query("nvmlDeviceGetMemoryInfo", pynvml.nvmlMemory_v2)
    utilization = query("nvmlDeviceGetUtilizationRates")
    power = _scaled(query("nvmlDeviceGetPowerUsage"), 1000)
    limit = _scaled(query("nvmlDeviceGetPowerManagementLimit"), 1000)
    return _tag(
        "gpu",
        _tag("product_name", query("nvmlDeviceGetName")),
        _tag("uuid", query("nvmlDeviceGetUUID")),
        _pci(query),
        _tag("fan_speed", query("nvmlDeviceGetFanSpeed"), unit=" %"),
        _reasons(query("nvmlDeviceGetCurrentClocksEventReasons")),
        _tag(
            "fb_memory_usage",
            *(
                _tag(
                    name, None if not (memory and memory.total) else getattr(memory, name) // MIB, unit=" MiB"
                )
                for name in ("total", "reserved", "used", "free")
            ),
        ),
        _tag(
            "utilization",
            _tag("gpu_util", getattr(utilization, "gpu", None), unit=" %"),
            _tag("memory_util", getattr(utilization, "memory", None), unit=" %"),
        ),
        _tag("temperature", _tag("gpu_temp", query("nvmlDeviceGetTemperature", 0), unit=" C")),
        _tag(
            "gpu_power_readings",
            _tag("average_power_draw", power, unit=" W"),
            _tag("current_power_limit", limit, unit=" W"),
        ),
        *(
            _tag(
                name,
                _tag("graphics_clock", query(function, pynvml.NVML_CLOCK_GRAPHICS), unit=" MHz"),
                _tag("mem_clock", query(function, pynvml.NVML_CLOCK_MEM), unit=" MHz"),
            )
            for name, function in (
                ("clocks", "nvmlDeviceGetClockInfo"),
                ("max_clocks", "nvmlDeviceGetMaxClockInfo"),
            )
        ),
        _processes(query),
    )


def _pci(query: Callable[..., Any]) -> str:
    return _tag(
        "pci",
        _tag(
            "pci_gpu_link_info",
            _tag(
                "pcie_gen",
                _tag("max_link_gen", query("nvmlDeviceGetMaxPcieLinkGeneration")),
                _tag("current_link_gen", query("nvmlDeviceGetCurrPcieLinkGeneration")),
            ),
            _tag(
                "link_widths",
                _tag("max_link_width", query("nvmlDeviceGetMaxPcieLinkWidth"), unit="x"),
                _tag("current_link_width", query("nvmlDeviceGetCurrPcieLinkWidth"), unit="x"),
            ),
        ),
        _tag("tx_util", query("nvmlDeviceGetPcieThroughput", pynvml.NVML_PCIE_UTIL_TX_BYTES), unit=" KB/s"),
        _tag("rx_util", query("nvmlDeviceGetPcieThroughput", pynvml.NVML_PCIE_UTIL_RX_BYTES), unit=" KB/s"),
    )


def _reasons(reasons: int | None) -> str:
    def text(bit: int) -> str | None:
        return None if reasons is None else "Active" if reasons & bit else "Not Active"

    return _tag(
        "clocks_event_reasons",
        *(_tag(f"clocks_event_reason_{name}", text(bit)) for name, bit in _REASONS.items()),
    )


def _processes(query: Callable[..., Any]) -> str:
    kinds: dict[int, tuple[str, int | None]] = {}
    for kind, function in (
        ("C", "nvmlDeviceGetComputeRunningProcesses"),
        ("G", "nvmlDeviceGetGraphicsRunningProcesses"),
    ):
        for entry in query(function) or ():
            earlier = kinds.get(entry.pid)
            kinds[entry.pid] = (f"{earlier[0]}+{kind}" if earlier else kind, entry.usedGpuMemory)
    return _tag(
        "processes",
        *(
            _tag(
                "process_info",
                _tag("pid", pid),
                _tag("type", kind),
                _tag("process_name", "a & b"),
                _tag("used_memory", _scaled(used, MIB, "{:.0f}"), unit=" MiB"),
            )
            for pid, (kind, used) in kinds.items()
        ),
    )


def _scaled(value: float | None, by: float, form: str = "{:.2f}") -> str | None:
    return None if value is None else form.format(value / by)


def _tag(name: str, *content: Any, unit: str = "") -> str:
    """Nested tags, or one value with its unit, N/A where it is None."""
    nested = [part for part in content if isinstance(part, str) and part.startswith("<")]
    if len(nested) == len(content):
        return f"<{name}>{''.join(nested)}</{name}>"
    (value,) = content
    return f"<{name}>{'N/A' if value is None else escape(str(value)) + unit}</{name}>"
