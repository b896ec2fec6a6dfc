"""How the outside asks and tells the registry over HTTP."""

from fastapi import APIRouter

from services.registry.api import (
    by_id,
    duplicates,
    imports,
    intake,
    knowledge,
    organisations,
    regions,
    things,
    tokens,
)
from shared import trail_api

router = APIRouter()
for part in (tokens, organisations, regions, intake, imports, things, by_id, duplicates, knowledge):
    router.include_router(part.router)
router.include_router(trail_api.router)

__all__ = ["router"]
