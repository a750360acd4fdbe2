"""Health of GPUs through the whole agent: /gpu, /status, /ready, /free."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import Simulation
from tests.http.wire import error_in
from tests.support.agents import agent_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx

pytestmark = pytest.mark.anyio

SICK = [  # the verdict on each GPU of the scenario, and its finding
    ("healthy", None),
    ("warning", "remapping_pending"),
    ("critical", "ecc_uncorrected"),
    ("warning", "nvlink_down"),
    ("warning", "pcie_degraded"),
    ("warning", "power_brake"),
]


@asynccontextmanager
async def agent(gpus: int = 2, scenario: str = "healthy", **environ: str) -> AsyncIterator[Any]:
    with Simulation(gpus, scenario=scenario) as simulation:
        async with agent_client(**environ) as client:
            yield simulation, client


async def gpus_of(client: httpx.AsyncClient, query: str = "") -> Any:
    return (await client.get(f"/gpu{query}")).json()["gpus"]


async def until(condition: Callable[[Any], bool], client: httpx.AsyncClient, query: str = "?detail=1") -> Any:
    """The GPUs once the condition is true; requested repeatedly, as by a page."""
    async with asyncio.timeout(15):
        while True:
            gpus = await gpus_of(client, query)
            if condition(gpus):
                return gpus
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_each_finding_is_in_every_answer() -> None:
    async with agent(6, "sick") as (_, client):
        await until(
            lambda gpus: bool(gpus[4]["health"]["reasons"]), client, ""
        )  # found in its second reading
        plain, detailed = await gpus_of(client), await gpus_of(client, "?detail=1")
        status = (await client.get("/status")).json()["data"]["devices"]
        ready = (await client.get("/ready")).json()

    assert [gpu["health"]["verdict"] for gpu in plain] == [verdict for verdict, _ in SICK]
    assert [device["health"]["verdict"] for device in status] == [verdict for verdict, _ in SICK]
    names = [[finding["name"] for finding in gpu["detail"]["findings"]] for gpu in detailed]
    assert names == [[name] if name else [] for _, name in SICK]
    assert [len(gpu["health"]["reasons"]) for gpu in plain] == [0, 1, 1, 1, 1, 1]
    assert status[1]["health"]["reasons"] == [
        "A faulty row of memory is remapped at the next reset; reset the GPU when its work is done"
    ]
    assert ready["health"] == {"healthy": 1, "warning": 4, "critical": 1}


async def test_a_critical_gpu_is_never_offered() -> None:
    with Simulation(3, scenario="sick") as simulation:
        for gpu in simulation.gpus:
            gpu.fix(memory_used=0, gpu_utilization=0)
            gpu.processes = []
        async with agent_client() as client:
            offer = (await client.get("/free?count=3")).json()["data"]

    assert sorted(gpu["idx"] for gpu in offer["gpus"]) == [0, 1]
    assert offer["passed_over"] == [
        {"idx": 2, "reason": "it is not healthy: 2 uncorrected ECC errors since the driver was loaded"}
    ]


async def test_details_are_only_in_answers_to_requests_with_detail() -> None:
    async with agent() as (_, client):
        plain = (await client.get("/gpu")).json()
        detailed = (await client.get("/gpu?detail=1")).json()

    assert "topology" not in plain
    assert len(plain["gpus"]) == len(detailed["gpus"]) == 2
    assert all("detail" not in gpu for gpu in plain["gpus"])
    assert detailed["topology"] == [["X", "NV18"], ["NV18", "X"]]
    assert all("detail" in gpu for gpu in detailed["gpus"])


async def test_the_topology_is_read_once() -> None:
    with Simulation(5, models=["rtx4090"]) as simulation:
        async with agent_client(SAMPLE_INTERVAL="0.5") as client:
            await client.get("/gpu")  # the topology is read after this answer
            await asyncio.sleep(0.6)
            first = (await client.get("/gpu?detail=1")).json()["topology"][0]
            calls = simulation.calls["nvmlDeviceGetTopologyCommonAncestor"]
            await asyncio.sleep(0.6)
            await client.get("/gpu?detail=1")

    assert first == ["X", "PIX", "NODE", "NODE", "SYS"]
    assert simulation.calls["nvmlDeviceGetTopologyCommonAncestor"] == calls == 10


async def test_lists_of_a_gpu_that_cannot_be_read_are_null() -> None:
    """An empty list would mean that it has no fan, no process and no limit."""
    async with agent(2) as (simulation, client):
        simulation.gpus[1].lose()
        well, lost = await until(lambda gpus: gpus[1]["state"] == "lost", client)

    def lists(gpu: Any) -> dict[str, Any]:
        all_of_it = {**gpu, **gpu["throttling"], **gpu["detail"]}
        names = ("top_processes", "reason_names", "bottlenecks", "fans", "nvlinks", "mig_instances")
        return {name: all_of_it[name] for name in names}

    assert {type(value) for value in lists(well).values()} == {list}
    assert dict.fromkeys(lists(lost)) == lists(lost)


@pytest.mark.parametrize("value", ["2", "yes", "01"])
async def test_a_wrong_value_of_detail_is_named_in_the_error(value: str) -> None:
    async with agent() as (_, client):
        answer = await client.get(f"/gpu?detail={value}")

    assert error_in(answer) == f"Invalid detail: it should be 0, 1, false or true, got '{value}'"


async def test_xids_between_two_polls_are_all_counted() -> None:
    async with agent(2, HISTORY_INTERVAL="10", SAMPLE_INTERVAL="0.5") as (simulation, client):
        await until(lambda gpus: gpus[1]["detail"]["xids"] is not None, client)
        for code in [31, 31, 63, 31]:
            simulation.gpus[1].raise_xid(code)
        gpus = await until(lambda gpus: sum(xid["times"] for xid in gpus[1]["detail"]["xids"]) == 4, client)

    xids = {xid["code"]: (xid["times"], xid["meaning"], xid["remedy"]) for xid in gpus[1]["detail"]["xids"]}
    assert xids == {
        31: (3, "GPU memory page fault", "application"),
        63: (1, "Page retired or row remapped", "none"),
    }
    assert gpus[1]["health"] == {
        "verdict": "warning",
        "reasons": ["XID 31 (GPU memory page fault), 3 times"],
    }
    assert gpus[0]["detail"]["xids"] == []


async def test_replacement_criteria_and_a_fabric_that_is_not_ready_are_in_every_answer() -> None:
    async with agent(8, "sick", HISTORY_INTERVAL="0") as (_, client):
        detailed = (await gpus_of(client, "?detail=1"))[6:]
        passed_over = (await client.get("/free?count=8")).json()["data"]["passed_over"]
        metrics = (await client.get("/metrics")).text

    found = [[finding["name"] for finding in gpu["detail"]["findings"]] for gpu in detailed]
    assert found == [["sram_threshold_exceeded"], ["fabric_not_ready"]]
    assert [gpu["health"]["verdict"] for gpu in detailed] == ["critical", "critical"]
    why = {gpu["idx"]: gpu["reason"] for gpu in passed_over}
    assert "SRAM" in why[6]
    assert "fabric" in why[7]
    told = [line for line in metrics.splitlines() if line.startswith("nvidia_gpu_health_finding{")]
    for index, (name,) in enumerate(found, 6):
        labels = (f'gpu="{index}"', f'finding="{name}"', 'verdict="critical"')
        assert any(all(label in line for label in labels) for line in told), name


async def test_without_history_the_agent_does_not_listen_for_xids() -> None:
    async with agent() as (simulation, client):
        gpus = await gpus_of(client, "?detail=1")
        assert [gpu["detail"]["xids"] for gpu in gpus] == [None, None]
        assert simulation.calls["nvmlEventSetCreate"] == 0


async def test_a_change_of_mig_mode_is_noticed_while_the_agent_runs() -> None:
    """The mode is read every 5 s, and at once after a new contact with the GPU."""
    async with agent(SAMPLE_INTERVAL="0.5") as (simulation, client):
        assert not (await gpus_of(client, "?detail=1"))[0]["detail"]["modes"]["mig_enabled"]
        simulation.gpus[0].enable_mig("3g.40gb", "1g.10gb")
        simulation.reload_driver()  # like the GPU reset that a change of the mode needs

        (gpu, _) = await until(lambda gpus: bool(gpus[0]["detail"]["mig_instances"]), client)
        leaves = (await client.get("/status?mig=1&idx=0")).json()["data"]["devices"]
        simulation.gpus[0].disable_mig()
        simulation.reload_driver()
        await until(lambda gpus: gpus[0]["detail"]["modes"]["mig_enabled"] is False, client)

    assert [instance["name"].rpartition(" ")[2] for instance in gpu["detail"]["mig_instances"]] == [
        "3g.40gb",
        "1g.10gb",
    ]
    assert [leaf["mig_index"] for leaf in leaves] == [0, 1]
