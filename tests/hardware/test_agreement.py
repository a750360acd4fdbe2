"""On a real GPU every field of `/gpu` and `/status` agrees with nvidia-smi."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from agent.sources.gpu.paces import PROCESS_PACE
from tests.hardware.comparing import (
    Comparison,
    Outcome,
    compare,
    compare_processes,
    over_all_looks,
    report,
)
from tests.hardware.expected import (
    DEVICE_FIELDS,
    GPU_FIELDS,
    HOST_FIELDS,
    REQUIRED_OF_DEVICE,
    REQUIRED_OF_GPU,
    REQUIRED_OF_HOST,
)
from tests.hardware.smi import SmiGpu, SmiLog, run_smi

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from tests.support.agents import Process

pytestmark = pytest.mark.gpu

# A value that lives must agree at one of so many looks; one that is settled, at each.
LOOKS = 4
# Seconds before each look: longer than the agent keeps a process list, and all else but `slow` fields.
REST = PROCESS_PACE + 1.2


@dataclass(frozen=True, slots=True)
class Look:
    """What the agent answered, and what nvidia-smi said just before, just after, and earlier."""

    gpu: dict[str, Any]
    status: dict[str, Any]
    recent: tuple[SmiLog, SmiLog]
    earlier: tuple[SmiLog, ...]


@pytest.fixture(scope="module")
def looks(agent: Process) -> list[Look]:
    """Several, some seconds apart; the agent's sample is younger than the document before it."""
    logs = [run_smi()]
    taken: list[Look] = []
    for _ in range(LOOKS):
        time.sleep(REST)
        rich, status = fetch(agent, "/gpu"), fetch(agent, "/status")["data"]
        earlier = tuple(logs[:-1])
        logs.append(run_smi())
        taken.append(Look(rich, status, (logs[-2], logs[-1]), earlier))
    return taken


def fetch(agent: Process, path: str) -> Any:
    response = httpx.get(f"{agent.url}{path}", timeout=30)
    assert response.status_code == httpx.codes.OK, response.text
    return response.json()


def matching(logs: Iterable[SmiLog], uuid: str) -> list[SmiGpu]:
    """That GPU in each document. AssertionError where nvidia-smi does not know it."""
    found = [[gpu for gpu in log.gpus if gpu.uuid == uuid] for log in logs]
    assert all(len(gpus) == 1 for gpus in found), f"nvidia-smi does not list {uuid} just once"
    return [gpus[0] for gpus in found]


def check(
    what: str,
    compared: list[Comparison],
    required: Collection[str],
    record_property: Callable[[str, object], None],
) -> None:
    """Nothing differs and nothing required is left out; the whole list is printed."""
    text = report(compared)
    sys.stdout.write(f"\n{what}\n{text}\n")
    left_out = sorted(one.label for one in compared if one.verdict is Outcome.NOT_COMPARED)
    record_property(f"{what}: not compared", ", ".join(left_out))
    assert not [one for one in compared if one.verdict is Outcome.DIFFERS], f"{what}\n{text}"
    assert not set(required) & set(left_out), f"{what}: required, but not compared\n{text}"


def test_each_gpu_of_the_rich_api_agrees_with_nvidia_smi(
    looks: list[Look], record_property: Callable[[str, object], None]
) -> None:
    for uuid in [gpu["uuid"] for gpu in looks[0].gpu["gpus"]]:
        compared = over_all_looks(
            compare(GPU_FIELDS, gpu, matching(look.recent, uuid), matching(look.earlier, uuid))
            for look in looks
            for gpu in look.gpu["gpus"]
            if gpu["uuid"] == uuid
        )
        check(f"/gpu, {uuid}", compared, REQUIRED_OF_GPU, record_property)


def test_each_device_of_the_envelope_api_agrees_with_nvidia_smi(
    looks: list[Look], record_property: Callable[[str, object], None]
) -> None:
    for uuid in [device["uuid"] for device in looks[0].status["devices"]]:
        compared = over_all_looks(
            compare(DEVICE_FIELDS, device, matching(look.recent, uuid), matching(look.earlier, uuid))
            for look in looks
            for device in look.status["devices"]
            if device["uuid"] == uuid
        )
        check(f"/status, {uuid}", compared, REQUIRED_OF_DEVICE, record_property)


def test_driver_and_cuda_version_and_the_sums_agree_with_nvidia_smi(
    looks: list[Look], record_property: Callable[[str, object], None]
) -> None:
    compared = over_all_looks(compare(HOST_FIELDS, look.gpu, look.recent, look.earlier) for look in looks)
    check("/gpu as a whole", compared, REQUIRED_OF_HOST, record_property)


def test_every_answer_lists_the_gpus_that_nvidia_smi_lists_in_its_order(
    agent: Process, looks: list[Look]
) -> None:
    uuids = [gpu.uuid for gpu in looks[-1].recent[-1].gpus]
    assert fetch(agent, "/count")["data"] == len(uuids)
    for look in looks:
        assert look.status["count"] == look.gpu["gpu_count"] == len(uuids)
        assert [device["uuid"] for device in look.status["devices"]] == uuids
        assert [gpu["uuid"] for gpu in look.gpu["gpus"]] == uuids


def test_every_gpu_is_ok_fresh_and_not_simulated(looks: list[Look]) -> None:
    for look in looks:
        assert look.gpu["simulated"] is False
        assert look.gpu["status"] == "ok"
        assert len(look.gpu["gpus"]) == len(look.status["devices"]) > 0
        for gpu in look.gpu["gpus"]:
            assert (gpu["state"], gpu["error"]) == ("ok", None)
            assert gpu["age_ms"] <= 2000, "two sample intervals"
        for device in look.status["devices"]:
            assert device["state"] == "ok"
            assert "error" not in device


def test_the_processes_agree_with_nvidia_smi(
    agent: Process, looks: list[Look], record_property: Callable[[str, object], None]
) -> None:
    assert looks[0].status["devices"]
    for index, uuid in enumerate([device["uuid"] for device in looks[0].status["devices"]]):
        per_look = [
            compare_processes(
                [entry for entry in look.status["processes"] if entry["idx"] == index],
                matching(look.recent, uuid),
                matching(look.earlier, uuid),
            )
            for look in looks
        ]
        check(f"processes of {uuid}", over_all_looks(per_look), (), record_property)
    for look in looks:
        pids = {entry["pid"] for entry in look.status["processes"]}
        assert agent.popen.pid not in pids, "looking takes no context on a GPU"
