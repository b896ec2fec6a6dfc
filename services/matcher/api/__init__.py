"""How the matcher is asked and told over HTTP."""

from fastapi import APIRouter

from services.matcher.api import matches, planning

router = APIRouter()
for part in (matches, planning):
    router.include_router(part.router)

__all__ = ["router"]
