"""Whatever a control group, an environment or a monitor contains, the result is safe text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.readings import Belonging, Job, Scheduler
from agent.sources.belonging import parse_cgroup
from agent.sources.command_line import clean
from agent.sources.jobs import JobStep, completed, job_of_group, jobs_of_environ, unescape
from agent.sources.podman_names import parse_conmon
from agent.sources.procfs import Content
from tests.properties import PROPERTY

HEX = "0123456789abcdef"
UUID = st.uuids(version=4).map(str)
NUMBER = st.integers(0, 10**10 - 1).map(str)
HOST = st.from_regex(r"[a-z][a-z0-9-]{0,9}(\.[a-z0-9-]{1,9})?", fullmatch=True)
# Parts of the groups of all runtimes and schedulers, which the test joins in any order.
PIECES = ["..", "docker", "kubepods.slice", "user@1000.service", "session-4.scope", "lxc", "lxc.payload.web"]
PIECES += ["a b", "machine.slice", "machine-qemu\\x2d1\\x2dvm.scope", "machine-\\x2f\\x0a.scope"]
PIECES += ["slurm", "job_7", "step_0", "pbs_jobs.service", "jobid", "7.a", "pbspro.slice", "torque"]
PIECES += ["pbspro-7\\x5b1\\x5d.slice", "oar", "a_7", "oar.slice", "oar-u1.slice", "oar-u1-j7.slice", "lsf"]
PIECES += [
    "job.7.8.9",
    "nomad",
    "4744f0ea-7616-ab3a-a420-8e25056e3861.\x1b.scope",
    "htcondor",
    "condor_slot1@h",
]
CGROUP_SEGMENT = st.text(st.characters(exclude_characters="\n/"), max_size=12) | st.sampled_from(PIECES)
CGROUP_PATH = st.lists(CGROUP_SEGMENT, max_size=6).map(lambda segments: "/" + "/".join(segments))
ANY_CGROUP = st.text(max_size=60) | st.lists(CGROUP_PATH, max_size=4).map(
    lambda paths: "\n".join(f"3:cpu:{path}" for path in paths)
)


@PROPERTY
@given(ANY_CGROUP)
def test_any_cgroup_text_gives_safe_names_or_none(text: str) -> None:
    """Each name is part of the text, escaped or not."""
    found = parse_cgroup(text)
    known_text = text + unescape(text)
    names = (
        found.container_id,
        found.container_name,
        found.systemd_unit,
        found.user_session,
        found.slurm_step,
    )
    for value in (*names, *(found.job or ())[1:]):
        assert value is None or value == clean(value) != ""
        assert value is None or value in known_text or value in {"batch", "extern", "interactive"}
    assert found.slurm_step is None or found.slurm_job_id is not None


@PROPERTY
@given(st.text(max_size=40))
def test_a_name_escaped_by_systemd_is_unescaped_to_itself(name: str) -> None:
    escaped = "".join(f"\\x{byte:02x}" for byte in name.encode(errors="replace"))
    assert unescape(escaped) == clean(name.encode(errors="replace").decode())


@PROPERTY
@given(
    st.text(HEX, min_size=64, max_size=64),
    st.sampled_from(["", "docker-", "cri-containerd-", "crio-", "libpod-", "nerdctl-"]),
    UUID,
    st.booleans(),
    st.booleans(),
)
def test_container_and_pod_are_found_in_every_form_of_a_cgroup(
    container: str, runtime: str, pod: str, systemd: bool, v2: bool
) -> None:
    if systemd:
        path = f"/kubepods.slice/kubepods-pod{pod.replace('-', '_')}.slice/{runtime}{container}.scope"
    else:
        path = f"/kubepods/burstable/pod{pod}/{runtime}{container}"
    text = f"0::{path}\n" if v2 else f"4:memory:{path}\n1:name=systemd:{path}\n"
    assert parse_cgroup(text) == Belonging(container_id=container, pod_uid=pod)


@PROPERTY
@given(st.integers(0, 2**32 - 6), st.integers(0, 10**6), st.booleans())
def test_a_slurm_step_is_found_in_groups_and_environment(job: int, step: int, v2: bool) -> None:
    path = (
        f"/system.slice/node_slurmstepd.scope/job_{job}/step_{step}/user/task_0"
        if v2
        else f"/slurm/uid_1000/job_{job}/step_{step}"
    )
    expected = JobStep(Job(Scheduler.SLURM, str(job)), str(step))
    assert job_of_group(path) == expected
    environ = b"PATH=/bin\0SLURM_JOB_ID=%d\0SLURM_STEP_ID=%d\0" % (job, step)
    assert jobs_of_environ(environ) == {Scheduler.SLURM: expected}


@PROPERTY
@given(NUMBER, st.none() | NUMBER, HOST, UUID)
def test_a_job_is_found_in_the_form_of_its_scheduler(
    number: str, index: str | None, host: str, allocation: str
) -> None:
    array = "" if index is None else f"[{index}]"
    pbs = f"{number}{array}.{host}"
    in_slice = pbs.replace("-", "\\x2d").replace("[", "\\x5b").replace("]", "\\x5d")
    for path, job in {
        f"/pbs_jobs.service/jobid/{pbs}": Job(Scheduler.PBS, pbs),
        f"/pbs_jobs.service/jobs/{pbs}/x": Job(Scheduler.PBS, pbs),
        f"/pbspro.slice/pbspro-{in_slice}.slice": Job(Scheduler.PBS, pbs),
        f"/torque/{pbs}": Job(Scheduler.PBS, pbs),
        f"/lsf/{host}/job.{number}{array}.1.2": Job(Scheduler.LSF, f"{number}{array}"),
        f"/oar/{host}_{number}": Job(Scheduler.OAR, number),
        f"/oar.slice/oar-u1.slice/oar-u1-j{number}.slice/a.scope": Job(Scheduler.OAR, number),
        f"/nomad/share/{allocation}.{host}": Job(Scheduler.NOMAD, allocation, host),
        f"/nomad.slice/reserve.slice/{allocation}.{host}.scope": Job(Scheduler.NOMAD, allocation, host),
        f"/htcondor/condor_a_slot{number}@{host}": Job(Scheduler.HTCONDOR, f"slot{number}"),
    }.items():
        assert job_of_group(path) == JobStep(job)


NAMES = ["SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_JOB_NAME", "PBS_JOBID", "PBS_JOBNAME", "LSB_JOBID"]
NAMES += ["LSB_JOBINDEX", "OAR_JOB_ID", "NOMAD_ALLOC_ID", "_CONDOR_SLOT"]
ENVIRON = st.lists(
    st.sampled_from([f"{name}=".encode() for name in NAMES])
    | st.sampled_from([b"\0", b"1", b"[1]", b".a", b"slot1_2", b"="])
    | st.binary(max_size=9)
).map(b"".join)


@PROPERTY
@given(ENVIRON, CGROUP_PATH)
def test_any_environment_gives_safe_jobs_that_never_contradict_the_group(environ: bytes, path: str) -> None:
    claims, group = jobs_of_environ(environ), job_of_group(path)
    for scheduler, (job, step) in claims.items():
        assert job is not None
        assert job.scheduler is scheduler
        assert job.id.isascii()
        assert job.id.isprintable()
        assert job.name is None or job.name == clean(job.name) != ""
        assert step is None or scheduler is Scheduler.SLURM
    job, step = completed(group, claims)
    if group.job is not None:
        assert job is not None
        assert job[:2] == group.job[:2]
        assert group.job.name in (None, job.name)
        assert group.slurm_step in (None, step)


def conmon(container_id: str, name: str) -> bytes:
    words = ["conmon", "-c", container_id, "-u", container_id, "-n", name, "--exit-command-arg", "-n"]
    return b"".join(word.encode() + b"\0" for word in words)


@PROPERTY
@given(
    st.lists(st.sampled_from([b"conmon", b"-c", b"-n", b"web", b"-u", b"\xff", b"\n", b""]), max_size=9).map(
        b"\0".join
    )
    | st.binary(max_size=60),
    st.booleans(),
)
def test_any_command_line_of_a_monitor_gives_a_safe_name_or_none(data: bytes, is_cut: bool) -> None:
    _, name = parse_conmon(Content(data, is_cut))
    assert name is None or (name.isascii() and name.isprintable() and name.encode() in data)


@PROPERTY
@given(
    st.text(HEX, min_size=64, max_size=64),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,30}", fullmatch=True),
    st.booleans(),
)
def test_a_monitor_names_its_container(container_id: str, name: str, is_cut: bool) -> None:
    assert parse_conmon(Content(conmon(container_id, name), is_cut)) == (container_id, name)
