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
    over_all_observations,
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

# A live value must agree in one of these observations; a settled one in each.
OBSERVATIONS = 4
# Seconds before each observation: longer than the agent keeps any value except those of `slow` fields.
REST = PROCESS_PACE + 1.2


@dataclass(frozen=True, slots=True)
class Observation:
    """The answers of the agent, and the outputs of nvidia-smi just before, just after, and earlier."""

    gpu: dict[str, Any]
    status: dict[str, Any]
    recent: tuple[SmiLog, SmiLog]
    earlier: tuple[SmiLog, ...]


@pytest.fixture(scope="module")
def observations(agent: Process) -> list[Observation]:
    """Several observations, seconds apart. The agent's sample is newer than the output before it."""
    logs = [run_smi()]
    taken: list[Observation] = []
    for _ in range(OBSERVATIONS):
        time.sleep(REST)
        rich, status = fetch(agent, "/gpu"), fetch(agent, "/status")["data"]
        earlier = tuple(logs[:-1])
        logs.append(run_smi())
        taken.append(Observation(rich, status, (logs[-2], logs[-1]), earlier))
    return taken


def fetch(agent: Process, path: str) -> Any:
    response = httpx.get(f"{agent.url}{path}", timeout=30)
    assert response.status_code == httpx.codes.OK, response.text
    return response.json()


def matching(logs: Iterable[SmiLog], uuid: str) -> list[SmiGpu]:
    """The GPU with this UUID in each output. AssertionError if nvidia-smi does not list it."""
    found = [[gpu for gpu in log.gpus if gpu.uuid == uuid] for log in logs]
    assert all(len(gpus) == 1 for gpus in found), f"nvidia-smi does not list {uuid} just once"
    return [gpus[0] for gpus in found]


def check(
    what: str,
    compared: list[Comparison],
    required: Collection[str],
    record_property: Callable[[str, object], None],
) -> None:
    """Check that no field differs and every required one was compared; print the whole list."""
    text = report(compared)
    sys.stdout.write(f"\n{what}\n{text}\n")
    left_out = sorted(one.label for one in compared if one.verdict is Outcome.NOT_COMPARED)
    record_property(f"{what}: not compared", ", ".join(left_out))
    assert not [one for one in compared if one.verdict is Outcome.DIFFERS], f"{what}\n{text}"
    assert not set(required) & set(left_out), f"{what}: required, but not compared\n{text}"


def test_each_gpu_in_gpu_agrees_with_nvidia_smi(
    observations: list[Observation], record_property: Callable[[str, object], None]
) -> None:
    for uuid in [gpu["uuid"] for gpu in observations[0].gpu["gpus"]]:
        compared = over_all_observations(
            compare(GPU_FIELDS, gpu, matching(observation.recent, uuid), matching(observation.earlier, uuid))
            for observation in observations
            for gpu in observation.gpu["gpus"]
            if gpu["uuid"] == uuid
        )
        check(f"/gpu, {uuid}", compared, REQUIRED_OF_GPU, record_property)


def test_each_device_in_status_agrees_with_nvidia_smi(
    observations: list[Observation], record_property: Callable[[str, object], None]
) -> None:
    for uuid in [device["uuid"] for device in observations[0].status["devices"]]:
        compared = over_all_observations(
            compare(
                DEVICE_FIELDS, device, matching(observation.recent, uuid), matching(observation.earlier, uuid)
            )
            for observation in observations
            for device in observation.status["devices"]
            if device["uuid"] == uuid
        )
        check(f"/status, {uuid}", compared, REQUIRED_OF_DEVICE, record_property)


def test_the_versions_and_the_sums_in_gpu_agree_with_nvidia_smi(
    observations: list[Observation], record_property: Callable[[str, object], None]
) -> None:
    compared = over_all_observations(
        compare(HOST_FIELDS, observation.gpu, observation.recent, observation.earlier)
        for observation in observations
    )
    check("/gpu as a whole", compared, REQUIRED_OF_HOST, record_property)


def test_every_answer_lists_the_same_gpus_in_the_same_order_as_nvidia_smi(
    agent: Process, observations: list[Observation]
) -> None:
    uuids = [gpu.uuid for gpu in observations[-1].recent[-1].gpus]
    assert fetch(agent, "/count")["data"] == len(uuids)
    for observation in observations:
        assert observation.status["count"] == observation.gpu["gpu_count"] == len(uuids)
        assert [device["uuid"] for device in observation.status["devices"]] == uuids
        assert [gpu["uuid"] for gpu in observation.gpu["gpus"]] == uuids


def test_every_gpu_is_ok_fresh_and_not_simulated(observations: list[Observation]) -> None:
    for observation in observations:
        assert observation.gpu["simulated"] is False
        assert observation.gpu["status"] == "ok"
        assert len(observation.gpu["gpus"]) == len(observation.status["devices"]) > 0
        for gpu in observation.gpu["gpus"]:
            assert (gpu["state"], gpu["error"]) == ("ok", None)
            assert gpu["age_ms"] <= 2000, "two sample intervals"
        for device in observation.status["devices"]:
            assert device["state"] == "ok"
            assert "error" not in device


def test_the_processes_in_status_agree_with_nvidia_smi(
    agent: Process, observations: list[Observation], record_property: Callable[[str, object], None]
) -> None:
    assert observations[0].status["devices"]
    for index, uuid in enumerate([device["uuid"] for device in observations[0].status["devices"]]):
        per_observation = [
            compare_processes(
                [entry for entry in observation.status["processes"] if entry["idx"] == index],
                matching(observation.recent, uuid),
                matching(observation.earlier, uuid),
            )
            for observation in observations
        ]
        check(f"processes of {uuid}", over_all_observations(per_observation), (), record_property)
    for observation in observations:
        pids = {entry["pid"] for entry in observation.status["processes"]}
        assert agent.popen.pid not in pids, "looking takes no context on a GPU"
