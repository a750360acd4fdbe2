"""The programs on each simulated GPU at a moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from agent.simulation import programs
from agent.simulation.load_curves import job_at
from agent.sources.command_line import COMM_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.simulation.programs import Program

BLOCK = len(programs.ON_GPUS)
# Above 2**22, so that no process of this machine can have the same number. Each GPU has a hundred; those of a
# training are neighbours, among those of its first GPU. Jobs come after all, each with a number of its own.
FIRST_PID, PIDS_OF_GPU = 4_201_300, 100
FIRST_JOB_PID, PIDS_OF_JOB = 4_300_000, 17
FIRST_JOB = 48_211


@dataclass(frozen=True, slots=True)
class Tenant:
    """A program that runs. `started`: seconds since the start of the simulation."""

    pid: int
    program: Program
    user: str
    uid: int
    started: float
    texts: Mapping[str, object] = field(hash=False, compare=False, default_factory=dict)

    @property
    def comm(self) -> str:
        """The kernel's name of it: that of its program, cut."""
        return self.program.command.split()[0].rpartition("/")[2][:COMM_BYTES]

    def fill_in(self, text: str) -> str:
        """A text of its program, with the placeholders filled in."""
        return text.format_map(self.texts)


def tenants_on(index: int, at: float, instances: int) -> list[Tenant]:
    """On GPU `index` at `at` seconds, the first of them on the first of its MIG `instances`."""
    if instances:
        there = programs.ON_INSTANCES
        taken = instances - 1 or 1  # of several the last is free
        return [_tenant(there[number % len(there)], index, 10 + number) for number in range(taken)]
    here = programs.ON_GPUS[index % BLOCK]
    if here is programs.JOBS:
        job = job_at(index, at)
        return [] if job is None else [_job(index, *job)]
    return [_tenant(program, index, number) for number, program in enumerate(here)]


def desktop() -> Tenant:
    """The same on every GPU that has one."""
    return _tenant(programs.DESKTOP, 0, 90)


def without_gpu() -> list[Tenant]:
    """Those on no GPU."""
    return [_tenant(program, 0, 91 + number) for number, program in enumerate(programs.WITHOUT_GPU)]


@lru_cache(maxsize=4096)
def _tenant(program: Program, index: int, number: int) -> Tenant:
    rank = 0
    if program is programs.TRAINING:
        rank = programs.ON_GPUS[: index % BLOCK].count((program,))
        index, number = index // BLOCK * BLOCK, number + rank
    place = PIDS_OF_GPU * index + number
    return _make(
        program,
        pid=FIRST_PID + place,
        turn=index // BLOCK,
        started=-program.age_seconds - 61 * index,
        tag=f"{place:04x}",
        session=place // 10 + 3,
        rank=rank,
    )


@lru_cache(maxsize=256)
def _job(index: int, number: int, started: float) -> Tenant:
    """The job with this number on its GPU."""
    block = index // BLOCK
    job = (number + 1) * 16 + block
    return _make(
        programs.JOBS[number % len(programs.JOBS)],
        pid=FIRST_JOB_PID + PIDS_OF_JOB * job,
        turn=block + number,
        started=started,
        job=FIRST_JOB + job,
    )


def _make(program: Program, pid: int, turn: int, started: float, **texts: object) -> Tenant:
    number = (program.user + turn) % len(programs.PEOPLE)
    is_root = program.user == programs.ROOT
    user = "root" if is_root else programs.PEOPLE[number]
    uid = 0 if is_root else programs.FIRST_UID + number
    return Tenant(pid, program, user, uid, started, texts | {"user": user, "uid": uid})
