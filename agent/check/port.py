"""The address to listen on: free, in use by an agent (no problem), or by something else."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from agent.check.report import Port, Problem
from agent.server.listener import CannotListen, may_listen, may_listen_at, url_host
from agent.server.probe import Unhealthy, connection_to, request_health

if TYPE_CHECKING:
    from agent.settings import Settings


def check_port(settings: Settings) -> Port:
    """Sends a request to the program that already listens there.

    Waits as long as `probe.request_health` does, and for name resolution.
    """
    try:
        if settings.uds:
            may_listen_at(settings.uds)
        else:
            may_listen(settings.host, settings.port)
    except CannotListen as error:
        if getattr(error.__cause__, "errno", None) != errno.EADDRINUSE:
            return port_view(settings, "unusable", str(error))
    else:
        return port_view(settings, "free")
    try:
        request_health(connection_to(settings)[0], f"{settings.url_prefix}/health")
    except Unhealthy as error:
        return port_view(settings, "other", f"{settings.url_prefix}/health {error}")
    return port_view(settings, "agent")


def port_view(settings: Settings, state: str, error: str | None = None) -> Port:
    """The wire shape."""
    address = settings.uds or f"{url_host(settings.host)}:{settings.port}"
    return Port.model_validate({"address": address, "state": state, "error": error})


def port_problems(port: Port) -> list[Problem]:
    """Why an agent with these settings could not listen there."""
    if port.state == "unusable":
        return [Problem(name="cannot_listen", level="wrong", what=str(port.error), todo=None)]
    if port.state == "unknown":
        return [
            Problem(
                name="port_unknown",
                level="wrong",
                what=f"It was not known in time whether an agent can listen on {port.address}",
                todo="check whether HOST is a name that no name server resolves",
            )
        ]
    if port.state == "other":
        return [
            Problem(
                name="port_taken",
                level="wrong",
                what=f"{port.address} is in use, but not by an agent with these settings: {port.error}",
                todo="check with the settings of the agent that runs there; if it is another program"
                " (ss -ltnp), choose another address",
            )
        ]
    return []
