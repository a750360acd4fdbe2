"""Values that never change while a GPU stays in its slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.sources.gpu.paces import SLOW_PACE
from agent.sources.paced import Paced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Once:
    """Reads each value once; where there was no answer again, for a call may fail in passing.

    `queries`: what asks a handle for the value, by its field of the reading.
    """

    def __init__(self, handle: Any, queries: Mapping[str, Callable[[Any], Any]]) -> None:
        self._handle = handle
        self._queries = queries
        self._values: dict[str, Any] = {}
        self._paced = Paced(SLOW_PACE, self._read)

    def get(self, now: float) -> Mapping[str, Any]:
        """The values by field; None where the driver does not tell."""
        return self._paced.get(now)

    def _read(self) -> Mapping[str, Any]:
        for field, query in self._queries.items():
            if self._values.get(field) is None:
                self._values[field] = query(self._handle)
        return self._values
