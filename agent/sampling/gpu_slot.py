"""One GPU of the collector: by index, with a worker of its own that lasts as long as the agent.

A worker is never discarded, because its thread may be in a driver call that does not return. Only the contact
is discarded: the NVML handle, and every result that it gave.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from agent.readings import GpuState, ProcessType
from agent.sampling.states import judge_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.readings import GpuProcess, GpuReading, GpuSample
    from agent.sampling.states import Patience
    from agent.sampling.worker import ReadResult, Worker


class Gpu(Protocol):
    """The interface of a GPU's source."""

    def read(self, *, watched: bool = ...) -> GpuReading: ...
    def read_with_fresh_errors(self, *, watched: bool = ...) -> GpuReading: ...
    def measure_slow_counters(self) -> None: ...
    def release(self, *, may_be_another: bool = ...) -> None: ...


class GpuSlot:
    """The GPU with this index: its source, its worker and its last results."""

    def __init__(self, index: int, source: Gpu, worker: Worker[GpuReading | None]) -> None:
        self.index = index
        self.worker = worker
        self._source = source
        self._last: GpuReading | None = None  # the latest reading, for its age and lasting values
        self._last_judged: GpuSample | None = None  # by a reading, or because the driver refused to give one
        # Seconds of the monotonic clock; older results are of another contact.
        self._contact_from = float("-inf")
        self._renewing = False
        self._memory_xids = 0  # that were followed
        self._errors_are_old = False

    @property
    def result(self) -> ReadResult[GpuReading | None] | None:
        """The latest result of the present contact."""
        result = self.worker.result
        return result if result is not None and result.started_at >= self._contact_from else None

    @property
    def processes(self) -> tuple[GpuProcess, ...]:
        """The processes of the latest result."""
        return (self.result.reading.processes or ()) if self.result and self.result.reading else ()

    @property
    def last(self) -> GpuReading | None:
        """The latest reading, which may no longer be current."""
        return self._last

    @property
    def last_judged(self) -> GpuSample | None:
        """The GPU as it was last read, whether the driver answered or refused."""
        return self._last_judged

    @property
    def is_idle(self) -> bool:
        """Whether no process computes on the GPU, by its latest result; False if unknown.

        A display server is listed as long as it runs, even if it shows nothing with this GPU.
        """
        reading = self.result.reading if self.result else None
        if reading is None or not reading.knows_all_processes:
            return False
        if any(process.type is not ProcessType.GRAPHICS for process in reading.processes or ()):
            return False
        return reading.utilization.gpu_percent == 0

    def request(self, *, watched: bool = True) -> None:
        """Ask for a reading, through a new contact if one was requested. `watched`: there is demand."""
        if self._renewing:
            read = partial(self._read_anew, watched=watched)
        elif self._errors_are_old:
            read = partial(self._source.read_with_fresh_errors, watched=watched)
        else:
            read = partial(self._source.read, watched=watched)
        if self.worker.request(read, self._source.measure_slow_counters):
            self._renewing = self._errors_are_old = False

    def follow_xids(self, about_memory: Callable[[str | None], int]) -> None:
        """Read the error counts again after an XID about memory, counted by GPU UUID."""
        before = self._memory_xids
        self._memory_xids = about_memory(self._last.identity.uuid if self._last else None)
        self._errors_are_old |= self._memory_xids > before

    def renew(self, now: float) -> None:
        """Renew the contact: the driver was gone, so this index may be another GPU now."""
        self._renewing = True
        self._contact_from = now
        self._last = self._last_judged = None

    def release(self) -> None:
        """Release the handle; the same GPU is expected when it is read again."""
        self.worker.request(self._source.release)

    def released(self, now: float) -> None:
        """Mark it as released: earlier results are no longer current."""
        self._contact_from = now

    def judge_state(
        self,
        now: float,
        *,
        since_boot: float,
        booted_at: float,
        patience: Patience,
        silent_since: float | None = None,
    ) -> GpuSample:
        """The GPU in a Snapshot taken at `now`; see states.py."""
        result = self.result
        if result is not None and result.reading is not None:
            self._last = result.reading
        sample = judge_state(
            self.index,
            result,
            self.worker.busy_since,
            self._last,
            now=now,
            since_boot=since_boot,
            booted_at=booted_at,
            patience=patience,
            silent_since=silent_since,
        )
        if sample.reading is not None or sample.state is GpuState.LOST:
            self._last_judged = sample
        return sample

    def _read_anew(self, *, watched: bool) -> GpuReading:
        self._source.release(may_be_another=True)
        return self._source.read(watched=watched)
