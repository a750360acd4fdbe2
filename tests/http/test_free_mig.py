"""`/free?mig=1`: MIG instances over HTTP, with all other parameters of `/free`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import SimulatedProcess, Simulation
from tests.http.schema import faults, response_schema
from tests.support.agents import agent_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

pytestmark = pytest.mark.anyio

GIB = 2**30


@pytest.fixture
def parted() -> Iterator[Simulation]:
    """GPU 0 has no MIG mode. GPU 1 has three instances, with a process on the second."""
    with Simulation(2, models=["a100"]) as simulation:
        for gpu in simulation.gpus:
            gpu.fix(memory_used=0, gpu_utilization=0, temperature=30)
            gpu.processes = []
        simulation.gpus[1].enable_mig("3g.40gb", "1g.10gb", "1g.10gb")
        simulation.gpus[1].processes = [SimulatedProcess(2**22 + 1, "C", GIB, mig_index=1)]
        yield simulation


def uuid_of(simulation: Simulation, mig_index: int) -> str | None:
    return simulation.gpus[1].mig_instances[mig_index].uuid


async def data(client: httpx.AsyncClient, query: str) -> Any:
    response = await client.get(f"/free?{query}")
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def test_mig_instances_are_offered_by_their_uuids(parted: Simulation) -> None:
    large, small = uuid_of(parted, 0), uuid_of(parted, 2)
    async with agent_client() as client:
        offer = await data(client, "mig=1&count=4")
        plain = await client.get("/free?mig=true&count=2&format=plain")
        too_many = await client.get("/free?mig=1&count=4&format=plain")
        slices = (await client.get("/gpu?idx=1")).json()["gpus"][0]["mig"]
        document = (await client.get("/openapi.json")).json()
    assert [(gpu["idx"], gpu.get("mig_index")) for gpu in offer["gpus"]] == [(1, 0), (1, 2), (0, None)]
    assert (offer["gpus"][0]["uuid"], offer["gpus"][0]["name"]) == (
        large,
        "NVIDIA A100-SXM4-80GB MIG 3g.40gb",
    )
    assert offer["passed_over"] == [{"idx": 1, "reason": "a compute process runs on it", "mig_index": 1}]
    assert (plain.text, too_many.status_code) == (f"{large},{small}\n", 409)
    assert [one["uuid"] for one in slices] == [uuid_of(parted, number) for number in range(3)]
    assert [(one["profile"], one["processes"]) for one in slices] == [
        ("3g.40gb", 0),
        ("1g.10gb", 1),
        ("1g.10gb", 0),
    ]
    schema = response_schema(document, "/free", 200)
    assert list(faults({"code": 0, "data": offer}, schema, document)) == []


@pytest.mark.parametrize("query", ["", "mig=0", "mig="])
async def test_without_the_parameter_mig_no_instance_is_offered(parted: Simulation, query: str) -> None:
    async with agent_client() as client:
        offer = await data(client, f"count=4&{query}")
    assert [gpu["uuid"] for gpu in offer["gpus"]] == [parted.gpus[0].values.uuid]
    assert offer["passed_over"] == [{"idx": 1, "reason": "MIG is enabled: programs use one of its instances"}]


@pytest.mark.usefixtures("parted")
async def test_the_parameters_filter_mig_instances() -> None:
    async with agent_client() as client:
        large = await data(client, "mig=1&count=4&min_free_memory=20GiB")
        idle = await data(client, "mig=1&count=4&max_utilization=100")
        foreign = await data(client, "mig=1&count=4&exclude_users=ann")
    assert [(gpu["idx"], gpu.get("mig_index")) for gpu in large["gpus"]] == [(1, 0), (0, None)]
    assert [gpu["idx"] for gpu in idle["gpus"]] == [0], "no driver reports the utilization of an instance"
    reasons = {one.get("mig_index"): one["reason"] for one in foreign["passed_over"]}
    assert reasons == {1: "the owner of a process on it is unknown"}


async def test_an_instance_offered_to_a_waiting_request_is_withheld(parted: Simulation) -> None:
    """The other instances of its GPU are not withheld."""
    async with agent_client() as client:
        given = await data(client, "mig=1&wait=5")
        offer = await data(client, "mig=1&count=4")
    assert given["cuda_visible_devices"] == uuid_of(parted, 0)
    assert (offer["withheld"], [gpu.get("mig_index") for gpu in offer["gpus"]]) == (1, [2, None])


async def test_the_simulated_scenario_mig_has_free_instances() -> None:
    with Simulation(4, scenario="mig"):
        async with agent_client() as client:
            offer = await data(client, "mig=1")
    assert offer["cuda_visible_devices"].startswith("MIG-")


@pytest.mark.usefixtures("parted")
async def test_an_invalid_value_of_the_parameter_mig_is_refused() -> None:
    async with agent_client() as client:
        answer = await client.get("/free?mig=2")
    assert (answer.status_code, answer.json()["code"]) == (400, 1)
    assert "mig" in answer.json()["error"]
