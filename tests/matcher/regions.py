"""Random forecasts for laws: mostly what fits, with every code and every edge among it."""

from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from shared.contracts import ForecastUpdated
from tests.matcher.builders import a_need, a_surplus, some_id
from tests.oracle.gates import CODES, GROUPS, STRUCTURES, SUBSTITUTES, TIERS, USES

START = date(2027, 3, 1)
MATERIALS = list(GROUPS)
QUALITIES = ["any", "unknown", *TIERS, *CODES["suitability_class"]]
DAYS = [0, 1, 9, 10, 11, 30, 31, 60]


def codes(name: str, *more: str | None) -> list[str | None]:
    """Every code of an enumeration, and *more*."""
    return [*CODES[name], *more]


def _that_serve() -> list[tuple[str, str, str | None]]:
    """Materials with what they may serve by the lists: (surplus, need material, use)."""
    by_material = [(one, need) for need, row in SUBSTITUTES.items() for one in _named(row)]
    return [
        (one, need, use)
        for one, need in by_material
        for use in (None, *(use for use, row in USES.items() if one in _named(row)))
    ]


def _named(row: dict[str, Any]) -> list[str]:
    some = [*row["after_processing"], *row["conditional"]]
    return [*row["direct"], *(one["material"] for one in some)]


SERVING = _that_serve()

SURPLUS_ODDS: dict[str, list[Any]] = {
    "material": MATERIALS,
    "quality": QUALITIES,
    "contamination": codes("contamination", "P9"),
    "contamination_basis": codes("contamination_basis"),
    "acid_sulphate": codes("acid_sulphate", "beyond"),
    "invasive_status": codes("invasive_status", "beyond"),
    "waste_status": codes("waste_status", "beyond"),
    "legal_route": codes("legal_route", None, "mara"),
    "frost_class": codes("frost_class", None, "beyond"),
    "max_particle_mm": [None, 16.0, 32.0, 90.0, 90.5, 150.0],
    "site_kind": codes("site_kind"),
    "waste_code": [None, "17 05 04", "17 05 03*"],
    "made_at_demolition_site": [None, True, False],
    "suspected_place": [True, False],
    "acid_sulphate_suggested": [None, "none", "potential"],
}
NEED_ODDS: dict[str, list[Any]] = {
    "material": [*MATERIALS, "unspecified", "beyond"],
    "use": codes("use", None, "beyond"),
    "quality": QUALITIES,
    "accepts_unknown_quality": [True, False],
    "max_contamination": codes("contamination", "P9"),
    "accepts_acid_sulphate": [True, False],
    "max_frost_class": codes("frost_class", None),
    "max_particle_mm": [None, 16.0, 31.5, 90.0],
    "structure": [None, *STRUCTURES],
    "layer_m": [None, 0.2, 0.21, 1.5, 1.6, 5.0],
    "groundwater_area": [None, True, False],
    "play_area": [None, True, False],
    "housing_area": [None, True, False],
    "above_groundwater_m": [None, 0.9, 1.0],
    "well_distance_m": [None, 29.0, 30.0],
    "max_contamination_basis": codes("acceptance_basis"),
    "deep_cover": [True, False],
    "site_kind": codes("site_kind"),
}
BOTH_ODDS: dict[str, list[Any]] = {
    "visibility": codes("visibility"),
    "net_of_own_use": [True, False],
    "transport_payer": codes("transport_payer", None),
    "region": ["99", "01", "06"],
    "meets": [(), ("99",), ("01", "06"), ("06", "99"), ("01", "06", "99")],
    "municipality": ["091", "049"],
    "precision": codes("place_precision"),
    "weekly_rate_t": [None, 0.5, 6.9, 7.0, 100.0, 350.5],
    "organisation": ["acme", "bolt"],
    "status": ["draft", "offered", "reserved", "cancelled"],
}


@st.composite
def regions(
    draw: st.DrawFn, most: int = 8, odds: int = 3, north_km: int = 45
) -> list[ForecastUpdated]:
    """
    Up to *most* forecasts that serve one another by the lists, each with up to *odds* odd facts.

    Few projects, organisations and places, so that own sites and same towns are met.
    """
    told = []
    chosen = draw(st.lists(st.sampled_from(SERVING), min_size=1, max_size=2))
    for number in range(draw(st.integers(2, most))):
        material, wanted, use = draw(st.sampled_from(chosen))
        is_surplus = draw(st.booleans())
        some = (SURPLUS_ODDS if is_surplus else NEED_ODDS) | BOTH_ODDS
        odd = draw(st.lists(st.sampled_from(sorted(some)), max_size=odds, unique=True))
        first = START + timedelta(days=draw(st.sampled_from(DAYS)))
        facts: dict[str, Any] = {
            "forecast_id": some_id(number),
            "project_id": some_id(draw(st.sampled_from([100, 101, 200 + number]))),
            "tonnes": draw(st.integers(0, 900)),
            "north_km": draw(st.integers(0, north_km)),
            "window": (first, first + timedelta(days=draw(st.sampled_from([0, 10, 30])))),
            **(fitting(material) if is_surplus else asking(wanted, use)),
            **{name: draw(st.sampled_from(some[name])) for name in odd},
        }
        told.append(a_surplus(**facts) if is_surplus else a_need(**facts))
    return told


def fitting(material: str) -> dict[str, Any]:
    """A good surplus of *material*, by MARA where it was recovered."""
    told = {"material": material, "quality": "S1", "frost_class": "non"}
    if GROUPS[material] != "recovered":
        return told
    return told | {"waste_status": "waste", "legal_route": "mara", "max_particle_mm": 32.0}


def asking(material: str, use: str | None) -> dict[str, Any]:
    """A need of *material* for *use*, in a structure that MARA knows."""
    where = {"structure": "vayla", "layer_m": 1.5, "groundwater_area": False}
    return {"material": material, "use": use, **where}


DUG = (
    {"material": "sand", "quality": "S2", "frost_class": "non"},
    {"material": "gravel", "quality": "S1", "frost_class": "non"},
    {"material": "till", "quality": "H3", "frost_class": "medium"},
    {"material": "clay", "quality": "U2", "acid_sulphate": "unknown"},
    {"material": "blasted_rock_loose", "quality": "S1"},
    {"material": "crushed_rock", "quality": "S1", "frost_class": "non"},
    {"material": "topsoil", "invasive_status": "unknown"},
    {"material": "clay", "quality": "U2", "contamination": "P1"},
    {"material": "crushed_concrete", "quality": "S2", "waste_status": "waste",
     "legal_route": "mara"},
)  # fmt: skip
ASKED = (
    {"material": "sand", "use": "general_fill"},
    {"material": "till", "use": "general_fill"},
    {"material": "sand", "use": "filter_layer"},
    {"material": "clay", "use": "noise_bund"},
    {"material": "clay", "use": "landscaping", "max_contamination": "P1"},
    {"material": "gravel", "use": "structural_fill", "quality": "S3"},
    {"material": "friction_soil", "use": "structural_fill", "structure": "vayla", "layer_m": 1.0,
     "groundwater_area": False},
    {"material": "crushed_rock", "use": "sub_base"},
    {"material": "topsoil", "use": "landscaping"},
)  # fmt: skip

MASS = st.tuples(
    st.booleans(),
    st.integers(0, len(DUG) - 1),
    st.integers(0, 3000),
    st.integers(0, 60),
    st.integers(-30, 30),
    st.integers(0, 120),
    st.integers(0, 90),
    st.sampled_from([None, None, 25.0, 70.0, 333.3]),
    st.integers(0, 40),
)


@st.composite
def many(draw: st.DrawFn, most: int = 60) -> list[ForecastUpdated]:
    """Up to *most* forecasts of nine kinds, over 60 km and half a year, some on one site."""
    count = draw(st.integers(2, most))
    told = []
    for number, mass in enumerate(draw(st.lists(MASS, min_size=count, max_size=count))):
        is_surplus, kind, tonnes, north, east, after, days, rate, site = mass
        first = START + timedelta(days=after)
        make, kinds = (a_surplus, DUG) if is_surplus else (a_need, ASKED)
        told.append(
            make(
                forecast_id=some_id(number),
                project_id=some_id(1000 + site),
                tonnes=tonnes,
                north_km=north,
                lon=24.9 + east / 55.6,
                window=(first, first + timedelta(days=days)),
                weekly_rate_t=rate,
                net_of_own_use=site == 0,
                precision="exact" if site % 7 else "municipality",
                **kinds[kind],
            )
        )
    return told
