"""Each setting reaches its part of the app."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from agent.app import create_app
from agent.simulation import Simulation
from agent.state.folder import Refused, StateFolder
from tests.http.wire import error_in
from tests.support.agents import agent_client, first_contact, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio
DOCUMENT = Path(__file__).parent / "hardware" / "documents" / "h200_driver_580.xml"


async def test_a_simulated_driver_has_the_configured_scenario() -> None:
    async with agent_client(SIMULATE_GPUS="2", SIMULATE_SCENARIO="mig") as client:
        gpus = (await client.get("/gpu?detail=1")).json()["gpus"]
    assert [bool(gpu["detail"]["mig_instances"]) for gpu in gpus] == [True, False]


@pytest.mark.parametrize(
    ("environ", "has_one"),
    [
        pytest.param({"KERNEL_LOG": "1"}, True, id="of this host"),
        pytest.param({"KERNEL_LOG": "1", "SIMULATE_GPUS": "1"}, True, id="of a simulated host"),
        pytest.param({"KERNEL_LOG": "1", "SIMULATE_GPUS": str(DOCUMENT)}, False, id="a document has none"),
        pytest.param({"KERNEL_LOG": "0"}, False, id="switched off"),
    ],
)
async def test_the_kernel_log_is_that_of_the_host_of_the_driver(
    environ: dict[str, str], has_one: bool
) -> None:
    with Simulation(1):
        async with agent_client(**environ) as client:
            answer = (await client.get("/gpu?detail=1")).json()
    assert ("kernel_log" in answer) == has_one


def test_a_made_app_keeps_its_state_folder_from_another_agent(tmp_path: Path) -> None:
    app = create_app(settings(STATE_DIR=str(tmp_path), HISTORY_INTERVAL="10"))
    with pytest.raises(Refused):
        StateFolder(str(tmp_path), patience=0.0).take()
    assert app.state.shared.store.close()


@pytest.fixture
def stop_handler() -> Iterator[None]:
    """A handler of SIGTERM, as a server has it."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("stop_handler")
async def test_streams_end_at_the_signal_that_ends_the_server() -> None:
    app = create_app(settings(SIMULATE_GPUS="1"))
    async with app.router.lifespan_context(app), asyncio.timeout(10):
        snapshots = 0
        async for _ in app.state.shared.sampler.watch(60.0, heartbeat=60.0):
            snapshots += 1
            signal.raise_signal(signal.SIGTERM)
    assert snapshots == 1


async def test_an_app_that_has_ended_leaves_no_task(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("hunter2\n")
    app, before = create_app(settings(SIMULATE_GPUS="1", TOKEN_FILE=str(token))), asyncio.all_tasks()
    async with app.router.lifespan_context(app):
        await first_contact(app.state.shared.sampler)
        assert asyncio.all_tasks() > before
    for _ in range(100):  # turns of the event loop, in which cancelled tasks end
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_path_outside_of_the_prefix_is_404_with_an_envelope() -> None:
    app = create_app(settings(SIMULATE_GPUS="1", URL_PREFIX="lab"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent") as client:
        answer = await client.get("/count")
    assert answer.status_code == 404
    assert error_in(answer)
