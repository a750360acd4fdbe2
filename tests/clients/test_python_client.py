"""openapi-python-client makes a client that requests every path and returns every answer unchanged."""

from __future__ import annotations

import importlib
import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from agent.readings import GpuDay, UserDay
from agent.simulation import Simulation
from tests.http.wire import A_TOKEN
from tests.packaging.commands import succeed
from tests.support import loopback, state_file
from tests.support.agents import agent_server
from tests.support.endpoints import STREAM
from tests.support.groups import needs_slow

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

NAME = "generated_client"
HOSTS = ["healthy", "lost", "mixed-models", "not-supported", "mig", "no-driver"]
# Parameters for more requests of an operation: all types of parameters, and a wrong value.
PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "get_status": [{"mig": True}, {"mig": False, "idx": "0"}, {"idx": "x"}],
    "get_gpu": [{"detail": True}, {"idx": "0,1"}],
    "get_processes": [{"idle": True}, {"user": "root", "idx": "0"}],
    "get_free": [
        {"count": 8, "max_utilization": 50.5},
        {"exclude_users": ["ann", "bob"], "min_free_memory": "1GiB"},
        {"count": 0},
    ],
    "get_history": [
        {"seconds": 60.5},
        {"fields": "power_watts,host"},
        {"seconds": 86_400, "fields": "sm_percent"},
    ],
    "get_usage": [{"days": 7}, {"days": 0}],
}
ALICE = 1000


@dataclass
class Generated:
    """The generated package, and what it was generated from."""

    operations: dict[str, Any]  # by operationId: the module
    client: Any
    models: Any

    def authenticated(self, url: str) -> Any:
        """A client with the TOKEN, which it sends as bearer."""
        return self.client.AuthenticatedClient(base_url=url, token=A_TOKEN)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory, document_file: Path) -> Iterator[Generated]:
    needs_slow("openapi_python_client")
    folder = tmp_path_factory.mktemp("generated")
    (folder / "config.yml").write_text("post_hooks: []\n")  # they would tidy it up
    generate = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
    where = ["--path", str(document_file), "--output-path", NAME, "--config", "config.yml"]
    succeed([*generate, *where, "--fail-on-warning"], folder)
    document = json.loads(document_file.read_text())
    sys.path.insert(0, str(folder))
    try:
        yield Generated(
            {
                operation["operationId"]: importlib.import_module(
                    f"{NAME}.api.{operation['tags'][0]}.{operation['operationId']}"
                )
                for methods in document["paths"].values()
                for operation in methods.values()
            },
            importlib.import_module(f"{NAME}.client"),
            importlib.import_module(f"{NAME}.models"),
        )
    finally:
        sys.path.remove(str(folder))


@contextmanager
def agent_on_host(name: str) -> Iterator[str]:
    """The URL of an agent on such a host, where alice held a GPU for two hours yesterday."""
    with Simulation(gpus=8, scenario=None if name in {"lost", "no-driver"} else name) as simulation:
        if name == "lost":
            simulation.gpus[1].lose()
        if name == "no-driver":
            simulation.remove_driver()
        with (
            TemporaryDirectory() as folder,
            agent_server(
                TOKEN=A_TOKEN, HISTORY_INTERVAL="10", URL_PREFIX="server1", STATE_DIR=yesterdays_state(folder)
            ) as url,
        ):
            yield f"{url}/server1"


def yesterdays_state(folder: str) -> str:
    """The folder, with the state file that an agent left yesterday."""
    uuid, two_hours = "GPU-of-yesterday", state_file.sums(2.0)
    state_file.fill(
        Path(folder) / state_file.REAL,
        [UserDay(state_file.ago(1), ALICE, two_hours)],
        [GpuDay(state_file.ago(1), uuid, "NVIDIA A100", 7200.0, 3.6e6, two_hours)],
        {ALICE: "alice"},
    )
    return folder


@pytest.mark.parametrize("name", HOSTS)
def test_every_operation_returns_the_answer_unchanged(generated: Generated, name: str) -> None:
    statuses = set()
    with agent_on_host(name) as url, generated.authenticated(url) as client:
        for operation, module in generated.operations.items():
            if operation == "get_gpu_stream":
                continue  # has no end
            by = [{"by": by} for by in generated.models.UsageBy] if operation == "get_usage" else []
            for parameters in [{}, *PARAMETERS.get(operation, []), *by]:
                response = module.sync_detailed(client=client, **parameters)
                statuses.add(int(response.status_code))
                assert is_unchanged(response), (operation, parameters, response)
    assert statuses == ({200, 400, 500, 503} if name == "no-driver" else {200, 400})


def is_unchanged(response: Any) -> bool:
    """Whether the parsed answer is the one that was sent: a text, or an object."""
    if response.headers["content-type"].startswith("text/plain"):
        return bool(response.parsed == response.content.decode())
    return bool(response.parsed.to_dict() == json.loads(response.content))


@pytest.mark.parametrize("name", ["healthy", "no-driver"])
def test_an_event_of_the_stream_fits_its_generated_model(generated: Generated, name: str) -> None:
    headers = {"Authorization": f"Bearer {A_TOKEN}"}
    with agent_on_host(name) as url, loopback.stream("GET", f"{url}{STREAM}", headers=headers) as response:
        data = next(line for line in response.iter_lines() if line.startswith("data: "))
    event = json.loads(data.removeprefix("data: "))
    model = generated.models.StreamError if name == "no-driver" else generated.models.GpuMetrics
    assert model.from_dict(event).to_dict() == event


def test_a_client_without_the_token_gets_a_failure(generated: Generated) -> None:
    with agent_on_host("healthy") as url, generated.client.Client(base_url=url) as client:
        for operation, module in generated.operations.items():
            if operation in {"get_health", "get_ready"}:
                continue
            response = module.sync_detailed(client=client)
            assert (operation, response.status_code) == (operation, 401)
            assert isinstance(response.parsed, generated.models.Failure)
            assert response.parsed.to_dict() == json.loads(response.content)


def test_gpu_hours_by_user_day_and_gpu_are_typed_fields(generated: Generated) -> None:
    with agent_on_host("healthy") as url, generated.authenticated(url) as client:
        usage = {
            by.value: generated.operations["get_usage"].sync(client=client, by=by).data
            for by in generated.models.UsageBy
        }
    (user,), (day,), (gpu,) = usage["user"].users, usage["day"].days, usage["gpu"].gpus
    assert (user.username, user.uid, user.hours_held, user.hours_used) == ("alice", ALICE, 2.0, 1.0)
    assert (day.day, day.hours_held, day.energy_kwh) == (state_file.ago(1), 2.0, 1.0)
    assert (gpu.idx, gpu.uuid, gpu.hours_watched) == (None, "GPU-of-yesterday", 2.0)


def test_an_unknown_number_of_status_is_n_a_and_a_known_one_is_a_number(generated: Generated) -> None:
    with agent_on_host("not-supported") as url, generated.authenticated(url) as client:
        status = generated.operations["get_status"].sync(client=client)
    device = status.data.devices[0]
    assert (device.gpu_utilization, type(device.temperature)) == ("N/A", int)
    assert device.health.verdict in {"healthy", "warning", "critical"}
