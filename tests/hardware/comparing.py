"""Compares an answer of the agent with the output of nvidia-smi just before and just after it.

A live value may be anything between the two, within a stated tolerance. A value that cannot be compared
is listed as such, and never counts as agreement.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from tests.hardware.smi import Missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.hardware.smi import SmiGpu, SmiProcess

Source = TypeVar("Source")
Reported = float | str | bool
Theirs = Reported | tuple[Reported, ...] | Missing


class Outcome(StrEnum):
    """The result of comparing one field."""

    AGREES = "agrees"
    DIFFERS = "DIFFERS"
    NOT_COMPARED = "not compared"


class Allowance(Protocol):
    """How much two values may differ, and why."""

    @property
    def why(self) -> str: ...

    def admits(self, ours: Any, theirs: Sequence[Any]) -> bool: ...


@dataclass(frozen=True, slots=True)
class Exactly:
    """One of the values that nvidia-smi reported."""

    why: str = "nothing to round, nothing that moves"

    def admits(self, ours: Any, theirs: Sequence[Any]) -> bool:
        return ours in theirs


@dataclass(frozen=True, slots=True)
class Within:
    """Between the smallest and the largest value of nvidia-smi, within the larger of two tolerances."""

    why: str
    absolute: float = 0.0
    relative: float = 0.0  # of the greatest

    def admits(self, ours: Any, theirs: Sequence[Any]) -> bool:
        least, greatest = min(theirs), max(theirs)
        slack = max(self.absolute, self.relative * abs(greatest))
        return bool(least - slack <= ours <= greatest + slack)


@dataclass(frozen=True, slots=True)
class Field(Generic[Source]):
    """One value of an answer and its counterpart."""

    path: str  # in the answer: "memory.used_mb"
    theirs: Callable[[Source], Theirs]
    allowed: Allowance
    ours: Callable[[Any], Any] = field(default=lambda value: value)
    part: str = ""  # which part, if one text of the answer has several values
    settled: bool = False  # does not change: must agree in every observation; live values must agree in one
    slow: bool = False  # the agent reads it only every few seconds: earlier values count too

    @property
    def label(self) -> str:
        """The name in a report."""
        return f"{self.path} ({self.part})" if self.part else self.path


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result for one field in one observation."""

    label: str
    verdict: Outcome
    ours: object
    theirs: Sequence[object]
    why: str
    settled: bool = False

    def __str__(self) -> str:
        smi = ", ".join(map(str, self.theirs))
        return (
            f"{self.verdict:<12}  {self.label:<38}  agent {self.ours!s:<24}  nvidia-smi {smi}  [{self.why}]"
        )


def compare(
    fields: Iterable[Field[Source]],
    answer: Mapping[str, Any],
    recent: Sequence[Source],
    earlier: Sequence[Source] = (),
) -> list[Comparison]:
    """Compare every field of one answer with `recent`, just before and after it, and with `earlier`."""
    return [_compare(item, answer, (*earlier, *recent) if item.slow else recent) for item in fields]


def _compare(item: Field[Source], answer: Mapping[str, Any], sources: Sequence[Source]) -> Comparison:
    ours = item.ours(known(look_up(answer, item.path)))
    reported: list[Reported] = []
    missing: list[Missing] = []
    for value in map(item.theirs, sources):
        if isinstance(value, Missing):
            missing.append(value)
        else:
            reported.extend(value if isinstance(value, tuple) else (value,))

    def verdict(verdict: Outcome, theirs: Sequence[object], why: str) -> Comparison:
        return Comparison(item.label, verdict, ours, theirs, why, item.settled)

    if reported and ours is None:
        return verdict(Outcome.DIFFERS, reported, "the agent does not know it")
    if reported:
        agrees = item.allowed.admits(ours, reported)
        return verdict(Outcome.AGREES if agrees else Outcome.DIFFERS, reported, item.allowed.why)
    if ours is None and Missing.NOT_AVAILABLE in missing:
        return verdict(Outcome.AGREES, missing, "unknown to both")
    return verdict(Outcome.NOT_COMPARED, missing, "nvidia-smi does not report it")


def known(value: Any) -> Any:
    """The value; None for unknown, also where the answer has "N/A"."""
    return None if value == "N/A" else value


def look_up(answer: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path. AssertionError if the answer has no such field."""
    value: Any = answer
    for name in path.split("."):
        assert isinstance(value, dict), f"{path}: {value!r} cannot have {name}"
        assert name in value, f"the answer has no {path}"
        value = value[name]
    return value


def leaves(answer: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The dotted path of every value of an answer; a list counts as one."""
    found: list[str] = []
    for name, value in answer.items():
        found += leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"]
    return found


def over_all_observations(observations: Iterable[Iterable[Comparison]]) -> list[Comparison]:
    """One verdict for each field: the worst of a settled one, the best of a live one.

    A live value that is read wrongly is wrong in every observation; one that only changed, in one of them.
    """
    by_label: dict[str, list[Comparison]] = {}
    for observation in observations:
        for comparison in observation:
            by_label.setdefault(comparison.label, []).append(comparison)
    worst_first = [Outcome.DIFFERS, Outcome.AGREES, Outcome.NOT_COMPARED]
    best_first = [Outcome.AGREES, Outcome.DIFFERS, Outcome.NOT_COMPARED]
    return [
        min(found, key=lambda one: (worst_first if one.settled else best_first).index(one.verdict))
        for found in by_label.values()
    ]


def report(comparisons: Iterable[Comparison]) -> str:
    """One line for each comparison: first those that differ, then those that could not be made."""
    order = [Outcome.DIFFERS, Outcome.NOT_COMPARED, Outcome.AGREES]
    return "\n".join(str(one) for one in sorted(comparisons, key=lambda one: order.index(one.verdict)))


# Processes

# In MiB. If a process allocates memory meanwhile, the value is between those before and after.
PROCESS_MEMORY = Within("whole MiB are printed", absolute=1.0)


def compare_processes(
    ours: Sequence[Mapping[str, Any]], recent: Sequence[SmiGpu], earlier: Sequence[SmiGpu] = ()
) -> list[Comparison]:
    """Compare both lists by pid; `ours` are the entries of this GPU in `/status`.

    The agent reads the list every two seconds: a process in all of `recent` must be listed. A listed process
    must be in one of the lists of nvidia-smi.
    """
    lists = [_by_pid(gpu) for gpu in (*earlier, *recent)]
    if any(isinstance(listed, Missing) for listed in lists):
        return [
            Comparison(
                "processes", Outcome.NOT_COMPARED, len(ours), lists[-1:], "nvidia-smi does not report it"
            )
        ]
    reported = [listed for listed in lists if not isinstance(listed, Missing)]
    mine = {int(entry["pid"]): entry for entry in ours}
    lasting = set.intersection(*(set(listed) for listed in reported[-len(recent) :]))
    ever = set().union(*reported)
    found: list[Comparison] = []
    for pid in sorted(lasting | set(mine)):
        entries = [listed[pid] for listed in reported if pid in listed]
        if pid not in mine or pid not in ever:
            only = "only nvidia-smi lists it" if pid in ever else "only the agent lists it"
            found.append(Comparison(f"process {pid}", Outcome.DIFFERS, pid in mine, [pid in ever], only))
        else:
            found.append(Comparison(f"process {pid}", Outcome.AGREES, True, [True], "both list it"))
            found += _compare_process(mine[pid], entries)
    return found or [Comparison("processes", Outcome.AGREES, [], [[]], "both list none")]


def _compare_process(ours: Mapping[str, Any], theirs: Sequence[SmiProcess]) -> list[Comparison]:
    own_words = {"M+C": "C"}  # a client of MPS is a compute process
    label = f"process {ours['pid']}"
    fields: list[Field[SmiProcess]] = [
        Field("type", lambda entry: own_words.get(entry.type, entry.type), Exactly()),
        Field("gpu_memory", lambda entry: entry.used_memory_mib, PROCESS_MEMORY, ours=mib_of),
    ]
    return [
        Comparison(f"{label}.{one.label}", one.verdict, one.ours, one.theirs, one.why)
        for one in compare(fields, ours, theirs)
    ]


def _by_pid(gpu: SmiGpu) -> dict[int, SmiProcess] | Missing:
    if isinstance(gpu.processes, Missing):
        return gpu.processes
    return {entry.pid: entry for entry in gpu.processes}


def mib_of(text: str | None) -> float | None:
    """ "24576MiB" as a number."""
    return None if text is None else float(text.removesuffix("MiB"))


def watts_of(part: int) -> Callable[[str], float | None]:
    """The draw (0) or the limit (1) of "119W / 350W"."""

    def read(text: str) -> float | None:
        value = text.split(" / ")[part]
        return None if value == "N/A" else float(value.removesuffix("W"))

    return read
