"""Asks owners whether their forecasts hold, and takes the answer."""

from collections.abc import Sequence
from datetime import timedelta, tzinfo
from typing import Any
from uuid import UUID

from services.registry import store
from services.registry.domain import Asking, Register, Thing, due_at
from services.registry.handlers.intake import tell
from shared.contracts import ConfirmationAsked
from shared.work import Work

AT_ONCE = 50


async def look_at_calendar(
    row: Any, work: Work, *, asking: Asking, zone: tzinfo, every: timedelta
) -> None:
    """Ask the owners of what nobody confirmed for long, and act on what they did not answer."""
    found = await store.unsure(work.session, asking, work.now, work.today, AT_ONCE)
    register, forecasts = await held_forecasts(found, work)
    for forecast in forecasts:
        if _is_due(forecast, work, asking, zone):
            again = register.go_on(forecast, work.now)
            if again.fresh is not None and again.fresh.lapsed == 0:
                work.announce(_question(again, register, asking))
    await store.keep_things(work.session, list(register.changed.values()), work.now)
    tell(register, work)
    more = len(found) == AT_ONCE and bool(register.changed)
    await store.look_again(work.session, work.now if more else work.now + every)
    if more:
        work.wake("calendar")


async def confirm(ids: Sequence[UUID], work: Work, *, by: Sequence[str] | None) -> list[Thing]:
    """
    The forecasts *ids* of the organisations *by* (None: of any), which still hold; those of others
    and unknown ones are left out.
    """
    register, forecasts = await held_forecasts(ids, work)
    held = [
        register.confirm(one, work.now)
        for one in forecasts
        if by is None or one.organisation in by or one.reporter in by
    ]
    await store.keep_things(work.session, list(register.changed.values()), work.now)
    tell(register, work)
    return held


async def held_forecasts(ids: Sequence[UUID], work: Work) -> tuple[Register, list[Thing]]:
    """The forecasts *ids* with their projects, held until the work ends."""
    await store.hold(work.session, ids)
    forecasts = await store.things(work.session, "forecast", ids)
    projects = {one.project_id for one in forecasts if one.project_id}
    things = [*await store.things(work.session, "project", projects), *forecasts]
    register = Register({}, await store.regions(work.session), things={t.id: t for t in things})
    return register, sorted(forecasts, key=lambda one: one.id)


def _is_due(forecast: Thing, work: Work, asking: Asking, zone: tzinfo) -> bool:
    if forecast.fresh is None or forecast.state["status"] != "offered":
        return False
    due = due_at(forecast.fresh, forecast.state["window"], asking, zone)
    return due is not None and due <= work.now


def _question(forecast: Thing, register: Register, asking: Asking) -> ConfirmationAsked:
    assert forecast.fresh is not None and forecast.fresh.asked_at is not None
    assert forecast.project_id is not None
    state = forecast.state
    return ConfirmationAsked(
        region=forecast.region,
        forecast_id=forecast.id,
        revision=forecast.revision,
        project_id=forecast.project_id,
        organisation=forecast.organisation,
        reporter=forecast.reporter,
        external_id=forecast.external_id,
        contacts=state["contacts"],
        title=register.things[forecast.project_id].state["title"],
        direction=state["direction"],
        material=state["material"],
        likely_t=state["quantity"]["likely_t"],
        window=state["window"],
        confirmed_at=forecast.fresh.confirmed_at,
        asked_at=forecast.fresh.asked_at,
        answer_by=forecast.fresh.asked_at + asking.patience,
        sample=state["sample"],
    )
