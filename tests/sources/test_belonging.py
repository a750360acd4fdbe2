"""Container, pod, unit and job of processes, from cgroup texts of real hosts; and a whole node."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from agent.readings import Belonging, Job, Scheduler
from agent.sources.belonging import parse_cgroup
from agent.sources.processes import ProcessReader
from agent.sources.procfs import MAX_BYTES_OF
from tests.sources.fake_node import FakeNode, v1, v2

if TYPE_CHECKING:
    from pathlib import Path

ID = "4f2d9c0a7be15d3886f1c2a4907be3d15c6a8f0e9b7d2c1a3e5f60718293a4b5"
OUTER = "9687bac58d5c4d1606aa46af33d1a21c1d1652e0ac9fb3fc0fc86e3495f42869"
UID = "57e67067-89e4-4001-bdd4-8632d39ea02b"
UID_ = UID.replace("-", "_")
STATIC = "8f1ad3c9a2e64b0f9d7c1e5a3b2f4d60"  # the kubelet's hash of a manifest file


POD = Belonging(container_id=ID, pod_uid=UID)
DOCKER = Belonging(container_id=ID)


def slurm(number: str) -> Job:
    """A Slurm job."""
    return Job(Scheduler.SLURM, number)


JOB = Belonging(job=slurm("4711"), slurm_step="0")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Docker, containerd, CRI-O, Podman
        pytest.param(v1(f"/docker/{ID}"), DOCKER, id="docker, cgroupfs, v1"),
        pytest.param(v2(f"/docker/{ID}"), DOCKER, id="docker, cgroupfs, v2"),
        pytest.param(v1(f"/system.slice/docker-{ID}.scope"), DOCKER, id="docker, systemd, v1"),
        pytest.param(v2(f"/system.slice/docker-{ID}.scope"), DOCKER, id="docker, systemd, v2"),
        pytest.param(
            v1(f"/docker/{ID}", unified="/system.slice/containerd.service"),
            DOCKER,
            id="docker, v1 and v2: containerd's own unit is not the container's",
        ),
        pytest.param(v2(f"/gpu.slice/docker-{ID}.scope"), DOCKER, id="docker with a parent of its own"),
        pytest.param(
            v2(f"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope"),
            Belonging(container_id=ID, user_session="user@1000.service"),
            id="docker, rootless",
        ),
        pytest.param(v2(f"/system.slice/nerdctl-{ID}.scope"), DOCKER, id="containerd, nerdctl"),
        pytest.param(v1(f"/default/{ID}"), DOCKER, id="containerd, a namespace of its own"),
        pytest.param(v2(f"/machine.slice/libpod-{ID}.scope/container"), DOCKER, id="podman"),
        pytest.param(v1(f"/machine.slice/libpod-{ID}.scope"), DOCKER, id="podman, v1"),
        pytest.param(v1(f"/libpod_parent/libpod-{ID}"), DOCKER, id="podman, cgroupfs"),
        pytest.param(
            v2(f"/machine.slice/machine-libpod_pod_{OUTER}.slice/libpod-{ID}.scope/container"),
            DOCKER,
            id="podman, in a podman pod",
        ),
        pytest.param(
            v2(f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container"),
            Belonging(container_id=ID, user_session="user@1000.service"),
            id="podman, rootless",
        ),
        pytest.param(
            v2(f"/system.slice/llama.service/libpod-payload-{ID}"),
            Belonging(container_id=ID, systemd_unit="llama.service"),
            id="podman, quadlet",
        ),
        pytest.param(
            v2(f"/user.slice/user-1001.slice/user@1001.service/app.slice/llama.service/libpod-payload-{ID}"),
            Belonging(container_id=ID, user_session="user@1001.service"),
            id="podman, a user's quadlet",
        ),
        pytest.param(
            v2(f"/machine.slice/libpod-conmon-{ID}.scope"),
            Belonging(),
            id="podman's monitor is not in the container",
        ),
        pytest.param(v1(f"/docker/{OUTER}/docker/{ID}"), DOCKER, id="docker in docker: the innermost"),
        pytest.param(
            v2(f"/docker/{ID}/nginx.service"), DOCKER, id="a unit directly below a container is its own"
        ),
        # Kubernetes
        pytest.param(v1(f"/kubepods/burstable/pod{UID}/{ID}"), POD, id="pod, cgroupfs, v1"),
        pytest.param(v2(f"/kubepods/pod{UID}/{ID}"), POD, id="pod, cgroupfs, guaranteed, v2"),
        pytest.param(v1(f"/kubepods/besteffort/pod{UID}/crio-{ID}"), POD, id="pod, cri-o, cgroupfs"),
        pytest.param(
            v2(
                "/kubepods.slice/kubepods-burstable.slice/"
                f"kubepods-burstable-pod{UID_}.slice/cri-containerd-{ID}.scope"
            ),
            POD,
            id="pod, containerd, systemd",
        ),
        pytest.param(
            v2(f"/kubepods.slice/kubepods-pod{UID_}.slice/crio-{ID}.scope/container"),
            POD,
            id="pod, cri-o, systemd, guaranteed",
        ),
        pytest.param(
            v1(
                f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{UID_}.slice/docker-{ID}.scope"
            ),
            POD,
            id="pod, docker, systemd",
        ),
        pytest.param(
            v1(
                f"/kubepods-besteffort-pod{UID_}.slice:cri-containerd:{ID}",
                f"/system.slice/containerd.service/kubepods-besteffort-pod{UID_}.slice:cri-containerd:{ID}",
            ),
            Belonging(container_id=ID, pod_uid=UID, systemd_unit="containerd.service"),
            id="pod, containerd without its systemd driver: below its own unit",
        ),
        pytest.param(
            v2(f"/kubepods/burstable/pod{STATIC}/{ID}"),
            Belonging(container_id=ID, pod_uid=STATIC),
            id="static pod",
        ),
        pytest.param(
            v2(f"/kubepods.slice/kubepods-pod{UID_}.slice"), Belonging(pod_uid=UID), id="pod, no container"
        ),
        pytest.param(
            v1(f"/docker/{OUTER}/kubelet/kubepods/burstable/pod{UID}/{ID}"),
            POD,
            id="pod, kind: within docker",
        ),
        pytest.param(
            v2(f"/../../kubepods-burstable-pod{UID_}.slice/cri-containerd-{ID}.scope"),
            POD,
            id="pod, read from another pod's namespace",
        ),
        # LXC
        pytest.param(
            v2("/lxc.payload.gpu-box/system.slice/jupyter.service"),
            Belonging(container_id="gpu-box", container_name="gpu-box"),
            id="lxc: units within are not the host's",
        ),
        pytest.param(
            v2("/lxc/101/ns/user.slice/user-0.slice/session-3.scope"),
            Belonging(container_id="101", container_name="101"),
            id="lxc, proxmox: sessions within neither",
        ),
        pytest.param(v1("/lxc/web"), Belonging(container_id="web", container_name="web"), id="lxc, v1"),
        pytest.param(v2(f"/lxc.payload.web/docker/{ID}"), DOCKER, id="docker in lxc: the innermost"),
        pytest.param(
            v2(f"/lxc.payload.web/system.slice/a.service/docker/{ID}"), DOCKER, id="docker in a unit in lxc"
        ),
        pytest.param(v2("/lxc.monitor.web"), Belonging(), id="lxc's monitor is not in the container"),
        # systemd machines
        pytest.param(
            v2("/machine.slice/machine-gpu\\x2dbox.scope/payload/system.slice/jupyter.service"),
            Belonging(container_id="gpu-box", container_name="gpu-box"),
            id="systemd-nspawn: units within are not the host's",
        ),
        pytest.param(
            v1("/machine.slice/machine-gpu\\x2dbox.scope"),
            Belonging(container_id="gpu-box", container_name="gpu-box"),
            id="systemd-nspawn, v1",
        ),
        pytest.param(
            v2(
                "/machine.slice/systemd-nspawn@gpu-box.service/payload/user.slice/user-0.slice/session-3.scope"
            ),
            Belonging(
                container_id="gpu-box",
                container_name="gpu-box",
                systemd_unit="systemd-nspawn@gpu-box.service",
            ),
            id="systemd-nspawn as a service",
        ),
        pytest.param(
            v2("/machine.slice/machine-qemu\\x2d3\\x2dwin\\x2d11.scope/libvirt/emulator"),
            Belonging(container_id="qemu-3-win-11", container_name="win-11"),
            id="libvirt, a virtual machine with a vGPU",
        ),
        pytest.param(
            v1("/machine.slice/machine-lxc\\x2d4242\\x2dweb.scope"),
            Belonging(container_id="lxc-4242-web", container_name="web"),
            id="libvirt, LXC, v1",
        ),
        pytest.param(
            v2(f"/machine.slice/machine-gpu\\x2dbox.scope/payload/system.slice/docker-{ID}.scope"),
            DOCKER,
            id="docker in systemd-nspawn: the innermost",
        ),
        pytest.param(
            v2("/machine.slice/machine-a\\x0ab\\x1b.scope"),
            Belonging(container_id="a\\nb\\x1b", container_name="a\\nb\\x1b"),
            id="a name that would end a line",
        ),
        # systemd
        pytest.param(
            v2("/system.slice/jupyterhub.service"), Belonging(systemd_unit="jupyterhub.service"), id="unit"
        ),
        pytest.param(
            v1("/system.slice/jupyterhub.service", unified="/system.slice/jupyterhub.service"),
            Belonging(systemd_unit="jupyterhub.service"),
            id="unit, v1 and v2",
        ),
        pytest.param(
            v2("/system.slice/system-train.slice/train@big\\x2dmodel.service"),
            Belonging(systemd_unit="train@big\\x2dmodel.service"),
            id="unit of a template",
        ),
        pytest.param(
            v2("/gpu.slice/gpu-batch.slice/train.service"),
            Belonging(systemd_unit="train.service"),
            id="unit in a slice of its own",
        ),
        pytest.param(
            v2("/system.slice/triton.service/workers/inner.service"),
            Belonging(systemd_unit="triton.service"),
            id="unit that divides its group",
        ),
        pytest.param(
            v2("/../train.service"), Belonging(systemd_unit="train.service"), id="unit, from a namespace"
        ),
        pytest.param(v2("/init.scope"), Belonging(), id="systemd itself"),
        pytest.param(v2("/system.slice/run-r1f.scope"), Belonging(), id="transient scope"),
        # users
        pytest.param(
            v2("/user.slice/user-1000.slice/session-3.scope"), Belonging(user_session="3"), id="session"
        ),
        pytest.param(
            v1("/user.slice", "/user.slice/user-1000.slice/session-c1.scope"),
            Belonging(user_session="c1"),
            id="session, v1",
        ),
        pytest.param(
            v2(f"/user.slice/user-1000.slice/user@1000.service/kubepods.slice/pod{UID}/{ID}"),
            Belonging(container_id=ID, user_session="user@1000.service"),
            id="a user who claims a pod",
        ),
        pytest.param(
            v2("/user.slice/user-1000.slice/user@1000.service/app.slice/jupyter.service"),
            Belonging(user_session="user@1000.service"),
            id="a user's own unit",
        ),
        pytest.param(
            v2(
                "/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte.scope"
            ),
            Belonging(user_session="user@1000.service"),
            id="a desktop's terminal",
        ),
        # Slurm
        pytest.param(v2("/system.slice/slurmstepd.scope/job_4711/step_0/user/task_3"), JOB, id="slurm, v2"),
        pytest.param(
            v2("/system.slice/gpu01_slurmstepd.scope/job_4711/step_batch/user/task_special"),
            Belonging(job=slurm("4711"), slurm_step="batch"),
            id="slurm, v2, several slurmd",
        ),
        pytest.param(
            v1("/slurm/uid_1000/job_4711/step_0/task_0", "/system.slice/slurmd.service"),
            Belonging(systemd_unit="slurmd.service", job=slurm("4711"), slurm_step="0"),
            id="slurm, v1",
        ),
        pytest.param(
            v1("/slurm_gpu01/uid_1000/job_4711/step_extern", "/"),
            Belonging(job=slurm("4711"), slurm_step="extern"),
            id="slurm, v1, several slurmd",
        ),
        pytest.param(
            v1("/slurm/uid_1000/job_4711/step_4294967294", "/"),
            Belonging(job=slurm("4711"), slurm_step="batch"),
            id="slurm before 20.11: batch has a number",
        ),
        pytest.param(
            v1("/slurm/uid_1000/job_4711", "/"),
            Belonging(job=slurm("4711")),
            id="slurm, no step",
        ),
        pytest.param(
            v2("/system.slice/slurmstepd.scope/system"), Belonging(), id="slurm's own process, without a job"
        ),
        pytest.param(
            v2(f"/kubepods/pod{UID}/{ID}/system.slice/slurmstepd.scope/job_4711/step_0/user/task_0"),
            Belonging(container_id=ID, pod_uid=UID, job=slurm("4711"), slurm_step="0"),
            id="slurm within a pod",
        ),
        pytest.param(v2("/home/job_4711/step_0"), Belonging(), id="somebody's directory of that name"),
        # nothing
        pytest.param(v2("/"), Belonging(), id="root group"),
        pytest.param(v1("/"), Belonging(), id="root groups, v1"),
        pytest.param("", Belonging(), id="empty"),
        pytest.param("garbage\n0:\n\n:::\n", Belonging(), id="garbage"),
        pytest.param(
            v2(f"/system.slice/docker-{ID}.scope (deleted)"), DOCKER, id="a zombie whose group is gone"
        ),
        pytest.param(v2(f"/docker/{ID[:-1]}"), Belonging(), id="too short for an id"),
        pytest.param(v2("/system.slice/a\x1b[31m.service"), Belonging(), id="not a valid unit name"),
    ],
)
def test_a_cgroup_shows_where_a_process_belongs(text: str, expected: Belonging) -> None:
    assert parse_cgroup(text) == expected


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    return FakeNode(tmp_path)


def test_the_cgroup_takes_precedence_over_the_environment(node: FakeNode) -> None:
    node.add(11, v2("/system.slice/slurmstepd.scope/job_4711/step_0/user/task_0"), b"SLURM_JOB_ID=1\0")
    node.add(12, v1("/slurm/uid_1000/job_4711"), b"SLURM_JOB_ID=4711\0SLURM_STEP_ID=2\0")
    node.add(13, v1("/slurm/uid_1000/job_4711"), b"SLURM_JOB_ID=1\0SLURM_STEP_ID=2\0")

    assert node.belonging(11) == JOB
    assert node.belonging(12) == Belonging(job=slurm("4711"), slurm_step="2")
    assert node.belonging(13) == Belonging(job=slurm("4711"))


def test_a_belonging_that_cannot_be_read_is_unknown(node: FakeNode) -> None:
    node.add(11, v2("/user.slice/user-1000.slice/session-3.scope"))
    (node.root / "11/environ").unlink()
    assert node.belonging(11) == Belonging(user_session="3")
    (node.root / "11/cgroup").unlink()
    assert node.belonging(11) == Belonging()
    assert node.belonging(12) == Belonging()


def test_a_long_environment_is_read_only_up_to_its_maximum(node: FakeNode) -> None:
    node.add(11, v2("/"), b"A=" + b"x" * 2**20 + b"\0SLURM_JOB_ID=7\0")
    assert node.belonging(11) == Belonging()


def test_a_number_at_which_a_file_is_cut_is_unknown(node: FakeNode) -> None:
    room = MAX_BYTES_OF["environ"] - len(b"A=\0SLURM_JOB_ID=47")
    node.add(11, v2("/"), b"A=" + b"x" * room + b"\0SLURM_JOB_ID=4711\0")
    assert node.belonging(11) == Belonging()

    room = MAX_BYTES_OF["cgroup"] - len("2:x:\n1:cpu:/slurm/uid_1000/job_47")
    node.add(12, "2:x:" + "a" * room + "\n1:cpu:/slurm/uid_1000/job_4711/step_0\n")
    assert node.belonging(12) == Belonging()


def test_a_slurm_job_is_found_at_the_end_of_a_long_environment(node: FakeNode) -> None:
    node.add(11, v2("/"), b"A=" + b"x" * 20_000 + b"\0SLURM_JOB_ID=4711\0SLURM_STEP_ID=0\0PWD=/\0")
    assert node.belonging(11) == JOB


def test_the_belonging_of_this_process_can_be_read() -> None:
    reader = ProcessReader(pids_are_ours=True)
    assert isinstance(reader.read(frozenset({os.getpid()}), None)[os.getpid()].belonging, Belonging)
