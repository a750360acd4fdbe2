"""The OpenAPI document is valid, as checked by a validator."""

from __future__ import annotations

import pytest

from tests.support.agents import agent_client
from tests.support.groups import needs_slow

pytestmark = pytest.mark.slow


@pytest.mark.anyio
@pytest.mark.parametrize("environ", [{}, {"URL_PREFIX": "server1"}, {"ROOT_PATH": "/proxied"}], ids=str)
@pytest.mark.usefixtures("simulation")
async def test_the_document_is_valid(environ: dict[str, str]) -> None:
    needs_slow("openapi_spec_validator")
    from openapi_spec_validator import OpenAPIV31SpecValidator

    prefix = f"/{environ['URL_PREFIX']}" if "URL_PREFIX" in environ else ""
    async with agent_client(**environ) as client:
        document = (await client.get(f"{prefix}/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert [*OpenAPIV31SpecValidator(document).iter_errors()] == []
