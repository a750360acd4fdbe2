"""`/metrics`: exact lines, nothing where nothing is known, nothing left of what is gone."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from agent.readings import (
    Belonging,
    DriverReading,
    GpuProcess,
    GpuSample,
    GpuState,
    HostProcess,
    LedgerReading,
    ProcessesReading,
    ProcessType,
    ProcessUse,
    Snapshot,
    UserUse,
    XidCount,
)
from agent.simulation import MODELS, Simulation
from agent.sources.gpu import GpuSource
from agent.views.prometheus import OPENMETRICS, TEXT, Exposition
from agent.views.prometheus.processes import MAX_PROCESSES
from tests.exact.reading import SNAPSHOT
from tests.sources.one_gpu import one_gpu
from tests.support.agents import ROOT
from tests.support.readings import with_values
from tests.views.samples import HEALTHY, KNOWS_NOTHING, LOST, READING, STARTING, STUCK, snapshot

GPU = 'uuid="GPU-1",gpu="0"'
LABEL = r'\w+="(?:[^"\\]|\\.)*"'


def text(shown: Snapshot, *, processes: bool = True, content_type: str = TEXT) -> str:
    exposition = Exposition(
        shown,
        idle_after_seconds=900,
        processes=processes,
        streams=3,
        max_streams=1000,
        log_lines_dropped=7,
    )
    return exposition.text(content_type).decode()


def in_order(line: str) -> str:
    """The line with its labels by name, as the exposition has them."""
    name, labels, value = re.fullmatch(r"([^{]*)\{(.*)\} (.*)", line).groups()  # type: ignore[union-attr]  # it matches
    return f"{name}{{{','.join(sorted(re.findall(LABEL, labels)))}}} {value}"


def lines(shown: Snapshot, prefix: str = "", *, processes: bool = True) -> list[str]:
    """The samples whose name begins so."""
    return [
        line
        for line in text(shown, processes=processes).splitlines()
        if line.startswith(f"nvidia_gpu_{prefix}")
    ]


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
                for state in ("starting", "ok", "stale", "stuck", "lost")
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
        ("agent_log_lines_dropped", ["nvidia_gpu_agent_log_lines_dropped_total 7.0"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_exact_lines(prefix: str, expected: list[str]) -> None:
    assert lines(snapshot(HEALTHY), prefix) == [in_order(line) if "{" in line else line for line in expected]


def test_identity_stands_in_one_series_only() -> None:
    info = (
        f'nvidia_gpu_info{{{GPU},name="NVIDIA GeForce RTX 3090",pci_bus_id="",serial="",vbios="",'
        'compute_capability="",driver="580.95.05",cuda="13.0"} 1.0'
    )
    assert lines(snapshot(HEALTHY), "info") == [in_order(info)]
    assert sum("RTX 3090" in line for line in lines(snapshot(HEALTHY))) == 1


@pytest.mark.parametrize("gpu", [STUCK, LOST, STARTING], ids=lambda gpu: gpu.state)
def test_a_gpu_that_cannot_be_read_has_no_live_series(gpu: GpuSample) -> None:
    names = {re.split(r"[{ ]", line)[0] for line in lines(snapshot(gpu)) if f'gpu="{gpu.index}"' in line}

    allowed = {"state", "info", "sample_age_seconds", "health_verdict", "health_finding"}
    assert names <= {f"nvidia_gpu_{name}" for name in allowed}
    of_gpu = f'uuid="{gpu.identity.uuid or ""}",gpu="{gpu.index}"'
    assert in_order(f'nvidia_gpu_state{{{of_gpu},state="{gpu.state}"}} 1.0') in lines(snapshot(gpu))


def test_what_the_driver_does_not_tell_is_absent() -> None:
    values = [line.rpartition(" ")[2] for line in lines(snapshot(KNOWS_NOTHING))]

    assert "NaN" not in values
    assert not lines(snapshot(KNOWS_NOTHING), "utilization_ratio")
    assert not lines(snapshot(KNOWS_NOTHING), "temperature_celsius")


@pytest.mark.parametrize("driver", [None, DriverReading(gpu_count=0)], ids=["no driver", "no GPU"])
def test_without_gpus_the_agent_still_tells_of_itself(driver: DriverReading | None) -> None:
    shown = text(Snapshot(0, 0, driver=driver))

    assert f"nvidia_gpu_agent_driver_up {float(driver is not None)}" in shown
    assert "uuid=" not in shown


def watched(*processes: GpuProcess) -> Snapshot:
    reading = with_values(READING, processes=processes)
    described = ProcessesReading(
        {
            100: HostProcess(
                100,
                "ann",
                'train "x"',
                belonging=Belonging(container_id="c0ffee", pod_uid="pod-1", slurm_job_id="77"),
            )
        },
    )
    ledger = LedgerReading(
        processes={("GPU-1", 100): ProcessUse(0.0, 50.0, 20.0, 1000.0)},
        users={"ann": UserUse(50.0, 20.0)},
    )
    return replace(snapshot(replace(HEALTHY, reading=reading)), processes=described, ledger=ledger)


TRAINING = GpuProcess(100, ProcessType.COMPUTE, 2**30, 40)
OF_TRAINING = (
    f'{GPU},mig="",pid="100",user="ann",name="train \\"x\\"",container="c0ffee",pod="pod-1",slurm_job="77"'
)


def test_a_process_says_whose_it_is_and_where_it_belongs() -> None:
    assert lines(watched(TRAINING), "process_") == [
        in_order(line)
        for line in (
            f"nvidia_gpu_process_memory_used_bytes{{{OF_TRAINING}}} 1.073741824e+09",
            f"nvidia_gpu_process_sm_utilization_ratio{{{OF_TRAINING}}} 0.4",
            f"nvidia_gpu_process_idle_seconds{{{OF_TRAINING}}} 1000.0",
        )
    ]


def test_a_process_that_is_gone_leaves_nothing_but_its_users_total() -> None:
    gone = replace(watched(), ledger=LedgerReading(users={"ann": UserUse(50.0, 20.0)}))

    assert 'pid="' not in text(gone)
    assert lines(gone, "user_held") == ['nvidia_gpu_user_held_seconds_total{user="ann"} 50.0']


def test_processes_can_be_left_out() -> None:
    assert not lines(watched(TRAINING), "process_", processes=False)
    assert lines(watched(TRAINING), "user_processes", processes=False)


def test_the_number_of_processes_is_bounded_and_the_largest_stay() -> None:
    many = watched(*(GpuProcess(pid, ProcessType.COMPUTE, pid) for pid in range(1, MAX_PROCESSES + 3)))

    assert len(lines(many, "process_memory")) == MAX_PROCESSES
    assert 'pid="1",' not in text(many)
    assert lines(many, "agent_processes_left_out") == ["nvidia_gpu_agent_processes_left_out 2.0"]


def test_xids_are_counted_by_code_also_of_a_lost_gpu() -> None:
    lost = replace(LOST, xids={79: XidCount(1, 0.0), 31: XidCount(4, 0.0)})

    assert [line.partition("xid=")[2] for line in lines(snapshot(lost), "xid")] == ['"31"} 4.0', '"79"} 1.0']


@pytest.mark.parametrize("model", MODELS)
def test_names_keep_to_the_rules(model: str) -> None:
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


def documented() -> dict[str, tuple[str, str, set[str]]]:
    """Type, help and labels of each family, as docs/metrics.md has them."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    row = r"^\| `(\w+)` \| (gauge|counter) \| ([^|]*) \| [^|]* \| (.*) \|$"
    return {
        name: (kind, documentation, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, documentation in re.findall(row, page, re.MULTILINE)
    }


def exported(shown: str) -> dict[str, tuple[str, str, set[str]]]:
    """The same of an exposition, with the labels in addition to those of every GPU."""
    families = {}
    for name, documentation, kind in re.findall(
        r"^# HELP (\w+) (.*)\n# TYPE \w+ (\w+)$", shown, re.MULTILINE
    ):
        samples = re.findall(rf"^{name}(\{{.*\}})? ", shown, re.MULTILINE)
        labels = {label.partition("=")[0] for sample in samples for label in re.findall(LABEL, sample)}
        assert samples, f"{name} has no sample"
        families[name] = (kind, documentation, labels - {"uuid", "gpu"})
    return families


def test_the_documents_have_every_family_with_its_type_help_and_labels_and_no_other() -> None:
    """Of a reading that tells everything; there is no family that it does not fill."""
    assert exported(text(SNAPSHOT)) == documented(), (
        "docs/metrics.md needs a row for each, as /metrics has it"
    )


def test_every_family_about_gpus_says_of_which() -> None:
    about_no_gpu = {name for name in documented() if re.match("nvidia_gpu_(agent|host|user)_", name)}
    shown = text(SNAPSHOT)

    for name in documented().keys() - about_no_gpu:
        samples = re.findall(rf"^{name}(\{{.*\}})? ", shown, re.MULTILINE)
        assert samples
        for sample in samples:
            assert {"uuid", "gpu"} <= {label.partition("=")[0] for label in re.findall(LABEL, sample)}


@pytest.mark.parametrize("scenario", ["healthy", "mig", "sick", "mixed-models"])
def test_every_family_is_in_the_documents_with_its_type_and_help(scenario: str) -> None:
    with Simulation(5, scenario=scenario):
        readings = [GpuSource(index).read() for index in range(5)]
    gpus = [
        GpuSample(index, GpuState.OK, reading, None, 0, 0, seconds=0.1, xids={31: XidCount(1, 0)})
        for index, reading in enumerate(readings)
    ]
    shown = text(snapshot(*gpus)) + text(watched(TRAINING))

    found = exported(shown)
    assert len(found) > 60
    assert {name: documented().get(name) for name in found} == found, "docs/metrics.md needs a row for each"
