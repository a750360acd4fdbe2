"""Margins, throttled time, repairs and the fabric of a real GPU beside nvidia-smi's; needs a GPU."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from agent.sources.gpu.paces import COUNTERS_PACE, SLOW_PACE
from tests.hardware.replayed_details import DETAILS
from tests.hardware.replayed_fabric import STATUS
from tests.hardware.smi import Untold, document_now, parse_xml

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
WARMING = 3  # degrees Celsius within the seconds that the agent keeps a margin


class Look:
    """What nvidia-smi said, what the agent answers a moment later, and what nvidia-smi says then."""

    def __init__(self, agent: Process) -> None:
        self.before = parse_xml(document_now()).findall("gpu")
        time.sleep(max(SLOW_PACE, COUNTERS_PACE) + 1)
        httpx.get(f"{agent.url}/gpu", timeout=30)
        time.sleep(1.5)  # the agent looks at the InfoROM after a sample
        self.ours = [
            gpu["detail"] for gpu in httpx.get(f"{agent.url}/gpu?detail=1", timeout=30).json()["gpus"]
        ]
        self.after = parse_xml(document_now()).findall("gpu")
        print(*self.ours, sep="\n")  # noqa: T201  (what real hardware said, with pytest -s)

    def of(self, path: str) -> list[tuple[Any, Any, Any]]:
        """Theirs, ours and theirs again of each GPU; those that nvidia-smi tells."""
        group, _, name = path.partition(".")
        rows = [
            (told(path, before), _at(ours[group], name), told(path, after))
            for before, ours, after in zip(self.before, self.ours, self.after, strict=True)
        ]
        return [row for row in rows if not isinstance(row[0], Untold)]


def told(path: str, gpu: Element) -> Any:
    return THEIRS[path](gpu)


def _at(held: Any, path: str) -> Any:
    for name in path.split("."):
        held = held[name]
    return held


@pytest.fixture(scope="module")
def look(agent: Process) -> Look:
    return Look(agent)


@pytest.mark.parametrize("path", SETTLED)
def test_what_hardly_changes_is_what_nvidia_smi_says(look: Look, path: str) -> None:
    for before, ours, after in look.of(path):
        assert ours in (before, after)


def test_the_margin_is_what_nvidia_smi_says(look: Look) -> None:
    for before, ours, after in look.of("temperatures.margin_celsius"):
        assert min(before, after) - WARMING <= ours <= max(before, after) + WARMING


@pytest.mark.parametrize("path", COUNTED)
def test_a_counter_has_the_unit_that_nvidia_smi_gives_it(look: Look, path: str) -> None:
    """It prints microseconds; no counter goes faster than time."""
    for before, ours, after in look.of(path):
        assert before - COUNTERS_PACE - 1 <= ours <= after + 0.001


def test_the_inforom_was_looked_at_and_is_well(look: Look) -> None:
    assert {detail["inforom_valid"] for detail in look.ours} <= {True, None}
    for detail in look.ours:
        if detail["inforom_valid"] is None:
            named = [name for names in detail["unknown"].values() for name in names]
            assert "detail.inforom_valid" in named
