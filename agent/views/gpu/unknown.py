"""Why values of one GPU are null in `/gpu?detail=1`: each null is named, under the reason for it."""

from __future__ import annotations

import json
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel

from agent.readings import Reason
from agent.readings.gpu.unknown import GRAVEST_FIRST
from agent.views.gpu.feeds import FEEDS, NEED_TWO_SAMPLES, REMEMBERED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from agent.readings import GpuReading, GpuSample, Unknown

# The reasons beside those of the driver (Reason).
NEEDS_TWO_SAMPLES = "needs_two_samples"  # the change between two readings, or only read after the first one
NOTHING_IS_REMEMBERED = "nothing_is_remembered"  # HISTORY_INTERVAL is 0, or the value was not observed yet
NOT_READ = "not_read"  # the GPU is lost, stuck, asleep or starting

DESCRIPTION = (
    "names of what is null in this object, by reason: not_supported (this GPU has no such value), missing"
    " (this driver has no such function), no_permission, failed, impossible (the driver reported an"
    " impossible number), needs_two_samples, nothing_is_remembered (HISTORY_INTERVAL is 0, or it was not seen"
    " yet), not_read (the GPU could not be read). The name of an object or a list stands for all in it. Where"
    " names are very many, an object with several reasons is named under the gravest, and only the first"
    " names are listed"
)
FAILED_DESCRIPTION = "NVML's error for each name under failed; where there are many, for the first ones"
BUDGET = 2048  # bytes of JSON for both, of one GPU

# They are null on a healthy GPU.
_NO_VALUES = {"error", "failed", "detail.unknown", "detail.failed"}


class _Why(NamedTuple):
    """Why something is null; fields with the same reason can be named together."""

    reason: str
    words: str | None = None  # NVML's, where it failed


def failed_view(view: BaseModel, gpu: GpuSample) -> dict[str, str]:
    """`failed` of one GPU without detail; cheap for a GPU without failures."""
    if all(unknown.reason is not Reason.FAILED for unknown in gpu.values.unknown.values()):
        return {}
    return unknown_view(view, gpu, remembers=True)[1]


def unknown_view(
    view: BaseModel, gpu: GpuSample, *, remembers: bool
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """`unknown` and `failed` of the view of one GPU. `remembers`: HISTORY_INTERVAL is not 0."""
    unknown, failed = _by_reason(_nulls(view, "", gpu, remembers=remembers))
    if _size(unknown) > BUDGET:
        unknown, failed = _by_reason(_nulls(view, "", gpu, remembers=remembers, brief=True))
        unknown = _gravest_names(unknown)
    return unknown, first_failed(failed, unknown)


def _by_reason(nulls: Iterable[tuple[str, _Why | None]]) -> tuple[dict[str, list[str]], dict[str, str]]:
    unknown: dict[str, list[str]] = {}
    failed: dict[str, str] = {}
    for name, why in nulls:
        if why is not None:
            unknown.setdefault(why.reason, []).append(name)
            if why.words is not None and not name.startswith("debug_info"):  # these follow from the others
                failed[name] = why.words
    return unknown, failed


def _gravest_names(unknown: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """As many names as fit into so many bytes of JSON, the gravest reasons first."""
    kept: dict[str, list[str]] = {}
    room = BUDGET - _size({}) + len(",")  # each entry counts with a comma, which the last one does not have
    for reason in sorted(unknown, key=_gravity):
        room -= len(json.dumps(reason) + ":[]")  # with its comma, but without that of its last name
        for name in unknown[reason]:
            room -= len(json.dumps(name) + ",")
            if room < 0:
                return kept
            kept.setdefault(reason, []).append(name)
    return kept


def _size(unknown: Mapping[str, list[str]]) -> int:
    """Bytes of JSON, with an empty `failed`."""
    return len(json.dumps({"unknown": unknown, "failed": {}}, separators=(",", ":")))


def first_failed(failed: Mapping[str, str], unknown: Mapping[str, list[str]]) -> dict[str, str]:
    """As many entries as fit, together with `unknown`, into BUDGET bytes of JSON."""
    first: dict[str, str] = {}
    room = BUDGET - _size(unknown) + len(",")  # as above
    for name, words in failed.items():
        room -= len(f"{json.dumps(name)}:{json.dumps(words)},")
        if room < 0:
            break
        first[name] = words
    return first


def _nulls(
    part: BaseModel, path: str, gpu: GpuSample, *, remembers: bool, brief: bool = False
) -> Iterator[tuple[str, _Why | None]]:
    """The names of the null values in this object; only its own name if all of it is null for one reason.

    `brief`: only its own name if all of it is null, under the gravest reason.
    """
    found: list[tuple[str, _Why | None]] = []
    is_all = True
    for field in type(part).model_fields:
        name, value = path + field, getattr(part, field)
        if name in _NO_VALUES:
            continue
        if isinstance(value, BaseModel):
            inner = [*_nulls(value, f"{name}.", gpu, remembers=remembers, brief=brief)]
            is_all &= [name for name, _ in inner] == [name]
            found += inner
        elif _has_null(value):
            found.append((name, _why(name, gpu, remembers=remembers)))
        else:
            is_all = False
    reasons = {why for _, why in found}
    if path and is_all and (len(reasons) == 1 or (brief and reasons)):
        gravest = min(reasons, key=lambda why: _gravity(why.reason if why else ""))
        found = [(path.removesuffix("."), gravest)]
    yield from found


def _gravity(reason: str) -> int:
    """The order of reasons; a smaller number is graver."""
    return GRAVEST_FIRST.index(Reason(reason)) if reason in set(Reason) else len(GRAVEST_FIRST)


# Fields of a list's entries that the driver does not report.
_OF_THE_HOST = frozenset(
    {
        "name",
        "username",
        "cpu_percent",
        "pid",
        "process_name",
        "container_id",
        "container_name",
        "pod_name",
        "pod_namespace",
    }
)


def _has_null(value: object) -> bool:
    """Whether it has a null; a list is judged by field, not by element.

    Values of the host are not counted.
    """
    if isinstance(value, list):
        return any(
            getattr(entry, field) is None
            for entry in value
            if isinstance(entry, BaseModel)
            for field in entry.model_fields_set - _OF_THE_HOST
        )
    return value is None


def _why(name: str, gpu: GpuSample, *, remembers: bool) -> _Why | None:
    """The reason; None: the driver was not asked."""
    if name == "detail.xids" and not remembers:
        return _Why(NOTHING_IS_REMEMBERED)
    if gpu.reading is None:
        return _Why(NOT_READ)
    feeds = FEEDS.get(name, ())
    gravest = _gravest(gpu.reading.unknown, feeds)
    if gravest is not None:
        return _Why(gravest.reason.value, gravest.words if gravest.reason is Reason.FAILED else None)
    if any(feed in NEED_TWO_SAMPLES and _lacks(gpu.reading, feed) for feed in feeds):
        return _Why(NEEDS_TWO_SAMPLES)
    return _Why(NOTHING_IS_REMEMBERED) if name in REMEMBERED else None


def _lacks(reading: GpuReading, feed: str) -> bool:
    """Whether a field is unknown; in a list, of any entry."""
    value = attrgetter(feed)(reading)
    return value is None or isinstance(value, tuple)


def _gravest(unknown: Mapping[str, Unknown], feeds: tuple[str, ...]) -> Unknown | None:
    reasons = [unknown[feed] for feed in feeds if feed in unknown]
    return min(reasons, key=lambda one: GRAVEST_FIRST.index(one.reason), default=None)
