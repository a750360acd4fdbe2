"""What the panels of the dashboards show for certain series, by promtool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.prometheus.panels import assert_results, query_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

FLEET = "gpu-fleet.json"
HOST = 'job="gpu",instance="gpu01"'
GPU = f'{HOST},gpu="3",uuid="GPU-3"'

# By tile: a series, a value that it does not count, and one that it counts.
TILES = {
    "Agents that do not answer": (f"up{{{HOST}}}", "1", "0"),
    "Drivers that do not answer": (f"nvidia_gpu_agent_driver_up{{{HOST}}}", "1", "0"),
    "GPUs without a process": (f"nvidia_gpu_processes{{{GPU}}}", "2", "0"),
    "Critical GPUs": (f'nvidia_gpu_health_verdict{{{GPU},verdict="critical"}}', "0", "1"),
}


@pytest.mark.parametrize("title", TILES)
@pytest.mark.parametrize(
    ("at", "results"),
    [("0s", {"{}": 0}), ("15s", {"{}": 1}), ("30s", {})],
    ids=["none", "one", "unknown"],
)
def test_a_tile_is_0_only_if_something_is_known(
    title: str, at: str, results: dict[str, float], tmp_path: Path
) -> None:
    series, left_out, counted = TILES[title]
    values = {series: f"{left_out} {counted} stale"}
    assert_results(tmp_path, query_of(FLEET, title), values, at=at, results=results)


def test_an_xid_is_in_the_table_of_its_time_even_if_it_is_the_first_or_its_gpu_is_gone(
    tmp_path: Path,
) -> None:
    def xid(code: int) -> str:
        return f'nvidia_gpu_xid_last_timestamp_seconds{{{GPU},xid="{code}"}}'

    # 79 is a minute old, and the agent does not answer since; 13 is older than the time of the dashboard.
    series = {xid(79): "_x160 2400 stale", xid(31): "60 2430x170", xid(13): "60x170"}
    query = query_of(FLEET, "XID errors in this time", __range="10m", __range_s="600")
    shown = {f'{{{HOST},gpu="3",xid="{code}"}}': at * 1000 for code, at in ((79, 2400), (31, 2430))}
    assert_results(tmp_path, query, series, at="41m", results=shown)


@pytest.mark.parametrize(
    ("title", "series"),
    [
        ("What is wrong", 'nvidia_gpu_health_finding{{{gpu},finding="no_permission",verdict="warning"}}'),
        ("GPUs without a process, free memory", "nvidia_gpu_memory_free_bytes{{{gpu}}}"),
    ],
)
def test_two_gpus_without_a_uuid_have_their_rows_in_the_tables(
    title: str, series: str, tmp_path: Path
) -> None:
    gpus = [f'{HOST},gpu="{index}",uuid="unknown"' for index in (0, 1)]
    given = {
        f'nvidia_gpu_info{{{gpus[0]},name="H100"}}': "1x4",
        f'nvidia_gpu_info{{{gpus[1]},name="A100"}}': "1x4",
        **{f"nvidia_gpu_processes{{{gpu}}}": "0x4" for gpu in gpus},
        **{series.format(gpu=gpu): "1x4" for gpu in gpus},
    }
    query = f"count by (gpu, name) ({query_of(FLEET, title)})"
    rows = {'{gpu="0",name="H100"}': 1, '{gpu="1",name="A100"}': 1}
    assert_results(tmp_path, query, given, at="15s", results=rows)


@pytest.mark.parametrize("name", [FLEET, "gpu-host.json"])
def test_a_driver_and_an_agent_that_do_not_answer_have_their_rows_in_the_table_of_what_is_wrong(
    name: str, tmp_path: Path
) -> None:
    series = {}
    for host, is_up, driver in (
        ("gpu01", 1, "1"),
        ("gpu02", 1, "0"),
        ("gpu03", 1, "0"),
        ("gpu04", 0, "stale"),
    ):
        labels = f'job="gpu",instance="{host}"'
        series[f"up{{{labels}}}"] = f"1 {is_up}"
        series[f"nvidia_gpu_agent_driver_up{{{labels}}}"] = f"1 {driver}"
    # With EXPECTED_GPUS the agent has the same finding.
    no_driver = 'finding="no_driver",verdict="critical"'
    series[f'nvidia_gpu_host_health_finding{{job="gpu",instance="gpu03",{no_driver}}}'] = "_ 1"

    query = f"count by (instance, finding, verdict) ({query_of(name, 'What is wrong')})"
    rows = {
        f'{{instance="gpu02",{no_driver}}}': 1,
        f'{{instance="gpu03",{no_driver}}}': 1,
        '{instance="gpu04",finding="agent_down",verdict="critical"}': 1,
    }
    assert_results(tmp_path, query, series, at="15s", results=rows)


def test_time_without_a_reported_utilization_is_not_time_in_which_a_user_left_gpus_unused(
    tmp_path: Path,
) -> None:
    """Ann keeps a GPU busy by half, and its utilization is reported for half of the time."""
    series = {
        f'nvidia_gpu_user_held_seconds_total{{{HOST},user="ann"}}': "0+15x80",
        f'nvidia_gpu_user_used_seconds_total{{{HOST},user="ann"}}': "0+7.5x40 300x40",
        f'nvidia_gpu_user_utilization_known_seconds_total{{{HOST},user="ann"}}': "0+15x40 600x40",
    }
    query = query_of("gpu-users.json", "Used of what was held", __range="20m")
    assert_results(tmp_path, query, series, at="20m", results={'{user="ann"}': 0.5})
