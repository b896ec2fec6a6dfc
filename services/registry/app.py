"""The registry's identity card."""

from datetime import timedelta
from functools import partial

from fastapi import FastAPI

from services.registry import api, handlers, store
from services.registry.domain import Asking
from services.registry.gateways import TableReader
from services.registry.settings import Settings
from shared.contracts import (
    AreaUpdated,
    ConfirmationAsked,
    DeliveryReported,
    DuplicateChanged,
    DuplicateSuggested,
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
        announces=(
            OrganisationUpdated,
            ProjectAdded,
            ProjectUpdated,
            ProjectWithdrawn,
            ForecastUpdated,
            AreaUpdated,
            DeliveryReported,
            ConfirmationAsked,
            DuplicateSuggested,
            DuplicateChanged,
        ),
        works_off={
            store.import_due: partial(handlers.go_on_with_import, reader=reader_of(settings)),
            store.calendar: partial(
                handlers.look_at_calendar,
                asking=asking_of(settings),
                zone=settings.zone,
                every=timedelta(seconds=settings.registry_calendar_every_s),
            ),
        },
        also_tells=(Receipt,),
        api=api.router,
        on_start=keep_shipped_regions,
    )


def asking_of(settings: Settings) -> Asking:
    """When owners are asked whether their forecasts hold."""
    return Asking(
        silence=timedelta(days=settings.registry_confirm_after_days),
        before=timedelta(days=settings.registry_confirm_before_days),
        patience=timedelta(days=settings.registry_confirm_within_days),
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
