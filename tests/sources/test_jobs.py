"""Jobs of schedulers, by control groups of real hosts and by the environment of a process."""

from __future__ import annotations

import pytest

from agent.readings import Job, Scheduler
from agent.sources.jobs import JobStep, completed, job_of_group, jobs_of_environ

MAX_NAME = 255  # characters

ALLOCATION = "4744f0ea-7616-ab3a-a420-8e25056e3861"
NOMAD = JobStep(Job(Scheduler.NOMAD, ALLOCATION, "trainer"))
SLOT = JobStep(Job(Scheduler.HTCONDOR, "slot1_23"))


def slurm(number: str, step: str | None = None, name: str | None = None) -> JobStep:
    return JobStep(Job(Scheduler.SLURM, number, name), step)


def pbs(job_id: str) -> JobStep:
    return JobStep(Job(Scheduler.PBS, job_id))


def lsf(job_id: str) -> JobStep:
    return JobStep(Job(Scheduler.LSF, job_id))


OAR = JobStep(Job(Scheduler.OAR, "2090331"))
CONDOR = "condor_var_lib_condor_execute_slot1_23@gpu01.example.org"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        # OpenPBS, PBS Professional, Torque
        pytest.param("/pbs_jobs.service/jobid/12345.gadi-pbs", pbs("12345.gadi-pbs"), id="openpbs, v1"),
        pytest.param("/pbs_jobs.service/jobs/12345.gadi-pbs", pbs("12345.gadi-pbs"), id="openpbs, v2"),
        pytest.param("/pbs_jobs.service/jobid/12345[7].gadi-pbs", pbs("12345[7].gadi-pbs"), id="array, v1"),
        pytest.param(
            "/pbs_jobs.service/jobs/12345/child", pbs("12345"), id="openpbs, a group within the job"
        ),
        pytest.param(
            "/pbspro.slice/pbspro-12345.gadi\\x2dpbs.slice", pbs("12345.gadi-pbs"), id="PBS Professional 18"
        ),
        pytest.param(
            "/pbspro.slice/pbspro-12345\\x5b7\\x5d.gadi.slice",
            pbs("12345[7].gadi"),
            id="PBS Professional 18, array",
        ),
        pytest.param("/pbspro/12345.gadi", pbs("12345.gadi"), id="PBS Professional without systemd"),
        pytest.param("/pbs_jobs.service/jobid", JobStep(), id="openpbs itself"),
        pytest.param("/torque/2125569.host.example.org", pbs("2125569.host.example.org"), id="torque"),
        pytest.param("/torque/2125569[3].host/R0.t0", pbs("2125569[3].host"), id="torque, task of an array"),
        pytest.param("/torque", JobStep(), id="torque itself"),
        # LSF
        pytest.param("/lsf/cluster1/job.1234.56789.1374120567", lsf("1234"), id="lsf"),
        pytest.param("/lsf/cluster1/job.1234[5].56789.1374120567", lsf("1234[5]"), id="lsf, array"),
        pytest.param("/lsf/cluster1", JobStep(), id="lsf itself"),
        # OAR
        pytest.param("/oar/jdoe_2090331", OAR, id="oar, v1"),
        pytest.param("/oar/john_doe_2090331", OAR, id="oar, v1, a user with an underscore"),
        pytest.param("/oar.slice/oar-u1000.slice/oar-u1000-j2090331.slice/run-u7.scope", OAR, id="oar, v2"),
        pytest.param("/oar.slice/oar-u1000.slice", JobStep(), id="oar, a user without a job"),
        # Nomad
        pytest.param(f"/nomad/{ALLOCATION}.trainer", NOMAD, id="nomad, v1"),
        pytest.param(f"/nomad/share/{ALLOCATION}.trainer", NOMAD, id="nomad, v1, cpuset"),
        pytest.param(f"/nomad/reserve/{ALLOCATION}.trainer", NOMAD, id="nomad, v1, cores of its own"),
        pytest.param(f"/nomad.slice/share.slice/{ALLOCATION}.trainer.scope", NOMAD, id="nomad, v2"),
        pytest.param(f"/nomad.slice/{ALLOCATION}.trainer.scope", NOMAD, id="nomad before 1.7, v2"),
        pytest.param(
            f"/nomad.slice/reserve.slice/{ALLOCATION}.my.task.scope/x",
            JobStep(Job(Scheduler.NOMAD, ALLOCATION, "my.task")),
            id="nomad, v2, a task with a dot",
        ),
        pytest.param(
            f"/nomad.slice/share.slice/{ALLOCATION}.a\x1b\u202eb.scope",
            JobStep(Job(Scheduler.NOMAD, ALLOCATION, "a\\x1b\\u202eb")),
            id="nomad, a task with a hostile name",
        ),
        # HTCondor
        pytest.param(f"/htcondor/{CONDOR}", SLOT, id="htcondor, v1"),
        pytest.param(f"/system.slice/htcondor/{CONDOR}", SLOT, id="htcondor, v2"),
        pytest.param(f"/system.slice/condor.service/{CONDOR}", SLOT, id="htcondor, in its service's group"),
        pytest.param(
            "/htcondor/condor_scratch_slot7",
            JobStep(Job(Scheduler.HTCONDOR, "slot7")),
            id="htcondor, old form",
        ),
        pytest.param("/system.slice/condor.service", JobStep(), id="htcondor itself"),
        # several, and none
        pytest.param(
            f"/slurm/uid_1000/job_4711/step_0/htcondor/{CONDOR}",
            slurm("4711", "0"),
            id="an HTCondor pilot in a Slurm job: the outermost",
        ),
        pytest.param(
            "/user.slice/user-1000.slice/user@1000.service/slurm/job_4711/step_0",
            JobStep(),
            id="a user's group with the name of a job",
        ),
        pytest.param("/../../slurm/uid_1000/job_4711", slurm("4711"), id="from a namespace"),
        pytest.param("/home/torque/readme", JobStep(), id="not an id"),
        pytest.param("/torque/12345;rm -rf", JobStep(), id="not an id, with a shell command"),
        pytest.param("/slurm/uid_1/job_" + "7" * 99, JobStep(), id="no job has that many digits"),
        pytest.param("/lsf/c/job.1\\x2f2.3.4", JobStep(), id="an escape within an id"),
        pytest.param("/", JobStep(), id="root group"),
    ],
)
def test_a_control_group_names_the_job(path: str, expected: JobStep) -> None:
    assert job_of_group(path) == expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param(b"", None, id="empty"),
        pytest.param(b"PATH=/bin\0HOME=/root\0", None, id="none"),
        pytest.param(b"SLURM_JOB_ID=7\0SLURM_STEP_ID=2\0", slurm("7", "2"), id="job and step"),
        pytest.param(b"SLURM_JOBID=7\0SLURM_STEPID=2\0", slurm("7", "2"), id="older names"),
        pytest.param(b"SLURM_JOB_NAME=fit\0SLURM_JOB_ID=7\0", slurm("7", name="fit"), id="no step, a name"),
        pytest.param(b"SLURM_STEP_ID=2\0SLURM_JOB_NAME=fit\0", None, id="step and name of no job"),
        pytest.param(b"SLURM_JOB_ID=7\0SLURM_STEP_ID=4294967291\0", slurm("7", "batch"), id="batch"),
        pytest.param(b"SLURM_JOB_ID=7\0SLURM_STEP_ID=4294967290\0", slurm("7", "interactive"), id="salloc"),
        pytest.param(b"SLURM_JOB_ID=7\0SLURM_STEP_ID=x\0", slurm("7"), id="a step that is no number"),
        pytest.param(b"SLURM_JOB_ID=\0SLURM_JOBID=7\0", slurm("7"), id="empty beside the older name"),
        pytest.param(b"SLURM_JOB_ID=7\0SLURM_JOB_ID=8\0", slurm("7"), id="two: the first"),
        pytest.param(b"SLURM_JOB_ID=7;rm\0", None, id="no number"),
        pytest.param(b"SLURM_JOB_ID=" + b"7" * 99 + b"\0", None, id="no job has that many digits"),
        pytest.param(b"MY_SLURM_JOB_ID=7\0SLURM_JOB_IDS=7\0SLURM_\0", None, id="other names"),
        pytest.param(b"A=\xff\0SLURM_JOB_ID=7", slurm("7"), id="any bytes, and cut at the end"),
        pytest.param(
            b"SLURM_JOB_ID=7\0SLURM_JOB_NAME=\xff\x1b[31m\xe2\x80\xae\0",
            slurm("7", name="\ufffd\\x1b[31m\\u202e"),
            id="a hostile name",
        ),
        pytest.param(
            b"SLURM_JOB_ID=7\0SLURM_JOB_NAME=" + b"x" * 999, slurm("7", name="x" * MAX_NAME), id="a long name"
        ),
        pytest.param(
            b"PBS_JOBID=12345[7].gadi-pbs\0PBS_JOBNAME=fit\0",
            JobStep(Job(Scheduler.PBS, "12345[7].gadi-pbs", "fit")),
            id="pbs",
        ),
        pytest.param(
            b"LSB_JOBID=1234\0LSB_JOBINDEX=0\0LSB_JOBNAME=fit\0",
            JobStep(Job(Scheduler.LSF, "1234", "fit")),
            id="lsf",
        ),
        pytest.param(b"LSB_JOBINDEX=5\0LSB_JOBID=1234\0", lsf("1234[5]"), id="lsf, array"),
        pytest.param(b"LSB_JOBINDEX=x\0LSB_JOBID=1234\0", None, id="lsf, an invalid index"),
        pytest.param(
            b"OAR_JOBID=2090331\0OAR_JOB_ID=2090331\0OAR_JOB_NAME=\0", OAR, id="oar, a job without a name"
        ),
        pytest.param(
            b"NOMAD_TASK_NAME=trainer\0NOMAD_ALLOC_ID=" + ALLOCATION.encode() + b"\0", NOMAD, id="nomad"
        ),
        pytest.param(b"_CONDOR_SLOT=slot1_23\0", SLOT, id="htcondor"),
        pytest.param(b"_CONDOR_SLOT=SlotOne\0", None, id="htcondor, no slot"),
    ],
)
def test_an_environment_claims_a_job(environ: bytes, expected: JobStep | None) -> None:
    assert list(jobs_of_environ(environ).values()) == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("group", "environ", "expected"),
    [
        pytest.param(JobStep(), b"", JobStep(), id="neither"),
        pytest.param(slurm("7", "0"), b"", slurm("7", "0"), id="the group alone"),
        pytest.param(JobStep(), b"PBS_JOBID=7.a\0", pbs("7.a"), id="the environment alone"),
        pytest.param(
            JobStep(), b"_CONDOR_SLOT=slot1\0SLURM_JOB_ID=7\0", slurm("7"), id="claims of two schedulers"
        ),
        pytest.param(
            slurm("7"),
            b"SLURM_JOB_ID=7\0SLURM_STEP_ID=2\0SLURM_JOB_NAME=fit\0",
            slurm("7", "2", "fit"),
            id="completes the group",
        ),
        pytest.param(
            slurm("7", "0"),
            b"SLURM_JOB_ID=7\0SLURM_STEP_ID=2\0SLURM_JOB_NAME=fit\0",
            slurm("7", "0", "fit"),
            id="never against the group",
        ),
        pytest.param(
            slurm("7"),
            b"SLURM_JOB_ID=8\0SLURM_STEP_ID=2\0SLURM_JOB_NAME=fit\0",
            slurm("7"),
            id="nothing of another job",
        ),
        pytest.param(
            slurm("7"), b"PBS_JOBID=7\0PBS_JOBNAME=fit\0", slurm("7"), id="nothing of another scheduler's"
        ),
        pytest.param(
            NOMAD,
            b"NOMAD_TASK_NAME=x\0NOMAD_ALLOC_ID=" + ALLOCATION.encode() + b"\0",
            NOMAD,
            id="a task that the group names",
        ),
        pytest.param(SLOT, b"_CONDOR_SLOT=slot1_24\0", SLOT, id="another slot"),
    ],
)
def test_a_claim_adds_to_the_control_group_and_never_contradicts_it(
    group: JobStep, environ: bytes, expected: JobStep
) -> None:
    assert completed(group, jobs_of_environ(environ)) == expected
