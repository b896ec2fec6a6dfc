"""Invented lots at a constant density, and changes of them: the same for the same seed."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from math import cos, radians, sqrt
from random import Random
from typing import Any, Final, NamedTuple
from uuid import UUID

from shared.contracts import ForecastUpdated

DENSITY: Final = 0.2
"""Lots per square kilometre."""

REGION: Final = "01"
MONTHS: Final = 18
_CENTRE: Final = (60.4, 25.0)
_KM_PER_DEG: Final = 111.195
_TOWN_KM: Final = 20.0
_FIRST_DAY: Final = date(2027, 1, 4)
_TOLD_AT: Final = datetime(2026, 11, 2, 8, tzinfo=UTC)
_MEDIAN_T, _SPREAD = 2_000.0, 1.1
_CLEAN: Final[dict[str, Any]] = {
    "contamination": "P0",
    "contamination_basis": "site_survey",
    "waste_status": "not_waste",
    "acid_sulphate": "none",
    "invasive_status": "none_observed",
}


class Mass(NamedTuple):
    """One line of what is dug or asked for, and how common it is."""

    weight: int
    told: dict[str, Any]


def _dug(weight: int, material: str, quality: str, frost: str = "non", **more: Any) -> Mass:
    told = {"direction": "surplus", "material": material, "quality": quality, "frost_class": frost}
    return Mass(weight, told | _CLEAN | more)


def _asked(weight: int, material: str, use: str, quality: str = "unknown", **more: Any) -> Mass:
    told = {"direction": "need", "material": material, "use": use, "quality": quality}
    return Mass(weight, told | more)


_DUG: Final = (
    _dug(22, "clay", "U2", "medium"),
    _dug(6, "dry_crust_clay", "U1", "medium"),
    _dug(6, "silt", "U1", "high"),
    _dug(16, "till", "H3", "medium"),
    _dug(7, "sand", "S2"),
    _dug(7, "sand", "S3", "slight"),
    _dug(6, "sand", "unknown", "unknown"),
    _dug(8, "gravel", "S1"),
    _dug(12, "blasted_rock_loose", "S1"),
    _dug(5, "crushed_rock", "S1"),
    _dug(5, "topsoil", "unknown", "unknown"),
    # over the threshold value, and never examined: what no need here may take
    _dug(5, "clay", "U2", "medium", contamination="P1", waste_status="waste", legal_route="permit"),
    _dug(5, "made_ground", "unknown", "unknown", contamination="unknown"),
)
_ASKED: Final = (
    _asked(12, "sand", "general_fill", accepts_unknown_quality=True),
    _asked(16, "till", "general_fill", accepts_unknown_quality=True),
    _asked(10, "till", "noise_bund", accepts_unknown_quality=True),
    _asked(12, "clay", "noise_bund", accepts_unknown_quality=True),
    _asked(10, "clay", "landscaping", accepts_unknown_quality=True, max_contamination="P1"),
    _asked(8, "gravel", "structural_fill", "S3"),
    _asked(8, "crushed_rock", "sub_base", "S2"),
    _asked(4, "crushed_rock", "structural_fill", "S2"),
    _asked(6, "sand", "filter_layer", "S2"),
    _asked(6, "topsoil", "landscaping", accepts_unknown_quality=True),
    _asked(8, "blasted_rock_loose", "structural_fill", "S3"),
)


def lots(count: int, *, seed: int, density: float = DENSITY) -> list[ForecastUpdated]:
    """
    *count* open forecasts in a square around Uusimaa's latitude, in the order they are told.

    Projects of one to four lots; lognormal tonnes; windows of one to eight months within eighteen;
    one project in seven is known by its municipality only.
    """
    random = Random(f"lots {seed}")
    made = list(_made(random, count, sqrt(count / density)))
    random.shuffle(made)
    return made


def project_by_project(
    count: int, *, seed: int, density: float = DENSITY
) -> Iterator[ForecastUpdated]:
    """The forecasts of `lots`, one at a time and not shuffled: a million need no memory."""
    return _made(Random(f"lots {seed}"), count, sqrt(count / density))


def spots(wanted: int, count: int, margin_km: float, *, seed: int) -> list[tuple[float, float]]:
    """
    *wanted* points, latitude and longitude, in the square of *count* lots.

    Each at least *margin_km* from its edge, or in the very middle where it is not that wide.
    """
    random = Random(f"spots {seed}")
    half = max(0.0, sqrt(count / DENSITY) / 2 - margin_km)
    return [
        (
            _CENTRE[0] + random.uniform(-half, half) / _KM_PER_DEG,
            _CENTRE[1] + random.uniform(-half, half) / _KM_PER_LON,
        )
        for _ in range(wanted)
    ]


def _made(random: Random, count: int, side_km: float) -> Iterator[ForecastUpdated]:
    left = count
    while left > 0:
        project = _project(random, side_km)
        for _ in range(min(left, random.choice((1, 2, 2, 3, 4)))):
            yield _lot(random, project)
            left -= 1


def more_lots(count: int, *, among: int, seed: int) -> list[ForecastUpdated]:
    """*count* more forecasts in the square of *among* lots, not among those."""
    random = Random(f"more {seed}")
    side_km = sqrt(among / DENSITY)
    return [_lot(random, _project(random, side_km)) for _ in range(count)]


def changes(told: Sequence[ForecastUpdated], count: int, *, seed: int) -> list[ForecastUpdated]:
    """
    *count* changes of forecasts of *told*, each of another one, as the registry would tell them.

    Seven in ten change their tonnes, two their window, one its place or its being offered.
    """
    random = Random(f"changes {seed}")
    return [_changed(random, one) for one in random.sample(list(told), min(count, len(told)))]


def with_tonnes(forecast: ForecastUpdated, tonnes: int, random: Random) -> ForecastUpdated:
    """*forecast* as told again with *tonnes*."""
    return _told_again(random, forecast, quantity=_quantity(tonnes))


def batches(events: Iterable[ForecastUpdated], size: int) -> Iterator[Sequence[ForecastUpdated]]:
    """*events* in their order, *size* at a time."""
    left = iter(events)
    while batch := list(islice(left, size)):
        yield batch


def _project(random: Random, side_km: float) -> dict[str, Any]:
    north, east = random.random() * side_km, random.random() * side_km
    town = int(north // _TOWN_KM), int(east // _TOWN_KM)
    exact = random.random() > 1 / 7
    if not exact:
        north, east = (town[0] + 0.5) * _TOWN_KM, (town[1] + 0.5) * _TOWN_KM
    organisation = f"org-{random.randrange(40):02}"
    return {
        "project_id": _id(random),
        "organisation": organisation,
        "reporter": organisation,
        "visibility": "region" if random.random() < 0.03 else "parties",
        "place": {
            "municipality": f"t{town[0]:02}{town[1]:02}",
            "lat": round(_CENTRE[0] + (north - side_km / 2) / _KM_PER_DEG, 6),
            "lon": round(_CENTRE[1] + (east - side_km / 2) / _KM_PER_LON, 6),
            "precision": "exact" if exact else "municipality",
        },
    }


_KM_PER_LON: Final = _KM_PER_DEG * cos(radians(_CENTRE[0]))


def _lot(random: Random, project: dict[str, Any]) -> ForecastUpdated:
    masses = random.choice((_DUG, _ASKED))
    (mass,) = random.choices(masses, [one.weight for one in masses])
    tonnes = round(min(80_000.0, max(60.0, _MEDIAN_T * random.lognormvariate(0, _SPREAD))))
    first = _FIRST_DAY + timedelta(days=random.randrange(MONTHS * 30 - 30))
    days = random.randrange(30, 240)
    weekly = round(tonnes / random.uniform(2, 12), 1) if random.random() < 0.3 else None
    return ForecastUpdated(
        id=_id(random),
        at=_TOLD_AT,
        region=REGION,
        forecast_id=_id(random),
        revision=1,
        quantity=_quantity(tonnes),
        window={"first": first, "last": min(first + timedelta(days=days), _LAST_DAY)},
        weekly_rate_t=weekly,
        **project,
        **mass.told,
    )


_LAST_DAY: Final = _FIRST_DAY + timedelta(days=MONTHS * 30)


def _changed(random: Random, one: ForecastUpdated) -> ForecastUpdated:
    kind = random.random()
    if kind < 0.7:
        tonnes = max(60, round(one.quantity.likely_t * random.choice((0.6, 0.8, 0.9, 1.1, 1.3))))
        return with_tonnes(one, tonnes, random)
    if kind < 0.9:
        days = timedelta(weeks=random.choice((-6, -3, 2, 4, 8)))
        window = {"first": one.window.first + days, "last": one.window.last + days}
        return _told_again(random, one, window=window)
    if kind < 0.95:
        lat = one.place.lat + random.uniform(-0.05, 0.05)
        place = one.place.model_copy(update={"lat": round(lat, 6)})
        return _told_again(random, one, place=place)
    return _told_again(random, one, status="cancelled")


def _told_again(random: Random, one: ForecastUpdated, **changed: Any) -> ForecastUpdated:
    told = {**one.__dict__, "id": _id(random), "revision": one.revision + 1, **changed}
    return ForecastUpdated(**told)


def _quantity(tonnes: float) -> dict[str, Any]:
    return {
        "value": tonnes,
        "unit": "t",
        "low_t": round(tonnes * 0.8),
        "likely_t": tonnes,
        "high_t": round(tonnes * 1.25),
        "factor": "t",
        "factor_version": "1",
    }


def _id(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128), version=4)
