"""Where a process belongs, read from /proc: container, pod, systemd unit, Slurm job, login session.

Every runtime puts its processes into control groups of their own, with its ids in their names. What the
environment says of Slurm is the process's own claim, and only believed where the groups do not tell.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from agent.readings import Belonging

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.sources.procfs import Content

# docker-ID.scope, cri-containerd-ID.scope, crio-ID, libpod-ID.scope, libpod-payload-ID, nerdctl-ID.scope, the
# bare ID of the cgroupfs driver, SLICE:cri-containerd:ID. A conmon is the container's monitor, outside of it.
_CONTAINER = re.compile(r"(?!.*conmon-)(?:.*[-:])?([0-9a-f]{64})(?:\.scope)?|lxc:([A-Za-z0-9_.-]+)")
# lxc.payload.NAME (LXC 4 and newer, Incus), lxc/NAME before; LXC knows a container by its name alone.
_LXC = re.compile(r"/lxc(?:\.payload[./-]|/)([A-Za-z0-9_.-]+)")
# podUID with dashes by the cgroupfs driver, with underscores by systemd's; a static pod has a hash for UID.
_POD = re.compile(r"(?:.*-)?pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(\.slice.*)?")
_SERVICE = re.compile(r"[A-Za-z0-9:_.\\@-]+\.service")  # systemd.unit(5)
_USER_MANAGER = re.compile(r"user@\d+\.service")
_SESSION = re.compile(r"session-(\w+)\.scope", re.ASCII)
# v1 /slurm/uid_1000/job_7/step_0, v2 /system.slice/NODE_slurmstepd.scope/job_7/step_0/user/task_0
_SLURM = re.compile(r"/[^/]*slurm[^/]*/(?:uid_\d+/)?job_(\d+)(?:/step_([A-Za-z0-9_+.]+))?(?:/|$)", re.ASCII)
# slurm.h: SLURM_INTERACTIVE_STEP, SLURM_BATCH_SCRIPT, SLURM_EXTERN_CONT; the last two also as before 20.11.
_SLURM_STEPS = {
    "4294967290": "interactive",
    "4294967291": "batch",
    "4294967292": "extern",
    "4294967294": "batch",
    "4294967295": "extern",
}
_NUMBER = re.compile(rb"\d{1,10}")


class SlurmStep(NamedTuple):
    """What the environment of a Slurm job's process says."""

    job_id: str | None = None
    step: str | None = None


def belonging_of(cgroup: Content | None, environ: Content | None) -> Belonging:
    """Where a process with these files belongs; what may not be read (None) is unknown."""
    belonging = parse_cgroup(cgroup.up_to(b"\n").decode(errors="replace") if cgroup else "")
    if belonging.slurm_step is not None or environ is None:
        return belonging
    slurm = parse_environ(environ.up_to(b"\0"))
    if slurm.job_id is None or belonging.slurm_job_id not in (None, slurm.job_id):
        return belonging
    return replace(belonging, slurm_job_id=slurm.job_id, slurm_step=slurm.step)


def parse_cgroup(text: str) -> Belonging:
    """/proc/PID/cgroup, cgroups(7): a line `number:controllers:path` for each hierarchy, one with cgroup v2.

    Read from within a cgroup namespace, a path begins with `/..` where it leads out of that.
    """
    lines = [line.split(":", 2) for line in text.split("\n")]
    # most of v1's paths are the same; " (deleted)": a zombie whose group is gone already
    paths = dict.fromkeys(line[2].removesuffix(" (deleted)") for line in lines if len(line) == 3)
    places = [_place(path) for path in paths]
    # Where v1 and v2 are mixed, runtimes leave the processes of a container in their own unit's v2 group.
    inside = [place for place in places if place.container_id] or places
    return Belonging(
        container_id=_first(place.container_id for place in inside),
        container_name=_first(place.container_name for place in inside),
        pod_uid=_first(place.pod_uid for place in places),
        systemd_unit=_first(place.systemd_unit for place in inside),
        slurm_job_id=_first(place.slurm_job_id for place in places),
        slurm_step=_first(place.slurm_step for place in places),
        user_session=_first(place.user_session for place in inside),
    )


def parse_environ(environ: bytes) -> SlurmStep:
    """/proc/PID/environ: NAME=VALUE, each ended by a zero byte. Slurm also sets the older names."""
    values = dict(entry.partition(b"=")[::2] for entry in environ.split(b"\0") if entry.startswith(b"SLURM_"))
    job_id = _number(values.get(b"SLURM_JOB_ID") or values.get(b"SLURM_JOBID"))
    step = _number(values.get(b"SLURM_STEP_ID") or values.get(b"SLURM_STEPID"))
    return SlurmStep(job_id, step and _SLURM_STEPS.get(step, step)) if job_id else SlurmStep()


def _place(path: str) -> Belonging:
    """What one path tells. Of containers within containers the innermost is told, with its pod."""
    segments = _LXC.sub(r"/lxc:\1", path).split("/")
    containers = _matches(_CONTAINER, segments)
    container = containers[-1][1] if containers else None
    pods = _matches(_POD, segments)
    # Units and sessions within a container are not the host's; units below a user's manager are the user's.
    on_host = segments[: containers[0][0]] if containers else segments
    unit = next((name for name in on_host if _SERVICE.fullmatch(name)), None)
    sessions = _matches(_SESSION, on_host)
    session = sessions[0][1][1] if sessions else None
    if unit is not None and _USER_MANAGER.fullmatch(unit):
        unit, session = None, unit
    slurm = _SLURM.search(path)
    return Belonging(
        container_id=(container[1] or container[2]) if container else None,
        container_name=container[2] if container else None,
        pod_uid=pods[-1][1][1].replace("_", "-") if pods else None,
        systemd_unit=unit,
        slurm_job_id=slurm[1] if slurm else None,
        slurm_step=_SLURM_STEPS.get(slurm[2], slurm[2]) if slurm else None,
        user_session=session,
    )


def _matches(pattern: re.Pattern[str], segments: list[str]) -> list[tuple[int, re.Match[str]]]:
    found = ((number, pattern.fullmatch(segment)) for number, segment in enumerate(segments))
    return [(number, match) for number, match in found if match]


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value), None)


def _number(value: bytes | None) -> str | None:
    return value.decode() if value and _NUMBER.fullmatch(value) else None
