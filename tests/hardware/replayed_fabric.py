"""The NVLink fabric in a document of nvidia-smi, parsed independently of the replay."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from tests.hardware.smi import Untold, told_number, told_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from xml.etree.ElementTree import Element

    from tests.hardware.comparing import Theirs

STATUS = "fabric.status"  # in lower case on both sides: each version of NVML writes its words otherwise
# By what they are called in /metrics.
STATES = {"not_started": 1, "in_progress": 2, "completed": 3}
SUMMARIES = {"healthy": 1, "unhealthy": 2, "limited_capacity": 3}
_TRUE = {"true": True, "false": False}
_DEGRADED = {"degraded": True, "full": False}


def _word(path: str) -> Callable[[Element], Theirs]:
    """In lower case, with underscores."""

    def read(gpu: Element) -> Theirs:
        text = told_text(gpu, path)
        return text if isinstance(text, Untold) else text.lower().replace(" ", "_")

    return read


def _one_of(meanings: Mapping[str, bool], path: str) -> Callable[[Element], Theirs]:
    def read(gpu: Element) -> Theirs:
        word = _word(path)(gpu)
        return word if isinstance(word, Untold) else meanings.get(str(word), Untold.NOT_AVAILABLE)

    return read


def _once_completed(told: Callable[[Element], Theirs]) -> Callable[[Element], Theirs]:
    """Before that it means nothing."""
    state = _word("fabric/state")
    return lambda gpu: told(gpu) if state(gpu) == "completed" else Untold.NOT_AVAILABLE


def _status(gpu: Element) -> Theirs:
    """Words of an error are a value here, and no reason why there is none."""
    words = gpu.findtext("fabric/status", "N/A").strip().lower()
    return Untold.NOT_AVAILABLE if words == "n/a" else words


def _cluster_uuid(gpu: Element) -> Theirs:
    """Zeros stand for none; where it was made unreadable on purpose, it is none either."""
    try:
        told = uuid.UUID(str(told_text(gpu, "fabric/clusterUuid")))
    except ValueError:
        return Untold.NOT_AVAILABLE
    return str(told) if told.int else Untold.NOT_AVAILABLE


def _fault(gpu: Element) -> Theirs:
    """A word that is not known here has no number in the simulated driver either."""
    word = _word(f"{_HEALTH}/incorrect_configuration")(gpu)
    return word if word in _FAULTS else Untold.NOT_AVAILABLE


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
    ("fabric.clique_id", _once_completed(lambda gpu: told_number(gpu, "fabric/cliqueId"))),
    ("fabric.health.summary", _word(f"{_HEALTH}/summary")),
    *((f"fabric.health.{name}", told) for name, told in _FLAGS.items()),
    ("fabric.health.incorrect_configuration", _fault),
    ("fabric.health.manager_connected", lambda _: Untold.NO_TAG),
)


def fabric_series(gpu: Element) -> Iterator[tuple[str, str, dict[str, str], float | Untold]]:
    """The path in /gpu, the family, its labels and the value."""
    told = {path: read(gpu) for path, read in FABRIC}
    yield "detail.fabric.state", "fabric_state", {}, _number(told["fabric.state"], STATES)
    summary = told["fabric.health.summary"]
    yield "detail.fabric.health.summary", "fabric_health", {}, _number(summary, SUMMARIES)
    for name in _FLAGS:
        flag = told[f"fabric.health.{name}"]
        is_wanted = name == "partition_assigned"
        trouble = "no_partition" if is_wanted else name
        value = flag if isinstance(flag, Untold) else float(bool(flag) != is_wanted)
        yield f"detail.fabric.health.{name}", "fabric_trouble", {"trouble": trouble}, value
    wrong = told["fabric.health.incorrect_configuration"]
    value = wrong if isinstance(wrong, Untold) else float(wrong != "none")
    path, trouble = "detail.fabric.health.incorrect_configuration", "incorrect_configuration"
    yield path, "fabric_trouble", {"trouble": trouble}, value


def _number(word: Theirs, numbers: Mapping[str, int]) -> float | Untold:
    return word if isinstance(word, Untold) else numbers[str(word)]
