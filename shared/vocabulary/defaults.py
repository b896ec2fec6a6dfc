"""Every default there is, in one list: its value, its bounds, where it comes from, who set it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from shared.vocabulary.clocks import CLOCKS, CLOCKS_VERSION
from shared.vocabulary.contamination import PIMA_VERSION, SUBSTANCES
from shared.vocabulary.factors import FACTORS, FACTORS_VERSION, VEHICLES
from shared.vocabulary.materials import MATERIALS, VOCABULARY_VERSION
from shared.vocabulary.overrides import set_here
from shared.vocabulary.provenance import Provenance, provenance_of
from shared.vocabulary.sulphate import SCREENING
from shared.vocabulary.tables import table, version_of


@dataclass(frozen=True, slots=True)
class Default:
    """
    One number that results rest on; None is not known, never zero.

    *tag* is what to show beside it; *confidence* high, medium, low, `set here`, or None where the
    source speaks for itself; *settable* by `MASSAKOPPI_FACTORS_FILE`; *version* of its table.
    """

    id: str
    value: float | None
    unit: str
    low: float | None
    high: float | None
    tag: str
    confidence: str | None
    source: str
    settable: bool
    version: str

    def to_json(self) -> dict[str, Any]:
        """The default as it is told over HTTP and by the command line."""
        return asdict(self)


@cache
def defaults() -> tuple[Default, ...]:
    """Every default, in the order of its table, with what this installation set in place."""
    return tuple(_every())


def of_tag(tags: Iterable[str]) -> tuple[Default, ...]:
    """The defaults that bear one of *tags*: `unverified`, `sourced`, `set_here` …"""
    wanted = set(tags)
    return tuple(one for one in defaults() if one.tag in wanted)


def _every() -> Iterator[Default]:
    yield from _of_factors()
    yield from _of_materials()
    yield from _of_the_counterfactual()
    yield from _of_reliability()
    yield from _of_distance()
    yield from _of_the_law()
    yield from _of_areas()


def _of_factors() -> Iterator[Default]:
    for one in FACTORS.values():
        told = None if one.confidence == "sourced" else one.confidence
        yield Default(one.id, one.value, one.unit, one.low, one.high, one.tag, told, one.source,
                      True, FACTORS_VERSION)  # fmt: skip
    for each in VEHICLES.values():
        for name, value, unit in (
            ("co2e_kg_per_tkm", each.co2e_kg_per_tkm, "kg CO2e/tkm"),
            ("diesel_l_per_tkm", each.diesel_l_per_tkm, "l/tkm"),
        ):
            id = f"{each.id}.{name}"
            tag = each.tag if id in set_here() or each.tag != "set_here" else "unverified"
            yield Default(id, value, unit, None, None, tag, each.confidence, each.source, True,
                          FACTORS_VERSION)  # fmt: skip


def _of_materials() -> Iterator[Default]:
    for one in MATERIALS.values():
        for name, told in (
            ("t_per_m3ktr", one.density),
            ("t_per_m3itd", one.t_per_m3itd),
            ("t_per_m3rtr", one.t_per_m3rtr),
        ):
            unit, settable = name.replace("t_per_", "t/"), name != "t_per_m3ktr" or bool(told)
            id = f"{one.id}.{name}"
            if told is None:
                yield Default(id, None, unit, None, None, "unverified", None, "not known",
                              settable, VOCABULARY_VERSION)  # fmt: skip
                continue
            where = told.provenance
            yield Default(id, told.likely, unit, told.low, told.high, told.tag, where.confidence,
                          where.source, settable, VOCABULARY_VERSION)  # fmt: skip


def _of_the_counterfactual() -> Iterator[Default]:
    told = table("counterfactual")
    for kind in ("reception_km", "quarry_km"):
        yield _row(f"{told['meta']['id']}.{kind}", told[kind], "value", told[kind]["unit"],
                   version_of("counterfactual"), settable=True)  # fmt: skip


def _of_reliability() -> Iterator[Default]:
    told = table("enumerations")
    for row in told["enumerations"]["reliability"]:
        where = {**told["meta"]["range_pct"], **row}
        yield _row(f"reliability.{row['id']}", where, "range_pct", "%", version_of("enumerations"),
                   settable=True)  # fmt: skip


def _of_distance() -> Iterator[Default]:
    told, version = table("distance_ratio"), version_of("distance_ratio")
    for band in told["bands"]:
        id = f"distance_ratio.{band['from_km']:g}-{band['to_km']:g}_km"
        yield Default(id, band["ratio"], "km by road per straight km", band.get("p10"),
                      band.get("p90"), "derived", None, told["meta"]["source"], False,
                      version)  # fmt: skip
    yield _row("same_place_km", told["same_place"], "km", "km", version)


def _of_the_law() -> Iterator[Default]:
    for one in SUBSTANCES.values():
        for name, limit in (
            ("threshold", one.threshold),
            ("lower", one.lower),
            ("upper", one.upper),
        ):
            yield _told(f"pima.{one.id}.{name}", limit, "mg/kg", one.provenance, PIMA_VERSION)
    mara, version = table("mara"), version_of("mara")
    for row in mara["materials"]:
        where = Provenance(row["allowed_source"], row["allowed_tag"])
        for layer in row["allowed"]:
            id = f"mara.{row['id']}.{layer['structure']}.max_layer"
            yield _told(id, layer["max_layer_m"], "m", where, version)
        yield _told(f"mara.{row['id']}.max_particle", row["max_particle_mm"], "mm", where, version)
    for id, row in mara["least"].items():
        yield _told(f"mara.{id}", row["value"], row["unit"], provenance_of(row), version)
    for each in CLOCKS.values():
        yield _told(f"storage.{each.purpose}", each.limit_days, "days", each.provenance,
                    CLOCKS_VERSION)  # fmt: skip
    screening = next(row for row in table("gates")["gates"] if "screening" in row)["screening"]
    for id, unit in (
        ("total_S_percent_clay_silt", "%"),
        ("total_S_percent_coarse", "%"),
        ("incubation_pH_below", "pH"),
        ("nag_ph_below", "pH"),
    ):
        yield _told(f"acid_sulphate.{id}", screening[id], unit, SCREENING, version_of("gates"))


def _of_areas() -> Iterator[Default]:
    """What an area asks where it tells no terms of its own: it sets them by telling."""
    told, version = table("area_terms"), version_of("area_terms")
    for row in (told["handling"], told["storage_month"], *told["processing"]):
        bounds = {"low": row["min"], "high": row["max"]}
        yield _row(row["id"], {**row, **bounds}, "value", row["unit"], version)
        if "kg_co2e_per_t" in row:
            climate = {**row, "low": None, "high": None}
            yield _row(f"{row['id']}.co2e", climate, "kg_co2e_per_t", "kg CO2e/t", version)


def _told(id: str, value: float | None, unit: str, where: Provenance, version: str) -> Default:
    return Default(id, value, unit, None, None, where.shown_tag, where.confidence, where.source,
                   False, version)  # fmt: skip


def _row(
    id: str, row: Mapping[str, Any], column: str, unit: str, version: str, *, settable: bool = False
) -> Default:
    where = provenance_of(row)
    return Default(id, row[column], unit, row.get("low"), row.get("high"), where.shown_tag,
                   where.confidence, where.source, settable, version)  # fmt: skip
