"""dcgm.yml: dcgm-exporter's names, units and labels, made of our series."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.prometheus.engine import DEPLOY, prometheus, promtool
from tests.support.agents import agent_process, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

# For each series of dcgm-exporter: the agent's series, its value, and dcgm-exporter's value.
TABLE = {
    "DCGM_FI_DEV_SM_CLOCK": ('clock_hertz{clock="sm"}', 1.98e9, 1980),
    "DCGM_FI_DEV_MEM_CLOCK": ('clock_hertz{clock="memory"}', 2.619e9, 2619),
    "DCGM_FI_DEV_GPU_TEMP": ("temperature_celsius", 45, 45),
    "DCGM_FI_DEV_MEMORY_TEMP": ("memory_temperature_celsius", 52, 52),
    "DCGM_FI_DEV_POWER_USAGE": ("power_watts", 350.5, 350.5),
    "DCGM_FI_DEV_POWER_MGMT_LIMIT": ("power_limit_watts", 700, 700),
    "DCGM_FI_DEV_ENFORCED_POWER_LIMIT": ("power_enforced_limit_watts", 650, 650),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": ("energy_joules_total", 2265.504, 2265504),
    "DCGM_FI_DEV_FAN_SPEED": ("fan_speed_ratio", 0.5, 50),
    "DCGM_FI_DEV_PSTATE": ("performance_state", 2, 2),
    "DCGM_FI_DEV_GPU_UTIL": ("utilization_ratio", 0.75, 75),
    "DCGM_FI_DEV_MEM_COPY_UTIL": ("memory_controller_utilization_ratio", 0.25, 25),
    "DCGM_FI_DEV_ENC_UTIL": ("encoder_utilization_ratio", 0.5, 50),
    "DCGM_FI_DEV_DEC_UTIL": ("decoder_utilization_ratio", 0.125, 12.5),
    "DCGM_FI_DEV_FB_TOTAL": ("memory_total_bytes", 85520809984, 81559),
    "DCGM_FI_DEV_FB_FREE": ("memory_free_bytes", 1048576, 1),
    "DCGM_FI_DEV_FB_USED": ("memory_used_bytes", 10485760, 10),
    "DCGM_FI_DEV_FB_RESERVED": ("memory_reserved_bytes", 503316480, 480),
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": ("pcie_replays_total", 3, 3),
    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": ('ecc_errors_total{scope="volatile",type="corrected"}', 1, 1),
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": ('ecc_errors_total{scope="volatile",type="uncorrected"}', 2, 2),
    "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL": ('ecc_errors_total{scope="aggregate",type="corrected"}', 3, 3),
    "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL": ('ecc_errors_total{scope="aggregate",type="uncorrected"}', 4, 4),
    "DCGM_FI_DEV_RETIRED_SBE": ('retired_pages{cause="corrected"}', 5, 5),
    "DCGM_FI_DEV_RETIRED_DBE": ('retired_pages{cause="uncorrected"}', 6, 6),
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": ('remapped_rows{cause="corrected"}', 7, 7),
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": ('remapped_rows{cause="uncorrected"}', 8, 8),
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": ("remapping_failed", 1, 1),
    "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL": ('nvlink_errors_total{type="crc_flit"}', 9, 9),
    "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL": ('nvlink_errors_total{type="crc_data"}', 10, 10),
    "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL": ('nvlink_errors_total{type="replay"}', 11, 11),
    "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL": ('nvlink_errors_total{type="recovery"}', 12, 12),
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": ("utilization_ratio", 0.75, 0.75),
    "DCGM_FI_PROF_SM_ACTIVE": ("sm_activity_ratio", 0.5, 0.5),
    "DCGM_FI_PROF_SM_OCCUPANCY": ("sm_occupancy_ratio", 0.25, 0.25),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": ("tensor_activity_ratio", 0.625, 0.625),
    "DCGM_FI_PROF_DRAM_ACTIVE": ("dram_activity_ratio", 0.375, 0.375),
    "DCGM_FI_PROF_PCIE_TX_BYTES": ("pcie_tx_bytes_per_second", 1e9, 1e9),
    "DCGM_FI_PROF_PCIE_RX_BYTES": ("pcie_rx_bytes_per_second", 2e9, 2e9),
    "DCGM_FI_PROF_NVLINK_TX_BYTES": ('nvlink_tx_bytes_per_second{link="0"}', 3e9, 3e9),
    "DCGM_FI_PROF_NVLINK_RX_BYTES": ('nvlink_rx_bytes_per_second{link="0"}', 4e9, 4e9),
}
GPU = 'job="gpu",instance="gpu01:8000",gpu="3",uuid="GPU-3"'
INFO = f'nvidia_gpu_info{{{GPU},name="NVIDIA H100 80GB HBM3",pci_bus_id="0000:3B:00.0",driver="580.1"}}'
HELD = "nvidia_gpu_process_memory_used_bytes"
LABELS = (
    'job="gpu",instance="gpu01:8000",gpu="3",UUID="GPU-3",device="nvidia3",pci_bus_id="0000:3B:00.0",'
    'modelName="NVIDIA H100 80GB HBM3",Hostname="gpu01",DCGM_FI_DRIVER_VERSION="580.1"'
)
POD = ',pod="train-0",namespace="ml",container="trainer"'


def series(written: str) -> str:
    """The agent's series, with the labels of the GPU."""
    name, _, labels = written.partition("{")
    return f"nvidia_gpu_{name}{{{GPU},{labels}" if labels else f"nvidia_gpu_{name}{{{GPU}}}"


def recorded() -> list[str]:
    groups = yaml.safe_load((DEPLOY / "dcgm.yml").read_text())["groups"]
    return [rule["record"] for group in groups for rule in group["rules"]]


def test_every_recording_rule_has_a_row_in_the_table() -> None:
    assert [name for name in recorded() if name.startswith("DCGM_")] == list(TABLE)


@pytest.mark.parametrize("with_pod", [False, True], ids=["no pod", "a pod"])
def test_each_series_has_the_unit_and_the_labels_that_dcgm_exporter_has(
    with_pod: bool, tmp_path: Path
) -> None:
    ours = {series(written): value for written, value, _ in TABLE.values()} | {INFO: 1}
    if with_pod:
        small = f'{HELD}{{{GPU},pid="1",pod_name="notebook",pod_namespace="ml",container_name="jupyter"}}'
        large = f'{HELD}{{{GPU},pid="2",pod_name="train-0",pod_namespace="ml",container_name="trainer"}}'
        alone = f'{HELD}{{{GPU},pid="3",pod_name="",pod_namespace="",container_name=""}}'
        ours |= {small: 5, large: 7, alone: 9}
    labels = LABELS + (POD if with_pod else "")
    test = {
        "interval": "1m",
        "input_series": [{"series": one, "values": f"{value}x5"} for one, value in ours.items()],
        "promql_expr_test": [
            {
                "expr": name,
                "eval_time": "3m",
                "exp_samples": [{"labels": f"{name}{{{labels}}}", "value": value}],
            }
            for name, (_, _, value) in TABLE.items()
        ],
    }
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(DEPLOY / "dcgm.yml")], "tests": [test]}, width=10_000))
    assert "SUCCESS" in promtool("test", "rules", str(file))


# The queries of dcgm-exporter's public dashboard (12239); `$Hostname` and `$gpu` are "All".
DASHBOARD = [
    "max({GPU_TEMP}) by (Hostname, gpu, uuid)",
    "avg({GPU_TEMP})",
    "max({POWER_USAGE}) by (Hostname, gpu, uuid)",
    "sum(max({POWER_USAGE}) by (gpu))",
    "max({SM_CLOCK} * 1000000) by (Hostname, UUID, gpu)",
    "max({GR_ENGINE_ACTIVE}) by (Hostname, gpu, GPU_I_ID, GPU_I_PROFILE)",
    "max({PIPE_TENSOR_ACTIVE}) by (Hostname, gpu, GPU_I_ID, GPU_I_PROFILE)",
    "max({FB_USED}) by (Hostname, gpu, GPU_I_ID, GPU_I_PROFILE)",
    "{FB_FREE}",
]


def full_query(expression: str) -> str:
    """A query with the full names of the metrics and with their matchers."""

    def selector(found: re.Match[str]) -> str:
        (name,) = (name for name in TABLE if name.endswith(f"_{found[1]}"))
        return f'{name}{{Hostname=~".+", gpu=~".+"}}'

    return re.sub(r"{(\w+)}", selector, expression)


def test_every_query_of_the_public_dashboard_has_a_result(tmp_path: Path) -> None:
    with agent_process("--simulate", "2", HISTORY_INTERVAL="1") as agent:
        scrape: dict[str, Any] = {"job_name": "gpu", "static_configs": [{"targets": [agent.url[7:]]}]}
        with prometheus(tmp_path, [scrape], more_rules=("dcgm.yml",)) as engine:

            def unanswered() -> list[str]:
                return [expression for expression in DASHBOARD if not engine.query(full_query(expression))]

            wait_until(
                lambda: unanswered() == [],
                lambda: f"all queries have a result, except {unanswered()}",
                deadline=60,
            )
            hosts = {one["metric"]["Hostname"] for one in engine.query("DCGM_FI_DEV_FB_FREE")}
            assert hosts == {"127.0.0.1"}
