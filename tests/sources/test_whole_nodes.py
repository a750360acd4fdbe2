"""Whole nodes, each with one runtime or scheduler, and one very large node: every process is attributed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from agent.derive.holdings import holdings
from agent.readings import (
    Belonging,
    GpuProcess,
    GpuSample,
    GpuState,
    Job,
    ProcessesReading,
    ProcessType,
    Scheduler,
    Snapshot,
)
from tests.sources.fake_node import FakeNode, conmon, v1, v2
from tests.support.readings import reading

if TYPE_CHECKING:
    from pathlib import Path

ID, OTHER, THIRD = "4f2d9c0a" * 8, "9687bac5" * 8, "0badcafe" * 8
UID, OTHER_UID = "57e67067-89e4-4001-bdd4-8632d39ea02b", "0a1b2c3d-89e4-4001-bdd4-8632d39ea02b"
STATIC = "8f1ad3c9a2e64b0f9d7c1e5a3b2f4d60"
ALLOCATION = "4744f0ea-7616-ab3a-a420-8e25056e3861"
SHELL = v2("/user.slice/user-1000.slice/session-3.scope")


def attributed(node: FakeNode, *pids: int) -> dict[int, Belonging]:
    """The belonging of each of these processes, in one reading."""
    return {pid: one.belonging for pid, one in node.reader().read(frozenset(pids), None).items()}


def slurm(number: str, name: str | None = None) -> Job:
    return Job(Scheduler.SLURM, number, name)


def test_every_process_of_a_slurm_node_is_attributed(tmp_path: Path) -> None:
    """Also a shell, a zombie and one that has just ended."""
    node = FakeNode(tmp_path)
    node.add(11, v2("/system.slice/slurmstepd.scope/job_4711/step_0/user/task_0"), b"SLURM_JOB_ID=9\0")
    node.add(12, v2("/system.slice/slurmd.service"), b"SLURM_JOB_ID=4712\0SLURM_STEP_ID=4294967291\0")
    node.add(13, v1("/slurm/uid_1/job_4713/step_batch", "/"), b"SLURM_JOB_ID=4713\0SLURM_JOB_NAME=fit\0")
    node.add(15, SHELL, b"SHELL=/bin/bash\0")
    node.add(16, v2("/user.slice/user-1001.slice/session-8.scope (deleted)"), state="Z")

    assert attributed(node, 11, 12, 13, 15, 16, 17) == {
        11: Belonging(job=slurm("4711"), slurm_step="0"),
        12: Belonging(systemd_unit="slurmd.service", job=slurm("4712"), slurm_step="batch"),
        13: Belonging(job=slurm("4713", "fit"), slurm_step="batch"),
        15: Belonging(user_session="3"),
        16: Belonging(user_session="8"),
        17: Belonging(),
    }


def test_every_process_of_a_kubernetes_node_is_attributed(tmp_path: Path) -> None:
    """Two containers of one pod, a static pod, a pod whose logs are gone, and the agent as a service."""
    node = FakeNode(tmp_path)
    pod = f"/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice"
    node.add(11, v2(f"{pod}/cri-containerd-{ID}.scope"))
    node.add(12, v2(f"{pod}/cri-containerd-{OTHER}.scope"))
    node.add(13, v1(f"/kubepods/burstable/pod{STATIC}/crio-{THIRD}"))
    node.add(14, v2(f"/kubepods/burstable/pod{OTHER_UID}/{ID[::-1]}"))
    node.add(15, v2("/system.slice/nvidia-smi-web-agent.service"))
    node.keep_logs(
        [
            f"ml_train-0_{UID}/trainer",
            f"ml_train-0_{UID}/sidecar",
            f"kube-system_plugin-gpu01_{STATIC}/plugin",
        ],
        [f"train-0_ml_trainer-{ID}", f"train-0_ml_sidecar-{OTHER}"],
    )

    assert attributed(node, 11, 12, 13, 14, 15) == {
        11: Belonging(ID, "trainer", UID, "train-0", "ml"),
        12: Belonging(OTHER, "sidecar", UID, "train-0", "ml"),
        13: Belonging(THIRD, "plugin", STATIC, "plugin-gpu01", "kube-system"),
        14: Belonging(ID[::-1], pod_uid=OTHER_UID),
        15: Belonging(systemd_unit="nvidia-smi-web-agent.service"),
    }


def test_every_process_of_a_host_with_containers_and_machines_is_attributed(tmp_path: Path) -> None:
    """Docker containers are unnamed; those of Podman, LXC, systemd-nspawn and libvirt have names."""
    node = FakeNode(tmp_path)
    node.add(10, v2("/system.slice/containerd.service"), comm="containerd-shim")
    node.add(11, v2(f"/system.slice/docker-{ID}.scope"), parent=10)
    node.add(12, v1(f"/docker/{OTHER}", unified="/system.slice/containerd.service"), parent=10)
    node.add(20, v2(f"/machine.slice/libpod-conmon-{ID}.scope"), comm="conmon", cmdline=conmon(ID, "web"))
    node.add(21, v2(f"/machine.slice/libpod-{ID}.scope/container"), parent=20)
    user = "/user.slice/user-1000.slice/user@1000.service/user.slice"
    node.add(30, v2(f"{user}/libpod-conmon-{OTHER}.scope"), comm="conmon", cmdline=conmon(OTHER, "nb"))
    node.add(31, v2(f"{user}/libpod-{OTHER}.scope/container"), parent=30)
    node.add(41, v2("/lxc.payload.gpu-box/system.slice/jupyter.service"))
    node.add(42, v1("/lxc/101"))
    node.add(51, v2("/machine.slice/machine-box\\x2d1.scope/payload/init.scope"))
    node.add(
        52, v2("/machine.slice/machine-qemu\\x2d3\\x2dvm.scope/libvirt/emulator"), comm="qemu-system-x86"
    )

    assert attributed(node, 11, 12, 21, 31, 41, 42, 51, 52) == {
        11: Belonging(container_id=ID),
        12: Belonging(container_id=OTHER),
        21: Belonging(container_id=ID, container_name="web"),
        31: Belonging(container_id=OTHER, container_name="nb", user_session="user@1000.service"),
        41: Belonging(container_id="gpu-box", container_name="gpu-box"),
        42: Belonging(container_id="101", container_name="101"),
        51: Belonging(container_id="box-1", container_name="box-1"),
        52: Belonging(container_id="qemu-3-vm", container_name="vm"),
    }


def test_every_process_of_a_node_of_another_scheduler_is_attributed(tmp_path: Path) -> None:
    """Each has a job from cgroup v1, one from v2, and one only from the environment."""
    node = FakeNode(tmp_path)
    node.add(11, v1("/pbs_jobs.service/jobid/7.server"), b"PBS_JOBID=7.server\0PBS_JOBNAME=fit\0")
    node.add(12, v2("/pbs_jobs.service/jobs/8[2].server"))
    node.add(13, v2("/system.slice/pbs.service"), b"PBS_JOBID=9.server\0")
    node.add(14, v1("/torque/10.server", "/"), b"PBS_JOBID=11.server\0PBS_JOBNAME=x\0")
    node.add(21, v1("/lsf/c1/job.7.55.1374120567", "/system.slice/lsfd.service"))
    node.add(22, v2("/lsf/c1/job.8[2].56.1374120567"), b"LSB_JOBID=8\0LSB_JOBINDEX=2\0LSB_JOBNAME=a[2]\0")
    node.add(23, v2("/system.slice/lsfd.service"), b"LSB_JOBID=9\0LSB_JOBINDEX=0\0LSB_JOBNAME=fit\0")
    node.add(31, v1("/oar/jdoe_7", "/"))
    node.add(32, v2("/oar.slice/oar-u1000.slice/oar-u1000-j8.slice/run-1.scope"))
    node.add(33, v2("/"), b"OAR_JOB_ID=9\0OAR_JOB_NAME=fit\0")
    node.add(41, v1(f"/nomad/{ALLOCATION}.fit", "/system.slice/nomad.service"))
    node.add(42, v2(f"/nomad.slice/share.slice/{ALLOCATION}.fit.scope"))
    node.add(
        43,
        v2(f"/system.slice/docker-{ID}.scope"),
        f"NOMAD_ALLOC_ID={ALLOCATION}\0NOMAD_TASK_NAME=web\0".encode(),
    )
    node.add(51, v1("/htcondor/condor_execute_slot1_1@gpu01", "/system.slice/condor.service"))
    node.add(52, v2("/system.slice/htcondor/condor_execute_slot1_2@gpu01"), b"_CONDOR_SLOT=slot1_2\0")
    node.add(53, v2("/system.slice/condor.service"), b"_CONDOR_SLOT=slot1_3\0")

    found = attributed(node, 11, 12, 13, 14, 21, 22, 23, 31, 32, 33, 41, 42, 43, 51, 52, 53)
    assert {pid: belonging.job for pid, belonging in found.items()} == {
        11: Job(Scheduler.PBS, "7.server", "fit"),
        12: Job(Scheduler.PBS, "8[2].server"),
        13: Job(Scheduler.PBS, "9.server"),
        14: Job(Scheduler.PBS, "10.server"),
        21: Job(Scheduler.LSF, "7"),
        22: Job(Scheduler.LSF, "8[2]", "a[2]"),
        23: Job(Scheduler.LSF, "9", "fit"),
        31: Job(Scheduler.OAR, "7"),
        32: Job(Scheduler.OAR, "8"),
        33: Job(Scheduler.OAR, "9", "fit"),
        41: Job(Scheduler.NOMAD, ALLOCATION, "fit"),
        42: Job(Scheduler.NOMAD, ALLOCATION, "fit"),
        43: Job(Scheduler.NOMAD, ALLOCATION, "web"),
        51: Job(Scheduler.HTCONDOR, "slot1_1"),
        52: Job(Scheduler.HTCONDOR, "slot1_2"),
        53: Job(Scheduler.HTCONDOR, "slot1_3"),
    }
    assert {pid: belonging.systemd_unit for pid, belonging in found.items() if belonging.systemd_unit} == {
        **dict.fromkeys((11, 12), "pbs_jobs.service"),
        13: "pbs.service",
        **dict.fromkeys((21, 23), "lsfd.service"),
        41: "nomad.service",
        **dict.fromkeys((51, 53), "condor.service"),
    }
    assert {pid for pid, belonging in found.items() if belonging.container_id} == {43}
    assert {belonging.slurm_job_id for belonging in found.values()} == {None}


GPUS, ON_GPUS, ALL = 128, 2_000, 30_000
MAX_READINGS = 20  # the new processes of one reading share a second; the others follow in the next


@pytest.mark.slow
def test_two_thousand_processes_on_128_gpus_are_attributed_among_thirty_thousand(tmp_path: Path) -> None:
    """Every process on a GPU is attributed, and the other processes take almost no time."""
    node = FakeNode(tmp_path)
    node.add(1, v2("/init.scope"), comm="systemd")
    on_gpus = range(1_000, 1_000 + ON_GPUS)
    for pid in on_gpus:
        job = f"job_{pid}/step_{pid % 8}/user/task_0"
        node.add(pid, v2(f"/system.slice/slurmstepd.scope/{job}"), uid=pid % 50)
    node.add_others(range(1_000 + ON_GPUS, ALL))
    expected = {pid: Belonging(job=slurm(f"{pid}"), slurm_step=f"{pid % 8}") for pid in on_gpus}

    reader = node.reader()
    began = time.perf_counter()
    largest = reader.largest(5, None) or ()
    for _ in range(MAX_READINGS):
        processes = reader.read(frozenset(on_gpus), None)
        if {pid: one.belonging for pid, one in processes.items()} == expected:
            break
        node.clock.now += 1
    took = time.perf_counter() - began

    lists = [[GpuProcess(pid, ProcessType.COMPUTE) for pid in on_gpus[gpu::GPUS]] for gpu in range(GPUS)]
    gpus = [GpuSample(gpu, GpuState.OK, reading(processes=tuple(listed))) for gpu, listed in enumerate(lists)]
    seen = Snapshot(0.0, 0.0, gpus=tuple(gpus), processes=ProcessesReading(processes))
    assert [(one.gpu.index, one.process.pid, one.host.belonging) for one in holdings(seen, gpus, 60.0)] == [
        (gpu, pid, expected[pid]) for gpu in range(GPUS) for pid in on_gpus[gpu::GPUS]
    ]
    assert {one.uid for one in processes.values()} == set(range(50))
    assert len({one.pid for one in largest} & set(on_gpus)) == 5
    assert took < 30, "it takes about a second where nothing else runs"
