"""Processes in `/metrics`: their owner, their number, and no series of a process that has ended."""

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


def test_a_series_of_a_process_has_its_user_container_pod_and_job() -> None:
    assert lines(watched(TRAINING), "process_") == [
        in_order(line)
        for line in (
            f"nvidia_gpu_process_memory_used_bytes{{{OF_TRAINING}}} 1.073741824e+09",
            f"nvidia_gpu_process_sm_utilization_ratio{{{OF_TRAINING}}} 0.4",
            f"nvidia_gpu_process_idle_seconds{{{OF_TRAINING}}} 1000.0",
        )
    ]


def test_a_process_that_has_ended_leaves_only_the_total_of_its_user() -> None:
    gone = replace(watched(), ledger=LedgerReading(users={"ann": UserUse(50.0, 20.0)}))

    assert 'pid="' not in text(gone)
    assert lines(gone, "user_held") == ['nvidia_gpu_user_held_seconds_total{user="ann"} 50.0']


def test_the_series_of_processes_can_be_left_out() -> None:
    assert not lines(watched(TRAINING), "process_", processes=False)
    assert lines(watched(TRAINING), "user_processes", processes=False)


def test_only_the_512_largest_processes_have_series() -> None:
    many = watched(*(GpuProcess(pid, ProcessType.COMPUTE, pid) for pid in range(1, MAX_PROCESSES + 3)))

    assert len(lines(many, "process_memory")) == MAX_PROCESSES
    assert 'pid="1",' not in text(many)
    assert lines(many, "agent_processes_left_out") == ["nvidia_gpu_agent_processes_left_out 2.0"]
