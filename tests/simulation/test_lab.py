"""The simulated lab changes over time, agrees with its GPUs, and has nothing of this machine."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from agent.simulation import MODELS, Simulation
from agent.simulation.programs import PEOPLE
from agent.sources.processes import ELSEWHERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.readings import HostProcess, ProcessesReading

MOMENTS = [second * 11.3 for second in range(80)]  # a quarter of an hour
ABOVE_LINUX = 2**22  # pids


class LabAt:
    """A lab at a moment that a test sets."""

    def __init__(self, gpus: int = 8, *models: str, hide_command_args: bool = False) -> None:
        at = self.at = SimpleNamespace(seconds=0.0)
        self.simulation = Simulation(gpus, models=models or None, clock=lambda: at.seconds)
        self.table = self.simulation.process_table(hide_command_args=hide_command_args, pod_logs="")

    def pids(self) -> set[int]:
        return {process.pid for gpu in self.simulation.gpus for process in gpu.processes}

    def read(self) -> ProcessesReading:
        return self.table.read(frozenset(self.pids()))

    def processes(self) -> list[HostProcess]:
        return list(self.read().gpu_processes.values())

    def moments(self) -> Iterator[float]:
        for self.at.seconds in MOMENTS:
            yield self.at.seconds


@pytest.mark.parametrize("model", MODELS)
def test_processes_hold_all_used_memory_and_share_the_utilization(model: str) -> None:
    lab = LabAt(16, model)
    for _, gpu in itertools.product(lab.moments(), lab.simulation.gpus):
        values, processes = gpu.values, gpu.processes
        assert sum(one.sm_utilization for one in processes) <= (values.gpu_utilization or 0)
        assert len({one.pid for one in processes}) == len(processes)
        if values.memory_used is not None:
            assert sum(one.memory_bytes or 0 for one in processes) == values.memory_used


def test_on_each_mig_instance_but_the_last_one_process_holds_the_memory() -> None:
    (gpu,) = LabAt(1).simulation.gpus
    gpu.enable_mig("3g.40gb", "1c.2g.20gb", "1c.2g.20gb", "1g.10gb")
    of_gpu, total = gpu.values.memory_used or 0, gpu.values.memory_total or 1
    large, *small = (int(of_gpu * instance.memory_total / total) for instance in gpu.mig_instances)

    assert [(one.mig_index, one.memory_bytes) for one in gpu.processes] == [
        (0, large),
        (1, small[0] // 2),  # both are in one GPU instance, and show the same memory
        (2, small[0] // 2),
    ]


def test_one_gpu_of_four_is_free_and_one_of_eight_has_an_idle_holder() -> None:
    lab = LabAt(8)
    for _ in lab.moments():
        (holder,) = lab.simulation.gpus[7].processes
        assert lab.simulation.gpus[3].processes == []
        assert lab.simulation.gpus[3].values.memory_used == 0
        assert (holder.memory_bytes or 0) > 2**34
        assert holder.sm_utilization == lab.simulation.gpus[7].values.gpu_utilization == 0


def test_after_a_job_its_gpu_is_free_for_some_seconds_until_the_next_job() -> None:
    lab, gpu = LabAt(8), 6
    seen: list[tuple[str | None, int | None]] = []
    for second in range(1500):
        lab.at.seconds = float(second)
        listed = lab.simulation.gpus[gpu].processes
        values = lab.simulation.gpus[gpu].values
        found = [lab.table.read(frozenset({one.pid})).gpu_processes[one.pid] for one in listed]
        assert bool(found) == bool(values.gpu_utilization) == bool(values.memory_used)
        names = [one.belonging.slurm_job_id for one in found] or [None]
        if not seen or seen[-1][0] != names[0]:
            seen.append((names[0], second))
    jobs, began = zip(*seen, strict=True)

    assert len(jobs) == 7
    assert all((one is None) != (other is None) for one, other in itertools.pairwise(jobs))
    assert len({job for job in jobs if job}) == 4
    assert all(later - earlier in (20, 400) for earlier, later in itertools.pairwise(began[1:]))


def test_an_ended_process_is_reported_as_ended() -> None:
    lab = LabAt(8)
    before = lab.pids()
    lab.at.seconds = 600.0
    gone = before - lab.pids()

    assert len(gone) == 1
    assert [one.command for one in lab.table.read(frozenset(gone)).gpu_processes.values()] == [ELSEWHERE]


def test_processes_belong_to_sessions_units_containers_pods_and_jobs() -> None:
    lab = LabAt(8, "h100", "rtx4090")
    found = [one.belonging for one in lab.processes()]
    pod = next(one for one in found if one.pod_uid)

    assert (pod.pod_namespace, pod.container_name) == ("inference", "vllm")
    assert pod.pod_name
    assert pod.container_id
    assert any(one.container_id and not one.pod_uid for one in found)
    assert any(one.slurm_job_id and one.job and one.job.name for one in found)
    assert any(one.systemd_unit == "jupyter-mei-singleuser.service" for one in found)
    assert any(one.user_session == "2" for one in found), "the desktop"


def test_one_training_job_has_four_gpus_and_its_processes_start_together() -> None:
    lab = LabAt(8)
    pids = [lab.simulation.gpus[index].processes[0].pid for index in (0, 1, 4, 5)]
    ranks = [lab.read().gpu_processes[pid] for pid in pids]

    assert pids == [*range(pids[0], pids[0] + 4)]
    assert [f"--local-rank={rank}" in (one.command or "") for rank, one in enumerate(ranks)] == [True] * 4
    assert len({(one.username, one.start_ticks, one.belonging) for one in ranks}) == 1


def test_no_process_or_user_of_this_machine_is_in_the_lab() -> None:
    lab = LabAt(16, "h100", "rtx4090")
    for _ in lab.moments():
        reading = lab.read()
        every = (*reading.gpu_processes.values(), *(reading.top_processes or ()))
        assert min(one.pid for one in every) > ABOVE_LINUX
        assert {one.username for one in every} <= {*PEOPLE, "root"}
        assert len(reading.top_processes or ()) == 5


def test_all_processes_containers_pods_and_jobs_of_a_large_lab_are_distinct() -> None:
    lab = LabAt(128, "h100", "rtx4090")
    listed = [one.pid for gpu in lab.simulation.gpus for one in gpu.processes if one.type != "G"]
    found = lab.processes()
    containers = [one.belonging.container_id for one in found if one.belonging.container_id]
    pods = [one.belonging.pod_uid for one in found if one.belonging.pod_uid]
    jobs = [one.belonging.slurm_job_id for one in found if one.belonging.slurm_job_id]

    for names in (listed, containers, pods, jobs):
        assert names
        assert len(set(names)) == len(names)
    assert {one.username for one in found} == {*PEOPLE, "root"}


def test_some_users_have_several_programs() -> None:
    owners = [one.username for one in LabAt(8).processes()]

    assert owners.count("jonas") > 1
    assert len(set(owners)) >= 4


def test_running_times_in_the_lab_follow_the_clock() -> None:
    lab, other = LabAt(8), LabAt(8)
    (pid,) = (process.pid for process in lab.simulation.gpus[0].processes)
    shown = []
    for other.at.seconds in lab.moments():
        shown.append(lab.read().gpu_processes[pid])
        assert shown[-1] == other.read().gpu_processes[pid]

    assert [one.running_seconds for one in shown] == pytest.approx(
        [(shown[0].running_seconds or 0) + at for at in MOMENTS]
    )
    assert len({round(one.cpu_percent or 0) for one in shown}) > 5
    assert len({one.start_ticks for one in shown}) == 1


def test_arguments_are_hidden_on_request() -> None:
    (training,) = LabAt(1, hide_command_args=True).processes()

    assert (training.name, training.command) == ("python", "/opt/conda/bin/python")
