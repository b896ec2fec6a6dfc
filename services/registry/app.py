"""The registry's identity card."""

from functools import partial

from fastapi import FastAPI

from services.registry import api, handlers, store
from services.registry.gateways import TableReader
from services.registry.settings import Settings
from shared.contracts import (
    AreaUpdated,
    DeliveryReported,
    ForecastUpdated,
    OrganisationUpdated,
    ProjectAdded,
    ProjectUpdated,
    ProjectWithdrawn,
)
from shared.contracts.intake import HANDED, Receipt
from shared.service.card import Door, Service
from shared.work import Database


def build(settings: Settings) -> Service:
    """The registry: what it takes in, announces and answers."""
    return Service(
        name="registry",
        settings=settings,
        ledger=store.ledger,
        takes_in=Door(
            contracts=tuple(HANDED.values()),
            take_in=partial(handlers.take_in, patience_s=settings.registry_patience_s),
            organisations=open_doors,
        ),
        works_off={
            store.import_due: partial(handlers.go_on_with_import, reader=reader_of(settings))
        },
        announces=(
            OrganisationUpdated,
            ProjectAdded,
            ProjectUpdated,
            ProjectWithdrawn,
            ForecastUpdated,
            AreaUpdated,
            DeliveryReported,
        ),
        also_tells=(Receipt,),
        api=api.router,
        on_start=keep_shipped_regions,
    )


def reader_of(settings: Settings) -> TableReader:
    """What reads tables handed in, within the bounds of *settings*."""
    return TableReader(
        settings.registry_import_memory_mb,
        settings.registry_import_s,
        settings.registry_import_rows,
    )


async def open_doors(database: Database) -> list[str]:
    """The organisations whose stream is read now."""
    async with database.session() as session:
        return await store.open_doors(session)


async def keep_shipped_regions(app: FastAPI) -> None:
    """A registry that starts knows the regions that come with the platform."""
    async with app.state.database.begin_work() as work:
        await handlers.add_shipped_regions(work)
