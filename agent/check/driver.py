"""Reads the driver and each GPU by running the agent itself for a moment, without a port.

So the check uses the same sources, rules and views as the agent.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from agent.app import create_app
from agent.check.report import Driver, Gpu, Host, Problem
from agent.derive.host_health import examine_host
from agent.readings import GpuState
from agent.views.gpu import GpuMetrics
from agent.views.health import findings_view, verdict_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.readings import Snapshot
    from agent.sampling.sampler import Sampler
    from agent.settings import Settings
    from agent.views.gpu.device import Gpu as GpuDevice

STUCK_AFTER = 2.0  # seconds, at most: SAMPLE_TIMEOUT may be longer than the check
SECOND_SAMPLE = 1.1  # seconds after the first sample: rates need two samples
PAUSE = 0.25  # seconds between two polls

NO_ANSWER = (
    "The driver has not answered within the time of this check: nvmlInit hangs, or takes long without"
    " persistence mode; see dmesg, and whether nvidia-smi answers"
)


class DriverState(NamedTuple):
    """The Snapshot, and each GPU as `/gpu?detail=1` shows it."""

    snapshot: Snapshot
    gpus: list[Gpu]


async def query_driver(
    settings: Settings, deadline: float, *, in_container: bool, second_sample: float = SECOND_SAMPLE
) -> DriverState:
    """The state `second_sample` seconds after everything has answered, or at `deadline` at the latest.

    `deadline` is in seconds of the monotonic clock.
    """
    # The file of STATE_DIR is that of the running agent.
    settings = replace(settings, sample_timeout=min(settings.sample_timeout, STUCK_AFTER), state_dir="")
    app = create_app(settings, contained=in_container and not settings.simulate_gpus)
    async with app.router.lifespan_context(app):
        shared = app.state.shared
        snapshot = await _settled(shared.sampler, deadline, second_sample)
        if snapshot.driver is None:
            return DriverState(snapshot, [])
        pieces = shared.json_of(snapshot).gpu(snapshot.driver, snapshot.gpus, detail=True)
        metrics = GpuMetrics.model_validate_json(b"".join(pieces))
    return DriverState(snapshot, [_gpu_view(gpu) for gpu in metrics.gpus])


async def _settled(sampler: Sampler, deadline: float, second_sample: float) -> Snapshot:
    settled_at: float | None = None
    while True:
        snapshot = await sampler.latest(max_age=0)
        now = time.monotonic()
        if not _is_settled(snapshot):
            settled_at = None
        elif settled_at is None:
            settled_at = now
        if now >= deadline or (settled_at is not None and now - settled_at >= second_sample):
            return snapshot
        await asyncio.sleep(PAUSE)


def _is_settled(snapshot: Snapshot) -> bool:
    """Whether everything has answered; a call that takes long may still return."""
    if snapshot.driver is None:
        return snapshot.driver_error is not None
    waiting = {GpuState.STARTING, GpuState.STUCK}
    return (
        all(gpu.state not in waiting for gpu in snapshot.gpus)
        and examine_host(snapshot).verdict is not None
        and snapshot.host is not None
        and snapshot.processes is not None
    )


def _gpu_view(gpu: GpuDevice) -> Gpu:
    detail = gpu.detail
    return Gpu(
        idx=gpu.id,
        uuid=gpu.uuid,
        name=gpu.name,
        state=gpu.state,
        error=gpu.error,
        verdict=gpu.health.verdict,
        findings=detail.findings if detail else [],
        unknown=detail.unknown if detail else {},
        failed=detail.failed if detail else {},
    )


def driver_view(snapshot: Snapshot) -> Driver:
    """The wire shape of the driver as a whole."""
    driver = snapshot.driver
    if driver is None:
        error = snapshot.driver_error or NO_ANSWER
        return Driver(version=None, cuda_version=None, nvml_version=None, gpu_count=None, error=error)
    return Driver(
        version=driver.driver_version,
        cuda_version=driver.cuda_version,
        nvml_version=driver.nvml_version,
        gpu_count=driver.gpu_count,
        error=None,
    )


def host_view(snapshot: Snapshot, *, in_container: bool) -> Host:
    """The wire shape of the host."""
    health = examine_host(snapshot)
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Host(
        hostname=snapshot.host.hostname if snapshot.host else None,
        verdict=verdict_word(health),
        findings=findings_view(health),
        in_container=in_container,
        uid=os.geteuid(),
        open_files=None if files == resource.RLIM_INFINITY else files,
    )


def driver_problems(snapshot: Snapshot) -> Iterator[Problem]:
    """Problems that are not findings, because a running agent would go on waiting."""
    if snapshot.driver is None:
        return
    if not snapshot.driver.gpu_count and not snapshot.census.expected:
        yield Problem(
            name="no_gpus",
            level="wrong",
            what="The driver counts no GPU",
            todo="see lspci and dmesg, and in a container NVIDIA_VISIBLE_DEVICES",
        )
    if examine_host(snapshot).verdict is None:
        yield Problem(
            name="count_not_confirmed",
            level="wrong",
            what=f"The driver counts {snapshot.driver.gpu_count} GPUs, fewer than expected, and a new process"
            " has not confirmed that within the time of this check",
            todo="check again; see dmesg",
        )
    for gpu in snapshot.gpus:
        if gpu.state is GpuState.STARTING:
            yield Problem(
                name="gpu_silent",
                level="wrong",
                what=f"GPU {gpu.index} has not answered within the time of this check",
                todo="check again; if it persists, look for its XID in dmesg",
            )
    if snapshot.host is None or snapshot.processes is None:
        yield Problem(
            name="host_silent",
            level="wrong",
            what="/proc has not been read within the time of this check",
            todo="look at the load of the host, and for processes that hang (state D)",
        )
