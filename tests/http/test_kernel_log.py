"""KERNEL_LOG: answers with events of the kernel log, which the real reader reads from a pipe."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from agent.app import create_app
from agent.simulation import SimulatedProcess, Simulation
from tests.support.agents import first_contact, settings
from tests.support.kmsg import KernelLogPipe, xid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio
DEADLINE = 20.0  # seconds


@pytest.fixture
def pipe(tmp_path: Path) -> KernelLogPipe:
    return KernelLogPipe(tmp_path)


@asynccontextmanager
async def agent(kernel_log: str, **environ: str) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        settings(KERNEL_LOG="1", SAMPLE_INTERVAL="0.5", **environ), contained=False, kernel_log=kernel_log
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://agent") as client,
    ):
        await first_contact(app.state.shared.sampler)
        yield client


async def detail(client: httpx.AsyncClient, is_right: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The answer of /gpu?detail=1 once it is right: a separate thread reads the log."""
    answer: dict[str, Any] = {}
    with anyio.move_on_after(DEADLINE):
        while True:
            answer = (await client.get("/gpu?detail=1")).json()
            if is_right(answer):
                return answer
            await anyio.sleep(0.05)
    raise AssertionError(
        f"not right in time; the last answer has {answer['kernel_log'] if answer else answer}"
    )


def place(simulation: Simulation, index: int) -> str:
    bus_id = simulation.gpus[index].values.bus_id
    assert isinstance(bus_id, str)
    return bus_id[-12:-2].lower()


def xids(answer: dict[str, Any], index: int) -> dict[int, dict[str, Any]]:
    return {one["code"]: one for one in answer["gpus"][index]["detail"]["xids"] or ()}


async def test_an_xid_from_before_the_agent_has_its_program_owner_and_finding(pipe: KernelLogPipe) -> None:
    with Simulation(2) as simulation:  # the same as the one that the agent simulates
        process: SimulatedProcess = simulation.gpus[1].processes[0]
        here = place(simulation, 1)
    words = f"pid={process.pid}, name=trainer, channel 0x0000000a"
    pipe.write(xid(here, 31, words), "usb 1-1: new device", xid("0000:99:00", 13))
    async with agent(pipe.path, SIMULATE_GPUS="2", HISTORY_INTERVAL="10") as client:
        answer = await detail(client, lambda body: 31 in xids(body, 1) and xids(body, 1)[31]["username"])
        metrics = (await client.get("/metrics")).text

    seen = xids(answer, 1)[31]
    assert (seen["times"], seen["source"], seen["was_reset"]) == (1, "kernel_log", False)
    assert (seen["pid"], seen["process_name"]) == (process.pid, "trainer")
    assert seen["username"] == answer["gpus"][1]["top_processes"][0]["username"]
    assert xids(answer, 0) == {}
    (finding,) = (one for one in answer["gpus"][1]["detail"]["findings"] if one["name"] == "xid_31")
    assert finding["what"].startswith(f"XID 31 (GPU memory page fault), by trainer (pid {process.pid}) of ")
    log = answer["kernel_log"]
    assert (log["is_read"], log["error"], log["lost_lines"], log["sxids"], log["fallen"]) == (
        True,
        None,
        0,
        [],
        [],
    )
    assert log["reaches_back_to"]
    assert "nvidia_gpu_agent_kernel_log_up 1.0" in metrics
    assert f'gpu="1",name="trainer",pid="{process.pid}"' in metrics


async def test_an_xid_from_nvml_and_the_kernel_log_counts_once_until_a_reset(pipe: KernelLogPipe) -> None:
    with Simulation(1) as simulation:
        here = place(simulation, 0)
        async with agent(pipe.path, HISTORY_INTERVAL="10") as client:
            await detail(
                client, lambda body: body["kernel_log"]["is_read"] and body["gpus"][0]["detail"]["xids"] == []
            )
            pipe.write(xid(here, 48), xid(here, 48))
            for _ in range(2):
                simulation.gpus[0].raise_xid(48)
            answer = await detail(client, lambda body: xids(body, 0).get(48, {}).get("source") == "both")
            assert xids(answer, 0)[48]["times"] == 2
            assert answer["gpus"][0]["health"]["verdict"] == "critical"

            pipe.write(f"nvidia {here}.0: resetting", f"nvidia {here}.0: reset done")

            answer = await detail(client, lambda body: xids(body, 0)[48]["was_reset"])
            assert (xids(answer, 0)[48]["times"], answer["gpus"][0]["health"]["verdict"]) == (2, "healthy")


async def test_nvswitch_errors_and_gpus_off_the_bus_are_findings_of_the_host(pipe: KernelLogPipe) -> None:
    with Simulation(1):
        pipe.write(
            "nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 20034, Fatal, Link 30 LTSSM Fault Up",
            "nvidia-nvswitch2: SXid (PCI:0000:c3:00.0): 20034, Fatal, Link 31 LTSSM Fault Up",
            "nvidia-nvswitch2: SXid (PCI:0000:c3:00.0): 12028, Non-fatal, Link 32 egress error (First)",
            xid("0000:d1:00", 79, "GPU has fallen off the bus."),
            "NVRM: GPU 0000:d1:00.0: GPU has fallen off the bus.",
        )
        async with agent(pipe.path) as client:
            answer = await detail(client, lambda body: body["kernel_log"]["fallen"])
            metrics = (await client.get("/metrics")).text
            ready = (await client.get("/ready?require=healthy")).status_code

    assert answer["health"] == {
        "verdict": "critical",
        "reasons": [
            (
                "The kernel log reports that the GPU at 0000:d1:00 fell off the bus, and the driver does"
                " not list it"
            ),
            "The kernel log reports the fatal error SXID 20034: NVSwitch 0, NVSwitch 2",
        ],
    }
    assert [
        (one["nvswitch"], one["code"], one["fatal"], one["link"]) for one in answer["kernel_log"]["sxids"]
    ] == [
        (0, 20034, True, 30),
        (2, 12028, False, 32),
        (2, 20034, True, 31),
    ]
    assert 'host_nvswitch_sxid_errors_total{nvswitch="2",pci_bus_id="0000:c3:00",sxid="12028"} 1.0' in metrics
    assert ready == 503


async def test_an_unreadable_kernel_log_is_reported_and_other_answers_are_served(tmp_path: Path) -> None:
    with Simulation(1):
        async with agent(str(tmp_path / "nothing")) as client:
            answer = await detail(client, lambda body: "there is no" in body["kernel_log"]["error"])
            metrics = (await client.get("/metrics")).text

    log = answer["kernel_log"]
    assert log["is_read"] is False
    assert log["error"].startswith(
        f"The kernel log cannot be read: there is no {tmp_path}/nothing; see docs/"
    )
    assert log["reaches_back_to"] is None
    assert answer["gpus"][0]["detail"]["xids"] is None, "nobody listens, and nobody reads"
    assert answer["health"]["verdict"] == "healthy"
    assert "nvidia_gpu_agent_kernel_log_up 0.0" in metrics


async def test_without_the_setting_the_kernel_log_is_not_opened_and_not_reported() -> None:
    with Simulation(1):
        app = create_app(settings(), contained=False, kernel_log="/dev/nothing")
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://agent") as client,
        ):
            await first_contact(app.state.shared.sampler)
            answer = (await client.get("/gpu?detail=1")).json()
            metrics = (await client.get("/metrics")).text

    assert "kernel_log" not in answer
    assert "kernel_log" not in metrics


async def test_a_simulated_host_has_its_own_kernel_log() -> None:
    with Simulation(2) as simulation:
        simulation.gpus[1].raise_xid(48)
        simulation.gpus[1].reset()
        async with agent(simulation.kernel_log.attach()) as client:
            simulation.gpus[1].raise_xid(31)
            answer = await detail(client, lambda body: 31 in xids(body, 1))

    assert xids(answer, 1)[48]["was_reset"] is True
    assert (xids(answer, 1)[31]["source"], xids(answer, 1)[31]["was_reset"]) == ("kernel_log", False)
    assert xids(answer, 1)[31]["process_name"]
