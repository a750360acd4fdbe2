"""The object that all routes share: the settings, the sampler, and the counters of the running agent."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anyio import CapacityLimiter

from agent.derive.activity import Thresholds
from agent.http.errors import TryAgainLater
from agent.http.history_queue import history_queue
from agent.http.tokens import Tokens
from agent.http.turnstile import TimeSlices, Turnstile
from agent.readings import AgentReading
from agent.sampling.history import History
from agent.sampling.waiting import WaitingQueue
from agent.settings.token_file import TokenFile
from agent.views.snapshot_json import SnapshotJson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.readings import Snapshot
    from agent.sampling.sampler import Sampler
    from agent.settings import Settings
    from agent.state.store import Store


HISTORY_PATH = "/history"


class SharedState:
    """The state that all requests to one running agent share. `sampler` exists from start-up to shutdown.

    `dropped_log_lines` returns the number of log lines dropped since the start, `read_agent` what the kernel
    reports about the agent's process.
    """

    sampler: Sampler

    def __init__(
        self,
        settings: Settings,
        *,
        dropped_log_lines: Callable[[], int] = lambda: 0,
        read_agent: Callable[[], AgentReading] = AgentReading,
    ) -> None:
        self.settings = settings
        self.dropped_log_lines = dropped_log_lines
        self.read_agent = read_agent
        self.tokens = Tokens(
            settings.tokens,
            TokenFile(settings.token_file) if settings.token_file else None,
            metrics_token=settings.metrics_token,
        )
        self.simulated = bool(settings.simulate_gpus)
        self.thresholds = Thresholds(
            gpu_percent=settings.active_gpu_percent,
            power_watts=settings.active_power_watts,
            memory_percent=settings.active_memory_percent,
            clock_percent=settings.active_clock_percent,
            temperature_celsius=settings.active_temperature_celsius,
        )
        interval = settings.history_interval
        self.history = History(interval) if interval else None  # None: nothing is remembered
        self.store: Store | None = None  # the file that survives a restart; None: STATE_DIR is not set
        self.queue = WaitingQueue()  # the requests that wait for GPUs
        self.open_streams = 0
        # Answers made since the start, by path; cached ones do not count.
        self.answers_made: Counter[str] = Counter()
        self.idle_holder_seconds = settings.idle_holder_minutes * 60
        self.turnstile = Turnstile()
        self.time_slices = TimeSlices()
        self.render_limiter = CapacityLimiter(1)  # threads that write expositions
        # A separate one: an exposition must not wait behind hours of history.
        self.history_queue = history_queue()
        self._json: SnapshotJson | None = None

    def limiter_of(self, path: str) -> CapacityLimiter:
        """The limiter of the threads that compress long answers at this path."""
        return self.history_queue.limiter if path == HISTORY_PATH else self.render_limiter

    def json_of(self, snapshot: Snapshot) -> SnapshotJson:
        """The JSON of this Snapshot, which all answers and events share; kept for the newest Snapshot."""
        kept = self._json
        if kept is not None and kept.snapshot is snapshot:
            return kept
        new = SnapshotJson(snapshot, self.thresholds, self.idle_holder_seconds)
        if kept is None or snapshot.taken_monotonic > kept.snapshot.taken_monotonic:
            self._json = new
        return new

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Count a stream while it is open. Raises TryAgainLater above MAX_STREAMS."""
        if self.open_streams >= self.settings.max_streams:
            raise TryAgainLater(
                f"All {self.settings.max_streams} streams are taken (MAX_STREAMS); try again later"
            )
        self.open_streams += 1
        try:
            yield
        finally:
            self.open_streams -= 1
