"""How the matcher is asked and told over HTTP."""

from fastapi import APIRouter

from services.matcher.api import matches, near, planning
from shared import trail_api

router = APIRouter()
for part in (matches, near, planning, trail_api):
    router.include_router(part.router)

__all__ = ["router"]
