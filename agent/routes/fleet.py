"""GET /fleet: which hosts the page shows. Only the browser talks to them."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from agent.http.endpoint import Endpoint
from agent.http.json_response import model_response
from agent.http.parameters import AgentSettings  # noqa: TC001  (FastAPI reads it)
from agent.views.envelope import success

router = APIRouter()
ENDPOINT = Endpoint(router)


class FleetHost(BaseModel):
    """A host with an agent, as the browser reaches it."""

    name: str = Field(description="name of the host for people")
    path: str = Field(description="path of the agent on this origin, with a slash at both ends")


@router.get("/fleet", include_in_schema=False)  # the page's own
async def fleet(settings: AgentSettings) -> Response:
    """The hosts in FLEET; an empty list: the page shows only this host."""
    hosts = [FleetHost(name=name, path=f"{path}/") for name, path in settings.fleet]
    return model_response(success(hosts))
