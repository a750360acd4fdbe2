"""Compares the agent's answers for a replayed document with the document, strictly.

A replay does not depend on time, so only rounding is tolerated. A value that is not in the document must be
unknown. A value in the document may be unknown only if it is impossible, or if the GPU is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isclose
from typing import TYPE_CHECKING, Any, TypeVar

from agent.derive import throttling
from tests.hardware.comparing import Comparison, Exactly, Field, Outcome, Theirs, Within, compare
from tests.hardware.expected import DEVICE_FIELDS, GPU_FIELDS, SameBits
from tests.hardware.replayed_details import DETAILS
from tests.hardware.replayed_fabric import STATUS
from tests.hardware.replayed_metrics import expected_series, series_of
from tests.hardware.smi import Missing, Number, SmiGpu, SmiLog, number_at, text_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from xml.etree.ElementTree import Element

_Value = TypeVar("_Value", str, float)

ROUNDED = Within("rounded to a whole at most", absolute=0.51)
_IN_GPU = {  # by the name of a value in /status: its path in /gpu
    "fan_speed": "fan_speed_percent",
    "temperature": "temperature_celsius",
    "power_status (draw)": "power.usage_watts",
    "gpu_utilization": "utilization.gpu_percent",
    "memory_used_human": "memory.used_mb",
    "memory_utilization": "memory.utilization_percent",
}
_SRAM_PARTS = ("l2", "sm", "microcontroller", "pcie", "other")
_BANKS = ("max", "high", "partial", "low", "none")


@dataclass(frozen=True, slots=True)
class Same:
    """The same text or flag, or the same number rounded to tenths as in /gpu."""

    why: str = "the value does not change"

    def admits(self, ours: Any, theirs: Sequence[Any]) -> bool:
        if isinstance(ours, float):
            return any(abs(ours - one) <= 0.051 for one in theirs)
        return ours in theirs


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of the agent for a replay."""

    gpu: Mapping[str, Any]  # /gpu?detail=1
    status: Mapping[str, Any]  # data of /status
    mig: Mapping[str, Any]  # data of /status?mig=1
    metrics: str


def _is_throttled(gpu: SmiGpu) -> Theirs:
    """As in NVML, whose mask has no bit for "not known"."""
    reasons = gpu.clocks_event_reasons
    return reasons if isinstance(reasons, Missing) else bool(reasons & throttling.SLOWDOWN)


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _as_it_is(value: Any) -> Any:
    return value


_EXACT = (Exactly, SameBits)
_GPU_FIELDS = tuple(
    Field(field.path, _is_throttled, Exactly())
    if field.path == "throttling.is_throttled"
    else field
    if isinstance(field.allowed, _EXACT)
    else replace(field, allowed=ROUNDED)
    for field in GPU_FIELDS
)
_DEVICE_FIELDS = tuple(
    field if isinstance(field.allowed, _EXACT) else replace(field, allowed=ROUNDED) for field in DEVICE_FIELDS
)
_DETAIL_FIELDS: tuple[Field[Element], ...] = tuple(
    Field(f"detail.{path}", theirs, Same(), ours=_lower if path == STATUS else _as_it_is)
    for path, theirs in DETAILS
)


def differences(answers: Answers, log: SmiLog, root: Element) -> Iterator[str]:
    """One line for each value that differs from the document and is not unknown for a reason."""
    elements = root.findall("gpu")
    yield from _lines("/gpu", _of_host(answers.gpu, log))
    yield from _unlike("/gpu", "top processes", answers.gpu["system_info"]["memory"]["top_processes"], [])
    for index, (gpu, element) in enumerate(zip(log.gpus, elements, strict=True)):
        ours, device = answers.gpu["gpus"][index], answers.status["devices"][index]
        what = f"GPU {index} of"
        lost = "GPU is lost" in {(one.text or "").strip() for one in element.iter()}
        yield from _unlike(f"{what} /gpu", "state", ours["state"], "lost" if lost else "ok")
        excused = _excuse(ours, lost=lost)
        yield from _lines(f"{what} /gpu", compare(_GPU_FIELDS, ours, [gpu]), excused)
        yield from _lines(f"{what} detail", compare(_DETAIL_FIELDS, ours, [element]), excused)
        in_status = compare(_DEVICE_FIELDS, device, [gpu])
        yield from _lines(f"{what} /status", in_status, _of_status(excused))
        if not lost:
            yield from _banks(f"{what} detail", ours, element)
            yield from _sram_sources(f"{what} detail", ours, element)
            yield from _instances(f"{what} /status?mig=1", answers.mig["devices"], index, element)
            yield from _processes(f"{what} /status", answers.status["processes"], index, element)
            yield from _metrics(f"{what} /metrics", answers.metrics, gpu, element, excused)


def _lines(
    what: str, comparisons: Iterable[Comparison], excused: Callable[[str], bool] = lambda _: False
) -> Iterator[str]:
    for one in comparisons:
        made_up = one.verdict is Outcome.NOT_COMPARED and one.ours is not None
        differs = one.verdict is Outcome.DIFFERS and not (one.ours is None and excused(one.label))
        if made_up or differs:
            yield f"{what}: {one}"


def _unlike(what: str, label: str, ours: object, theirs: object) -> Iterator[str]:
    if ours != theirs:
        yield f"{what}: {label}: agent {ours}, nvidia-smi {theirs}"


def _excuse(gpu: Mapping[str, Any], *, lost: bool) -> Callable[[str], bool]:
    """Whether a value of the document may be unknown: the GPU is lost, or the value is impossible."""
    impossible = [] if lost else gpu["detail"]["unknown"].get("impossible", [])
    return lambda label: lost or any(f"{label}.".startswith(f"{name}.") for name in impossible)


def _of_status(excused: Callable[[str], bool]) -> Callable[[str], bool]:
    """The same, by the name of the value in /status."""
    return lambda label: excused(_IN_GPU.get(label, ""))


def _of_host(gpu: Mapping[str, Any], log: SmiLog) -> list[Comparison]:
    """Compare the sums of the GPUs that have a value. A document may have fewer GPUs than the host."""

    def values_of(**paths: str) -> list[tuple[Any, ...]]:
        """The values of each GPU that has all of them; `paths`: the path in /gpu by the name in SmiGpu."""
        rows = [
            tuple(getattr(one, name) for name in paths)
            for one, ours in zip(log.gpus, gpu["gpus"], strict=True)
            if ours["state"] == "ok" and not any(map(_excuse(ours, lost=False), paths.values()))
        ]
        return [row for row in rows if not any(isinstance(value, Missing) for value in row)]

    memory = values_of(memory_total_mib="memory.total_mb", memory_used_mib="memory.used_mb")
    all_draws = [row[0] for row in values_of(power_draw_watts="power.usage_watts")]
    draws = [max(one) for one in all_draws], [min(one) for one in all_draws]
    busy = values_of(gpu_percent="utilization.gpu_percent")
    celsius = values_of(temperature_celsius="temperature_celsius")
    fields: tuple[Field[SmiLog], ...] = (
        Field("gpu_count", lambda log: len(log.gpus), Exactly()),
        Field("system_info.driver_version", lambda log: log.driver_version, Exactly()),
        Field("system_info.cuda_version", lambda log: log.cuda_version, Exactly()),
        _total("total_memory_mb", [sum(row[0] for row in memory)] if memory else []),
        _total("total_used_memory_mb", [sum(row[1] for row in memory)] if memory else []),
        _total("average_gpu_utilization_percent", [sum(row[0] for row in busy) / len(busy)] if busy else []),
        _total("average_temperature_celsius", [sum(r[0] for r in celsius) / len(celsius)] if celsius else []),
        _total("total_power_usage_watts", [sum(draws[0]), sum(draws[1])] if draws[0] else []),
    )
    return compare(fields, gpu, [log])


def _total(name: str, values: Sequence[float]) -> Field[SmiLog]:
    return Field(f"summary.{name}", lambda _: tuple(values) or Missing.NO_TAG, ROUNDED)


def _banks(what: str, gpu: Mapping[str, Any], element: Element) -> Iterator[str]:
    path = "remapped_rows/row_remapper_histogram/row_remapper_histogram_"
    ours = gpu["detail"]["remapped_rows"]["banks"]
    yield from _unlike(what, "banks", ours and list(ours.values()), _all_of(element, path, _BANKS))


def _sram_sources(what: str, gpu: Mapping[str, Any], element: Element) -> Iterator[str]:
    path = "ecc_errors/aggregate_uncorrectable_sram_sources/sram_"
    ours = gpu["detail"]["ecc"]["sram"]["sources"]
    theirs = _all_of(element, path, _SRAM_PARTS)
    yield from _unlike(what, "SRAM sources", ours and list(ours.values()), theirs)


def _all_of(element: Element, path: str, names: Sequence[str]) -> list[Number] | None:
    counts = [number_at(element, path + name) for name in names]
    return None if any(isinstance(count, Missing) for count in counts) else counts


def _instances(
    what: str, devices: Sequence[Mapping[str, Any]], index: int, element: Element
) -> Iterator[str]:
    ours = [
        [
            *(device[name] for name in ("mig_index", "gpu_instance_id", "compute_instance_id")),
            *(device[f"memory_{name}_human"] for name in ("total", "used", "free")),
        ]
        for device in devices
        if device["idx"] == index and "mig_index" in device
    ]
    theirs = [
        [
            int(one.findtext("index", "")),
            *(_or_na(number_at(one, f"{name}_instance_id")) for name in ("gpu", "compute")),
            *(_mib(number_at(one, f"fb_memory_usage/{name}")) for name in ("total", "used", "free")),
        ]
        for one in element.findall("mig_devices/mig_device")
    ]
    yield from _unlike(what, "MIG instances", ours, theirs)


def _processes(
    what: str, processes: Sequence[Mapping[str, Any]], index: int, element: Element
) -> Iterator[str]:
    ours = {
        entry["pid"]: (entry["type"], entry["gpu_memory"], entry["command"])
        for entry in processes
        if entry["idx"] == index
    }
    listed = element.findall("processes/process_info")
    is_whole = not any(isinstance(number_at(one, "pid"), Missing) for one in listed)
    theirs = {
        int(number_at(one, "pid")): (
            str(text_at(one, "type")).replace("M+C", "C"),
            _mib(number_at(one, "used_memory")),
            _or_na(text_at(one, "process_name")),
        )
        for one in (listed if is_whole else ())
    }
    yield from _unlike(what, "processes", ours, theirs)
    made_up = {
        value
        for entry in processes
        for name, value in entry.items()
        if name in {"username", "running_time", "gpu_sm_utilization", "cpu_percent", "host_memory"}
    }
    yield from _unlike(what, "values of a process that no document has", made_up - {"N/A"}, set())


def _mib(number: float | Missing) -> str:
    return "N/A" if isinstance(number, Missing) else f"{number:.0f}MiB"


def _or_na(value: _Value | Missing) -> _Value | str:
    return "N/A" if isinstance(value, Missing) else value


def _metrics(
    what: str, metrics: str, gpu: SmiGpu, element: Element, excused: Callable[[str], bool]
) -> Iterator[str]:
    ours, theirs = series_of(metrics, gpu.index), expected_series(gpu, element, excused)
    for series in sorted(ours.keys() | theirs.keys(), key=str):
        one, other = ours.get(series), theirs.get(series)
        if one is None or other is None or not isclose(one, other, rel_tol=1e-9):
            yield from _unlike(what, f"{series[0]} {dict(series[1])}", one, other)
