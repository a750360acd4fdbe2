"""Compares an answer of the agent with what nvidia-smi said just before and just after it: pure.

A value that lives may be anything between the two, give or take a stated tolerance. What cannot be compared
is listed as such, and never counts as agreement.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from tests.hardware.smi import Untold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.hardware.smi import SmiGpu, SmiProcess

Source = TypeVar("Source")
Told = float | str | bool
Theirs = Told | tuple[Told, ...] | Untold


class Outcome(StrEnum):
    """What came of comparing one field."""

    AGREES = "agrees"
    DIFFERS = "DIFFERS"
    NOT_COMPARED = "not compared"


class Allowance(Protocol):
    """How far apart two values may be, and why."""

    @property
    def why(self) -> str: ...

    def admits(self, ours: Any, theirs: Sequence[Any]) -> bool: ...


@dataclass(frozen=True, slots=True)
class Exactly:
    """One of the values that nvidia-smi told."""

    why: str = "nothing to round, nothing that moves"

    def admits(self, ours: Any, theirs: Sequence[Any]) -> bool:
        return ours in theirs


@dataclass(frozen=True, slots=True)
class Within:
    """Between the least and the greatest that nvidia-smi told, give or take the larger of two tolerances."""

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
    part: str = ""  # where one text of the answer holds several values
    settled: bool = False  # must agree at every look; the others live, and must agree at one of them
    slow: bool = False  # the agent reads it every few seconds only: what was told earlier counts too

    @property
    def label(self) -> str:
        """The name in a report."""
        return f"{self.path} ({self.part})" if self.part else self.path


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field at one look."""

    label: str
    verdict: Outcome
    ours: object
    theirs: Sequence[object]
    why: str
    settled: bool = False

    def __str__(self) -> str:
        told = ", ".join(map(str, self.theirs))
        return (
            f"{self.verdict:<12}  {self.label:<38}  agent {self.ours!s:<24}  nvidia-smi {told}  [{self.why}]"
        )


def compare(
    fields: Iterable[Field[Source]],
    answer: Mapping[str, Any],
    recent: Sequence[Source],
    earlier: Sequence[Source] = (),
) -> list[Comparison]:
    """Every field of one answer; `recent` is what was told just before and after it, `earlier` earlier."""
    return [_compare(item, answer, (*earlier, *recent) if item.slow else recent) for item in fields]


def _compare(item: Field[Source], answer: Mapping[str, Any], sources: Sequence[Source]) -> Comparison:
    ours = item.ours(known(look_up(answer, item.path)))
    told: list[Told] = []
    untold: list[Untold] = []
    for value in map(item.theirs, sources):
        if isinstance(value, Untold):
            untold.append(value)
        else:
            told.extend(value if isinstance(value, tuple) else (value,))

    def verdict(verdict: Outcome, theirs: Sequence[object], why: str) -> Comparison:
        return Comparison(item.label, verdict, ours, theirs, why, item.settled)

    if told and ours is None:
        return verdict(Outcome.DIFFERS, told, "the agent does not know it")
    if told:
        agrees = item.allowed.admits(ours, told)
        return verdict(Outcome.AGREES if agrees else Outcome.DIFFERS, told, item.allowed.why)
    if ours is None and Untold.NOT_AVAILABLE in untold:
        return verdict(Outcome.AGREES, untold, "unknown to both")
    return verdict(Outcome.NOT_COMPARED, untold, "nvidia-smi does not tell")


def known(value: Any) -> Any:
    """Unknown is None, also where the wire says "N/A"."""
    return None if value == "N/A" else value


def look_up(answer: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path. AssertionError if the answer has no such field."""
    value: Any = answer
    for name in path.split("."):
        assert isinstance(value, dict), f"{path}: {name} is looked for in {value!r}"
        assert name in value, f"the answer has no {path}"
        value = value[name]
    return value


def leaves(answer: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The dotted path of every value of an answer; a list counts as one."""
    found: list[str] = []
    for name, value in answer.items():
        found += leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"]
    return found


def over_all_looks(looks: Iterable[Iterable[Comparison]]) -> list[Comparison]:
    """One verdict per field: the worst for what is settled, the best for what lives.

    A live value that is read wrongly is wrong at every look; one that moved in between is wrong at one.
    """
    by_label: dict[str, list[Comparison]] = {}
    for look in looks:
        for comparison in look:
            by_label.setdefault(comparison.label, []).append(comparison)
    worst_first = [Outcome.DIFFERS, Outcome.AGREES, Outcome.NOT_COMPARED]
    best_first = [Outcome.AGREES, Outcome.DIFFERS, Outcome.NOT_COMPARED]
    return [
        min(found, key=lambda one: (worst_first if one.settled else best_first).index(one.verdict))
        for found in by_label.values()
    ]


def report(comparisons: Iterable[Comparison]) -> str:
    """One line for each, what differs first, what was not compared next."""
    order = [Outcome.DIFFERS, Outcome.NOT_COMPARED, Outcome.AGREES]
    return "\n".join(str(one) for one in sorted(comparisons, key=lambda one: order.index(one.verdict)))


# Processes

# MiB. Both ask NVML; a process that allocates in between is bracketed by what was told before and after.
PROCESS_MEMORY = Within("whole MiB are printed", absolute=1.0)


def compare_processes(
    ours: Sequence[Mapping[str, Any]], recent: Sequence[SmiGpu], earlier: Sequence[SmiGpu] = ()
) -> list[Comparison]:
    """Both lists, by pid; `ours` are the `/status` entries of this GPU.

    The agent reads the list every two seconds: what is in all of `recent` must be there, and what is there
    must have been told at some time.
    """
    lists = [_by_pid(gpu) for gpu in (*earlier, *recent)]
    if any(isinstance(listed, Untold) for listed in lists):
        return [
            Comparison("processes", Outcome.NOT_COMPARED, len(ours), lists[-1:], "nvidia-smi does not tell")
        ]
    told = [listed for listed in lists if not isinstance(listed, Untold)]
    mine = {int(entry["pid"]): entry for entry in ours}
    lasting = set.intersection(*(set(listed) for listed in told[-len(recent) :]))
    ever = set().union(*told)
    found: list[Comparison] = []
    for pid in sorted(lasting | set(mine)):
        entries = [listed[pid] for listed in told if pid in listed]
        if pid not in mine or pid not in ever:
            only = "only nvidia-smi lists it" if pid in ever else "only the agent lists it"
            found.append(Comparison(f"process {pid}", Outcome.DIFFERS, pid in mine, [pid in ever], only))
        else:
            found.append(Comparison(f"process {pid}", Outcome.AGREES, True, [True], "both list it"))
            found += _compare_process(mine[pid], entries)
    return found or [Comparison("processes", Outcome.AGREES, [], [[]], "both list none")]


def _compare_process(ours: Mapping[str, Any], theirs: Sequence[SmiProcess]) -> list[Comparison]:
    own_words = {"M+C": "C"}  # a client of MPS computes
    label = f"process {ours['pid']}"
    fields: list[Field[SmiProcess]] = [
        Field("type", lambda entry: own_words.get(entry.type, entry.type), Exactly()),
        Field("gpu_memory", lambda entry: entry.used_memory_mib, PROCESS_MEMORY, ours=mib_of),
    ]
    return [
        Comparison(f"{label}.{one.label}", one.verdict, one.ours, one.theirs, one.why)
        for one in compare(fields, ours, theirs)
    ]


def _by_pid(gpu: SmiGpu) -> dict[int, SmiProcess] | Untold:
    if isinstance(gpu.processes, Untold):
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
