"""Processes in `/metrics`: owner and number, and no series of a process that is gone."""

from __future__ import annotations

from dataclasses import replace

from agent.readings import (
    Belonging,
    GpuProcess,
    HostProcess,
    Job,
    LedgerReading,
    ProcessesReading,
    ProcessType,
    ProcessUse,
    Scheduler,
    Snapshot,
    UserUse,
)
from tests.support.readings import with_values
from tests.views.prometheus.test_prometheus import GPU, in_order, lines, text
from tests.views.samples import HEALTHY, READING, snapshot

MAX_PROCESSES = 512


def watched(*processes: GpuProcess) -> Snapshot:
    reading = with_values(READING, processes=processes)
    described = ProcessesReading(
        {
            100: HostProcess(
                100,
                "ann",
                'train "x"',
                belonging=Belonging(
                    container_id="c0ffee", pod_uid="pod-1", job=Job(Scheduler.PBS, "77.server", "train")
                ),
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
    f'{GPU},mig="",pid="100",user="ann",name="train \\"x\\"",'
    'container_id="c0ffee",container_name="",pod_uid="pod-1",pod_name="",pod_namespace="",job_scheduler="pbs",job_id="77.server"'
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
