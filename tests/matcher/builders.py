"""Forecasts and lots that are valid by default and told by keyword."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

from services.matcher.domain import Lot, Stands, terms_of
from services.matcher.handlers import heard
from shared.contracts import ForecastUpdated

LAT, LON = 60.2, 24.9
KM = 1 / 111.195
TODAY = date(2027, 1, 15)
CLEAN = {
    "contamination": "P0",
    "waste_status": "not_waste",
    "acid_sulphate": "none",
    "invasive_status": "none_observed",
}


def a_forecast(**told: Any) -> ForecastUpdated:
    """A clean sand surplus of 1 000 t, unless told otherwise; *north_km* moves it."""
    tonnes = told.pop("tonnes", 1000)
    first, last = told.pop("window", (date(2027, 3, 1), date(2027, 8, 31)))
    lat = told.pop("lat", LAT) + told.pop("north_km", 0) * KM
    lon = told.pop("lon", LON)
    precision = told.pop("precision", "exact")
    municipality = told.pop("municipality", "091")
    low, high = told.pop("low", tonnes / 2), told.pop("high", tonnes * 1.5)
    return ForecastUpdated(
        **{
            "forecast_id": uuid4(),
            "project_id": uuid4(),
            "revision": 1,
            "region": "99",
            "organisation": "acme",
            "reporter": "acme",
            "direction": "surplus",
            "material": "sand",
            "meets": ("99",),
            **CLEAN,
            "quantity": {
                "value": tonnes,
                "unit": "t",
                "low_t": low,
                "likely_t": tonnes,
                "high_t": high,
                "factor": "t",
                "factor_version": "1",
            },
            "window": {"first": first, "last": last},
            "place": {
                "municipality": municipality,
                "lat": lat,
                "lon": lon,
                "precision": precision,
            },
            **told,
        }
    )


def a_surplus(**told: Any) -> ForecastUpdated:
    """A clean sand surplus of the organisation acme."""
    return a_forecast(**told)


def a_need(**told: Any) -> ForecastUpdated:
    """A need of sand for general fill, of the organisation bolt, whatever its quality."""
    return a_forecast(
        **{
            "direction": "need",
            "organisation": "bolt",
            "reporter": "bolt",
            "use": "general_fill",
            "accepts_unknown_quality": True,
            **told,
        }
    )


def lot(forecast: ForecastUpdated) -> Lot:
    """The lot that *forecast* tells."""
    return heard(forecast)


def a_match(surplus: Lot, need: Lot, **told: Any) -> Stands:
    """A proposal of 100 t between *surplus* and *need*, as a plan sees it."""
    return Stands(
        **{
            "id": uuid4(),
            "revision": 1,
            "surplus_id": surplus.id,
            "need_id": need.id,
            "state": "proposed",
            "route": "direct",
            "standing": 1,
            "tonnes": 100,
            "cents_per_t": 2000,
            "km": 10.0,
            "first": max(surplus.first, need.first),
            "last": min(surplus.last, need.last),
            "surplus_terms": surplus.terms,
            "need_terms": need.terms,
            "alarm": "",
            "told_revision": 0,
            **told,
        }
    )


def some_id(number: int) -> UUID:
    """The same id for the same *number*."""
    return UUID(int=terms_of(number))
