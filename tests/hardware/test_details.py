"""The details of a real GPU agree with nvidia-smi; needs a GPU."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from agent.sources.gpu.stand_ins import STAND_INS
from tests.hardware.comparing import look_up
from tests.hardware.replayed_details import DETAILS
from tests.hardware.smi import Missing, parse_xml

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.agents import Process

pytestmark = pytest.mark.gpu

ENABLED = {"Enabled": True, "Disabled": False}


def whole(text: str) -> int:
    return int(float(text))


# By the field of nvidia-smi --query-gpu: the path in `detail`, and the conversion of its text to our value.
def mebibytes(text: str) -> Any:
    """Within 1 MiB: nvidia-smi subtracts rounded numbers, and printed 616 for an H200 that reports 615.1."""
    return pytest.approx(float(text), abs=1)


SAME: dict[str, tuple[tuple[str, ...], Callable[[str], Any]]] = {
    "serial": (("board", "serial"), str),
    "vbios_version": (("board", "vbios_version"), str),
    "pci.bus_id": (("board", "pci_bus_id"), str),
    "compute_cap": (("board", "compute_capability"), str),
    "persistence_mode": (("modes", "persistence_mode"), ENABLED.__getitem__),
    "ecc.mode.current": (("modes", "ecc_enabled"), ENABLED.__getitem__),
    "ecc.mode.pending": (("modes", "ecc_pending"), ENABLED.__getitem__),
    "mig.mode.pending": (("modes", "mig_pending"), ENABLED.__getitem__),
    "memory.reserved": (("memory", "reserved_mb"), mebibytes),
    "enforced.power.limit": (("power", "enforced_limit_watts"), float),
    "power.min_limit": (("power", "min_limit_watts"), float),
    "power.max_limit": (("power", "max_limit_watts"), float),
    "power.default_limit": (("power", "default_limit_watts"), float),
    "pcie.link.width.max": (("pcie", "card_width"), whole),
    "pcie.link.gen.gpumax": (("pcie", "card_generation"), whole),
    "pcie.link.gen.hostmax": (("pcie", "port_generation"), whole),
    "encoder.stats.sessionCount": (("engines", "encoder_sessions", "count"), whole),
    "encoder.stats.averageFps": (("engines", "encoder_sessions", "fps"), whole),
    "encoder.stats.averageLatency": (("engines", "encoder_sessions", "latency_microseconds"), whole),
    "clocks.max.sm": (("clocks", "max_sm_mhz"), whole),
    "ecc.errors.corrected.volatile.total": (("ecc", "corrected_volatile"), whole),
    "ecc.errors.uncorrected.volatile.total": (("ecc", "uncorrected_volatile"), whole),
    "ecc.errors.corrected.aggregate.total": (("ecc", "corrected_aggregate"), whole),
    "ecc.errors.uncorrected.aggregate.total": (("ecc", "uncorrected_aggregate"), whole),
    **{
        f"ecc.errors.{kind}.{since}.dram": (("ecc", "dram", f"{kind}_{since}"), whole)
        for kind in ("corrected", "uncorrected")
        for since in ("volatile", "aggregate")
    },
}
SUBJECTS = {"ecc": "memory_errors"}  # the subject of a reading, by the name of the group in an answer
STILL = (  # paths in `detail` of values that do not change
    "board.architecture",
    "board.gsp_firmware_version",
    "modes.virtualization_mode",
    "modes.addressing_mode",
    "power.module.limit_watts",
    "engines.encoder_sessions.count",
    "engines.capture_sessions.count",
    "pcie.card_generation",
    "pcie.port_generation",
    *(
        f"ecc.sram.{kind}_{since}"
        for kind in ("corrected", "parity", "secded")
        for since in ("volatile", "aggregate")
    ),
)
UNTOLD = ("[N/A]", "[Not Supported]", "[Unknown Error]", "N/A")


def smi(field: str) -> list[str]:
    """One field of every GPU; UNTOLD if this nvidia-smi does not know it."""
    command = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (no outside input)
    return [line.strip() for line in done.stdout.splitlines()] if done.returncode == 0 else []


@pytest.fixture(scope="module")
def gpus(agent: Process) -> Any:
    answer = httpx.get(f"{agent.url}/gpu?detail=1", timeout=30).json()
    print(f"topology: {answer['topology']}")  # noqa: T201  (the values of real hardware, with pytest -s)
    assert answer["gpus"]
    for gpu in answer["gpus"]:
        print(f"GPU {gpu['id']}: {gpu['health']} {gpu['detail']}")  # noqa: T201  (as above)
    return answer["gpus"]


@pytest.mark.parametrize("field", SAME)
def test_each_detail_agrees_with_nvidia_smi(gpus: Any, field: str) -> None:
    (group, *names), meaning = SAME[field]
    reported = smi(field)
    assert reported
    for gpu, theirs in zip(gpus, reported, strict=False):
        ours = gpu["detail"][group]
        for name in names:
            ours = ours[name]
        if theirs in UNTOLD:
            by_another_name = f"{SUBJECTS.get(group, group)}.{names[0]}" in STAND_INS
            assert not ours or by_another_name, f"{field}: nvidia-smi does not know it"
        else:
            assert ours == meaning(theirs)


def test_the_performance_state_is_known_and_temperature_and_energy_are_plausible(gpus: Any) -> None:
    for gpu in gpus:
        detail = gpu["detail"]
        assert detail["modes"]["performance_state"] is not None
        assert (
            detail["temperatures"]["shutdown_celsius"] is None
            or detail["temperatures"]["shutdown_celsius"] > 60
        )
        assert detail["power"]["energy_joules"] is None or detail["power"]["energy_joules"] > 0


def test_no_idle_gpu_is_critical(gpus: Any) -> None:
    assert {gpu["health"]["verdict"] for gpu in gpus} <= {"healthy", "warning"}


def test_constant_details_agree_with_the_xml_of_nvidia_smi(gpus: Any) -> None:
    """These values do not change; their names are those of `nvidia-smi -q -x`."""
    command = ["nvidia-smi", "-q", "-x"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  (no outside input)
    theirs = dict(DETAILS)
    for gpu, element in zip(gpus, parse_xml(done.stdout).findall("gpu"), strict=False):
        for path in STILL:
            reported, ours = theirs[path](element), look_up(gpu["detail"], path)
            assert ours == (None if isinstance(reported, Missing) else reported), path


def test_used_free_and_reserved_memory_add_up_to_the_total(gpus: Any) -> None:
    for gpu in gpus:
        memory, reserved = gpu["memory"], gpu["detail"]["memory"]["reserved_mb"]
        if reserved is not None and memory["total_mb"] is not None:
            parts = memory["used_mb"] + memory["free_mb"] + reserved
            assert parts == pytest.approx(memory["total_mb"], abs=0.3)


def test_the_power_of_the_memory_is_a_part_of_the_power_of_the_gpu(gpus: Any) -> None:
    for gpu in gpus:
        of_memory = gpu["detail"]["power"]["memory"]["average_watts"]
        assert of_memory is None or 0 < of_memory < gpu["power"]["usage_watts"] + 10


def test_each_listed_nvlink_has_the_speed_that_nvidia_smi_reports(gpus: Any) -> None:
    """`nvidia-smi nvlink -s` has a line for each link: its speed in GB/s, or <inactive>."""
    command = ["nvidia-smi", "nvlink", "-s"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (no outside input)
    of_gpus = re.split(r"^GPU \d+:.*$", done.stdout, flags=re.MULTILINE)[1:]
    for gpu, lines in zip(gpus, of_gpus, strict=False):
        theirs = {
            int(link): None if speed == "<inactive>" else float(speed.split()[0])
            for link, speed in re.findall(r"Link (\d+): (.+)", lines)
        }
        for link in gpu["detail"]["nvlinks"] or ():
            speed = theirs[link["link"]]
            assert link["speed_mbps"] == (None if speed is None else pytest.approx(speed * 1000, rel=0.01))
