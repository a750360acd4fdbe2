"""The comparison with nvidia-smi finds wrong values and lists what it could not compare; needs no GPU."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import Simulation
from tests.hardware.comparing import (
    Comparison,
    Exactly,
    Field,
    Outcome,
    Within,
    compare,
    compare_processes,
    leaves,
    over_all_observations,
    report,
)
from tests.hardware.expected import (
    DEVICE_ALONE,
    DEVICE_FIELDS,
    GPU_ALONE,
    GPU_FIELDS,
    HOST_FIELDS,
    REQUIRED_OF_DEVICE,
    REQUIRED_OF_GPU,
    REQUIRED_OF_HOST,
)
from tests.hardware.printed import printed
from tests.hardware.smi import Missing, SmiGpu, SmiLog, SmiProcess, parse
from tests.support.agents import agent_client
from tests.support.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterable

    import httpx

pytestmark = pytest.mark.anyio

MODELS = ["h100", "a100", "rtx4090", "gb10", "k80"]


def one_simulated_gpu(model: str) -> Simulation:
    clock = Clock()
    simulation = Simulation(1, models=[model], clock=clock, pcie_window_seconds=0)
    clock.now += 100  # by now the GPU has processes and is warm
    return simulation


async def answers_of(client: httpx.AsyncClient) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answers of /gpu and /status."""
    await client.get("/gpu")
    rich = await client.get("/gpu")
    status = await client.get("/status")
    assert rich.status_code == status.status_code == 200
    return rich.json(), status.json()["data"]


def differing(comparisons: Iterable[Comparison]) -> list[str]:
    return [one.label for one in comparisons if one.verdict is Outcome.DIFFERS]


def compared(comparisons: Iterable[Comparison]) -> set[str]:
    return {one.label for one in comparisons if one.verdict is not Outcome.NOT_COMPARED}


# A throughput needs time to pass, and the clock of these tests stands still.
RATES = {f"pcie.{name}_throughput_mbps" for name in ("tx", "rx", "total")}


@pytest.mark.parametrize("model", MODELS)
async def test_a_simulated_gpu_agrees_with_what_nvidia_smi_would_print_for_it(model: str) -> None:
    with one_simulated_gpu(model):
        async with agent_client() as client:
            rich, status = await answers_of(client)
            log = parse(printed())
    of_gpu = compare(GPU_FIELDS, rich["gpus"][0], log.gpus)
    of_device = compare(DEVICE_FIELDS, status["devices"][0], log.gpus)
    of_host = compare(HOST_FIELDS, rich, [log])
    every = [*of_gpu, *of_device, *of_host, *compare_processes(status["processes"], log.gpus)]
    assert set(differing(every)) <= RATES, report(every)
    assert compared(of_gpu) >= REQUIRED_OF_GPU
    assert compared(of_device) >= REQUIRED_OF_DEVICE
    assert compared(of_host) >= REQUIRED_OF_HOST


async def test_every_field_of_an_answer_is_compared_or_has_a_reason_why_not() -> None:
    with one_simulated_gpu("h100"):
        async with agent_client() as client:
            rich, status = await answers_of(client)
    assert {item.path for item in GPU_FIELDS} | set(GPU_ALONE) == set(leaves(rich["gpus"][0])), (
        "a new field stands in GPU_FIELDS or GPU_ALONE (tests/hardware/expected.py)"
    )
    assert {item.path for item in DEVICE_FIELDS} | set(DEVICE_ALONE) == set(leaves(status["devices"][0])), (
        "a new field stands in DEVICE_FIELDS or DEVICE_ALONE (tests/hardware/expected.py)"
    )


@pytest.mark.parametrize("item", GPU_FIELDS, ids=lambda item: item.label)
async def test_the_comparison_finds_a_wrong_value_in_each_field(item: Field[SmiGpu]) -> None:
    with one_simulated_gpu("rtx4090"):
        async with agent_client() as client:
            rich, _ = await answers_of(client)
            gpu = parse(printed()).gpus[0]
    gpu = replace(gpu, pcie_tx_kib_per_second=0, pcie_rx_kib_per_second=0)
    wrong = copy.deepcopy(rich["gpus"][0])
    *parents, name = item.path.split(".")
    section = wrong
    for parent in parents:
        section = section[parent]
    match section[name]:
        case bool(value):
            section[name] = not value
        case str():
            section[name] = "something else"
        case value if item.path == "throttling.reasons":
            section[name] = value ^ 0x20
        case value:
            section[name] = (value or 0) * 2 + 1000
    assert item.label in differing(compare([item], wrong, [gpu]))


def compared_with(answer: object, *reported: Any, allowed: Any = None) -> Comparison:
    item: Field[Any] = Field("value", lambda source: source, allowed or Exactly())
    (comparison,) = compare([item], {"value": answer}, reported)
    return comparison


def test_a_missing_tag_is_reported_and_never_counts_as_agreement() -> None:
    assert compared_with(3, Missing.NO_TAG).verdict is Outcome.NOT_COMPARED
    assert compared_with(None, Missing.NO_TAG).verdict is Outcome.NOT_COMPARED
    assert Missing.NO_TAG.value in report([compared_with(3, Missing.NO_TAG)])


def test_a_value_that_is_unknown_to_both_agrees() -> None:
    assert compared_with(None, Missing.NOT_AVAILABLE).verdict is Outcome.AGREES
    assert compared_with("N/A", Missing.NOT_AVAILABLE).verdict is Outcome.AGREES


def test_a_value_that_only_the_agent_knows_is_not_compared() -> None:
    assert compared_with(3, Missing.NOT_AVAILABLE).verdict is Outcome.NOT_COMPARED


@pytest.mark.parametrize("unknown", [None, "N/A"])
def test_a_value_that_only_nvidia_smi_knows_differs(unknown: str | None) -> None:
    assert compared_with(unknown, 3.0).verdict is Outcome.DIFFERS


@pytest.mark.parametrize(
    ("ours", "expected"),
    [(40, "agrees"), (50, "agrees"), (38, "agrees"), (52, "agrees"), (37.9, "DIFFERS"), (52.1, "DIFFERS")],
)
def test_a_live_value_agrees_if_it_is_between_the_values_before_and_after(ours: float, expected: str) -> None:
    allowed = Within("", absolute=2, relative=0.01)
    assert compared_with(ours, 40.0, 50.0, allowed=allowed).verdict == expected


def test_a_live_value_must_agree_in_one_observation_and_a_settled_value_in_all() -> None:
    right, wrong = compared_with(1, 1.0), compared_with(1, 2.0)
    assert over_all_observations([[wrong], [right]])[0].verdict is Outcome.AGREES
    always_right, once_wrong = replace(right, settled=True), replace(wrong, settled=True)
    assert over_all_observations([[always_right], [once_wrong]])[0].verdict is Outcome.DIFFERS


def listing(gpu: SmiGpu, *entries: SmiProcess) -> SmiGpu:
    return replace(gpu, processes=entries)


@pytest.fixture
def gpu() -> SmiGpu:
    """A GPU with an empty list of processes and no other value."""
    log: SmiLog = parse("<nvidia_smi_log><gpu><processes/></gpu></nvidia_smi_log>")
    return log.gpus[0]


OURS = {"pid": 7, "type": "C", "gpu_memory": "512MiB"}


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        pytest.param(SmiProcess(7, "C", 512), [], id="the same"),
        pytest.param(SmiProcess(7, "M+C", 512), [], id="a client of MPS"),
        pytest.param(SmiProcess(7, "C", Missing.NOT_AVAILABLE), [], id="memory is not reported"),
        pytest.param(SmiProcess(7, "G", 512), ["process 7.type"], id="another type"),
        pytest.param(SmiProcess(7, "C", 800), ["process 7.gpu_memory"], id="other memory"),
        pytest.param(SmiProcess(8, "C", 512), ["process 7", "process 8"], id="another pid"),
    ],
)
def test_processes_are_compared_by_pid(gpu: SmiGpu, entry: SmiProcess, wrong: list[str]) -> None:
    assert differing(compare_processes([OURS], [listing(gpu, entry)] * 2)) == wrong


def test_a_process_that_started_or_ended_meanwhile_does_not_differ(gpu: SmiGpu) -> None:
    entry = SmiProcess(7, "C", 512)
    assert not differing(compare_processes([], [gpu, listing(gpu, entry)]))
    assert not differing(compare_processes([OURS], [gpu, gpu], [listing(gpu, entry)]))


def test_a_missing_list_of_processes_is_not_compared(gpu: SmiGpu) -> None:
    (comparison,) = compare_processes([OURS], [replace(gpu, processes=Missing.NO_TAG)])
    assert comparison.verdict is Outcome.NOT_COMPARED
