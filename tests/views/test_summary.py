"""The JSON of `/summary`."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from agent.readings import (
    GpuCensus,
    GpuProcess,
    GpuSample,
    HostProcess,
    LedgerReading,
    ProcessesReading,
    ProcessType,
    Snapshot,
)
from agent.views.summary import summary_json
from tests.support.readings import with_values
from tests.views.samples import DRIVER, HEALTHY, KNOWS_NOTHING, LOST, MIB, READING, STARTING, STUCK, snapshot


def shown(snapshot: Snapshot, *free: int) -> Any:
    return json.loads(b"".join(summary_json(snapshot, set(free), build="0123456789ab")))["data"]


def gpu(index: int, name: str | None = "NVIDIA GeForce RTX 3090", **values: Any) -> GpuSample:
    known = with_values(READING, identity_uuid=f"GPU-{index}", identity_name=name, **values)
    return replace(HEALTHY, index=index, reading=known)


def test_a_healthy_host_or_gpu_has_a_verdict_and_no_reason() -> None:
    data = shown(replace(snapshot(gpu(0)), census=GpuCensus(seen=4)), 0)

    assert data["verdict"] == "healthy"
    assert data["host"] == {"verdict": "healthy", "reason": None, "todo": None}
    (one,) = data["gpus"]
    assert (one["verdict"], one["reason"], one["todo"], one["free"]) == ("healthy", None, None, True)


def test_a_critical_gpu_has_a_reason_and_what_to_do() -> None:
    _, stuck = shown(snapshot(gpu(0), STUCK))["gpus"]

    assert stuck["verdict"] == "critical"
    assert stuck["reason"] == "A driver call on this GPU has not returned for 4 s"
    assert stuck["todo"] == "look for its XID in dmesg; if it persists, reboot"


@pytest.mark.parametrize(
    ("gpus", "expected", "verdict"),
    [
        pytest.param([gpu(0)], 0, "healthy", id="all are healthy"),
        pytest.param([gpu(0), STUCK], 0, "critical", id="a GPU is critical"),
        pytest.param([gpu(0)], 8, "critical", id="the host is critical"),
        pytest.param([gpu(0), replace(STARTING, index=1)], 0, None, id="a GPU is not known yet"),
        pytest.param(
            [gpu(0), replace(STARTING, index=1), STUCK],
            0,
            "critical",
            id="one is not known yet, another is critical",
        ),
    ],
)
def test_the_verdict_is_the_worst_of_host_and_gpus(
    gpus: list[GpuSample], expected: int, verdict: str | None
) -> None:
    census = GpuCensus(expected=expected, seen=4)
    assert shown(replace(snapshot(*gpus), census=census))["verdict"] == verdict


@pytest.mark.parametrize(
    ("one", "verdict"),
    [(STARTING, None), (gpu(0), None), (STUCK, "critical")],
    ids=["nothing is known", "its GPU is healthy", "its GPU is critical"],
)
def test_a_host_that_is_not_judged_yet_is_not_called_healthy(one: GpuSample, verdict: str | None) -> None:
    counted_again = GpuCensus(seen=9, is_confirmed=False)
    data = shown(replace(snapshot(one), census=counted_again))

    assert data["host"]["verdict"] is None
    assert data["verdict"] == verdict


def test_each_gpu_counts_once_by_its_verdict() -> None:
    data = shown(snapshot(gpu(0), STUCK, LOST, STARTING), 0)

    assert data["counts"] == {
        "gpus": 4,
        "free": 1,
        "healthy": 1,
        "warning": 0,
        "critical": 2,
        "unknown": 1,
        "users": 1,
    }


def test_the_model_is_given_once_if_all_gpus_are_the_same() -> None:
    data = shown(snapshot(gpu(0), gpu(1)))

    assert data["model"] == "NVIDIA GeForce RTX 3090"
    assert all("model" not in one for one in data["gpus"])


def test_different_models_are_given_with_each_gpu() -> None:
    data = shown(snapshot(gpu(0), gpu(1, "NVIDIA H200"), gpu(2, None)))

    assert data["model"] is None
    assert [one.get("model") for one in data["gpus"]] == ["NVIDIA GeForce RTX 3090", "NVIDIA H200", None]
    assert "model" not in data["gpus"][2]


def test_unknown_values_are_null() -> None:
    (one,) = shown(snapshot(KNOWS_NOTHING))["gpus"]

    unknown = {name for name, value in one.items() if value is None}
    assert unknown >= {
        "idle_since",
        "utilization_percent",
        "memory_used_mb",
        "memory_total_mb",
        "temperature_celsius",
        "power_watts",
        "users",
    }


UNUSED = gpu(0, processes=(), memory_used_bytes=2 * MIB)
IN_USE = gpu(1, processes=(), memory_used_bytes=12000 * MIB)


def process(pid: int) -> GpuProcess:
    return GpuProcess(pid, ProcessType.COMPUTE, 1000 * MIB)


OWNERS = ProcessesReading({1: HostProcess(1, "bob"), 2: HostProcess(2, "ann"), 3: HostProcess(3)})


@pytest.mark.parametrize(
    ("processes", "partial", "users"),
    [
        pytest.param((), False, [], id="none"),
        pytest.param((1, 2, 1), False, ["ann", "bob"], id="each once, by name"),
        pytest.param((1, 3), False, ["bob", None], id="an owner is unknown"),
        pytest.param((1, 4), False, ["bob", None], id="the host knows nothing of a process"),
        pytest.param((1,), True, ["bob", None], id="there may be more processes"),
        pytest.param((), True, None, id="there may be processes, none is listed"),
        pytest.param(None, False, None, id="no list is reported"),
    ],
)
def test_the_users_of_a_gpu_are_named_once_and_null_for_unknown_owners(
    processes: tuple[int, ...] | None, partial: bool, users: list[str | None] | None
) -> None:
    listed = None if processes is None else tuple(process(pid) for pid in processes)
    one = gpu(0, processes=listed, process_list_is_partial=partial, memory_used_bytes=2 * MIB)

    assert shown(replace(snapshot(one), processes=OWNERS))["gpus"][0]["users"] == users


def test_each_user_of_the_host_has_its_gpus_and_its_memory() -> None:
    gpus = [gpu(0, processes=(process(1), process(2))), gpu(1, processes=(process(1), process(3)))]

    data = shown(replace(snapshot(*gpus), processes=OWNERS))

    assert data["users"] == [
        {"username": "ann", "gpus": [0], "gpu_memory_mb": 1000},
        {"username": "bob", "gpus": [0, 1], "gpu_memory_mb": 2000},
        {"username": None, "gpus": [1], "gpu_memory_mb": 1000},
    ]
    assert data["counts"]["users"] == 2, "the unknown owners are not counted"


@pytest.mark.parametrize(
    ("gpus", "users", "count"),
    [
        pytest.param([], [], 0, id="there is no GPU"),
        pytest.param([UNUSED], [], 0, id="nobody"),
        pytest.param([LOST, replace(STUCK, index=0)], None, None, id="no GPU reports a list"),
        pytest.param(
            [gpu(0, processes=(), process_list_is_partial=True)], None, None, id="every list is refused"
        ),
        pytest.param([UNUSED, LOST], [(None, [2])], None, id="one GPU reports no list"),
        pytest.param([UNUSED, IN_USE], [(None, [1])], None, id="a process that is not listed uses one GPU"),
        pytest.param(
            [gpu(0, processes=(process(3),)), gpu(1, processes=(process(2),)), LOST],
            [("ann", [1]), (None, [0, 2])],
            1,
            id="one GPU reports no list, and an owner is unknown",
        ),
        pytest.param([gpu(0, processes=(process(3),))], [(None, [0])], None, id="an owner is unknown"),
        pytest.param(
            [gpu(0, processes=(process(2),), process_list_is_partial=True)],
            [("ann", [0]), (None, [0])],
            1,
            id="there may be more",
        ),
    ],
)
def test_users_are_never_an_empty_list_if_processes_are_unknown(
    gpus: list[GpuSample], users: list[tuple[str | None, list[int]]] | None, count: int | None
) -> None:
    data = shown(replace(snapshot(*gpus), processes=OWNERS))

    listed = data["users"] and [(user["username"], user["gpus"]) for user in data["users"]]
    assert (listed, data["counts"]["users"]) == (users, count)


def test_the_memory_of_unknown_owners_is_unknown_if_processes_may_be_missing() -> None:
    data = shown(replace(snapshot(gpu(0, processes=(process(3),)), LOST), processes=OWNERS))

    assert data["users"] == [{"username": None, "gpus": [0, 2], "gpu_memory_mb": None}]


def test_idle_since_is_in_milliseconds() -> None:
    watched = replace(snapshot(gpu(0), gpu(1)), ledger=LedgerReading(idle_since={"GPU-1": 1757926000.7331}))

    assert [one["idle_since"] for one in shown(watched)["gpus"]] == [None, 1757926000733]


def test_eight_healthy_gpus_of_five_users_fit_700_bytes_of_gzip() -> None:
    """Every value differs, as on a busy host."""
    gpus = [
        gpu(
            n,
            utilization_gpu_percent=89 + n if n % 4 else n,
            memory_used_bytes=(63211 + 37 * n) * MIB if n % 4 else (3 + n) * MIB,
            thermal_gpu_celsius=51 + 2 * n,
            power_usage_watts=411.7 + 13.9 * n,
            processes=(process(10 + n),) if n % 4 else (),
        )
        for n in range(8)
    ]
    users = ["alice", "bob", "carol", "dave", "erin"]
    host = replace(
        snapshot(*gpus),
        driver=replace(DRIVER, gpu_count=8),
        processes=ProcessesReading({10 + n: HostProcess(10 + n, users[n % 5]) for n in range(8)}),
        ledger=LedgerReading(idle_since={f"GPU-{n}": 1757926000.7331 - 97 * n for n in (0, 4)}),
    )
    body = b"".join(summary_json(host, {0, 4}, build="0123456789ab"))

    assert json.loads(body)["data"]["counts"]["healthy"] == 8
    assert len(gzip.compress(body, 5, mtime=0)) <= 700
