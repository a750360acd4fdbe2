"""GET /"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

router = APIRouter()


@router.get("/", include_in_schema=False)
async def page() -> RedirectResponse:
    """Leads to the documents; relative, whatever prefix a proxy adds."""
    return RedirectResponse("docs")
