"""The NVLink fabric in a document of nvidia-smi, parsed independently of the replay."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from tests.hardware.smi import Missing, number_at, text_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from xml.etree.ElementTree import Element

    from tests.hardware.comparing import Theirs

STATUS = "fabric.status"  # in lower case on both sides: each version of NVML writes its words differently
# By their names in /metrics.
STATES = {"not_started": 1, "in_progress": 2, "completed": 3}
SUMMARIES = {"healthy": 1, "unhealthy": 2, "limited_capacity": 3}
_TRUE = {"true": True, "false": False}
_DEGRADED = {"degraded": True, "full": False}


def _word(path: str) -> Callable[[Element], Theirs]:
    """A text in lower case, with underscores."""

    def read(gpu: Element) -> Theirs:
        text = text_at(gpu, path)
        return text if isinstance(text, Missing) else text.lower().replace(" ", "_")

    return read


def _one_of(meanings: Mapping[str, bool], path: str) -> Callable[[Element], Theirs]:
    def read(gpu: Element) -> Theirs:
        word = _word(path)(gpu)
        return word if isinstance(word, Missing) else meanings.get(str(word), Missing.NOT_AVAILABLE)

    return read


def _once_completed(reported: Callable[[Element], Theirs]) -> Callable[[Element], Theirs]:
    """The value once the fabric is completed; before, it has no meaning."""
    state = _word("fabric/state")
    return lambda gpu: reported(gpu) if state(gpu) == "completed" else Missing.NOT_AVAILABLE


def _status(gpu: Element) -> Theirs:
    """The status. The text of an error is a value here, and not the reason of a missing value."""
    words = gpu.findtext("fabric/status", "N/A").strip().lower()
    return Missing.NOT_AVAILABLE if words == "n/a" else words


def _cluster_uuid(gpu: Element) -> Theirs:
    """The UUID. Zeros mean that there is none, and so does a text that was made unreadable on purpose."""
    try:
        reported = uuid.UUID(str(text_at(gpu, "fabric/clusterUuid")))
    except ValueError:
        return Missing.NOT_AVAILABLE
    return str(reported) if reported.int else Missing.NOT_AVAILABLE


def _fault(gpu: Element) -> Theirs:
    """The fault, if it is a known word: the simulated driver has no number for any other."""
    word = _word(f"{_HEALTH}/incorrect_configuration")(gpu)
    return word if word in _FAULTS else Missing.NOT_AVAILABLE


_FAULTS = {
    *("none", "incorrect_sysguid", "incorrect_chassis_sn", "no_partition", "insufficient_nvlinks"),
    *("incompatible_gpu_fw", "invalid_location", "gpu_state_invalid"),
}
_HEALTH = "fabric/health"
_FLAGS: Mapping[str, Callable[[Element], Theirs]] = {
    "bandwidth_degraded": _one_of(_DEGRADED, f"{_HEALTH}/bandwidth"),
    "route_recovery_in_progress": _one_of(_TRUE, f"{_HEALTH}/route_recovery_in_progress"),
    "route_unhealthy": _one_of(_TRUE, f"{_HEALTH}/route_unhealthy"),
    "access_timeout_recovery": _one_of(_TRUE, f"{_HEALTH}/access_timeout_recovery"),
    "partition_assigned": _one_of(_TRUE, f"{_HEALTH}/partition_assigned"),
}
# By the path in `detail`.
FABRIC: tuple[tuple[str, Callable[[Element], Theirs]], ...] = (
    ("fabric.state", _word("fabric/state")),
    (STATUS, _once_completed(_status)),
    ("fabric.cluster_uuid", _once_completed(_cluster_uuid)),
    ("fabric.clique_id", _once_completed(lambda gpu: number_at(gpu, "fabric/cliqueId"))),
    ("fabric.health.summary", _word(f"{_HEALTH}/summary")),
    *((f"fabric.health.{name}", reported) for name, reported in _FLAGS.items()),
    ("fabric.health.incorrect_configuration", _fault),
    ("fabric.health.manager_connected", lambda _: Missing.NO_TAG),
)


def fabric_series(gpu: Element) -> Iterator[tuple[str, str, dict[str, str], float | Missing]]:
    """For each series: the path in /gpu, the family, its labels and the value."""
    reported = {path: read(gpu) for path, read in FABRIC}
    yield "detail.fabric.state", "fabric_state", {}, _number(reported["fabric.state"], STATES)
    summary = reported["fabric.health.summary"]
    yield "detail.fabric.health.summary", "fabric_health", {}, _number(summary, SUMMARIES)
    for name in _FLAGS:
        flag = reported[f"fabric.health.{name}"]
        is_wanted = name == "partition_assigned"
        trouble = "no_partition" if is_wanted else name
        value = flag if isinstance(flag, Missing) else float(bool(flag) != is_wanted)
        yield f"detail.fabric.health.{name}", "fabric_trouble", {"trouble": trouble}, value
    wrong = reported["fabric.health.incorrect_configuration"]
    value = wrong if isinstance(wrong, Missing) else float(wrong != "none")
    path, trouble = "detail.fabric.health.incorrect_configuration", "incorrect_configuration"
    yield path, "fabric_trouble", {"trouble": trouble}, value


def _number(word: Theirs, numbers: Mapping[str, int]) -> float | Missing:
    return word if isinstance(word, Missing) else numbers[str(word)]
