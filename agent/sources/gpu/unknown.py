"""Why values of one GPU are unknown: the record that is kept across samples."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import pynvml

from agent.readings import Reason, Unknown
from agent.readings.gpu.unknown import GRAVEST_FIRST
from agent.sources.gpu.paces import FIXED_PACE
from agent.sources.return_codes import SUCCESS, reason_of, symbol_of, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Seconds between two failures above which the second counts as a new one: there was no demand, or the host
# was suspended.
MAX_GAP = 2 * FIXED_PACE


class Refusal(NamedTuple):
    """A call that returned no value."""

    function: str  # of NVML
    code: int  # its return code; NVML_SUCCESS where it says that there is no value

    @property
    def reason(self) -> Reason:
        """Why there is no value."""
        return reason_of(self.code)

    @property
    def is_absence(self) -> bool:
        """Whether this GPU, or this driver, has no such value. It may have it under another name."""
        return self.reason in (Reason.NOT_SUPPORTED, Reason.MISSING)

    @property
    def is_failure(self) -> bool:
        """Whether the driver tried and failed; every such failure is counted."""
        return self.reason is Reason.FAILED


def gravest(refusals: Iterable[Refusal]) -> Refusal | None:
    """The gravest refusal; the first of several. None: there is none."""
    return min(refusals, key=lambda refusal: GRAVEST_FIRST.index(refusal.reason), default=None)


class Record:
    """Which fields of the reading one GPU reports, and which not. It is kept across handles.

    The last read of a field counts: a value that is read seldom keeps its reason until it is read again.
    """

    def __init__(self) -> None:
        self._refusals: dict[str, Refusal | None] = {}  # by field; None: it was reported
        self._unknown: dict[str, Unknown] = {}
        self._reported: set[str] = set()  # since the agent started
        self._errors: dict[tuple[str, str], int] = {}
        self._at = 0.0  # seconds since boot, of the present sample
        self._seen_unknown: Mapping[str, Unknown] | None = None
        self._seen_errors: Mapping[tuple[str, str], int] | None = None

    def begin(self, since_boot: float) -> None:
        """A sample begins."""
        self._at = since_boot

    def note_reported(self, field: str) -> None:
        """The driver reports the field."""
        if self._refusals.get(field, _NEVER) is not None:
            self.note(field, None)

    def note(self, field: str, refusal: Refusal | None) -> None:
        """The driver reports the field (None), or refuses it."""
        if self._refusals.get(field, _NEVER) == refusal and (refusal is None or not refusal.is_failure):
            return
        self._refusals[field] = refusal
        self._seen_unknown = None
        if refusal is None:
            self._reported.add(field)
            self._unknown.pop(field, None)
            return
        before = self._unknown.get(field)
        self._unknown[field] = Unknown(
            reason=refusal.reason,
            function=refusal.function,
            error=symbol_of(refusal.code),
            words=words_of(refusal.code),
            since=before.since if before is not None and self._goes_on(before, refusal) else self._at,
            reported_before=field in self._reported,
            called_at=self._at,
        )

    def _goes_on(self, before: Unknown, refusal: Refusal) -> bool:
        """Whether the refusal repeats the one before. The time is noted for failures only."""
        return before.reason is refusal.reason and (
            not refusal.is_failure or self._at - before.called_at <= MAX_GAP
        )

    def note_impossible(self, field: str, function: str, words: str) -> None:
        """Record an impossible value, as text, for a value that is not in the reading."""
        before = self._unknown.get(field)
        lasts = before is not None and before.reason is Reason.IMPOSSIBLE
        since = before.since if before is not None and lasts else self._at
        self._refusals[field] = _NEVER  # so that any later answer counts as another
        self._unknown[field] = Unknown(
            Reason.IMPOSSIBLE, function, SUCCESS, words, since, reported_before=field in self._reported
        )
        self._seen_unknown = None

    def forget(self, *fields: str) -> None:
        """These fields are neither refused nor known: they need a second sample."""
        for field in fields:
            if self._refusals.pop(field, None) is not None:
                del self._unknown[field]
                self._seen_unknown = None

    def count(self, refusal: Refusal) -> None:
        """A call that the driver could not answer."""
        if refusal.reason is Reason.FAILED:
            error = (refusal.function, symbol_of(refusal.code))
            self._errors[error] = self._errors.get(error, 0) + 1
            self._seen_errors = None

    @property
    def unknown(self) -> Mapping[str, Unknown]:
        """The present reasons by field."""
        if self._seen_unknown is None:
            self._seen_unknown = MappingProxyType(dict(self._unknown))
        return self._seen_unknown

    @property
    def errors(self) -> Mapping[tuple[str, str], int]:
        """Calls of class `failed` since the agent started, by NVML function and symbol of the return code."""
        if self._seen_errors is None:
            self._seen_errors = MappingProxyType(dict(self._errors))
        return self._seen_errors


_NEVER = Refusal("", pynvml.NVML_SUCCESS)  # of a field that has not been asked
