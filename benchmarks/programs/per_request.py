"""For comparison: handlers that read the driver through nvitop in each request, as simple agents do."""

from __future__ import annotations

import time
from typing import Any

import psutil
from fastapi import Depends, FastAPI, Header, HTTPException
from nvitop import Device, GpuProcess

from benchmarks.programs import serving, simulated
from benchmarks.server import PREFIX, TOKEN

MIB = 1024**2


def authenticated(authorization: str = Header("")) -> None:
    """Check the token; without it the answer is 401."""
    if authorization != TOKEN:
        raise HTTPException(401)


app = FastAPI(dependencies=[Depends(authenticated)])


@app.get(PREFIX + "/status")
def status() -> dict[str, Any]:
    """Every GPU and every process on it."""
    devices = Device.all()
    with GpuProcess.failsafe():
        return {
            "code": 0,
            "data": {
                "count": len(devices),
                "devices": [_device(device) for device in devices],
                "processes": [
                    {
                        "idx": device.index,
                        "pid": process.pid,
                        "username": process.username(),
                        "command": process.command(),
                        "type": process.type,
                        "gpu_memory": process.gpu_memory_human(),
                    }
                    for device in devices
                    for process in device.processes().values()
                ],
            },
        }


def _device(device: Device) -> dict[str, Any]:
    return {
        "idx": device.index,
        "name": device.name(),
        "fan_speed": device.fan_speed(),
        "temperature": device.temperature(),
        "power_status": device.power_status(),
        "gpu_utilization": device.gpu_utilization(),
        "memory_total_human": device.memory_total_human(),
        "memory_used_human": device.memory_used_human(),
        "memory_free_human": device.memory_free_human(),
        "memory_utilization": device.memory_utilization(),
        "ts": int(time.time() * 1000),
    }


@app.get(PREFIX + "/gpu")
def gpu() -> dict[str, Any]:
    """Every GPU with clocks and PCIe throughput, and the host."""
    memory, disk, disk_io = psutil.virtual_memory(), psutil.disk_usage("/"), psutil.disk_io_counters()
    return {
        "timestamp": time.time(),
        "system_info": {
            "driver_version": Device.driver_version(),
            "cuda_version": Device.cuda_driver_version(),
            "cpu_percent": psutil.cpu_percent(),
            "cpu_per_core_percent": psutil.cpu_percent(percpu=True),
            "memory": {"total_mb": memory.total // MIB, "percent": memory.percent},
            "disk_used_gb": disk.used / 1e9,
            "disk_io": disk_io._asdict() if disk_io else None,
        },
        "gpus": [_metrics(device) for device in Device.all()],
        "status": "ok",
    }


def _metrics(device: Device) -> dict[str, Any]:
    memory, utilization = device.memory_info(), device.utilization_rates()
    clocks, max_clocks, pcie = device.clock_infos(), device.max_clock_infos(), device.pcie_throughput()
    return {
        "id": device.index,
        "name": device.name(),
        "memory": {
            "total_mb": memory.total / MIB,
            "used_mb": memory.used / MIB,
            "free_mb": memory.free / MIB,
        },
        "utilization": {"gpu_percent": utilization.gpu, "memory_percent": utilization.memory},
        "temperature_celsius": device.temperature(),
        "power": {"usage_watts": device.power_usage() / 1000, "limit_watts": device.power_limit() / 1000},
        "clocks": {"graphics_mhz": clocks.graphics, "memory_mhz": clocks.memory},
        "max_clocks": {"graphics_mhz": max_clocks.graphics, "memory_mhz": max_clocks.memory},
        "pcie": {"tx_throughput_kib": pcie.tx, "rx_throughput_kib": pcie.rx},
        "fan_speed": device.fan_speed(),
    }


if __name__ == "__main__":
    given, rest = serving.options().parse_known_args()
    simulated.install(simulated.options().parse_args(rest))
    serving.serve(app, given)
