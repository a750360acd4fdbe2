"""The programs of the simulated lab: their user, container or job, and resources.

Eight GPUs are one block, with the same programs as the next, run by others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

HOUR, DAY = 3600.0, 86400.0
PEOPLE = ("amara", "jonas", "mei", "rosa", "tomas", "yusuf")
FIRST_UID = 2001
ROOT = -1


class Pod(NamedTuple):
    """As the kubelet names it."""

    namespace: str
    name: str
    container: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program of a user.

    Its texts have {user} and {uid} for the user, {tag} for four hexadecimal digits that no other has,
    {session} for a number, {rank} for that in the training of its block, and {job} for that of a job.
    """

    user: int  # of PEOPLE, in the first block; ROOT
    command: str  # words divided by single blanks
    cgroup: str
    environ: str = ""  # likewise
    pod: Pod | None = None
    memory: int = 1  # its part of the memory that is in use on its GPU, against that of the others there
    work: int = 1  # likewise of the work
    cpu_percent: float = 0.0  # of one core
    ram_percent: float = 0.5  # of the host's memory
    age_seconds: float = DAY  # how long it had run when the simulation began


_SESSION = "/user.slice/user-{uid}.slice/session-{session}.scope"
_NOTEBOOK = "/system.slice/jupyter-{user}-singleuser.service"
_JOB = "/system.slice/slurmstepd.scope/job_{job}/step_batch/user/task_0"
_HEX = "4e1d7a90c3b5f28e"
_DOCKER = "/system.slice/docker-{tag}" + (4 * _HEX)[4:] + ".scope"
_POD = (
    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod6b1f{tag}_9c4e_4f7a_8d35_a0e7c2519b64.slice"
    "/cri-containerd-{tag}" + (4 * _HEX[::-1])[4:] + ".scope"
)

TRAINING = Program(
    user=0,
    command="/opt/conda/bin/python -u train.py --local-rank={rank} --model llama-8b --fsdp full",
    cgroup=_SESSION,
    cpu_percent=104,
    ram_percent=2.1,
    age_seconds=2 * DAY + 5 * HOUR,
)
SERVER = Program(
    user=ROOT,
    command="python3 -m vllm.entrypoints.openai.api_server --model /models/chat-32b --port 8000",
    cgroup=_POD,
    pod=Pod("inference", "chat-32b-6d9f7c5b8-x{tag}", "vllm"),
    memory=6,
    work=2,
    cpu_percent=61,
    ram_percent=1.4,
    age_seconds=11 * DAY,
)
TRANSCRIBER = Program(
    user=3,
    command="python transcribe.py --input /data/lectures --workers 4",
    cgroup=_DOCKER,
    memory=3,
    cpu_percent=212,
    ram_percent=0.9,
    age_seconds=3 * HOUR + 1260,
)
FORGOTTEN = Program(
    user=1,
    command="python -m ipykernel_launcher -f /home/{user}/.local/share/jupyter/runtime/kernel-7d3a{tag}.json",
    cgroup=_NOTEBOOK,
    work=0,
    cpu_percent=0.3,
    ram_percent=0.4,
    age_seconds=4 * DAY,
)
NOTEBOOK = Program(
    user=2,
    command="python -m ipykernel_launcher -f /home/{user}/.local/share/jupyter/runtime/kernel-e05c{tag}.json",
    cgroup=_NOTEBOOK,
    work=0,
    cpu_percent=0.7,
    ram_percent=0.8,
    age_seconds=19 * HOUR,
)
VISITOR = Program(  # where something is in use on a GPU that is free otherwise
    user=4,
    command="python evaluate.py --checkpoint runs/{tag}/last.pt",
    cgroup=_SESSION,
    cpu_percent=88,
    ram_percent=0.7,
    age_seconds=HOUR,
)
DESKTOP = Program(
    user=0,
    command="/usr/lib/xorg/Xorg vt2 -displayfd 3 -auth /run/user/{uid}/gdm/Xauthority -nolisten tcp",
    cgroup="/user.slice/user-{uid}.slice/session-2.scope",
    cpu_percent=2.4,
    ram_percent=0.3,
    age_seconds=6 * DAY,
)
# One after the other on the same GPU: a job ends, and some seconds later another begins.
JOBS = (
    Program(
        user=1,
        command="python extract_frames.py --videos /data/driving --shard {job}",
        cgroup=_JOB,
        environ="SLURM_JOB_ID={job} SLURM_JOB_NAME=frames",
        cpu_percent=176,
        ram_percent=1.2,
    ),
    Program(
        user=3,
        command="python sweep.py --config lr.yaml --seed {job}",
        cgroup=_JOB,
        environ="SLURM_JOB_ID={job} SLURM_JOB_NAME=sweep",
        cpu_percent=98,
        ram_percent=0.9,
    ),
    Program(
        user=5,
        command="gmx mdrun -deffnm protein-{job} -nb gpu -pme gpu",
        cgroup=_JOB,
        environ="SLURM_JOB_ID={job} SLURM_JOB_NAME=protein",
        cpu_percent=790,
        ram_percent=0.2,
    ),
)
# By the place in a block of eight. The first two of four train, the third serves, the fourth is idle.
ON_GPUS: tuple[tuple[Program, ...], ...] = (
    (TRAINING,),
    (TRAINING,),
    (SERVER, TRANSCRIBER, FORGOTTEN),
    (VISITOR,),
    (TRAINING,),
    (TRAINING,),
    JOBS,
    (NOTEBOOK,),
)
ON_INSTANCES = (SERVER, TRANSCRIBER, VISITOR, FORGOTTEN)  # of MIG, in turn
# On the host, but on no GPU.
WITHOUT_GPU = (
    Program(
        user=ROOT,
        command="/usr/bin/containerd",
        cgroup="/system.slice/containerd.service",
        ram_percent=0.2,
    ),
    Program(
        user=4,
        command="python preprocess.py --tokens /data/crawl",
        cgroup=_SESSION,
        ram_percent=2.6,
    ),
)
