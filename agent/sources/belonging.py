"""The container, pod, systemd unit, job and login session of a process, from /proc.

Every runtime puts its processes into control groups whose names have its ids.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

from agent.readings import Belonging
from agent.sources.jobs import JobStep, completed, job_of_group, jobs_of_environ, unescape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.sources.procfs import Content

# docker-ID.scope, cri-containerd-ID.scope, crio-ID, libpod-ID.scope, libpod-payload-ID, nerdctl-ID.scope, the
# bare ID of the cgroupfs driver, SLICE:cri-containerd:ID. A conmon is the container's monitor, outside of it.
# Then machines as machinectl lists them, of systemd-nspawn and libvirt; systemd-nspawn's may be services.
_CONTAINER = re.compile(
    r"(?!.*conmon-)(?:.*[-:])?([0-9a-f]{64})(?:\.scope)?|lxc:([A-Za-z0-9_.-]+)"
    r"|machine-([A-Za-z0-9:_.\\-]+)\.scope|systemd-nspawn@([A-Za-z0-9:_.\\-]+)\.service"
)
_LIBVIRT = re.compile(r"^(?:qemu|lxc)-\d+-(?=.)", re.ASCII)  # of a machine: the kind, and a number by libvirt
# lxc.payload.NAME (LXC 4 and newer, Incus), lxc/NAME before; LXC knows a container by its name alone.
_LXC = re.compile(r"/lxc(?:\.payload[./-]|/)([A-Za-z0-9_.-]+)")
# podUID with dashes by the cgroupfs driver, with underscores by systemd's; a static pod has a hash for UID.
_POD = re.compile(r"(?:.*-)?pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(\.slice.*)?")
_SERVICE = re.compile(r"[A-Za-z0-9:_.\\@-]+\.service")  # systemd.unit(5)
_USER_MANAGER = re.compile(r"user@\d+\.service")
_SESSION = re.compile(r"session-(\w+)\.scope", re.ASCII)


def belonging_of(cgroup: Content | None, environ: Content | None) -> Belonging:
    """The belonging from these files; a file that may not be read is None."""
    belonging = parse_cgroup(cgroup.up_to(b"\n").decode(errors="replace") if cgroup else "")
    if environ is None:
        return belonging
    claims = jobs_of_environ(environ.up_to(b"\0"))
    job, step = completed(JobStep(belonging.job, belonging.slurm_step), claims)
    return replace(belonging, job=job, slurm_step=step)


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
        job=next((place.job for place in places if place.job), None),
        slurm_step=_first(place.slurm_step for place in places),
        user_session=_first(place.user_session for place in inside),
    )


def _place(path: str) -> Belonging:
    """The belonging from one path. Of nested containers the innermost, with its pod."""
    segments = _LXC.sub(r"/lxc:\1", path).split("/")
    containers = _matches(_CONTAINER, segments)
    container_id, container_name = _names(containers[-1][1]) if containers else (None, None)
    # Below a user's manager that user chooses the names of groups, so none is read as a pod.
    pods = _matches(_POD, takewhile(lambda name: not _USER_MANAGER.fullmatch(name), segments))
    # Units and sessions within a container are not the host's; units below a user's manager are the user's.
    on_host = segments[: containers[0][0] + 1] if containers else segments
    unit = next((name for name in on_host if _SERVICE.fullmatch(name)), None)
    session = next((match[1] for _, match in _matches(_SESSION, on_host)), None)
    if unit is not None and _USER_MANAGER.fullmatch(unit):
        unit, session = None, unit
    job, slurm_step = job_of_group(path)
    return Belonging(
        container_id=container_id,
        container_name=container_name,
        pod_uid=pods[-1][1][1].replace("_", "-") if pods else None,
        systemd_unit=unit,
        job=job,
        slurm_step=slurm_step,
        user_session=session,
    )


def _names(container: re.Match[str]) -> tuple[str | None, str | None]:
    """The id of a container, and the name if the path has it."""
    by_id, lxc, machine = container[1], container[2], container[3] or container[4]
    if machine is None:
        return by_id or lxc, lxc
    machine = unescape(machine)
    return machine, _LIBVIRT.sub("", machine)


def _matches(pattern: re.Pattern[str], segments: Iterable[str]) -> list[tuple[int, re.Match[str]]]:
    found = ((number, pattern.fullmatch(segment)) for number, segment in enumerate(segments))
    return [(number, match) for number, match in found if match]


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value), None)
