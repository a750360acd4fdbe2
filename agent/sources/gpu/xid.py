"""XID errors as the driver reports them: events that wait in a queue of ours until they are read."""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import SourceError
from agent.sources.nvml import query, query_or_none

if TYPE_CHECKING:
    from collections.abc import Iterator

# How long one wait for an event takes; the end of the agent waits for it.
WAIT_MILLISECONDS = 400


class XidEventSource:
    """The events of every GPU that can be listened to. One thread owns it."""

    def __init__(self) -> None:
        self._events: Any = None  # the event set, while there is one
        self._uuids: dict[int | None, str] = {}  # by NVML handle, of the GPUs listened to

    @property
    def uuids(self) -> frozenset[str]:
        """The GPUs that are listened to."""
        return frozenset(self._uuids.values())

    def listen(self, gpu_count: int) -> None:
        """Listen to each GPU that is not listened to yet and lets itself be. Raises SourceError.

        NVML: nvmlEventSetCreate, nvmlDeviceRegisterEvents.
        """
        with _explained():
            if self._events is None:
                self._events = query_or_none("nvmlEventSetCreate")
        for index in range(gpu_count if self._events is not None else 0):
            with contextlib.suppress(pynvml.NVMLError):  # lost or forbidden; maybe later
                handle = query("nvmlDeviceGetHandleByIndex", index)
                if _number(handle) not in self._uuids:
                    uuid = query("nvmlDeviceGetUUID", handle)
                    pynvml.nvmlDeviceRegisterEvents(
                        handle, pynvml.nvmlEventTypeXidCriticalError, self._events
                    )
                    self._uuids[_number(handle)] = uuid

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
        """Listen to none. NVML: nvmlEventSetFree."""
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
