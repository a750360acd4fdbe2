"""`/gpu`: exact JSON in every state, null for unknown values, and small enough to be streamed."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent.derive.activity import Thresholds
from agent.derive.health import examine
from agent.readings import GpuSample, HostProcess, NvLink, NvLinks, ProcessesReading
from agent.simulation import MODELS, SimulatedProcess
from agent.views.gpu import GpuJson, GpuMetrics, error_view
from agent.views.gpu.device import gpu_view
from tests.sources.one_gpu import one_gpu
from tests.support.readings import with_values
from tests.views.samples import (
    DRIVER,
    HEALTHY,
    IDENTITY,
    KNOWS_NOTHING,
    LOST,
    LOST_SENTENCE,
    MIB,
    PROCESSES,
    READING,
    STARTING,
    STARTING_SENTENCE,
    STUCK,
    STUCK_SENTENCE,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.readings import Snapshot


def shown(gpu: GpuSample) -> Any:
    """The JSON of one GPU."""
    return json.loads(view(gpu, PROCESSES.gpu_processes))


def view(gpu: GpuSample, described: Mapping[int, HostProcess], thresholds: Thresholds | None = None) -> str:
    health = examine(snapshot(gpu))[gpu.index]
    return gpu_view(gpu, described, thresholds or Thresholds(), health).model_dump_json(exclude_unset=True)


def metrics(*gpus: GpuSample) -> Any:
    """The JSON of the whole object."""
    return json.loads(answer_of(snapshot(*gpus), gpus))


def answer_of(seen: Snapshot, gpus: Sequence[GpuSample], *, detail: bool = False) -> bytes:
    """The bytes of the whole answer, after checking that they equal the JSON of its model."""
    body = b"".join(GpuJson(seen, Thresholds())(DRIVER, gpus, detail=detail))
    assert GpuMetrics.model_validate_json(body).model_dump_json(exclude_unset=True).encode() == body
    return body


GOLDEN = {
    "id": 0,
    "uuid": "GPU-1",
    "timestamp": "2025-09-15T09:01:28Z",
    "name": "NVIDIA GeForce RTX 3090",
    "state": "ok",
    "age_ms": 12,
    "error": None,
    "memory": {
        "total_mb": 24576.0,
        "used_mb": 11728.0,
        "free_mb": 12525.0,
        "utilization_percent": 47.7,
        "bandwidth_utilization_percent": 2.0,
    },
    "utilization": {"gpu_percent": 5, "memory_percent": 2, "sm_percent": 5},
    "temperature_celsius": 55,
    "power": {"usage_watts": 119.4, "limit_watts": 350.0, "budget_watts": 230.6, "efficiency_percent": 34},
    "clocks": {
        "graphics_mhz": 1695,
        "memory_mhz": 9501,
        "max_graphics_mhz": 2100,
        "max_memory_mhz": 9751,
        "efficiency_percent": 81,
    },
    "pcie": {
        "generation": 4,
        "width": 16,
        "current_generation": 3,
        "current_width": 8,
        "tx_throughput_mbps": 100.0,
        "rx_throughput_mbps": 200.0,
        "total_throughput_mbps": 300.0,
        "max_bandwidth_mbps": 31504.0,
        "utilization_percent": 1,
    },
    "throttling": {
        "reasons": 4,
        "reason_names": ["sw_power_cap"],
        "is_throttled": True,
        "bottlenecks": ["power_throttling"],
    },
    "fan_speed_rpm": 1300,
    "fan_speed_percent": 51,
    "status": "active",
    "health": {"verdict": "healthy", "reasons": []},
    "debug_info": {
        "gpu_util_threshold": "5.0% >= 5.0%",
        "power_threshold": "119.4W > 10.0W",
        "memory_util_threshold": "47.7% >= 5.0%",
        "clock_threshold": "1695MHz > 630MHz",
        "temp_threshold": "55.0°C > 40.0°C",
        "is_active": True,
    },
    "top_processes": [
        {
            "pid": 100,
            "name": "python",
            "username": "do1e",
            "memory_mb": 11710.0,
            "memory_percent": 47.6,
            "cpu_percent": 100.0,
        },
        {
            "pid": 200,
            "name": None,
            "username": None,
            "memory_mb": None,
            "memory_percent": None,
            "cpu_percent": None,
        },
    ],
}


def unknown(value: Any) -> Any:
    """The same object with every value null."""
    return {name: unknown(part) for name, part in value.items()} if isinstance(value, dict) else None


UNREAD = unknown(GOLDEN) | {"status": "unavailable", "health": {"verdict": None, "reasons": []}}
IDENTIFIED = UNREAD | {
    "uuid": "GPU-1",
    "timestamp": "2025-09-15T09:01:28Z",
    "name": "NVIDIA GeForce RTX 3090",
    "memory": UNREAD["memory"] | {"total_mb": 24576.0},
    "clocks": UNREAD["clocks"] | {"max_graphics_mhz": 2100, "max_memory_mhz": 9751},
    "pcie": UNREAD["pcie"] | {"generation": 4, "width": 16, "max_bandwidth_mbps": 31504.0},
}


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        pytest.param(HEALTHY, GOLDEN, id="healthy"),
        pytest.param(
            STUCK,
            IDENTIFIED
            | {"id": 1, "state": "stuck", "age_ms": 4012, "error": STUCK_SENTENCE}
            | {"health": {"verdict": "critical", "reasons": [STUCK_SENTENCE]}},
            id="stuck",
        ),
        pytest.param(
            LOST,
            IDENTIFIED
            | {"id": 2, "state": "lost", "age_ms": 9000, "error": LOST_SENTENCE}
            | {"health": {"verdict": "critical", "reasons": [LOST_SENTENCE]}},
            id="lost",
        ),
        pytest.param(
            STARTING, UNREAD | {"id": 3, "state": "starting", "error": STARTING_SENTENCE}, id="starting"
        ),
        pytest.param(
            KNOWS_NOTHING,
            UNREAD
            | {
                "id": 0,
                "state": "ok",
                "age_ms": 0,
                "timestamp": "2025-09-15T09:01:28Z",
                "throttling": UNREAD["throttling"] | {"bottlenecks": []},
                "health": {"verdict": "healthy", "reasons": []},
            },
            id="read, but the driver reports nothing",
        ),
    ],
)
def test_a_gpu_has_exactly_these_values_in_each_state(gpu: GpuSample, expected: dict[str, Any]) -> None:
    assert shown(gpu) == expected


def test_each_number_is_an_integer_or_has_a_decimal_point_as_in_the_example() -> None:
    """In Python 5 == 5.0, but to a strict JSON reader they differ."""
    assert json.dumps(shown(HEALTHY)) == json.dumps(GOLDEN)


def test_the_summary_is_over_the_gpus_that_could_be_read() -> None:
    other = replace(
        HEALTHY,
        reading=with_values(
            READING,
            utilization_gpu_percent=10,
            thermal_gpu_celsius=56,
            power_usage_watts=100.06,
            memory_used_bytes=MIB,
        ),
    )

    found = metrics(HEALTHY, STUCK, other, LOST, STARTING)

    assert found["summary"] == {
        "total_memory_mb": 49152,
        "total_used_memory_mb": 11729,
        "memory_utilization_percent": 23.9,
        "average_gpu_utilization_percent": 7.5,
        "average_temperature_celsius": 56,
        "total_power_usage_watts": 219.5,
    }
    assert found["gpu_count"] == 5


@pytest.mark.parametrize("gpus", [[], [LOST, STUCK]], ids=["no GPU", "none could be read"])
def test_the_summary_is_null_if_no_gpu_could_be_read(gpus: list[GpuSample]) -> None:
    assert set(metrics(*gpus)["summary"].values()) == {None}


@pytest.mark.parametrize(
    ("gpus", "status"),
    [
        ([HEALTHY], "ok"),
        ([HEALTHY, HEALTHY], "ok"),
        ([], "ok"),
        ([HEALTHY, LOST], "degraded"),
        ([HEALTHY, STUCK], "degraded"),
        ([HEALTHY, STARTING], "degraded"),
        ([LOST], "degraded"),
    ],
    ids=["one", "two", "no GPU", "one lost", "one stuck", "one starting", "all lost"],
)
def test_status_is_degraded_if_a_listed_gpu_could_not_be_read(gpus: list[GpuSample], status: str) -> None:
    assert metrics(*gpus)["status"] == status


def test_the_status_is_that_of_the_selected_gpus_and_gpu_count_is_of_all() -> None:
    view = GpuMetrics.model_validate_json(answer_of(snapshot(HEALTHY, LOST), [HEALTHY]))

    assert (view.status, view.gpu_count, [gpu.id for gpu in view.gpus]) == ("ok", 2, [0])


def test_the_answer_has_its_time_and_whether_it_is_simulated() -> None:
    view = GpuMetrics.model_validate_json(answer_of(replace(snapshot(HEALTHY), simulated=True), [HEALTHY]))

    assert (view.timestamp, view.simulated) == ("2025-09-15T09:01:29Z", True)
    assert metrics(HEALTHY)["simulated"] is False


def test_an_error_event_has_the_error_and_its_time() -> None:
    assert json.loads(error_view(snapshot(), "No driver").model_dump_json()) == {
        "status": "error",
        "error": "No driver",
        "timestamp": "2025-09-15T09:01:29Z",
    }


@pytest.mark.parametrize("word", ["NaN", "Infinity"])
def test_no_value_is_ever_not_finite(word: str) -> None:
    gpus = [replace(KNOWS_NOTHING, index=4), HEALTHY, STUCK, LOST, STARTING]

    assert word not in answer_of(snapshot(*gpus), gpus, detail=True).decode()


BUSY = [SimulatedProcess(4_194_300 + pid, "C+G", 15 * 2**30 + pid, sm_utilization=20) for pid in range(5)]
USUAL_NAMES = {
    process.pid: HostProcess(process.pid, "f.lastname", "python3.12", "-", 104.5) for process in BUSY
}
LONG_NAMES = [
    ("maximiliane.mustermann", "python3.12"),
    ("f.lastname", "VLLM::EngineCore_DP0_TP0"),
    ("ann", "text-generation-inference-launcher"),
    ("svc-training-prod@example.org", "ray::RayTrainWorker.execute"),
    ("bob", "gmx_mpi"),
]


def busy_sample(model: str, index: int) -> GpuSample:
    """A GPU that five processes share, with several clocks event reasons."""
    with one_gpu(model) as one:
        one.gpu.processes = BUSY
        one.gpu.fix(clocks_event_reasons=0xEC)
        one.read()
        reading = one.read(after=6)
    return GpuSample(index, HEALTHY.state, reading, None, HEALTHY.sampled_at, 1999)


@pytest.mark.parametrize("model", MODELS)
def test_a_gpu_stays_within_2_and_a_quarter_kib(model: str) -> None:
    text = view(busy_sample(model, 127), USUAL_NAMES)

    assert len(text.encode()) <= 2304
    assert len(json.loads(text)["top_processes"]) == 5


@pytest.mark.parametrize("model", MODELS)
def test_eight_gpus_with_long_names_stay_within_20_kib_and_4_kib_compressed(model: str) -> None:
    """Compressed at level 1 of gzip, the default of nginx."""
    busy = busy_sample(model, 0)
    gpus = [with_own_pids(busy, index) for index in range(8)]
    described = {
        process.pid: HostProcess(process.pid, *names, "-", 98.7 + 11.3 * gpu.index)
        for gpu in gpus
        for process, names in zip(gpu.values.processes or (), LONG_NAMES, strict=True)
    }

    body = answer_of(replace(snapshot(*gpus), processes=ProcessesReading(described)), gpus)

    assert {process.name for process in described.values()} == {
        process["name"] for gpu in json.loads(body)["gpus"] for process in gpu["top_processes"]
    }
    assert len(body) <= 20 * 1024
    assert len(gzip.compress(body, 1)) <= 4 * 1024


def with_own_pids(gpu: GpuSample, index: int) -> GpuSample:
    """The same GPU with another index, and with its own processes."""
    assert gpu.reading
    processes = [
        replace(
            process,
            pid=process.pid - 1000 * index,
            gpu_memory_bytes=(process.gpu_memory_bytes or 0) + index * MIB,
        )
        for process in gpu.reading.processes or ()
    ]
    uuid = f"GPU-{0x123456789ABCDEF * (index + 1):032x}"
    identity = replace(gpu.identity, uuid=uuid)
    return replace(
        gpu, index=index, reading=replace(gpu.reading, identity=identity, processes=tuple(processes))
    )


def test_a_lost_gpu_stays_within_2_kib() -> None:
    assert IDENTITY.name
    assert len(view(LOST, {}).encode()) <= 2048


def detail(**values: Any) -> Any:
    """`detail` of a GPU that reports these values."""
    gpu = replace(HEALTHY, reading=with_values(READING, **values))
    return json.loads(answer_of(snapshot(gpu), [gpu], detail=True))["gpus"][0]["detail"]


@pytest.mark.parametrize(
    ("number", "name"), [(9, "Hopper"), (8, "Ada Lovelace"), (13, "Rubin"), (99, "99"), (None, None)]
)
def test_an_architecture_has_the_name_of_nvidia_smi_or_its_number(
    number: int | None, name: str | None
) -> None:
    assert detail(identity_architecture=number)["board"]["architecture"] == name


@pytest.mark.parametrize(
    ("virtualization", "addressing", "names"),
    [
        (0, 0, ("none", "none")),
        (1, 2, ("passthrough", "ats")),
        (9, 9, ("9", "9")),
        (None, None, (None, None)),
    ],
)
def test_a_mode_has_a_name_or_its_number(
    virtualization: int | None, addressing: int | None, names: tuple[str | None, ...]
) -> None:
    modes = detail(modes_virtualization_mode=virtualization, modes_addressing_mode=addressing)["modes"]

    assert (modes["virtualization_mode"], modes["addressing_mode"]) == names


def test_only_a_link_of_nvlink_5_has_the_counters_of_nvlink_5() -> None:
    older = NvLink(0, is_active=True, version=6, speed_megabytes_per_second=26_562)
    newer = replace(older, counts_packets=True, symbol_errors=4)

    first, second = detail(nvlink=NvLinks((older, newer)))["nvlinks"]

    assert "symbol_errors" not in first
    assert (second["symbol_errors"], second["effective_errors"]) == (4, None)
    assert first["speed_mbps"] == second["speed_mbps"] == 26_562


def test_the_power_budget_is_0_if_the_draw_exceeds_the_limit() -> None:
    above = replace(HEALTHY, reading=with_values(READING, power_usage_watts=351.0, power_limit_watts=350.0))

    assert shown(above)["power"] == {
        "usage_watts": 351.0, "limit_watts": 350.0, "budget_watts": 0.0, "efficiency_percent": 100,
    }  # fmt: skip


def test_reserved_memory_is_in_the_details() -> None:
    assert detail(memory_reserved_bytes=551 * MIB)["memory"] == {"reserved_mb": 551.0}
