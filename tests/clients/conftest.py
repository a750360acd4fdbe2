"""The OpenAPI document for client generators."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from agent.simulation import Simulation
from tests.support import loopback
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="package")
def document_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The OpenAPI document as a client gets it, in a file."""
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    with Simulation(gpus=1), agent_server() as url:
        document = loopback.get(f"{url}/openapi.json").json()
    path.write_text(json.dumps(document))
    return path
