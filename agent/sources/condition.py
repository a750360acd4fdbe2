"""What matters to who looks closely at one GPU: modes, power, engines, fans."""

from __future__ import annotations

from ctypes import byref
from typing import Any

import pynvml

from agent.readings import Condition, Fan
from agent.sources.nvml import ask, byte_count, call_c_function, field_values, watts

_FIELDS = (
    pynvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION,
    pynvml.NVML_FI_DEV_MEMORY_TEMP,
    pynvml.NVML_FI_DEV_POWER_AVERAGE,
    pynvml.NVML_FI_DEV_POWER_INSTANT,
)


def read_condition(handle: Any, fan_count: int | None) -> Condition:
    """NVML: see the fields of Condition."""
    recovery_action, memory_temperature, average_power, instant_power = field_values(handle, _FIELDS)
    persistence_mode = ask("nvmlDeviceGetPersistenceMode", handle)
    energy = ask("nvmlDeviceGetTotalEnergyConsumption", handle)
    bar1 = ask("nvmlDeviceGetBAR1MemoryInfo", handle)
    return Condition(
        performance_state=_performance_state(ask("nvmlDeviceGetPerformanceState", handle)),
        persistence_mode=None if persistence_mode is None else bool(persistence_mode),
        recovery_action=recovery_action,
        memory_temperature_celsius=memory_temperature or None,  # 0 where there is no such sensor
        average_power_watts=watts(average_power),
        instant_power_watts=watts(instant_power),
        enforced_power_limit_watts=watts(ask("nvmlDeviceGetEnforcedPowerLimit", handle)),
        energy_joules=None if energy is None else energy / 1000,
        sm_clock_mhz=ask("nvmlDeviceGetClockInfo", handle, pynvml.NVML_CLOCK_SM),
        video_clock_mhz=ask("nvmlDeviceGetClockInfo", handle, pynvml.NVML_CLOCK_VIDEO),
        encoder_percent=_engine_percent("nvmlDeviceGetEncoderUtilization", handle),
        decoder_percent=_engine_percent("nvmlDeviceGetDecoderUtilization", handle),
        jpeg_percent=_engine_percent("nvmlDeviceGetJpgUtilization", handle),
        ofa_percent=_engine_percent("nvmlDeviceGetOfaUtilization", handle),
        bar1_total_bytes=byte_count(bar1, "bar1Total"),
        bar1_used_bytes=byte_count(bar1, "bar1Used"),
        fans=tuple(_fan(handle, fan) for fan in range(fan_count or 0)),
        pcie_replays=ask("nvmlDeviceGetPcieReplayCounter", handle),
    )


def _performance_state(state: int | None) -> int | None:
    return None if state == pynvml.NVML_PSTATE_UNKNOWN else state


def _engine_percent(function: str, handle: Any) -> int | None:
    answer = ask(function, handle)  # [percent, sampling period in microseconds]
    return answer[0] if answer is not None and answer[0] <= 100 else None


def _fan(handle: Any, fan: int) -> Fan:
    return Fan(ask("nvmlDeviceGetFanSpeed_v2", handle, fan), ask(_fan_speed_rpm, handle, fan))


def _fan_speed_rpm(handle: Any, fan: int) -> int:
    """NVML: nvmlDeviceGetFanSpeedRPM; pynvml's own function asks for the first fan only."""
    info = pynvml.c_nvmlFanSpeedInfo_t()
    info.version, info.fan = pynvml.nvmlFanSpeedInfo_v1, fan
    call_c_function("nvmlDeviceGetFanSpeedRPM", handle, byref(info))
    return int(info.speed)
