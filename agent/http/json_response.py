"""Answers in JSON: joined from pieces, or of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Response

from agent.views.pieces import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

    from agent.http.shared_state import SharedState


async def json_response(shared: SharedState, pieces: Iterable[bytes]) -> Response:
    """The pieces as one answer; between two pieces the event loop does other work."""
    return Response(await shared.time_slices.join(pieces), media_type="application/json")


def model_response(model: BaseModel) -> Response:
    """The JSON of the fields that were set as one answer."""
    return Response(to_json(model), media_type="application/json")
