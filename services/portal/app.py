"""The portal's identity card."""

from fastapi import FastAPI

from services.portal import api
from services.portal.settings import Settings
from shared.service.card import Service


def build(settings: Settings) -> Service:
    """The portal: pages, and signals passed on to those that are open."""

    async def start(app: FastAPI) -> None:
        await api.open_desk(app, settings)

    return Service(
        name="portal",
        settings=settings,
        api=api.router,
        listens=api.listens,
        on_start=start,
        on_stop=api.close_desk,
    )
