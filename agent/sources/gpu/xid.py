"""XID errors as events of the driver, which wait in an event set until they are read."""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import Reason, SourceError, Unknown, seconds_since_boot
from agent.sources.nvml import query
from agent.sources.return_codes import reason_of, symbol_of, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The duration of one wait for an event; the end of the agent waits for it.
WAIT_MILLISECONDS = 400


class XidEventSource:
    """The events of every GPU that supports them. One thread owns it."""

    def __init__(self, since_boot: Callable[[], float] = seconds_since_boot) -> None:
        self._events: Any = None  # the event set, while there is one
        self._uuids: dict[int | None, str] = {}  # by NVML handle, of the GPUs listened to
        self._since_boot = since_boot
        self._refused: dict[str | None, Unknown] = {}  # by UUID, why one is not; None: why none is

    @property
    def uuids(self) -> frozenset[str]:
        """The GPUs whose events are read."""
        return frozenset(self._uuids.values())

    def why_not(self, uuid: str | None) -> Unknown | None:
        """Why events of the GPU are not read; None: they are, or it was not tried yet.

        Any thread may call it.
        """
        return self._refused.get(uuid) or self._refused.get(None)

    def listen(self, gpu_count: int) -> None:
        """Register for the events of each GPU that supports them. Raises SourceError.

        NVML: nvmlEventSetCreate, nvmlDeviceRegisterEvents.
        """
        with _explained():
            if self._events is None:
                self._refused = {}
                try:
                    self._events = query("nvmlEventSetCreate")
                except pynvml.NVMLError as error:
                    self._refuse(None, "nvmlEventSetCreate", error)
                    if reason_of(error.value) is not Reason.NOT_SUPPORTED:
                        raise
                    return
        for index in range(gpu_count):
            with contextlib.suppress(pynvml.NVMLError):  # lost or forbidden; maybe later
                handle = query("nvmlDeviceGetHandleByIndex", index)
                if _number(handle) not in self._uuids:
                    self._listen_to(handle, query("nvmlDeviceGetUUID", handle))

    def _listen_to(self, handle: Any, uuid: str) -> None:
        try:
            pynvml.nvmlDeviceRegisterEvents(handle, pynvml.nvmlEventTypeXidCriticalError, self._events)
        except pynvml.NVMLError as error:
            self._refuse(uuid, "nvmlDeviceRegisterEvents", error)
        else:
            self._refused.pop(uuid, None)
            self._uuids[_number(handle)] = uuid

    def _refuse(self, uuid: str | None, function: str, error: pynvml.NVMLError) -> None:
        reason, before = reason_of(error.value), self._refused.get(uuid)
        since = before.since if before is not None and before.reason is reason else self._since_boot()
        self._refused[uuid] = Unknown(
            reason, function, symbol_of(error.value), words_of(error.value), since, reported_before=False
        )

    def wait(self) -> tuple[str, int] | None:
        """UUID and XID of the next event; None if there is none for a while. Raises SourceError.

        NVML: nvmlEventSetWait_v2, not through nvitop: its exit waits for calls that are out.
        """
        with _explained():
            try:
                event = pynvml.nvmlEventSetWait_v2(self._events, WAIT_MILLISECONDS)
            except pynvml.NVMLError_Timeout:
                return None
        uuid = self._uuids.get(_number(event.device))
        return None if uuid is None else (uuid, int(event.eventData))

    def close(self) -> None:
        """Unregister. NVML: nvmlEventSetFree."""
        events, self._events, self._uuids = self._events, None, {}
        if events is not None:
            with contextlib.suppress(pynvml.NVMLError):  # the driver may be gone
                pynvml.nvmlEventSetFree(events)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except pynvml.NVMLError as error:
        raise SourceError(f"The driver does not report XID errors: {error}") from error


def _number(handle: Any) -> int | None:
    return ctypes.cast(handle, ctypes.c_void_p).value
