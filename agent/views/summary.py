"""`/summary`: the host in a few hundred bytes, for overviews and home dashboards; unknown is null."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent import __version__
from agent.derive.findings import HealthVerdict
from agent.derive.health import examine
from agent.derive.holdings import by_user, holdings, indices_with_unknown_processes, processes_on
from agent.derive.host_health import examine_host
from agent.derive.not_offered import is_kept_out
from agent.derive.rounding import tenths, whole
from agent.derive.summary import summarize
from agent.derive.unlisted import may_have_unknown_processes
from agent.readings import GpuState
from agent.views.envelope import success
from agent.views.health import Verdict, verdict_word
from agent.views.pieces import filled, to_json
from agent.views.units import mib

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from agent.derive.health import Health
    from agent.derive.holdings import Holding
    from agent.readings import GpuSample, Snapshot


class SummaryHost(BaseModel):
    """The verdict on the host itself: whether all its GPUs are there."""

    verdict: Verdict | None = Field(description="null: not known yet")
    reason: str | None = Field(
        description="the gravest thing that is wrong; null: nothing is known to be wrong"
    )
    todo: str | None = Field(description="what to do about it")


class SummaryCounts(BaseModel):
    """Numbers of GPUs and users."""

    gpus: int = Field(description="number of visible GPUs")
    free: int = Field(description="number of free GPUs")
    healthy: int = Field(description="number of GPUs that are healthy")
    warning: int = Field(description="number of GPUs with a warning")
    critical: int = Field(description="number of GPUs that are critical")
    unknown: int = Field(description="number of GPUs without a verdict yet")
    users: int | None = Field(
        description="number of known users with a process on a GPU; null: none is known, and there may be"
        " some"
    )


class SummaryTotals(BaseModel):
    """Sums and means over the GPUs that report."""

    utilization_percent: float | None = Field(description="mean GPU utilization, percent")
    memory_used_mb: int | None = Field(description="memory in use, MiB")
    memory_total_mb: int | None = Field(description="memory, MiB")
    power_watts: float | None = Field(description="power draw, watts")


class SummaryGpu(BaseModel):
    """One GPU in short."""

    idx: int = Field(description="NVML index")
    model: str | None = Field(
        default=None, description="product name; only where the GPUs are of several models"
    )
    state: GpuState = Field(description="whether the values are live, old or missing")
    verdict: Verdict | None = Field(description="null: not known yet")
    reason: str | None = Field(
        description="the gravest thing that is wrong; null: nothing is known to be wrong"
    )
    todo: str | None = Field(description="what to do about it")
    free: bool = Field(
        description="whether /free offered this GPU at ts to a request without parameters, and no waiting"
        " request had"
        " reserved or received it"
    )
    kept_out: bool = Field(
        default=False, description="only where true: the operator keeps it out of /free (NOT_OFFERED)"
    )
    idle_since: int | None = Field(
        description="time since which its utilization has been below 5 %, or it was asleep; at the earliest"
        " the start of the agent, or the end of a time in which it was not observed; milliseconds since the"
        " epoch; null: it works or is asleep, its utilization is unknown, or nothing is remembered"
    )
    utilization_percent: int | None = Field(description="percent of time in which a kernel ran")
    memory_used_mb: int | None = Field(description="memory in use, MiB")
    memory_total_mb: int | None = Field(description="memory, MiB")
    temperature_celsius: int | None = Field(description="temperature of the GPU core, degrees Celsius")
    power_watts: float | None = Field(description="power draw, watts")
    users: list[str | None] | None = Field(
        description="users with a process on this GPU, by name; null: the processes are unknown; a last"
        " entry null:"
        " the owner of a process is unknown, or there may be more processes"
    )


class SummaryUser(BaseModel):
    """A user with a process on a GPU now."""

    username: str | None = Field(
        description="owner; null: all processes whose owner is unknown, and processes that the driver may"
        " not list"
    )
    gpus: list[int] = Field(
        description="NVML indices of the GPUs with a process of this user; where username is null, also of"
        " GPUs that"
        " may have unknown processes"
    )
    gpu_memory_mb: int | None = Field(
        description="GPU memory of the user's processes, MiB; null if any is unknown"
    )


class HostSummary(BaseModel):
    """A host at a glance."""

    hostname: str | None = Field(description="NODE_NAME, or else the host name of the system")
    version: str = Field(description="version of the agent")
    build: str = Field(description="hash of the files of the agent's page")
    ts: int = Field(description="when the sample was taken, milliseconds since the epoch")
    simulated: bool = Field(description="true: the GPUs are simulated")
    verdict: Verdict | None = Field(
        description="the worst verdict of the host and its GPUs; null: nothing is known to be wrong, but"
        " one of them"
        " has no verdict yet"
    )
    host: SummaryHost
    model: str | None = Field(description="product name of all GPUs; null: they differ, or it is unknown")
    counts: SummaryCounts
    totals: SummaryTotals
    gpus: list[SummaryGpu] = Field(description="every GPU, in the order of their index")
    users: list[SummaryUser] | None = Field(
        description="users with a process on a GPU, by name, the unknown last; null: no GPU reports its"
        " processes"
    )


def summary_json(snapshot: Snapshot, free: Collection[int], *, build: str) -> Iterator[bytes]:
    """The host in the envelope; `free` are the indices of the GPUs that can be taken."""
    gpus, health = snapshot.gpus, examine(snapshot)
    held: list[Holding] = []
    for gpu in gpus:
        held += holdings(snapshot, [gpu], idle_after_seconds=0)
        yield b""  # an empty piece: the event loop can do other work here
    users = _users(held, gpus)
    models = {gpu.identity.name for gpu in gpus}
    model = models.pop() if len(models) == 1 else None
    yield from filled(
        success(_shell(snapshot, model, users, free, build)),
        gpus=(
            to_json(_gpu(gpu, health[gpu.index], snapshot, free, names_model=model is None)) for gpu in gpus
        ),
    )


def _shell(
    snapshot: Snapshot,
    model: str | None,
    users: list[SummaryUser] | None,
    free: Collection[int],
    build: str,
) -> HostSummary:
    """Without the GPUs themselves."""
    host, health = examine_host(snapshot), examine(snapshot)
    verdicts = Counter(verdict_word(one) for one in health.values())
    sums = summarize([gpu.reading for gpu in snapshot.gpus if gpu.reading is not None])
    reason, todo = _gravest(host)
    return HostSummary(
        hostname=(snapshot.host.hostname or None) if snapshot.host else None,
        version=__version__,
        build=build,
        ts=whole(snapshot.taken_at * 1000),
        simulated=snapshot.simulated,
        verdict=_worst((host, *health.values())),
        host=SummaryHost(verdict=verdict_word(host), reason=reason, todo=todo),
        model=model,
        counts=SummaryCounts(
            gpus=len(snapshot.gpus),
            free=len(free),
            healthy=verdicts["healthy"],
            warning=verdicts["warning"],
            critical=verdicts["critical"],
            unknown=verdicts[None],
            users=_count(users),
        ),
        totals=SummaryTotals(
            utilization_percent=tenths(sums.average_gpu_utilization_percent),
            memory_used_mb=whole(mib(sums.total_used_memory_bytes)),
            memory_total_mb=whole(mib(sums.total_memory_bytes)),
            power_watts=tenths(sums.total_power_watts),
        ),
        gpus=[],
        users=users,
    )


def _gpu(
    gpu: GpuSample, health: Health, snapshot: Snapshot, free: Collection[int], *, names_model: bool
) -> SummaryGpu:
    values = gpu.values
    reason, todo = _gravest(health)
    since = snapshot.ledger.idle_since.get(gpu.identity.uuid or "") if snapshot.ledger else None
    view = SummaryGpu(
        idx=gpu.index,
        state=gpu.state,
        verdict=verdict_word(health),
        reason=reason,
        todo=todo,
        free=gpu.index in free,
        idle_since=None if since is None else whole(since * 1000),
        utilization_percent=values.utilization.gpu_percent,
        memory_used_mb=whole(mib(values.memory.used_bytes)),
        memory_total_mb=whole(mib(values.memory.total_bytes)),
        temperature_celsius=values.thermal.gpu_celsius,
        power_watts=tenths(values.power.usage_watts),
        users=_users_on(gpu, snapshot),
    )
    if names_model and gpu.identity.name is not None:
        view.model = gpu.identity.name  # what is not set is left out
    if is_kept_out(gpu, snapshot):
        view.kept_out = True
    return view


def _users_on(gpu: GpuSample, snapshot: Snapshot) -> list[str | None] | None:
    if gpu.reading is None:
        return None
    hosts = snapshot.host_processes
    owners = {
        hosts[process.pid].username if process.pid in hosts else None for _, process in processes_on(gpu)
    }
    if may_have_unknown_processes(gpu.reading):
        if not owners:
            return None
        owners.add(None)
    return sorted(owners, key=lambda name: (name is None, name or ""))


def _users(held: Sequence[Holding], gpus: Sequence[GpuSample]) -> list[SummaryUser] | None:
    """The users by name; the last entry stands for all unknown ones. None: no GPU reports its processes."""
    untold = indices_with_unknown_processes(gpus)
    if untold and len(untold) == len(gpus) and not held:
        return None
    users = [
        SummaryUser(
            username=user.username, gpus=list(user.gpus), gpu_memory_mb=whole(mib(user.gpu_memory_bytes))
        )
        for user in by_user(held, uses=None)
    ]
    if untold:
        nameless = users.pop().gpus if users and users[-1].username is None else []
        users.append(SummaryUser(username=None, gpus=sorted({*nameless, *untold}), gpu_memory_mb=None))
    return users


def _count(users: Sequence[SummaryUser] | None) -> int | None:
    """The number of known users; None: none is known, and there may be some."""
    if users is None:
        return None
    known = sum(user.username is not None for user in users)
    return known if known or not users else None


def _worst(all_health: Iterable[Health]) -> Verdict | None:
    """The worst verdict; healthy only if each is known to be healthy."""
    verdicts = [health.verdict for health in all_health]
    worst = max((verdict for verdict in verdicts if verdict is not None), default=None)
    if worst is None or (worst is HealthVerdict.HEALTHY and None in verdicts):
        return None
    return worst.word


def _gravest(health: Health) -> tuple[str | None, str | None]:
    """The gravest reason, and what to do."""
    if not health.findings:
        return None, None
    return health.findings[0].what, health.findings[0].todo
