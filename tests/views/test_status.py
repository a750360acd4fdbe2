"""`/status`: exact JSON in every state, "N/A" for unknown values, and the listed processes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent.readings import GpuProcess, HostProcess, Memory, MigInstance, ProcessesReading, ProcessType
from agent.views.envelope import Success
from agent.views.status import Status, StatusJson
from tests.support.readings import with_values
from tests.views.samples import (
    HEALTHY,
    KNOWS_NOTHING,
    LOST,
    LOST_ADVICE,
    LOST_SENTENCE,
    MIB,
    READING,
    STARTING,
    STARTING_SENTENCE,
    STUCK,
    STUCK_ADVICE,
    STUCK_SENTENCE,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.readings import GpuSample, Snapshot
    from agent.views.status import ProcessFilter


def shown(*gpus: GpuSample, process: ProcessFilter | None = None, mig: bool = False) -> Any:
    """The JSON of these GPUs."""
    view = status_view(snapshot(*gpus), gpus, process, mig=mig)
    return json.loads(view.model_dump_json(exclude_unset=True))


@pytest.mark.parametrize("percent", [0, 100, 101, 133, 255])
def test_a_fan_speed_above_100_percent_is_not_limited_to_100(percent: int) -> None:
    """The driver reports it for some cards, and the documents promise not to limit it."""
    gpu = replace(HEALTHY, reading=with_values(READING, fans_speed_percent=percent))

    assert shown(gpu)["devices"][0]["fan_speed"] == percent
    described = Status.model_json_schema()["$defs"]["StatusDevice"]["properties"]["fan_speed"]
    assert described["description"].endswith("may exceed 100")


def status_view(
    seen: Snapshot, gpus: Sequence[GpuSample], process: ProcessFilter | None = None, *, mig: bool = False
) -> Status:
    """The answer of `/status`, after checking that its bytes equal the JSON of its model."""
    body = b"".join(StatusJson(seen)(gpus, process, mig=mig))
    answer = Success[Status].model_validate_json(body)
    assert answer.model_dump_json(exclude_unset=True).encode() == body
    return answer.data


UNKNOWN = {
    "fan_speed": "N/A",
    "temperature": "N/A",
    "power_status": "N/A / N/A",
    "gpu_utilization": "N/A",
    "memory_used_human": "N/A",
    "memory_free_human": "N/A",
    "memory_utilization": "N/A",
}
WELL = {"verdict": "healthy", "reasons": []}
KNOWN_FOR_EVER = {
    "name": "NVIDIA GeForce RTX 3090",
    "uuid": "GPU-1",
    "memory_total_human": "24576MiB",
    "ts": 1757926888733,
}


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        pytest.param(
            HEALTHY,
            KNOWN_FOR_EVER
            | {
                "idx": 0,
                "fan_speed": 51,
                "temperature": 55,
                "power_status": "119W / 350W",
                "gpu_utilization": 5,
                "memory_used_human": "11728MiB",
                "memory_free_human": "12525MiB",
                "memory_utilization": 48,
                "state": "ok",
                "age_ms": 12,
                "health": WELL,
            },
            id="healthy",
        ),
        pytest.param(
            STUCK,
            KNOWN_FOR_EVER
            | UNKNOWN
            | {"idx": 1, "state": "stuck", "age_ms": 4012, "error": STUCK_SENTENCE}
            | {"health": {"verdict": "critical", "reasons": [f"{STUCK_SENTENCE}; {STUCK_ADVICE}"]}},
            id="stuck",
        ),
        pytest.param(
            LOST,
            KNOWN_FOR_EVER
            | UNKNOWN
            | {"idx": 2, "state": "lost", "age_ms": 9000, "error": LOST_SENTENCE}
            | {"health": {"verdict": "critical", "reasons": [f"{LOST_SENTENCE}; {LOST_ADVICE}"]}},
            id="lost",
        ),
        pytest.param(
            STARTING,
            UNKNOWN
            | {
                "idx": 3,
                "name": "N/A",
                "uuid": "N/A",
                "memory_total_human": "N/A",
                "ts": "N/A",
                "state": "starting",
                "age_ms": "N/A",
                "health": {"verdict": "N/A", "reasons": []},
                "error": STARTING_SENTENCE,
            },
            id="starting",
        ),
        pytest.param(
            KNOWS_NOTHING,
            UNKNOWN
            | {
                "idx": 0,
                "name": "N/A",
                "uuid": "N/A",
                "memory_total_human": "N/A",
                "ts": 1757926888733,
                "state": "ok",
                "age_ms": 0,
                "health": WELL,
            },
            id="read, but the driver reports nothing",
        ),
    ],
)
def test_a_device_has_exactly_these_values_in_each_state(gpu: GpuSample, expected: dict[str, Any]) -> None:
    (device,) = shown(gpu)["devices"]

    assert device == expected


def test_count_is_the_number_of_all_gpus_and_devices_are_the_selected_ones() -> None:
    view = status_view(snapshot(HEALTHY, STUCK, LOST, STARTING), [STUCK, STARTING])

    assert view.count == 4
    assert [device.idx for device in view.devices] == [1, 3]


def test_each_process_has_exactly_its_documented_fields() -> None:
    assert shown(HEALTHY, LOST)["processes"] == [
        {
            "idx": 0,
            "pid": 100,
            "username": "do1e",
            "command": "python train.py",
            "type": "C",
            "gpu_memory": "11710MiB",
            "running_time": "101:01:01",
            "gpu_sm_utilization": 4,
            "cpu_percent": 100.0,
            "host_memory": "2048MiB",
        },
        {
            "idx": 0,
            "pid": 200,
            "username": "N/A",
            "command": "N/A",
            "type": "G",
            "gpu_memory": "N/A",
            "running_time": "N/A",
            "gpu_sm_utilization": "N/A",
            "cpu_percent": "N/A",
            "host_memory": "N/A",
        },
    ]


def test_without_a_host_reading_processes_have_no_command() -> None:
    without_host = replace(snapshot(HEALTHY), processes=None)

    (first, _) = status_view(without_host, [HEALTHY]).processes

    assert (first.pid, first.gpu_memory, first.command) == (100, "11710MiB", "N/A")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "0:00:00"),
        (9.99, "0:00:09"),
        (59.0, "0:00:59"),
        (60.0, "0:01:00"),
        (3599.9, "0:59:59"),
        (3600.0, "1:00:00"),
        (86_400.0, "24:00:00"),
        (359_999.0, "99:59:59"),
        (360_000.0, "100:00:00"),
        (3_603_723.0, "1001:02:03"),
        (None, "N/A"),
    ],
)
def test_running_time_is_in_hours_without_an_upper_limit(seconds: float | None, expected: str) -> None:
    processes = ProcessesReading({100: HostProcess(100, running_seconds=seconds)})

    first = status_view(replace(snapshot(HEALTHY), processes=processes), [HEALTHY]).processes[0]

    assert first.running_time == expected


def with_processes(*types: ProcessType) -> GpuSample:
    """A GPU with one process of each of these types, pids from 1."""
    processes = tuple(GpuProcess(pid, kind, MIB) for pid, kind in enumerate(types, 1))
    return replace(HEALTHY, reading=with_values(READING, processes=processes))


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        pytest.param(None, ["C", "G", "C+G"], id="all"),
        pytest.param("C", ["C", "C+G"], id="C"),
        pytest.param("G", ["G", "C+G"], id="G"),
        pytest.param("NA", [], id="NA"),
    ],
)
def test_a_process_of_both_types_passes_either_filter(
    process: ProcessFilter | None, expected: list[str]
) -> None:
    gpu = with_processes(ProcessType.COMPUTE, ProcessType.GRAPHICS, ProcessType.BOTH)

    assert [entry["type"] for entry in shown(gpu, process=process)["processes"]] == expected


def test_the_process_filter_does_not_change_the_devices() -> None:
    assert len(shown(HEALTHY, STUCK, process="NA")["devices"]) == 2


def test_a_list_of_processes_that_the_driver_does_not_report_is_empty() -> None:
    assert shown(replace(HEALTHY, reading=with_values(READING, processes=None)))["processes"] == []


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        (0, ("0MiB", 0)),
        (MIB // 2, ("1MiB", 0)),
        (MIB // 2 - 1, ("0MiB", 0)),
        (24576 * MIB // 200 + 1, ("123MiB", 1)),
        (24576 * MIB // 200 - 1, ("123MiB", 0)),
        (24576 * MIB, ("24576MiB", 100)),
    ],
)
def test_memory_is_rounded_half_up_to_whole_mib_and_percent(used: int, expected: tuple[str, int]) -> None:
    (device,) = shown(replace(HEALTHY, reading=with_values(READING, memory_used_bytes=used)))["devices"]

    assert (device["memory_used_human"], device["memory_utilization"]) == expected


@pytest.mark.parametrize(
    ("power", "limit", "expected"),
    [
        (119.4, 350.0, "119W / 350W"),
        (119.5, 350.0, "120W / 350W"),
        (0.0, 350.0, "0W / 350W"),
        (None, 350.0, "N/A / 350W"),
        (119.0, None, "119W / N/A"),
    ],
)
def test_power_status_has_whole_watts_or_n_a_for_draw_and_limit(
    power: float | None, limit: float | None, expected: str
) -> None:
    reading = with_values(READING, power_usage_watts=power, power_limit_watts=limit)

    (device,) = shown(replace(HEALTHY, reading=reading))["devices"]

    assert device["power_status"] == expected


INSTANCES = (
    MigInstance(
        0,
        "MIG-a",
        "NVIDIA A100 MIG 3g.40gb",
        40960 * MIB,
        10240 * MIB,
        30720 * MIB,
        (GpuProcess(100, ProcessType.COMPUTE, 512 * MIB),),
        gpu_instance_id=2,
        compute_instance_id=0,
    ),
    MigInstance(3),
)
PARTED = replace(
    HEALTHY, reading=with_values(READING, mig_instances=INSTANCES, processes=INSTANCES[0].processes)
)


def test_mig_instances_replace_their_gpu_in_devices() -> None:
    devices = shown(PARTED, STUCK, mig=True)["devices"]

    of_the_board = {
        "idx": 0,
        "fan_speed": 51,
        "temperature": 55,
        "power_status": "N/A / N/A",
        "gpu_utilization": "N/A",
        "ts": 1757926888733,
        "state": "ok",
        "age_ms": 12,
        "health": WELL,
    }
    assert devices[:2] == [
        of_the_board
        | {
            "mig_index": 0,
            "gpu_instance_id": 2,
            "compute_instance_id": 0,
            "name": "NVIDIA A100 MIG 3g.40gb",
            "uuid": "MIG-a",
            "memory_total_human": "40960MiB",
            "memory_used_human": "10240MiB",
            "memory_free_human": "30720MiB",
            "memory_utilization": 25,
        },
        of_the_board
        | {
            "mig_index": 3,
            "gpu_instance_id": "N/A",
            "compute_instance_id": "N/A",
            "name": "N/A",
            "uuid": "N/A",
            "memory_total_human": "N/A",
            "memory_used_human": "N/A",
            "memory_free_human": "N/A",
            "memory_utilization": "N/A",
        },
    ]
    assert [device["idx"] for device in devices] == [0, 0, 1]
    assert "mig_index" not in devices[2]


def test_a_process_has_a_mig_index_only_if_instances_are_listed() -> None:
    assert [(entry["pid"], entry["mig_index"]) for entry in shown(PARTED, mig=True)["processes"]] == [
        (100, 0)
    ]
    assert ["mig_index" in entry for entry in shown(PARTED, mig=False)["processes"]] == [False]


def test_without_mig_instances_the_parameter_mig_changes_nothing() -> None:
    assert shown(HEALTHY, STUCK, LOST, STARTING, mig=True) == shown(HEALTHY, STUCK, LOST, STARTING)


def test_a_gpu_with_unified_memory_has_n_a_and_not_the_memory_of_the_host() -> None:
    unified = with_values(READING, identity_name="NVIDIA GB10", memory=Memory())

    (device,) = shown(replace(HEALTHY, reading=unified))["devices"]

    assert {name: value for name, value in device.items() if name.startswith("memory")} == {
        "memory_total_human": "N/A",
        "memory_used_human": "N/A",
        "memory_free_human": "N/A",
        "memory_utilization": "N/A",
    }


@pytest.mark.parametrize("word", ["null", "NaN", "Infinity"])
def test_no_value_is_ever_null_or_not_finite(word: str) -> None:
    text = json.dumps(shown(HEALTHY, STUCK, LOST, STARTING, KNOWS_NOTHING, PARTED, mig=True))

    assert "N/A" in text
    assert word not in text
