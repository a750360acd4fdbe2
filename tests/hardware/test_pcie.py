"""On a real GPU: the agent's PCIe rates agree with a known copy."""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx
import pynvml
import pytest

from agent.sources.gpu.handle import GpuHandle
from agent.sources.gpu.moment import Moment
from agent.sources.gpu.pcie import WINDOW_PACE, PcieSource
from agent.sources.gpu.unknown import Record
from agent.sources.nvml import query_or_none
from tests.hardware.cuda import copied_rate, cuda_child

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.agents import Process

pytestmark = pytest.mark.gpu

COUNTERS = {
    "tx": pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES,  # 197
    "rx": pynvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES,  # 198
}
VALUE_TYPES = {
    value: name.removeprefix("NVML_VALUE_TYPE_")
    for name, value in vars(pynvml).items()
    if name.startswith("NVML_VALUE_TYPE_") and name != "NVML_VALUE_TYPE_COUNT"
}
DIRECTIONS = {"tx": pynvml.NVML_PCIE_UTIL_TX_BYTES, "rx": pynvml.NVML_PCIE_UTIL_RX_BYTES}


def counters(handle: Any) -> dict[str, Any]:
    """Both counters of the driver; empty if it does not support field values."""
    fields = query_or_none("nvmlDeviceGetFieldValues", handle, list(COUNTERS.values())) or ()
    return dict(zip(COUNTERS, fields, strict=False))


def are_64_bit(fields: dict[str, Any]) -> bool:
    return bool(fields) and all(
        field.nvmlReturn == pynvml.NVML_SUCCESS
        and field.valueType == pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG
        for field in fields.values()
    )


def test_the_way_in_which_the_driver_reports_pcie_bytes_is_recorded(
    handle: Any, record_property: Callable[[str, object], None]
) -> None:
    earlier = counters(handle)
    time.sleep(1)
    later = counters(handle)
    for name, field_id in COUNTERS.items():
        if name not in later:
            text = "nvmlDeviceGetFieldValues is not supported"
        elif later[name].nvmlReturn != pynvml.NVML_SUCCESS:
            text = f"NVML error {later[name].nvmlReturn}"
        else:
            kind = VALUE_TYPES.get(later[name].valueType, later[name].valueType)
            long = later[name].valueType == pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG
            values = [f.value.ullVal if long else f.value.uiVal for f in (earlier[name], later[name])]
            text = f"{kind}: {values[0]}, a second later {values[1]} ({values[1] - values[0]:+d})"
            assert not long or values[1] >= values[0], "64 bits do not wrap between two reads"
        record_property(f"PCIe {name} bytes, field {field_id}", text)
        sys.stdout.write(f"\nPCIe {name} bytes, field {field_id}: {text}\n")


def test_pcie_traffic_is_known_from_counters_or_from_windows(handle: Any) -> None:
    source = PcieSource(GpuHandle(handle, Record()))
    source.read(Moment(0.0, 0.0, 0.0))
    if not are_64_bit(counters(handle)):
        if query_or_none("nvmlDeviceGetPcieThroughput", handle, DIRECTIONS["tx"]) is None:
            pytest.skip("this driver does not report PCIe traffic")
        source.measure(0.0)
    else:
        time.sleep(1)
    known = source.read(Moment(1.0, 1.0, 1.0))
    assert known.tx_kib_per_second is not None
    assert known.rx_kib_per_second is not None
    assert known.tx_kib_per_second >= 0
    assert known.rx_kib_per_second >= 0


def test_one_pcie_window_of_the_driver_takes_20_ms(
    handle: Any, record_property: Callable[[str, object], None]
) -> None:
    """nvml.h: "a byte counter over a 20ms interval". So the agent never waits for one."""
    for name, direction in DIRECTIONS.items():
        durations: list[float] = []
        for _ in range(11):
            started = time.perf_counter()
            if query_or_none("nvmlDeviceGetPcieThroughput", handle, direction) is None:
                pytest.skip("this GPU does not support nvmlDeviceGetPcieThroughput")
            durations.append(time.perf_counter() - started)
        typical = median(durations) * 1000
        text = f"p50 {typical:.2f} ms, max {max(durations) * 1000:.2f} ms"
        record_property(f"nvmlDeviceGetPcieThroughput {name}", text)
        sys.stdout.write(f"\nnvmlDeviceGetPcieThroughput, {name}: {text}\n")
        # The window itself, and the same time again for the ioctls at both ends.
        assert 18 <= typical <= 40


def test_data_copied_to_the_gpu_is_reported_as_received(
    agent: Process, record_property: Callable[[str, object], None]
) -> None:
    """This checks unit and direction: rx enters the GPU, in MB of 1024 x 1024 bytes per second.

    The rate may be 0.5 to 1.5 times that of the copy: the driver may count packet headers, and a window of
    20 ms is not the mean. A wrong unit or direction would differ more.
    """
    with cuda_child("copy") as child:
        time.sleep(
            1 + 2 * WINDOW_PACE
        )  # without counters, the windows from before the copy have then been replaced
        seen: list[dict[str, float]] = []
        for _ in range(6):
            time.sleep(1.1)
            gpus = httpx.get(f"{agent.url}/gpu", timeout=30).json()["gpus"]
            reported = [gpu["pcie"] for gpu in gpus if gpu["pcie"]["rx_throughput_mbps"] is not None]
            if not reported:
                pytest.skip("this driver does not report PCIe traffic")
            seen.append(max(reported, key=lambda pcie: float(pcie["rx_throughput_mbps"])))
        copied = copied_rate(child) / 1024**2
    rx, tx = (median(pcie[f"{name}_throughput_mbps"] for pcie in seen) for name in ("rx", "tx"))
    text = f"copied {copied:.0f} MB/s, rx {rx:.0f} MB/s, tx {tx:.0f} MB/s"
    record_property("a copy from host to device", text)
    sys.stdout.write(f"\nA copy from host to device: {text}\n")
    assert copied * 0.5 <= rx <= copied * 1.5, text
    assert tx < rx / 2, text
