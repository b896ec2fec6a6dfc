"""What the indicators do when something is told: load, decide, record."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.indicators import store
from services.indicators.domain import (
    AGREED_ONCE,
    Baseline,
    Cells,
    End,
    Figure,
    Load,
    Lot,
    Match,
    figures_of,
    latest_of,
    lots_of,
    take_loads,
    take_lots,
    take_matches,
)
from shared.contracts import (
    AreaUpdated,
    DeliveryRecorded,
    Event,
    ForecastUpdated,
    IndicatorUpdated,
    MatchChanged,
    MatchFound,
    OrganisationUpdated,
    ProjectAdded,
    ProjectUpdated,
    ProjectWithdrawn,
)
from shared.contracts.matcher import DeliveredEnd, Side
from shared.vocabulary.materials import one_substance
from shared.work import Work

Named = ProjectAdded | ProjectUpdated | ProjectWithdrawn | OrganisationUpdated | AreaUpdated
PERIOD = "all"
"""The months that an announced figure counts: all that are told."""


async def keep_forecasts(events: Sequence[ForecastUpdated], work: Work) -> None:
    """Keep the newest of each forecast, and move its kilograms in the cells they touch."""
    news = latest_of(map(lot_of, events))
    kept = await store.hold_lots(work.session, (lot.id for lot in news))

    renewed, changes = take_lots(kept, news)

    await store.keep_lots(work.session, renewed)
    await store.keep_earliest(work.session, "offered_at", offered_at(events))
    await store.add_to_cells(work.session, changes)
    await _let_look(work, events, changes)


async def keep_matches(events: Sequence[MatchFound | MatchChanged], work: Work) -> None:
    """Keep the newest of each match: its two lots stand anew, and its flows move."""
    news = latest_of(map(match_of, events))
    ends = (end.lot for match in news for end in (match.surplus, match.need))
    lots = await store.hold_lots(work.session, ends)
    kept = await store.matches_among(work.session, (match.id for match in news))

    renewed, touched, changes, flows = take_matches(lots, kept, news)

    await store.keep_lots(work.session, touched)
    await store.keep_earliest(work.session, "agreed_at", agreed_at(events))
    await store.keep_matches(work.session, renewed)
    await store.add_to_cells(work.session, changes)
    await store.add_to_flows(work.session, flows)
    await _let_look(work, events, changes, flows)


async def keep_loads(events: Sequence[DeliveryRecorded], work: Work) -> None:
    """Keep the newest of each record of loads: they are off their lots, and delivered."""
    news = latest_of(map(load_of, events))
    kept = await store.hold_loads(work.session, (load.id for load in news))
    ends = {id for load in news for id in load.lots} | lots_of(kept.values())
    lots = await store.hold_lots(work.session, ends)

    renewed, touched, changes, cells = take_loads(lots, kept, news)

    await store.keep_lots(work.session, touched)
    await store.keep_loads(work.session, renewed)
    await store.add_to_cells(work.session, changes)
    await store.add_to_loads(work.session, cells)
    await _let_look(work, events, changes, cells)


async def keep_titles(events: Sequence[Named], work: Work) -> None:
    """Keep the newest name of each project, organisation and area."""
    newest: dict[tuple[str, str], store.Title] = {}
    for title in map(title_of, events):
        known = newest.get((title.kind, title.code))
        if known is None or title.revision > known.revision:
            newest[title.kind, title.code] = title

    await store.keep_titles(work.session, [newest[key] for key in sorted(newest)])
    await store.keep_moments(work.session, moments_of(events))


async def tell_figures(due: Any, work: Work, *, pause: timedelta) -> None:
    """Announce the figures of one scope that changed, none sooner than *pause* after the last."""
    key = store.Told(due.region, due.scope, due.code)
    if not await store.hold_due(work.session, key):
        return
    known = {(row.indicator, row.state): row for row in await store.figures_told(work.session, key)}
    last = max((row.told_at for row in known.values()), default=None)
    if last is not None and work.now < last + pause:
        await store.postpone_due(work.session, key, last + pause)
        return
    asked = store.Asked(due.scope, due.code, due.region)
    stocks, flows, sample = await store.stocks_and_flows(work.session, asked)
    hauls, pace = await store.hauls(work.session, asked), await store.pace(work.session, asked)

    changed = [
        (figure, row.revision + 1 if (row := known.get((figure.indicator, figure.state))) else 1)
        for figure in figures_of(stocks, flows, hauls, pace)
        if figure.told != _told(known.get((figure.indicator, figure.state)))
    ]

    await store.keep_figures(work.session, key, changed, work.now)
    await store.end_due(work.session, key)
    for figure, revision in changed:
        work.announce(announcement(figure, revision, key, sample=sample))
    if changed:
        work.signal("figure", due.region, about=f"{due.scope}:{due.code}")


def lot_of(event: ForecastUpdated) -> Lot:
    """The lot that *event* tells, in whole kilograms."""
    quantity = event.quantity
    return Lot(
        id=event.forecast_id,
        revision=event.revision,
        at=event.at,
        region=event.region,
        project=event.project_id,
        organisation=event.organisation,
        municipality=event.place.municipality,
        sub_region=event.place.sub_region,
        direction=event.direction,
        material=one_substance(event.material),
        status=event.status,
        first=event.window.first,
        last=event.window.last,
        kg_low=round(quantity.low_t * 1000),
        kg=round(quantity.likely_t * 1000),
        kg_high=round(quantity.high_t * 1000),
        unverified=quantity.tag == "unverified",
        sample=event.sample,
        as_of=event.amount_as_of or event.at.date(),
    )


def load_of(event: DeliveryRecorded) -> Load:
    """The loads that *event* tells, in whole kilograms."""
    base = event.baseline
    return Load(
        id=event.delivery_id,
        revision=event.revision,
        at=event.at,
        surplus=delivered_end_of(event.surplus),
        need=delivered_end_of(event.need),
        material=one_substance(event.material),
        outlet=event.outlet,
        kg=round(event.tonnes * 1000),
        moved_on=date.fromisoformat(event.moved_on),
        virgin=event.origin == "virgin",
        into_storage=event.into_storage,
        matched=event.match_id is not None,
        method=event.method,
        km=event.haul_km,
        modelled=not event.haul_measured,
        vehicle=event.vehicle,
        energy=event.energy,
        baseline=Baseline(
            base.reception_km, base.gate_fee_cents_per_t, base.gate_work_g_per_t, base.quarry_km,
            base.virgin_cents_per_t, base.virgin_g_per_t, base.tag == "unverified",
        ) if base else None,
        unverified=event.tag == "unverified",
        sample=event.sample,
    )  # fmt: skip


def delivered_end_of(told: DeliveredEnd | None) -> End | None:
    """Where loads left or came, as the cells need it."""
    if told is None:
        return None
    return End(
        told.forecast_id, told.project_id, told.organisation, told.region, told.municipality,
        told.sub_region, one_substance(told.material),
    )  # fmt: skip


def offered_at(events: Iterable[ForecastUpdated]) -> dict[UUID, datetime]:
    """When each forecast of *events* was first told as offered."""
    return _earliest((one.forecast_id, one.at) for one in events if one.status == "offered")


def agreed_at(events: Iterable[MatchFound | MatchChanged]) -> dict[UUID, datetime]:
    """When each lot of *events* was first agreed with another; its own site asks nobody."""
    return _earliest(
        (id, one.at)
        for one in events
        if one.state in AGREED_ONCE and one.route != "onsite"
        for id in (one.surplus.forecast_id, one.need.forecast_id)
    )


def _earliest(moments: Iterable[tuple[UUID, datetime]]) -> dict[UUID, datetime]:
    first: dict[UUID, datetime] = {}
    for id, at in moments:
        first[id] = min(at, first.get(id, at))
    return first


def match_of(event: MatchFound | MatchChanged) -> Match:
    """The match that *event* tells: what is left to move of it, its value as the matcher says."""
    tonnes = event.tonnes.likely
    kg = max(0, tonnes * 1000 - round(event.delivered_t * 1000))
    left = kg / (tonnes * 1000) if tonnes else 0.0
    return Match(
        id=event.match_id,
        revision=event.revision,
        at=event.at,
        state=event.state,
        onsite=event.route == "onsite",
        surplus=end_of(event.surplus),
        need=end_of(event.need),
        first=event.window.first,
        last=event.window.last,
        kg=kg,
        kg_km=round(event.tonne_km * 1000 * left),
        cents=round(event.value.total_cents * left),
        grams=round(event.climate.saved_g_per_t * tonnes * left),
        value_unverified=event.value.tag == "unverified",
        climate_unverified=event.climate.tag == "unverified",
        sample=event.sample,
        decline_reason=event.decline_reason if event.state == "declined" else None,
    )


def end_of(side: Side) -> End:
    """One end of a match, as the cells need it."""
    return End(
        side.forecast_id,
        side.project_id,
        side.organisation,
        side.region,
        side.place.municipality,
        side.place.sub_region,
        one_substance(side.material),
    )


def title_of(event: Named) -> store.Title:
    """The name that *event* tells."""
    if isinstance(event, OrganisationUpdated):
        return store.Title(
            "organisation", event.organisation, event.revision, event.region,
            event.organisation, event.title,
        )  # fmt: skip
    kind, id = (
        ("area", event.area_id) if isinstance(event, AreaUpdated) else ("project", event.project_id)
    )
    return store.Title(kind, str(id), event.revision, event.region, event.organisation, event.title)


def moments_of(events: Iterable[Event]) -> dict[str, datetime]:
    """The newest moment of each region in *events*."""
    newest: dict[str, datetime] = {}
    for event in events:
        newest[event.region] = max(event.at, newest.get(event.region, event.at))
    return newest


def announcement(
    figure: Figure, revision: int, due: store.Told, *, sample: bool
) -> IndicatorUpdated:
    """*figure* of the scope that was *due*, as it is told."""
    definition = figure.definition
    return IndicatorUpdated(
        region=due.region,
        indicator=figure.indicator,
        revision=revision,
        scope=due.scope,
        scope_code=due.code,
        period=PERIOD,
        state=figure.state,
        projection=figure.projection,
        value=figure.value,
        unit=figure.unit,
        numerator=figure.numerator,
        denominator=figure.denominator,
        definition=definition.label,
        counterfactual=definition.counterfactual,
        unverified_share=figure.unverified_share,
        beside=dict(figure.beside),
        sample=sample,
    )


def _told(row: Any) -> tuple[float | None, ...]:
    """The numbers last told; before the first time, those of a figure nobody knows."""
    if row is None:
        return (None, None, None, None)
    return (row.value, row.numerator, row.denominator, row.unverified_share)


async def _let_look(work: Work, events: Sequence[Event], *changes: Cells) -> None:
    if await store.mark_due(work.session, *changes):
        work.wake("figure_due")
    await store.keep_moments(work.session, moments_of(events))
