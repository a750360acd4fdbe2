"""The job of a batch scheduler that a process belongs to.

Its control group names the job, if the scheduler makes one for each job. The environment is the process's own
claim: it is used only if no group names a job, or for the name of the same job.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from agent.readings import Job, Scheduler
from agent.sources.command_line import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_NAME = 255  # characters

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# Group 1 is the id, group 2 the step or task.
_GROUPS = {
    scheduler: re.compile(rf"(?:{pattern})(?=/|$)", re.ASCII)
    for scheduler, pattern in {
        # v1 /slurm/uid_1000/job_7/step_0, v2 /system.slice/NODE_slurmstepd.scope/job_7/step_0/user/task_0
        Scheduler.SLURM: r"/[^/]*slurm[^/]*/(?:uid_\d+/)?job_([^/]+)(?:/step_([A-Za-z0-9_+.]+))?",
        # OpenPBS v1 /pbs_jobs.service/jobid/7.server, v2 /pbs_jobs.service/jobs/7.server; PBS Professional 18
        # /pbspro.slice/pbspro-7.server.slice, without systemd /pbspro/7.server. Torque /torque/7.server
        Scheduler.PBS: (
            r"/(?:(?:pbs_jobs|pbspro)(?:\.service|\.slice)?/(?:jobid/|jobs/|(?:pbs_jobs|pbspro)-)?|torque/)"
            r"([^/]+?)(?:\.slice)?"
        ),
        # /lsf/CLUSTER/job.7.PID.TIME, with [2] after the number in an array
        Scheduler.LSF: r"/lsf/[^/]+/job\.([^/.]+)(?:\.\d+)*",
        # v1 /oar/USER_7, v2 /oar.slice/oar-u1000.slice/oar-u1000-j7.slice
        Scheduler.OAR: r"/oar(?:/[^/]+_|\.slice/oar-u\d+\.slice/oar-u\d+-j)(\d+)(?:\.slice)?",
        # v1 /nomad/ALLOCATION.TASK, with share or reserve in cpuset; v2 with .slice and .scope
        Scheduler.NOMAD: (
            rf"/nomad(?:\.slice)?(?:/(?:share|reserve)(?:\.slice)?)?/({_UUID})\.([^/]+?)(?:\.scope)?"
        ),
        # v1 /htcondor/condor_PATH_slot1_2@HOST, v2 below /system.slice; the number of the job is nowhere
        Scheduler.HTCONDOR: r"/(?:htcondor|condor\.service)/condor_[^/]*?_(slot[\d_]+)(?:@[^/]*)?",
    }.items()
}
_WORDS = ("slurm", "pbs", "torque", "lsf", "oar", "nomad", "condor")  # one of them is in every such path
_IDS = {
    Scheduler.SLURM: re.compile(r"\d{1,10}", re.ASCII),
    Scheduler.PBS: re.compile(r"\d{1,10}(?:\[\d{0,10}\])?(?:\.[A-Za-z0-9_.-]{1,253})?", re.ASCII),
    Scheduler.LSF: re.compile(r"\d{1,10}(?:\[\d{1,10}\])?", re.ASCII),
    Scheduler.OAR: re.compile(r"\d{1,10}", re.ASCII),
    Scheduler.NOMAD: re.compile(_UUID),
    Scheduler.HTCONDOR: re.compile(r"slot\d{1,10}(?:_\d{1,10}){0,3}", re.ASCII),
}
# The variables with the id and with the name; the first that is set.
_VARIABLES = {
    Scheduler.SLURM: (("SLURM_JOB_ID", "SLURM_JOBID"), "SLURM_JOB_NAME"),
    Scheduler.PBS: (("PBS_JOBID",), "PBS_JOBNAME"),  # Torque too
    Scheduler.LSF: (("LSB_JOBID",), "LSB_JOBNAME"),
    Scheduler.OAR: (("OAR_JOB_ID", "OAR_JOBID"), "OAR_JOB_NAME"),
    Scheduler.NOMAD: (("NOMAD_ALLOC_ID",), "NOMAD_TASK_NAME"),
    Scheduler.HTCONDOR: (("_CONDOR_SLOT",), ""),
}
_PREFIXES = (b"SLURM_", b"PBS_JOB", b"LSB_JOB", b"OAR_JOB", b"NOMAD_", b"_CONDOR_SLOT")
# slurm.h: SLURM_INTERACTIVE_STEP, SLURM_BATCH_SCRIPT, SLURM_EXTERN_CONT; the last two also as before 20.11.
_SLURM_STEPS = {
    "4294967290": "interactive",
    "4294967291": "batch",
    "4294967292": "extern",
    "4294967294": "batch",
    "4294967295": "extern",
}
_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})")
_USER_MANAGER = re.compile(r"/user@\d+\.service(?:/|$)", re.ASCII)


class JobStep(NamedTuple):
    """A job, and of Slurm the step."""

    job: Job | None = None
    slurm_step: str | None = None


def unescape(name: str) -> str:
    r"""A name as it was before systemd escaped it: `\x2d` stands for a hyphen."""
    data = _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), name.encode(errors="replace"))
    return clean(data.decode(errors="replace"))


def job_of_group(path: str) -> JobStep:
    """The job of this control group.

    Of nested jobs the outermost, because the job itself made the inner ones. Not below a user's manager,
    where that user chooses the names.
    """
    if not any(word in path for word in _WORDS):
        return JobStep()
    of_system = _USER_MANAGER.split(path)[0]
    found = [
        (match.start(), scheduler, match)
        for scheduler, pattern in _GROUPS.items()
        if (match := pattern.search(of_system)) and _IDS[scheduler].fullmatch(unescape(match[1]))
    ]
    if not found:
        return JobStep()
    _, scheduler, match = min(found, key=lambda one: one[0])
    job_id = unescape(match[1])
    if scheduler is Scheduler.SLURM:
        return JobStep(Job(scheduler, job_id), _SLURM_STEPS.get(match[2], match[2]))
    task = match[2] if scheduler is Scheduler.NOMAD else None
    return JobStep(Job(scheduler, job_id, _name(task)))


def jobs_of_environ(environ: bytes) -> dict[Scheduler, JobStep]:
    """/proc/PID/environ: NAME=VALUE, each ended by a zero byte. The jobs that it claims, by scheduler."""
    found: dict[str, str] = {}
    for entry in environ.split(b"\0"):
        if entry.startswith(_PREFIXES):
            name, _, value = entry.decode(errors="replace").partition("=")
            found.setdefault(name, value)  # of several the first, as getenv(3) takes it
    claims = {}
    for scheduler, (ids, name_variable) in _VARIABLES.items():
        job_id = next((found[variable] for variable in ids if found.get(variable)), "")
        if scheduler is Scheduler.LSF and found.get("LSB_JOBINDEX", "0") != "0":
            job_id += f"[{found['LSB_JOBINDEX']}]"
        if _IDS[scheduler].fullmatch(job_id):
            step = _step(found) if scheduler is Scheduler.SLURM else None
            claims[scheduler] = JobStep(Job(scheduler, job_id, _name(found.get(name_variable))), step)
    return claims


def completed(by_group: JobStep, claims: Mapping[Scheduler, JobStep]) -> JobStep:
    """The job by its control groups, completed from the environment, which never overrides them."""
    if by_group.job is None:
        return next(iter(claims.values()), by_group)
    job, claim = by_group.job, claims.get(by_group.job.scheduler)
    if claim is None or claim.job is None or claim.job.id != job.id:
        return by_group
    return JobStep(
        Job(job.scheduler, job.id, job.name or claim.job.name), by_group.slurm_step or claim.slurm_step
    )


def _step(found: Mapping[str, str]) -> str | None:
    step = found.get("SLURM_STEP_ID") or found.get("SLURM_STEPID") or ""
    return _SLURM_STEPS.get(step, step) if _IDS[Scheduler.SLURM].fullmatch(step) else None


def _name(text: str | None) -> str | None:
    return clean(text or "")[:MAX_NAME] or None
