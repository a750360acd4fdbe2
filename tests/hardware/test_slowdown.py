"""Margins, throttled time, repairs and the fabric of a real GPU agree with nvidia-smi; needs a GPU."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from agent.sources.gpu.paces import COUNTERS_PACE, SLOW_PACE
from tests.hardware.replayed_details import DETAILS
from tests.hardware.replayed_fabric import STATUS
from tests.hardware.smi import Missing, document_now, parse_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from tests.support.agents import Process

pytestmark = pytest.mark.gpu

THEIRS = dict(DETAILS)
SETTLED = [
    *(
        f"temperatures.{name}_margin_celsius"
        for name in ("max_operating", "slowdown", "shutdown", "memory_max")
    ),
    *("ecc.sram_threshold_exceeded", "ecc.unrepairable_memory"),
    *("repairs.channel_pending", "repairs.tpc_pending"),
    *(path for path in THEIRS if path.startswith("fabric.") and path != STATUS),
]
COUNTED = [path for path in THEIRS if path.startswith("throttled_seconds.") and path[-7:] != "thermal"]
WARMING = 3  # maximum change in degrees Celsius while the agent keeps a margin


class Observation:
    """The output of nvidia-smi, the answer of the agent just after it, and the output after that."""

    def __init__(self, agent: Process) -> None:
        self.before = parse_xml(document_now()).findall("gpu")
        time.sleep(max(SLOW_PACE, COUNTERS_PACE) + 1)
        httpx.get(f"{agent.url}/gpu", timeout=30)
        time.sleep(1.5)  # the agent reads the InfoROM after a sample
        self.ours = [
            gpu["detail"] for gpu in httpx.get(f"{agent.url}/gpu?detail=1", timeout=30).json()["gpus"]
        ]
        self.after = parse_xml(document_now()).findall("gpu")
        print(*self.ours, sep="\n")  # noqa: T201  (the values of real hardware, with pytest -s)

    def of(self, path: str) -> list[tuple[Any, Any, Any]]:
        """For each GPU: the value of nvidia-smi, ours, and theirs again, if nvidia-smi reports it."""
        group, _, name = path.partition(".")
        rows = [
            (smi_value(path, before), _at(ours[group], name), smi_value(path, after))
            for before, ours, after in zip(self.before, self.ours, self.after, strict=True)
        ]
        return [row for row in rows if not isinstance(row[0], Missing)]


def smi_value(path: str, gpu: Element) -> Any:
    return THEIRS[path](gpu)


def _at(held: Any, path: str) -> Any:
    for name in path.split("."):
        held = held[name]
    return held


@pytest.fixture(scope="module")
def observation(agent: Process) -> Observation:
    return Observation(agent)


@pytest.mark.parametrize("path", SETTLED)
def test_a_value_that_hardly_changes_agrees_with_nvidia_smi(observation: Observation, path: str) -> None:
    for before, ours, after in observation.of(path):
        assert ours in (before, after)


def test_the_thermal_margin_agrees_with_nvidia_smi(observation: Observation) -> None:
    for before, ours, after in observation.of("temperatures.margin_celsius"):
        assert min(before, after) - WARMING <= ours <= max(before, after) + WARMING


@pytest.mark.parametrize("path", COUNTED)
def test_each_counter_has_the_same_unit_as_in_nvidia_smi(observation: Observation, path: str) -> None:
    """nvidia-smi prints microseconds. No counter runs faster than time."""
    for before, ours, after in observation.of(path):
        assert before - COUNTERS_PACE - 1 <= ours <= after + 0.001


def test_the_inforom_is_valid_or_its_state_is_unknown_for_a_reason(observation: Observation) -> None:
    assert {detail["inforom_valid"] for detail in observation.ours} <= {True, None}
    for detail in observation.ours:
        if detail["inforom_valid"] is None:
            named = [name for names in detail["unknown"].values() for name in names]
            assert "detail.inforom_valid" in named
