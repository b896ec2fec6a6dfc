"""Events as others tell them, valid by default, and what they lead to."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from services.indicators import handlers
from services.indicators.domain import End, Lot, Match
from shared.contracts import DeliveryRecorded, Event, ForecastUpdated, MatchChanged, MatchFound
from shared.contracts.matcher import Climate, Side, Value
from shared.contracts.parts import Place, Quantity, Tonnes, Window
from shared.work import Database

NAMES = UUID("00000000-0000-0000-0000-0000000000aa")
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def named(name: object) -> UUID:
    """The id that goes with *name*, the same in every run."""
    return uuid5(NAMES, str(name))


def a_lot(name: object = "pit", *, tonnes: float = 1000, revision: int = 1, **told: Any) -> Lot:
    """A surplus of till in one municipality, for four months."""
    kg = round(tonnes * 1000)
    fields: dict[str, Any] = {
        "at": NOON + timedelta(seconds=revision),
        "region": "01",
        "project": named("project"),
        "organisation": "muhkea",
        "municipality": "049",
        "sub_region": "011",
        "direction": "surplus",
        "material": "till",
        "status": "offered",
        "first": date(2026, 5, 10),
        "last": date(2026, 8, 31),
        "kg_low": kg * 8 // 10,
        "kg": kg,
        "kg_high": kg * 13 // 10,
    }
    return Lot(id=named(name), revision=revision, **(fields | told))


def an_end(name: object, **told: Any) -> End:
    """One end of a match, at the lot *name*."""
    fields: dict[str, Any] = {
        "project": named("project"),
        "organisation": "muhkea",
        "region": "01",
        "municipality": "049",
        "sub_region": "011",
        "material": "till",
    }
    return End(named(name), **(fields | told))


def a_pair(
    name: object = "pair",
    *,
    surplus: object = "pit",
    need: object = "bank",
    tonnes: int = 300,
    revision: int = 1,
    state: str = "proposed",
    **told: Any,
) -> Match:
    """A direct match of two lots, 12 km apart."""
    fields: dict[str, Any] = {
        "at": NOON + timedelta(seconds=revision),
        "onsite": False,
        "surplus": surplus if isinstance(surplus, End) else an_end(surplus),
        "need": need if isinstance(need, End) else an_end(need),
        "first": date(2026, 6, 15),
        "last": date(2026, 7, 20),
        "kg": tonnes * 1000,
        "kg_km": tonnes * 12_000,
        "cents": tonnes * 850,
        "grams": tonnes * 3100,
    }
    return Match(id=named(name), revision=revision, state=state, **(fields | told))


def a_forecast(
    name: object = "pit",
    *,
    tonnes: float = 1000,
    revision: int = 1,
    municipality: str = "049",
    sub_region: str = "011",
    window: tuple[date, date] = (date(2026, 5, 10), date(2026, 8, 31)),
    tag: str = "unverified",
    **told: Any,
) -> ForecastUpdated:
    """The registry's word about the lot *name*: by default a surplus of till."""
    fields: dict[str, Any] = {
        "at": NOON + timedelta(seconds=revision),
        "region": "01",
        "project_id": named("project"),
        "organisation": "muhkea",
        "reporter": "muhkea",
        "direction": "surplus",
        "material": "till",
        "quantity": Quantity(
            value=tonnes, unit="t", low_t=tonnes * 0.8, likely_t=tonnes, high_t=tonnes * 1.3,
            factor="t", factor_version="1", tag=tag,
        ),
        "window": Window(first=window[0], last=window[1]),
        "place": Place(municipality=municipality, sub_region=sub_region, lat=60.2, lon=24.8),
    }  # fmt: skip
    return ForecastUpdated(forecast_id=named(name), revision=revision, **(fields | told))


def a_side(forecast: ForecastUpdated) -> Side:
    """The end of a match at the lot that *forecast* tells."""
    return Side(
        forecast_id=forecast.forecast_id,
        forecast_revision=forecast.revision,
        project_id=forecast.project_id,
        organisation=forecast.organisation,
        region=forecast.region,
        material=forecast.material,
        place=forecast.place,
    )


def a_match(
    name: object,
    surplus: ForecastUpdated,
    need: ForecastUpdated,
    *,
    tonnes: int = 300,
    revision: int = 1,
    state: str = "proposed",
    km: float = 12.0,
    **told: Any,
) -> MatchFound | MatchChanged:
    """The matcher's word about a match of the two: found at revision 1, changed after."""
    fields: dict[str, Any] = {
        "at": NOON + timedelta(minutes=1, seconds=revision),
        "region": surplus.region,
        "surplus": a_side(surplus),
        "need": a_side(need),
        "tonnes": Tonnes(low=tonnes, likely=tonnes, high=tonnes),
        "window": Window(first=date(2026, 6, 15), last=date(2026, 7, 20)),
        "distance_km": km,
        "distance_method": "ratio",
        "value": Value(
            cents_per_t=850, total_cents=850 * tonnes, disposal_avoided_cents_per_t=700,
            purchase_avoided_cents_per_t=350, haul_cents_per_t=200, giver_gain_cents_per_t=500,
            taker_gain_cents_per_t=350,
        ),
        "climate": Climate(
            saved_g_per_t=3100, counterfactual_g_per_t=5000, proposed_g_per_t=1900
        ),
        "tonne_km": km * tonnes,
    }  # fmt: skip
    contract = MatchFound if revision == 1 else MatchChanged
    return contract(match_id=named(name), revision=revision, state=state, **(fields | told))


def an_arrival(forecast: ForecastUpdated | None) -> dict[str, Any] | None:
    """Where loads left or came, at the lot that *forecast* tells."""
    if forecast is None:
        return None
    return {
        "forecast_id": forecast.forecast_id,
        "project_id": forecast.project_id,
        "organisation": forecast.organisation,
        "region": forecast.region,
        "municipality": forecast.place.municipality,
        "sub_region": forecast.place.sub_region,
        "material": forecast.material,
    }


def a_delivery(
    name: object,
    surplus: ForecastUpdated | None,
    need: ForecastUpdated | None,
    *,
    tonnes: float = 100,
    revision: int = 1,
    **told: Any,
) -> DeliveryRecorded:
    """The matcher's word about loads between the two, weighed, 10 km by a four-axle truck."""
    known = surplus or need
    assert known is not None
    fields: dict[str, Any] = {
        "at": NOON + timedelta(minutes=2, seconds=revision),
        "region": known.region,
        "surplus": an_arrival(surplus),
        "need": an_arrival(need),
        "outlet": "need_direct",
        "material": known.material,
        "tonnes": tonnes,
        "method": "weighed",
        "moved_on": "2026-06-20",
        "haul_km": 10.0,
        "baseline": {
            "reception_km": 25.0, "gate_fee_cents_per_t": 1500, "gate_work_g_per_t": 0,
            "quarry_km": 20.0, "virgin_cents_per_t": 800, "virgin_g_per_t": 5000,
        },
    }  # fmt: skip
    return DeliveryRecorded(delivery_id=named(name), revision=revision, **(fields | told))


async def hear(database: Database, *batches: Sequence[Event]) -> None:
    """Hand each batch, of one kind of event, to its handler: a work for each."""
    for events in batches:
        async with database.begin_work() as work:
            if isinstance(events[0], ForecastUpdated):
                await handlers.keep_forecasts(events, work)  # type: ignore[arg-type]
            elif isinstance(events[0], MatchFound | MatchChanged):
                await handlers.keep_matches(events, work)  # type: ignore[arg-type]
            elif isinstance(events[0], DeliveryRecorded):
                await handlers.keep_loads(events, work)  # type: ignore[arg-type]
            else:
                await handlers.keep_titles(events, work)  # type: ignore[arg-type]
