"""The NVML handle of one GPU. Every value of the GPU is asked through it, and each refusal is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pynvml

from agent.sources.gpu.unknown import Refusal, gravest
from agent.sources.nvml import query
from agent.sources.return_codes import FATAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.sources.gpu.unknown import Record

Value = TypeVar("Value")


class GpuHandle:
    """Asks one GPU. `raw` is NVML's own handle, of the GPU or of a MIG device on it.

    Every method raises `pynvml.NVMLError` only for what concerns the whole GPU (`FATAL`).
    """

    def __init__(self, raw: Any, record: Record) -> None:
        self.raw = raw
        self.record = record
        self._asked = ""  # the function that was asked last
        self._wants_reset: set[str] = set()  # functions that said so when they were last asked

    @property
    def requires_reset(self) -> bool:
        """Whether some function says that the GPU requires a reset."""
        return bool(self._wants_reset)

    def ask(self, field: str, function: str | Callable[..., Any], *arguments: Any) -> Any:
        """The value of a field of the reading, which this function tells; None, and recorded why."""
        answer = self.call(function, *arguments)
        if isinstance(answer, Refusal):
            self.record.note(field, answer)
            return None
        self.record.note(field, None)
        return answer

    def ask_first(self, field: str, *functions: str) -> Any:
        """As `ask`, of the first of these functions that tells."""
        refusals = []
        for function in functions:
            answer = self.call(function)
            if not isinstance(answer, Refusal):
                self.record.note(field, None)
                return answer
            refusals.append(answer)
        self.record.note(field, gravest(refusals))
        return None

    def take(self, field: str, answer: Any, value_of: Callable[[Any], Value | None]) -> Value | None:
        """The value of a field out of the latest answer of `call`; None, and recorded why.

        `value_of` gives None for an answer that has no value.
        """
        if isinstance(answer, Refusal):
            self.record.note(field, answer)
            return None
        value = value_of(answer)
        self.record.note(field, Refusal(self._asked, pynvml.NVML_SUCCESS) if value is None else None)
        return value

    def call(self, function: str | Callable[..., Any], *arguments: Any) -> Any:
        """What this function answers about the handle, or a Refusal; for what is more than one field."""
        return self.call_without_handle(function, self.raw, *arguments)

    def call_without_handle(self, function: str | Callable[..., Any], *arguments: Any) -> Any:
        """As `call`, of a function that takes no handle."""
        name = self._asked = function if isinstance(function, str) else function.__name__
        try:
            answer = query(function, *arguments)
        except pynvml.NVMLError as error:
            refusal = Refusal(name, error.value)
            self.record.count(refusal)
            if isinstance(error, FATAL):
                raise
            if isinstance(error, pynvml.NVMLError_ResetRequired):
                self._wants_reset.add(name)
            else:
                self._wants_reset.discard(name)
            return refusal
        if self._wants_reset:
            self._wants_reset.discard(name)
        return Refusal(name, pynvml.NVML_SUCCESS) if answer is None else answer


class Elements:
    """Asks what the elements of a list hold: one field of the reading, whatever their number."""

    def __init__(self, handle: GpuHandle) -> None:
        self.handle = handle
        self.refusals: list[Refusal] = []

    def ask(self, function: str | Callable[..., Any], *arguments: Any) -> Any:
        """What this function tells of an element; None where it does not."""
        return self.ask_of(self.handle.raw, function, *arguments)

    def ask_of(self, raw: Any, function: str | Callable[..., Any], *arguments: Any) -> Any:
        """As `ask`, where an element has an NVML handle of its own."""
        return self.take(self.handle.call_without_handle(function, raw, *arguments))

    def take(self, answer: Any) -> Any:
        """An answer; None where it is a refusal."""
        if isinstance(answer, Refusal):
            self.refusals.append(answer)
            return None
        return answer

    def record(self, field: str) -> None:
        """What was not told of any element is why the list, or a part of it, is unknown."""
        self.handle.record.note(field, gravest(self.refusals))
