"""`/metrics`: exact lines, and no series for unknown values or for processes that have ended."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from agent.readings import (
    AgentReading,
    DriverReading,
    GpuSample,
    GpuState,
    MigInstance,
    NvLink,
    NvLinks,
    Snapshot,
)
from agent.readings.state import StateReading
from agent.simulation import MODELS
from agent.views.prometheus import OPENMETRICS, TEXT, AgentHealth, Exposition
from tests.exact.reading import SNAPSHOT
from tests.sources.one_gpu import one_gpu
from tests.support.readings import with_values
from tests.views.samples import HEALTHY, KNOWS_NOTHING, LOST, READING, STARTING, STUCK, snapshot

GPU = 'uuid="GPU-1",gpu="0"'
LABEL = r'\w+="(?:[^"\\]|\\.)*"'


def text(shown: Snapshot, *, processes: bool = True, nvlinks: bool = True, content_type: str = TEXT) -> str:
    exposition = Exposition(
        shown,
        idle_after_seconds=900,
        nvlinks=nvlinks,
        processes=processes,
        agent=AgentHealth(
            process=AgentReading(1_600_000_000.25, 123_000_000, 4711.25, 42, 65536),
            streams=3,
            max_streams=1000,
            late_samples=5,
            log_lines_dropped=7,
            token_file=(False, 1_700_000_000.5),
            state=StateReading(None, 1_700_000_001.5, 123_456, 8, 9),
        ),
    )
    return exposition.text(content_type).decode()


def test_only_the_families_about_nvlinks_can_be_left_out() -> None:
    whole = text(SNAPSHOT).splitlines()

    assert "nvidia_gpu_nvlink_speed_bytes_per_second{" in text(SNAPSHOT)
    assert text(SNAPSHOT, nvlinks=False).splitlines() == [line for line in whole if "_nvlink" not in line]


def in_order(line: str) -> str:
    """The line with its labels in the order of the exposition, by name."""
    name, labels, value = re.fullmatch(r"([^{]*)\{(.*)\} (.*)", line).groups()  # type: ignore[union-attr]  # it matches
    return f"{name}{{{','.join(sorted(re.findall(LABEL, labels)))}}} {value}"


def lines(shown: Snapshot, prefix: str = "", *, processes: bool = True) -> list[str]:
    """The samples whose name begins with the prefix."""
    return [
        line
        for line in text(shown, processes=processes).splitlines()
        if line.startswith(f"nvidia_gpu_{prefix}")
    ]


@pytest.mark.parametrize(
    ("supported", "reported"),
    [
        pytest.param(None, 9, id="unknown"),
        pytest.param(0, 9, id="none, as it makes no sense"),
        pytest.param(0x3B, 6, id="the limiting one, and all but the kinds of a hardware slowdown"),
    ],
)
def test_a_clocks_event_reason_that_the_gpu_does_not_report_has_no_series(
    supported: int | None, reported: int
) -> None:
    limited = with_values(READING, clocks_event_reasons=0x4, clocks_supported_event_reasons=supported)
    series = lines(snapshot(GpuSample(0, GpuState.OK, limited)), "clocks_event_reason{")

    assert len(series) == reported
    limiting = [line for line in series if line.endswith(" 1.0")]
    assert limiting == [line for line in series if "sw_power_cap" in line]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("utilization_ratio", [f"nvidia_gpu_utilization_ratio{{{GPU}}} 0.05"]),
        ("memory_used_bytes", [f"nvidia_gpu_memory_used_bytes{{{GPU}}} 1.2297699328e+10"]),
        ("power_watts", [f"nvidia_gpu_power_watts{{{GPU}}} 119.4"]),
        ("pcie_tx", [f"nvidia_gpu_pcie_tx_bytes_per_second{{{GPU}}} 1.048576e+08"]),
        ("sample_age", [f"nvidia_gpu_sample_age_seconds{{{GPU}}} 0.012"]),
        ("sample_duration", [f"nvidia_gpu_sample_duration_seconds{{{GPU}}} 0.009"]),
        ("agent_driver_calls", ["nvidia_gpu_agent_driver_calls_total 1234.0"]),
        (
            "clock_hertz",
            [
                f'nvidia_gpu_clock_hertz{{{GPU},clock="graphics"}} 1.695e+09',
                f'nvidia_gpu_clock_hertz{{{GPU},clock="memory"}} 9.501e+09',
            ],
        ),
        (
            "state",
            [
                f'nvidia_gpu_state{{{GPU},state="{state}"}} {float(state == "ok")}'
                for state in ("starting", "asleep", "ok", "stale", "stuck", "lost")
            ],
        ),
        (
            "health_verdict",
            [
                f'nvidia_gpu_health_verdict{{{GPU},verdict="healthy"}} 1.0',
                f'nvidia_gpu_health_verdict{{{GPU},verdict="warning"}} 0.0',
                f'nvidia_gpu_health_verdict{{{GPU},verdict="critical"}} 0.0',
            ],
        ),
        ("agent_driver_up", ["nvidia_gpu_agent_driver_up 1.0"]),
        ("agent_streams", ["nvidia_gpu_agent_streams 3.0"]),
        ("agent_start_time", ["nvidia_gpu_agent_start_time_seconds 1.60000000025e+09"]),
        ("agent_resident", ["nvidia_gpu_agent_resident_memory_bytes 1.23e+08"]),
        ("agent_cpu", ["nvidia_gpu_agent_cpu_seconds_total 4711.25"]),
        ("agent_open_files", ["nvidia_gpu_agent_open_files 42.0"]),
        ("agent_max_open_files", ["nvidia_gpu_agent_max_open_files 65536.0"]),
        ("agent_late_samples", ["nvidia_gpu_agent_late_samples_total 5.0"]),
        (
            "agent_state",
            [
                "nvidia_gpu_agent_state_kept 1.0",
                "nvidia_gpu_agent_state_last_write_timestamp_seconds 1.7000000015e+09",
                "nvidia_gpu_agent_state_file_bytes 123456.0",
                "nvidia_gpu_agent_state_failures_total 8.0",
                "nvidia_gpu_agent_state_lost_writes_total 9.0",
            ],
        ),
        ("agent_token_file_last_read", ["nvidia_gpu_agent_token_file_last_read_successful 0.0"]),
        (
            "agent_token_file_last_success",
            ["nvidia_gpu_agent_token_file_last_success_timestamp_seconds 1.7000000005e+09"],
        ),
        ("agent_log_lines_dropped", ["nvidia_gpu_agent_log_lines_dropped_total 7.0"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_family_has_exactly_these_lines(prefix: str, expected: list[str]) -> None:
    assert lines(snapshot(HEALTHY), prefix) == [in_order(line) if "{" in line else line for line in expected]


def test_the_identity_of_a_gpu_is_in_one_series_only() -> None:
    info = (
        f'nvidia_gpu_info{{{GPU},name="NVIDIA GeForce RTX 3090",pci_bus_id="",serial="",vbios="",'
        'compute_capability="",driver="580.95.05",cuda="13.0"} 1.0'
    )
    assert lines(snapshot(HEALTHY), "info") == [in_order(info)]
    assert sum("RTX 3090" in line for line in lines(snapshot(HEALTHY))) == 1


@pytest.mark.parametrize("gpu", [STUCK, LOST, STARTING], ids=lambda gpu: gpu.state)
def test_a_gpu_that_cannot_be_read_has_no_live_series(gpu: GpuSample) -> None:
    names = {re.split(r"[{ ]", line)[0] for line in lines(snapshot(gpu)) if f'gpu="{gpu.index}"' in line}

    allowed = {"state", "info", "sample_age_seconds", "health_verdict", "health_finding", "kept_out"}
    assert names <= {f"nvidia_gpu_{name}" for name in allowed}
    of_gpu = f'uuid="{gpu.identity.uuid or "unknown"}",gpu="{gpu.index}"'
    assert in_order(f'nvidia_gpu_state{{{of_gpu},state="{gpu.state}"}} 1.0') in lines(snapshot(gpu))


def test_a_value_that_the_driver_does_not_report_has_no_series() -> None:
    values = [line.rpartition(" ")[2] for line in lines(snapshot(KNOWS_NOTHING))]

    assert "NaN" not in values
    assert not lines(snapshot(KNOWS_NOTHING), "utilization_ratio")
    assert not lines(snapshot(KNOWS_NOTHING), "temperature_celsius")


@pytest.mark.parametrize("driver", [None, DriverReading(gpu_count=0)], ids=["no driver", "no GPU"])
def test_without_gpus_the_agent_still_exports_its_own_metrics(driver: DriverReading | None) -> None:
    shown = text(Snapshot(0, 0, driver=driver))

    assert f"nvidia_gpu_agent_driver_up {float(driver is not None)}" in shown
    assert "uuid=" not in shown


@pytest.mark.parametrize("model", MODELS)
def test_names_and_help_follow_the_rules_of_prometheus(model: str) -> None:
    with one_gpu(model) as one:
        one.read()
        reading = one.read(after=6)
    sample = GpuSample(0, GpuState.OK, reading, None, 0, 0)
    families = list(text_string_to_metric_families(text(snapshot(sample), content_type=OPENMETRICS)))

    assert len(families) > 30
    for family in families:
        assert family.name.startswith("nvidia_gpu_")
        assert family.documentation.endswith(".")
        assert not family.name.endswith("_count")
        for found in family.samples:
            assert found.name.endswith("_total") == (family.type == "counter")
            if found.name.endswith("_ratio"):
                assert 0 <= found.value <= 1.5


def labelled(family: str, **values: Any) -> dict[str, float]:
    """The values of a family of a GPU, by its labels other than `uuid` and `gpu`."""
    gpu = replace(HEALTHY, reading=with_values(READING, **values))
    found = {}
    for line in lines(snapshot(gpu), f"{family}{{"):
        labels, _, value = line.partition("{")[2].rpartition("} ")
        pairs = re.findall(r'(\w+)="([^"]*)"', labels)
        found[" ".join(text for name, text in pairs if name not in {"gpu", "uuid"})] = float(value)
    return found


def test_an_ecc_error_is_counted_in_one_series_only() -> None:
    family = "ecc_errors_by_place_total"
    reported = {"memory_errors_sram_uncorrected_volatile": 5, "memory_errors_dram_corrected_aggregate": 7}

    assert labelled(family, **reported) == {"sram volatile uncorrected": 5, "dram aggregate corrected": 7}
    one_of_two = {**reported, "memory_errors_sram_parity_volatile": 2}
    assert labelled(family, **one_of_two) == {
        "sram volatile uncorrected_parity": 2,
        "dram aggregate corrected": 7,
    }
    reported |= {"memory_errors_sram_parity_volatile": 2, "memory_errors_sram_secded_volatile": 3}
    assert labelled(family, **reported) == {
        "sram volatile uncorrected_parity": 2,
        "sram volatile uncorrected_secded": 3,
        "dram aggregate corrected": 7,
    }


def test_nvlink_errors_are_those_of_packets_if_one_link_counts_them() -> None:
    links = (
        NvLink(0, is_active=True, counts_packets=True, receive_errors=2, crc_flit_errors=3),
        NvLink(1, is_active=False),
    )
    reported = labelled("nvlink_errors_total", nvlink=NvLinks(links))

    assert reported == {"receive": 2, "crc_flit": 3}


def test_nvlink_errors_are_absent_while_those_of_a_link_that_is_up_are_unknown() -> None:
    """Their sum would be lower than before, and 0 where only a link without errors is known."""
    links = (
        NvLink(0, is_active=True, replay_errors=0, recovery_errors=4),
        NvLink(1, is_active=True, recovery_errors=5),
        NvLink(2, is_active=False, recovery_errors=6),
    )
    reported = labelled("nvlink_errors_total", nvlink=NvLinks(links))

    assert reported == {"recovery": 15}


def test_the_nvlink_speed_is_that_of_the_slowest_active_link() -> None:
    links = tuple(
        NvLink(link, is_active=link != 2, speed_megabytes_per_second=speed)
        for link, speed in enumerate((26_562, 25_000, 1, None))
    )

    assert labelled("nvlink_speed_bytes_per_second", nvlink=NvLinks(links)) == {"": 25_000_000_000}


def test_compute_instances_of_one_gpu_instance_have_different_labels() -> None:
    instances = tuple(
        MigInstance(number, memory_total_bytes=1024, gpu_instance_id=4, compute_instance_id=number)
        for number in range(2)
    )

    assert labelled("mig_memory_total_bytes", mig_instances=instances) == {
        "0 4 0 unknown ": 1024,
        "1 4 1 unknown ": 1024,
    }
