"""The NVML handle of one GPU. Every value is read through it, and each refusal is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pynvml

from agent.sources.gpu.unknown import Refusal, gravest
from agent.sources.nvml import query
from agent.sources.return_codes import FATAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.sources.gpu.unknown import Record

    Function = str | Callable[..., Any]  # of NVML, by its name; or what calls one, and has its name

Value = TypeVar("Value")


class GpuHandle:
    """Queries one GPU. `raw` is NVML's own handle, of the GPU or of a MIG device on it.

    Every method raises `pynvml.NVMLError` only for errors of the whole GPU (`FATAL`).
    """

    def __init__(self, raw: Any, record: Record) -> None:
        self.raw = raw
        self.record = record
        self._last_called: Function = ""  # last
        # Functions that returned RESET_REQUIRED, and have not succeeded since.
        self._wants_reset: set[str] = set()

    @property
    def requires_reset(self) -> bool:
        """Whether a function returned RESET_REQUIRED, and none of those has succeeded since."""
        return bool(self._wants_reset)

    def query(self, field: str, function: Function, *arguments: Any) -> Any:
        """The value of a field of the reading from this function; None: the reason is recorded."""
        answer = self.call_exactly(function, self.raw, *arguments)
        if answer.__class__ is Refusal:
            self.record.note(field, answer)
            return None
        self.record.note_reported(field)
        return answer

    def query_first(self, field: str, *functions: Function) -> Any:
        """Like `query`, from the first of these functions that reports the value."""
        refusals = []
        for function in functions:
            answer = self.call(function)
            if not isinstance(answer, Refusal):
                self.record.note_reported(field)
                return answer
            refusals.append(answer)
        self.record.note(field, gravest(refusals))
        return None

    def take(self, field: str, answer: Any, value_of: Callable[[Any], Value | None]) -> Value | None:
        """The value of a field from the latest answer of `call`; None: the reason is recorded.

        `value_of` returns None for an answer without a value.
        """
        if answer.__class__ is Refusal:
            self.record.note(field, answer)
            return None
        value = value_of(answer)
        if value is None:
            self.record.note(field, Refusal(_name(self._last_called), pynvml.NVML_SUCCESS))
        else:
            self.record.note_reported(field)
        return value

    def call(self, function: Function, *arguments: Any) -> Any:
        """The answer of this function for the handle, or a Refusal; for answers with several fields."""
        return self.call_exactly(function, self.raw, *arguments)

    def call_exactly(self, function: Function, *arguments: Any) -> Any:
        """Like `call`, for a function without a handle, or with another one."""
        self._last_called = function
        try:
            answer = query(function, *arguments)
        except pynvml.NVMLError as error:
            return self._refusal(_name(function), error)
        if self._wants_reset:
            self.follow_reset(_name(function), pynvml.NVML_SUCCESS)
        return Refusal(_name(function), pynvml.NVML_SUCCESS) if answer is None else answer

    def _refusal(self, name: str, error: pynvml.NVMLError) -> Refusal:
        refusal = Refusal(name, error.value)
        self.record.count(refusal)
        if isinstance(error, FATAL):
            raise error
        self.follow_reset(name, error.value)
        return refusal

    def follow_reset(self, source: str, code: int) -> None:
        """Record whether `source`, a function or a part with its own return code, requires a reset."""
        if code == pynvml.NVML_ERROR_RESET_REQUIRED:
            self._wants_reset.add(source)
        elif code == pynvml.NVML_SUCCESS and source in self._wants_reset:
            # It was reset; some of the other functions are called only every few minutes.
            self._wants_reset.clear()
        else:
            self._wants_reset.discard(source)


def _name(function: Function) -> str:
    return function if isinstance(function, str) else function.__name__


class Elements:
    """Queries the elements of a list: one field of the reading for all of them."""

    def __init__(self, handle: GpuHandle) -> None:
        self.handle = handle
        self.refusals: list[Refusal] = []

    def query(self, function: Function, *arguments: Any) -> Any:
        """The value of an element from this function; None if not reported."""
        return self.query_handle(self.handle.raw, function, *arguments)

    def query_handle(self, raw: Any, function: Function, *arguments: Any) -> Any:
        """Like `query`, for an element with an NVML handle of its own."""
        return self.take(self.handle.call_exactly(function, raw, *arguments))

    def take(self, answer: Any) -> Any:
        """The answer; None for a Refusal."""
        if isinstance(answer, Refusal):
            self.refusals.append(answer)
            return None
        return answer

    def record(self, field: str) -> None:
        """Record refusals of elements as the reason why the list, or a part of it, is unknown."""
        self.handle.record.note(field, gravest(self.refusals))
