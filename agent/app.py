"""Builds the app from the settings; everything is connected here."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from fastapi_offline import FastAPIOffline
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route

from agent import __version__
from agent.http import document, errors, openapi
from agent.http.authentication import Authentication
from agent.http.cache_key import cache_keys, constant_paths
from agent.http.middleware import (
    AllowedHosts,
    Cors,
    DataHeaders,
    HeadAsGet,
    Mounted,
    RootPath,
    TrailingSlash,
    WholeFiles,
)
from agent.http.repeated import Repeated
from agent.http.response_cache import ResponseCache
from agent.http.shared_state import SharedState
from agent.http.turnstile import InTurn
from agent.http.web import BUILD_HEADER
from agent.readings import seconds_since_boot
from agent.readings.restored import Restored
from agent.routes import ENDPOINTS
from agent.sampling.collector import Collector
from agent.sampling.kernel_log_tally import Tally
from agent.sampling.kernel_log_watch import KernelLogWatch
from agent.sampling.ledger import Ledger, max_gap
from agent.sampling.pace import Pace
from agent.sampling.replaced_driver import ReplacedDriver
from agent.sampling.sampler import Sampler
from agent.sampling.xid_watch import XidWatch
from agent.server.logs import dropped_lines
from agent.server.signals import hangup_handled, when_stopped
from agent.settings import SettingsError, fault
from agent.sources import new_process, runtime_power
from agent.sources.agent import AgentSource
from agent.sources.boot import boot_id
from agent.sources.container import in_container
from agent.sources.gpu import GpuSource
from agent.sources.gpu.xid import XidEventSource
from agent.sources.host import HostSource
from agent.sources.kernel_log import KernelLogSource
from agent.sources.nvml import DriverSource, abandon
from agent.sources.pci import nvidia_gpus
from agent.sources.pid_namespace import is_initial
from agent.sources.process_source import ProcessSource
from agent.sources.procfs import PROC
from agent.sources.topology import TopologySource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from agent.sampling.interfaces import Processes
    from agent.settings import Settings
    from agent.state.keeper import Keeper
    from agent.state.store import Store


class _InItsPlace(NamedTuple):
    """Substitutes for parts of the real host in a simulation."""

    processes: Processes
    kernel_log: str | None  # None: it has none


def create_app(
    settings: Settings,
    *,
    restart: Callable[[str], object] | None = None,
    contained: bool | None = None,
    kernel_log: str | None = None,
) -> Starlette:
    """The whole agent as one ASGI app. A function, so that tests make as many as they like.

    With SIMULATE_GPUS the simulated driver replaces the real one from here on. Raises ValueError for a
    scenario that does not exist, and SettingsError for a file that can no longer be replayed. `restart` ends
    the process with a reason, so that it is started again; None: not possible. `contained`: whether the agent
    runs in a container; None: detect it. `kernel_log`: for tests, what KERNEL_LOG reads instead of /dev/kmsg.
    """
    simulated = _simulate(settings) if settings.simulate_gpus else None
    shared = SharedState(settings, dropped_log_lines=dropped_lines, read_agent=AgentSource().read)
    prefix = settings.url_prefix
    keys, constant = cache_keys(ENDPOINTS), constant_paths(ENDPOINTS)
    api = DataHeaders(document.DescribedInThread(_api(shared)), endpoints=ENDPOINTS)
    cache = ResponseCache(api, shared=shared, keys=keys, constant=constant)
    guarded = InTurn(
        Authentication(
            cache,
            endpoints=ENDPOINTS,
            tokens=shared.tokens,
            metrics_token=settings.metrics_token,
            api_keys=settings.api_keys,
        ),
        turnstile=shared.turnstile,
        except_paths=constant.union(keys),
    )
    app = Starlette(
        routes=list(_bare_prefix(prefix)),
        middleware=[
            Middleware(Repeated, answer=cache.answer, tokens=shared.tokens),
            *_middleware(settings),
            Middleware(Mounted, prefix=prefix, mounted=guarded),
        ],
        lifespan=partial(
            _lifespan,
            shared=shared,
            restart=restart,
            contained=contained,
            processes=simulated.processes if simulated else None,
            log=_kernel_log(kernel_log, simulated) if settings.kernel_log else None,
        ),
    )
    app.state.shared = shared
    shared.store = _store(settings)
    errors.install(app)
    return app


def _simulate(settings: Settings) -> _InItsPlace:
    """Replace the real driver by a simulated one; returns the other substitutes of its host."""
    from agent.simulation import Simulation  # not loaded on a GPU host
    from agent.simulation.replay import DocumentError, replay

    if isinstance(settings.simulate_gpus, int):
        simulation = Simulation(settings.simulate_gpus, scenario=settings.simulate_scenario or None)
        reads_log = settings.kernel_log
    else:
        try:
            simulation = replay(settings.simulate_gpus)
        except DocumentError as why:  # the file has changed since the settings were read
            raise SettingsError([fault("SIMULATE_GPUS", settings.simulate_gpus, why=str(why))]) from why
        reads_log = False  # a document has none
    simulation.install()
    return _InItsPlace(
        simulation.process_table(hide_command_args=settings.hide_command_args, pod_logs=settings.pod_logs),
        simulation.kernel_log.attach() if reads_log else None,
    )


def _kernel_log(path: str | None, simulated: _InItsPlace | None) -> KernelLogSource | None:
    """The kernel log of this host, of a simulated host, or at `path`. None: the simulated host has none."""
    if path is None and simulated is None:
        return KernelLogSource()
    path = path or (simulated.kernel_log if simulated else None)
    return KernelLogSource(path, device=None) if path else None


def _store(settings: Settings) -> Store | None:
    """The store in STATE_DIR. Raises SettingsError for a folder that must not be used."""
    if not settings.state_dir:
        return None
    from agent.state.folder import Refused, StateFolder  # imports sqlite3, so only if STATE_DIR is set
    from agent.state.store import Store

    folder = StateFolder(settings.state_dir)
    try:
        folder.take()
    except Refused as why:
        raise SettingsError([fault("STATE_DIR", settings.state_dir, why=str(why))]) from why
    except OSError:
        pass  # it may become available: the store tries again, and logs it
    # Values of simulated GPUs must not be compared with those of real ones.
    name = "simulated.sqlite3" if settings.simulate_gpus else "agent.sqlite3"
    return Store(folder, name, days=settings.state_days, boot=boot_id(), users=settings.state_users)


async def _restored(shared: SharedState) -> tuple[Restored, Keeper | None]:
    """The state of the previous run of the agent, and the keeper that saves it from here on."""
    store, history, settings = shared.store, shared.history, shared.settings
    if store is None or history is None:
        return Restored(), None
    from agent.state.parts import keeper
    from agent.state.restore import restore

    read = partial(restore, now=time.time(), since_boot=seconds_since_boot(), boot=store.boot)
    restored = await store.start(read) or Restored()
    history.restore(restored.history)
    return restored, keeper(
        store,
        history,
        restored,
        boot=store.boot,
        users=settings.state_users,
        max_gap=max_gap(settings.sample_interval, settings.history_interval),
    )


def _api(shared: SharedState) -> FastAPI:
    """The routes, with their documents."""
    api = FastAPIOffline(
        title="nvidia-smi-web-agent",
        version=__version__,
        description=openapi.DESCRIPTION,
        docs_url=openapi.DOCS_PATH,
        openapi_url=openapi.DOCUMENT_PATH,
        static_url=openapi.DOCS_FOLDER,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=openapi.operation_id,
    )
    api.state.shared = shared
    for endpoint in ENDPOINTS:
        if endpoint.files is not None:
            api.mount(endpoint.folder, endpoint.files)
        api.include_router(endpoint.router, dependencies=endpoint.dependencies, responses=endpoint.responses)
    for files in api.routes:
        if isinstance(files, Mount):
            files.app = WholeFiles(files.app)
    api.openapi = partial(document.describe, api, ENDPOINTS)  # type: ignore[method-assign]  # FastAPI's documented way
    errors.install(api)
    return api


def _middleware(settings: Settings) -> Iterator[Middleware]:
    """Outermost first."""
    prefix = settings.url_prefix
    if settings.root_path:
        yield Middleware(RootPath, root_path=settings.root_path)
    paths = frozenset(prefix + path for endpoint in ENDPOINTS for path in endpoint.paths)
    yield Middleware(TrailingSlash, paths=paths)
    if settings.allowed_hosts:
        probes = frozenset(
            prefix + path for endpoint in ENDPOINTS if endpoint.is_probe for path in endpoint.paths
        )
        yield Middleware(AllowedHosts, hosts=settings.allowed_hosts, exempt=probes)
    if settings.cors_origins:
        yield Middleware(
            Cors,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD"],
            # The last two are sent by EventSource libraries in JavaScript; the browser's own needs no
            # permission for them.
            allow_headers=["Authorization", "X-API-Key", "Cache-Control", "Last-Event-ID"],
            expose_headers=[BUILD_HEADER],
            allow_private_network=True,
            # For credentials of a proxy in front of the agent; never for every origin.
            allow_credentials="*" not in settings.cors_origins,
        )
    streams = frozenset(prefix + path for endpoint in ENDPOINTS for path in endpoint.streams)
    yield Middleware(HeadAsGet, streams=streams)


def _bare_prefix(prefix: str) -> Iterator[Route]:
    """`/server2` leads to `/server2/`, relative, whatever host and path the client came through."""
    if prefix:

        async def redirect(_request: Request) -> Response:
            return RedirectResponse(prefix.rpartition("/")[2] + "/")

        yield Route(prefix, redirect, methods=["GET"])


@asynccontextmanager
async def _lifespan(
    _app: Starlette,
    shared: SharedState,
    restart: Callable[[str], object] | None,
    contained: bool | None,
    processes: Processes | None,
    log: KernelLogSource | None,
) -> AsyncIterator[None]:
    settings = shared.settings
    logged = KernelLogWatch(log) if log is not None else None
    if contained is None:
        contained = not shared.simulated and in_container()
    restored, keeper = await _restored(shared)
    collector = Collector(
        DriverSource(tuple if shared.simulated else nvidia_gpus, in_container=contained),
        partial(GpuSource, in_container=contained, best=restored.cards),
        HostSource(name=settings.node_name),
        processes
        or ProcessSource(
            hide_command_args=settings.hide_command_args,
            pod_logs=settings.pod_logs,
            user_names=restored.user_names,
        ),
        sample_interval=settings.sample_interval,
        sample_timeout=settings.sample_timeout,
        history_interval=settings.history_interval,
        simulated=shared.simulated,
        connections=TopologySource(),
        ledger=_ledger(settings, restored),
        history=shared.history,
        # Without samples in the background nothing runs while no client asks, so this does not either.
        xids=XidWatch(XidEventSource(), logged=logged.tally if logged else Tally)
        if settings.history_interval
        else None,
        kernel_log=logged,
        pids_are_the_hosts=shared.simulated or is_initial(PROC),
        expected_gpus=settings.expected_gpus,
        not_offered=settings.not_offered,
        recount=new_process.count_gpus,
        # A simulated driver is never replaced, and a new process would find the real one.
        runtime_power=runtime_power.in_place,
        replaced_driver=None
        if restart is None or shared.simulated
        else ReplacedDriver(new_process.NewProcess().count_gpus, restart),
        restored=restored,
        keep=keeper.add if keeper else None,
    )
    shared.sampler = Sampler(collector, Pace(settings.sample_interval, settings.history_interval))
    watching: asyncio.Task[None] | None = None
    try:
        if logged is not None:
            logged.start()
        shared.sampler.start()
        # The server waits for open streams before it shuts the app down: they must end at the signal itself.
        loop = asyncio.get_running_loop()
        when_stopped(lambda: loop.call_soon_threadsafe(shared.sampler.end_streams))
        watching = asyncio.create_task(shared.tokens.watch(shared.sampler.wake_streams))
        with hangup_handled(lambda: loop.call_soon_threadsafe(shared.tokens.reload_now)):
            yield
    finally:
        if watching is not None:
            watching.cancel()
        try:
            if not await shared.sampler.stop():
                abandon()
        finally:
            if keeper is not None:
                keeper.end()
            if shared.store is not None:
                shared.store.close()


def _ledger(settings: Settings, restored: Restored) -> Ledger | None:
    """The ledger; None: without samples in the background it would be wrong."""
    if not settings.history_interval:
        return None
    return Ledger(
        sample_interval=settings.sample_interval,
        history_interval=settings.history_interval,
        kept=restored.processes,
    )
