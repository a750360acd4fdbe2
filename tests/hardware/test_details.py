"""The details of a real GPU beside what nvidia-smi says of it; needs a GPU."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from agent.sources.gpu.stand_ins import STAND_INS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.agents import Process

pytestmark = pytest.mark.gpu

ENABLED = {"Enabled": True, "Disabled": False}


def whole(text: str) -> int:
    return int(float(text))


# Field of nvidia-smi --query-gpu -> where we have it, and what makes our value of its word.
SAME: dict[str, tuple[tuple[str, str], Callable[[str], Any]]] = {
    "serial": (("board", "serial"), str),
    "vbios_version": (("board", "vbios_version"), str),
    "pci.bus_id": (("board", "pci_bus_id"), str),
    "compute_cap": (("board", "compute_capability"), str),
    "persistence_mode": (("modes", "persistence_mode"), ENABLED.__getitem__),
    "ecc.mode.current": (("modes", "ecc_enabled"), ENABLED.__getitem__),
    "enforced.power.limit": (("power", "enforced_limit_watts"), float),
    "power.default_limit": (("power", "default_limit_watts"), float),
    "pcie.link.width.max": (("pcie", "card_width"), whole),
    "clocks.max.sm": (("clocks", "max_sm_mhz"), whole),
    "ecc.errors.corrected.volatile.total": (("ecc", "corrected_volatile"), whole),
    "ecc.errors.uncorrected.volatile.total": (("ecc", "uncorrected_volatile"), whole),
    "ecc.errors.corrected.aggregate.total": (("ecc", "corrected_aggregate"), whole),
    "ecc.errors.uncorrected.aggregate.total": (("ecc", "uncorrected_aggregate"), whole),
}
SUBJECTS = {"ecc": "memory_errors"}  # of a reading, by the name of the group in an answer
UNTOLD = ("[N/A]", "[Not Supported]", "[Unknown Error]", "N/A")


def smi(field: str) -> list[str]:
    """One field of every GPU; UNTOLD where this nvidia-smi does not know it."""
    asked = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader,nounits"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603  (no outside input)
    return [line.strip() for line in done.stdout.splitlines()] if done.returncode == 0 else []


@pytest.fixture(scope="module")
def gpus(agent: Process) -> Any:
    answer = httpx.get(f"{agent.url}/gpu?detail=1", timeout=30).json()
    print(f"topology: {answer['topology']}")  # noqa: T201  (what real hardware said, with pytest -s)
    assert answer["gpus"]
    for gpu in answer["gpus"]:
        print(f"GPU {gpu['id']}: {gpu['health']} {gpu['detail']}")  # noqa: T201  (as above)
    return answer["gpus"]


@pytest.mark.parametrize("field", SAME)
def test_a_detail_is_what_nvidia_smi_says(gpus: Any, field: str) -> None:
    (group, name), meaning = SAME[field]
    told = smi(field)
    assert told
    for gpu, theirs in zip(gpus, told, strict=False):
        ours = gpu["detail"][group][name]
        if theirs in UNTOLD:
            by_another_name = f"{SUBJECTS.get(group, group)}.{name}" in STAND_INS
            assert not ours or by_another_name, f"{field}: nvidia-smi does not know it"
        else:
            assert ours == meaning(theirs)


def test_a_gpu_has_its_memory_its_power_and_its_energy(gpus: Any) -> None:
    for gpu in gpus:
        detail = gpu["detail"]
        assert detail["modes"]["performance_state"] is not None
        assert (
            detail["temperatures"]["shutdown_celsius"] is None
            or detail["temperatures"]["shutdown_celsius"] > 60
        )
        assert detail["power"]["energy_joules"] is None or detail["power"]["energy_joules"] > 0


def test_an_idle_gpu_of_a_lender_is_well(gpus: Any) -> None:
    assert {gpu["health"]["verdict"] for gpu in gpus} <= {"healthy", "warning"}
