"""`/processes` and `/users`, field by field."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent.readings import (
    Belonging,
    GpuProcess,
    HostProcess,
    Job,
    LedgerReading,
    MigInstance,
    ProcessesReading,
    ProcessType,
    ProcessUse,
    Scheduler,
    UserUse,
)
from agent.views.envelope import Success
from agent.views.processes import Processes, ProcessesJson
from agent.views.users import Users, users_json
from tests.support.readings import reading, with_values
from tests.views.samples import HEALTHY, IDENTITY, KNOWS_NOTHING, LOST, MIB, READING, STUCK, snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.readings import GpuSample, Snapshot

JOB = Job(Scheduler.SLURM, "4711", "train")
NOTEBOOK = HostProcess(
    100,
    "do1e",
    "python",
    "python -m ipykernel_launcher",
    0.04,
    2048 * MIB,
    3.1,
    90_061.4,
    uid=1001,
    start_ticks=5,
    belonging=Belonging("4f2d", "web", "57e67067", "train-0", "ml", "jupyter.service", JOB, "0", "3"),
)
LEDGER = LedgerReading(
    {("GPU-1", 100): ProcessUse(1757926000.7331, 1234.56, 7.84, 1200.5)},
    {
        "do1e": UserUse(2000.04, 70.06, uids=(1001,)),
        "left": UserUse(5.0, uids=(1002, 1003)),
    },
    began_at=1757920000.5,
)
WATCHED = replace(
    snapshot(HEALTHY, STUCK),
    processes=ProcessesReading({100: NOTEBOOK}),
    ledger=LEDGER,
)
GOLDEN_ROW = {
    "idx": 0,
    "uuid": "GPU-1",
    "mig_index": None,
    "pid": 100,
    "username": "do1e",
    "uid": 1001,
    "name": "python",
    "command": "python -m ipykernel_launcher",
    "type": "C",
    "mps": False,
    "gpu_memory_mb": 11710.0,
    "sm_utilization_percent": 4,
    "memory_utilization_percent": None,
    "encoder_utilization_percent": None,
    "decoder_utilization_percent": None,
    "cpu_percent": 0.0,
    "host_memory_mb": 2048.0,
    "running_seconds": 90061,
    "first_seen": 1757926000733,
    "gpu_seconds_held": 1234.6,
    "gpu_seconds_used": 7.8,
    "idle_seconds": 1201,
    "idle_holder": True,
    "container_id": "4f2d",
    "container_name": "web",
    "pod_uid": "57e67067",
    "pod_name": "train-0",
    "pod_namespace": "ml",
    "systemd_unit": "jupyter.service",
    "job": {"scheduler": "slurm", "id": "4711", "name": "train"},
    "slurm_job_id": "4711",
    "slurm_step": "0",
    "user_session": "3",
}
UNKNOWN_ROW = dict.fromkeys(GOLDEN_ROW) | {"idx": 0, "uuid": "GPU-1", "pid": 200, "type": "G", "mps": False}


def processes_view(
    seen: Snapshot, gpus: Sequence[GpuSample], *, idle_after_seconds: float, **wishes: Any
) -> Processes:
    """The answer of `/processes`, after checking that its bytes equal the JSON of its model."""
    body = b"".join(ProcessesJson(seen, idle_after_seconds)(gpus, **wishes))
    answer = Success[Processes].model_validate_json(body)
    assert answer.model_dump_json().encode() == body
    return answer.data


def users_view(seen: Snapshot, *, idle_after_seconds: float) -> Users:
    """The answer of `/users`, checked like that of `/processes`."""
    body = b"".join(users_json(seen, idle_after_seconds))
    answer = Success[Users].model_validate_json(body)
    assert answer.model_dump_json().encode() == body
    return answer.data


def rows(seen: Any = WATCHED, **wishes: Any) -> list[dict[str, Any]]:
    """The rows of all GPUs of a Snapshot."""
    view = processes_view(seen, seen.gpus, idle_after_seconds=900, **wishes)
    listed: list[dict[str, Any]] = view.model_dump(mode="json")["processes"]
    return listed


def test_a_row_has_every_field_and_unknown_values_are_null() -> None:
    assert rows() == [GOLDEN_ROW, UNKNOWN_ROW]
    assert list(rows()[0]) == list(GOLDEN_ROW)


def test_a_row_has_the_utilization_of_every_engine() -> None:
    process = GpuProcess(100, ProcessType.BOTH, 0, 40, 30, 20, 10)
    gpu = replace(HEALTHY, reading=with_values(READING, processes=(process,)))
    (row,) = rows(snapshot(gpu))
    assert row["type"] == "C+G"
    assert [row[f"{engine}_utilization_percent"] for engine in ("sm", "memory", "encoder", "decoder")] == [
        *(40, 30, 20, 10)
    ]


def test_rows_can_be_filtered_by_user() -> None:
    assert [row["pid"] for row in rows(user="do1e")] == [100]
    assert rows(user="do1") == []
    assert [row["pid"] for row in rows(user="1001")] == [100]


def test_rows_can_be_filtered_by_pid() -> None:
    assert [row["pid"] for row in rows(pids={200, 300})] == [200]
    assert rows(pids={300}) == []


def test_rows_can_be_filtered_to_idle_holders() -> None:
    assert [row["pid"] for row in rows(idle_only=True)] == [100]
    view = processes_view(WATCHED, WATCHED.gpus, idle_after_seconds=1201, idle_only=True)
    assert view.processes == []


def test_a_process_on_a_mig_instance_has_its_instance_and_its_gpu() -> None:
    process = GpuProcess(100, ProcessType.COMPUTE, MIB)
    known = reading(
        identity=IDENTITY,
        processes=(process,),
        mig_instances=(MigInstance(3, "MIG-3", processes=(process,)),),
    )
    (row,) = rows(snapshot(replace(HEALTHY, reading=known)))
    assert (row["idx"], row["uuid"], row["mig_index"], row["gpu_memory_mb"]) == (0, "GPU-1", 3, 1.0)


def test_gpus_with_unknown_processes_are_listed_in_unknown_idx() -> None:
    seen = snapshot(HEALTHY, STUCK, LOST)
    assert processes_view(seen, seen.gpus, idle_after_seconds=900).unknown_idx == [1, 2]
    assert processes_view(seen, [LOST], idle_after_seconds=900).unknown_idx == [2]
    assert users_view(seen, idle_after_seconds=900).unknown_idx == [1, 2]
    assert processes_view(snapshot(KNOWS_NOTHING), [KNOWS_NOTHING], idle_after_seconds=900).unknown_idx == [0]


@pytest.mark.parametrize(
    ("wishes", "unknown"),
    [
        pytest.param({}, [], id="all rows"),
        pytest.param({"user": "do1e"}, [0], id="the owner of a process is unknown"),
        pytest.param({"user": "1001"}, [0], id="its uid too"),
        pytest.param({"idle_only": True}, [0], id="it is unknown whether it is idle"),
        pytest.param({"user": "do1e", "pids": {100}}, [], id="it is not among those asked for"),
    ],
)
def test_a_gpu_with_a_process_that_may_be_wanted_is_in_unknown_idx(
    wishes: dict[str, Any], unknown: list[int]
) -> None:
    seen = replace(WATCHED, gpus=(HEALTHY,))
    assert processes_view(seen, seen.gpus, idle_after_seconds=900, **wishes).unknown_idx == unknown


def test_processes_that_are_known_not_to_be_wanted_leave_nothing_unknown() -> None:
    uid_only = HostProcess(200, uid=1002)
    named = replace(uid_only, username="ann")
    for other, user, unknown in ((uid_only, "bob", [0]), (uid_only, "1003", []), (named, "bob", [])):
        seen = replace(WATCHED, gpus=(HEALTHY,), processes=ProcessesReading({100: NOTEBOOK, 200: other}))
        assert processes_view(seen, seen.gpus, idle_after_seconds=900, user=user).unknown_idx == unknown


def test_each_user_has_current_holdings_past_sums_and_utilization() -> None:
    assert users_view(WATCHED, idle_after_seconds=900).model_dump(mode="json") == {
        "users": [
            {
                "username": "do1e",
                "uid": 1001,
                "processes": 1,
                "gpus": [0],
                "gpu_memory_mb": 11710.0,
                "sm_utilization_percent": 4.0,
                "gpu_seconds_held": 2000.0,
                "gpu_seconds_used": 70.1,
                "idle_holdings": {
                    "count": 1,
                    "gpu_memory_mb": 11710.0,
                    "gpus": [0],
                    "since": round((WATCHED.taken_at - 1200.5) * 1000),
                },
            },
            {
                "username": "left",
                "uid": None,
                "processes": 0,
                "gpus": [],
                "gpu_memory_mb": 0.0,
                "sm_utilization_percent": None,
                "gpu_seconds_held": 5.0,
                "gpu_seconds_used": None,
                "idle_holdings": {"count": 0, "gpu_memory_mb": 0.0, "gpus": [], "since": None},
            },
            {
                "username": None,
                "uid": None,
                "processes": 1,
                "gpus": [0],
                "gpu_memory_mb": None,
                "sm_utilization_percent": None,
                "gpu_seconds_held": 0.0,
                "gpu_seconds_used": None,
                "idle_holdings": None,
            },
        ],
        "unknown_idx": [1],
        "since": 1757920000500,
        "usage_days": None,
    }


def test_without_a_ledger_all_values_over_time_are_null() -> None:
    seen = replace(WATCHED, ledger=None)
    remembered = ("first_seen", "gpu_seconds_held", "gpu_seconds_used", "idle_seconds", "idle_holder")
    assert [[row[name] for name in remembered] for row in rows(seen)] == [[None] * 5] * 2
    view = users_view(seen, idle_after_seconds=900)
    users = view.users
    assert view.since is None
    assert [user.username for user in users] == ["do1e", None]
    assert all(
        (user.gpu_seconds_held, user.gpu_seconds_used, user.idle_holdings) == (None, None, None)
        for user in users
    )
