"""Answers that are joined from pieces of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.http.shared_state import SharedState


async def json_response(shared: SharedState, pieces: Iterable[bytes]) -> Response:
    """The pieces as one answer; between two pieces the event loop does other work."""
    return Response(await shared.time_slices.join(pieces), media_type="application/json")
