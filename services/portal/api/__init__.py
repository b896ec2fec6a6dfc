"""The portal's pages: one module per page group, `live` for the pages that are open."""

from fastapi import APIRouter

from services.portal.api import (
    ahead,
    decisions,
    fragments,
    imports,
    live,
    loads,
    match,
    page,
    preferences,
    signin,
    static,
    upkeep,
)
from services.portal.api.desk import close_desk, open_desk
from services.portal.api.live import listens

router = APIRouter(include_in_schema=False)
for _each in (
    static,
    live,
    fragments,
    decisions,
    loads,
    match,
    ahead,
    imports,
    upkeep,
    preferences,
    signin,
    page,
):
    router.include_router(_each.router)

__all__ = ["close_desk", "listens", "open_desk", "router"]
