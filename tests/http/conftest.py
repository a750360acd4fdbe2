"""The simulated driver of the tests of HTTP answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    """Two simulated GPUs, because each agent of a test first reads every value of each GPU."""
    with Simulation(gpus=2) as simulation:
        yield simulation
