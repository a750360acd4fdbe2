"""Every answer is one that the OpenAPI document describes, in every world."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.properties.worlds import WORLDS
from tests.support.groups import needs_slow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.properties.promises import Agent

pytestmark = pytest.mark.slow
pytest.register_assert_rewrite("tests.properties.promises")


@pytest.fixture(scope="module", params=WORLDS)
def agent(request: pytest.FixtureRequest) -> Iterator[Agent]:
    """One agent in each of the worlds."""
    needs_slow("schemathesis")
    from tests.properties.promises import Agent

    with Agent(WORLDS[request.param]).running() as agent:
        yield agent


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_every_answer_is_one_that_the_document_describes(agent: Agent, mode: str) -> None:
    from schemathesis import GenerationMode

    from tests.properties.promises import check_all_operations

    check_all_operations(agent, GenerationMode(mode), examples=60)
