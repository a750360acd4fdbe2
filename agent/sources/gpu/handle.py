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

    Function = str | Callable[..., Any]  # of NVML, by its name; or what calls one, and has its name

Value = TypeVar("Value")


class GpuHandle:
    """Asks one GPU. `raw` is NVML's own handle, of the GPU or of a MIG device on it.

    Every method raises `pynvml.NVMLError` only for what concerns the whole GPU (`FATAL`).
    """

    def __init__(self, raw: Any, record: Record) -> None:
        self.raw = raw
        self.record = record
        self._asked: Function = ""  # last
        self._wants_reset: set[str] = set()  # functions that said so, and none has answered since

    @property
    def requires_reset(self) -> bool:
        """Whether some function says that the GPU requires a reset, and none of those has answered since."""
        return bool(self._wants_reset)

    def ask(self, field: str, function: Function, *arguments: Any) -> Any:
        """The value of a field of the reading, which this function reports; None, and recorded why."""
        answer = self.call_exactly(function, self.raw, *arguments)
        if answer.__class__ is Refusal:
            self.record.note(field, answer)
            return None
        self.record.told(field)
        return answer

    def ask_first(self, field: str, *functions: Function) -> Any:
        """As `ask`, of the first of these functions that tells."""
        refusals = []
        for function in functions:
            answer = self.call(function)
            if not isinstance(answer, Refusal):
                self.record.told(field)
                return answer
            refusals.append(answer)
        self.record.note(field, gravest(refusals))
        return None

    def take(self, field: str, answer: Any, value_of: Callable[[Any], Value | None]) -> Value | None:
        """The value of a field out of the latest answer of `call`; None, and recorded why.

        `value_of` gives None for an answer that has no value.
        """
        if answer.__class__ is Refusal:
            self.record.note(field, answer)
            return None
        value = value_of(answer)
        if value is None:
            self.record.note(field, Refusal(_name(self._asked), pynvml.NVML_SUCCESS))
        else:
            self.record.told(field)
        return value

    def call(self, function: Function, *arguments: Any) -> Any:
        """What this function answers about the handle, or a Refusal; for what is more than one field."""
        return self.call_exactly(function, self.raw, *arguments)

    def call_exactly(self, function: Function, *arguments: Any) -> Any:
        """As `call`, of a function that takes no handle, or another one."""
        self._asked = function
        try:
            answer = query(function, *arguments)
        except pynvml.NVMLError as error:
            return self._refusal(_name(function), error)
        if self._wants_reset and _name(function) in self._wants_reset:
            self._wants_reset.clear()  # it was reset; some of the others are asked once in minutes
        return Refusal(_name(function), pynvml.NVML_SUCCESS) if answer is None else answer

    def _refusal(self, name: str, error: pynvml.NVMLError) -> Refusal:
        refusal = Refusal(name, error.value)
        self.record.count(refusal)
        if isinstance(error, FATAL):
            raise error
        if isinstance(error, pynvml.NVMLError_ResetRequired):
            self._wants_reset.add(name)
        else:
            self._wants_reset.discard(name)
        return refusal


def _name(function: Function) -> str:
    return function if isinstance(function, str) else function.__name__


class Elements:
    """Asks what the elements of a list hold: one field of the reading, whatever their number."""

    def __init__(self, handle: GpuHandle) -> None:
        self.handle = handle
        self.refusals: list[Refusal] = []

    def ask(self, function: Function, *arguments: Any) -> Any:
        """What this function reports of an element; None where it does not."""
        return self.ask_of(self.handle.raw, function, *arguments)

    def ask_of(self, raw: Any, function: Function, *arguments: Any) -> Any:
        """As `ask`, where an element has an NVML handle of its own."""
        return self.take(self.handle.call_exactly(function, raw, *arguments))

    def take(self, answer: Any) -> Any:
        """An answer; None where it is a refusal."""
        if isinstance(answer, Refusal):
            self.refusals.append(answer)
            return None
        return answer

    def record(self, field: str) -> None:
        """What was not reported of any element is why the list, or a part of it, is unknown."""
        self.handle.record.note(field, gravest(self.refusals))
