"""Values that never change while a GPU stays in its slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.sources.gpu.fixed import Fixed
from agent.sources.gpu.paces import SLOW_PACE
from agent.sources.gpu.ranges import RANGES
from agent.sources.paced_value import Paced
from agent.sources.return_codes import FATAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pynvml

    from agent.sources.gpu.handle import GpuHandle


class Once:
    """Reads each value of a subject once, and again after an error that may pass.

    `queries`: the function that reads the value from a handle, by field of the subject. `seldom`: values that
    are missing are read again only every five minutes, unless the driver failed to report them.
    """

    def __init__(
        self,
        subject: str,
        handle: GpuHandle,
        queries: Mapping[str, Callable[[GpuHandle], Any]],
        *,
        seldom: bool = False,
    ) -> None:
        self._subject = subject
        self._handle = handle
        self._queries = queries
        self._values: dict[str, Any] = {}
        self._paced = Fixed(handle, self._read) if seldom else Paced(SLOW_PACE, self._read)

    def get(self, now: float) -> Mapping[str, Any]:
        """The values by field; None where the driver does not report it."""
        return self._paced.get(now)

    @property
    def known(self) -> Mapping[str, Any]:
        """The values reported so far."""
        return self._values

    def _read(self) -> Mapping[str, Any]:
        """Each separately, because a lost GPU may still report some values."""
        fatal: pynvml.NVMLError | None = None
        for field, query in self._queries.items():
            value = self._values.get(field)
            possible = RANGES.get(f"{self._subject}.{field}")
            if value is None or (possible is not None and not possible.can_be(value)):
                try:
                    self._values[field] = query(self._handle)
                except FATAL as error:
                    fatal = error
        if fatal is not None:
            raise fatal
        return self._values
