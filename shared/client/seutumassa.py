"""Forecasts as rows of SeutuMassa: its whole field set, or its CSV of 19 columns; losses told."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from shared.client.crs import from_degrees
from shared.spreadsheets import csv_of
from shared.vocabulary.materials import MATERIALS
from shared.vocabulary.regions import Region
from shared.vocabulary.tables import table

EPSG: Final = 3879
_NO_AREA: Final = "-1"
_LOUHE: Final = "louhe"
_STORES: Final = ("interim_storage", "processing_site")
_GROUPS: Final = MappingProxyType(
    {"organic": "eloperäiset maalajit", "cohesive": "hienorakeiset maalajit",
     "friction": "karkearakeiset maalajit", "till": "moreenimaalajit",
     "recovered": "uusiomateriaalit"}
)  # fmt: skip
_TIERS: Final = MappingProxyType(
    {"good": ("S1", "S2", "S3", "H1", "H2"), "medium": ("S4", "H3", "H4"),
     "poor": ("U1", "U2", "U3", "U4", "TV")}
)  # fmt: skip
_OWN_STATE: Final = "m3ktr"
_UNHELD: Final = MappingProxyType(
    {
        "use": (None, "unspecified"),
        "soil_code": (None,),
        "acid_sulphate": (None, "unknown"),
        "invasive_status": (None, "unknown"),
        "frost_class": (None, "unknown"),
        "max_frost_class": (None,),
        "contamination_basis": (None, "none", "imported"),
        "waste_status": (None, "unknown", "not_waste"),
        "waste_code": (None,),
        "legal_route": (None, "unknown"),
        "max_particle_mm": (None,),
        "stones_percent": (None,),
        "moisture_percent": (None,),
        "waste_content_percent": (None,),
        "total_S_percent": (None,),
        "laboratory": (None,),
        "accepts_acid_sulphate": (None, False),
        "net_of_own_use": (None, False),
        "weekly_rate_t": (None,),
        "price_eur_per_t": (None,),
        "transport_payer": (None,),
        "probability": (None,),
        "estimate": (None,),
        "storage_site": (None,),
    }
)
"""What SeutuMassa has no field for, with the values that lose nothing by it."""


class Loss(NamedTuple):
    """A value that SeutuMassa cannot hold, or holds as another."""

    forecast_id: str
    field: str
    value: str


@dataclass(frozen=True, slots=True)
class MassRow:
    """One mass row with its site's fields, by the ids of the form, and what it lost."""

    fields: Mapping[str, str]
    losses: tuple[Loss, ...]


def mass_rows(
    forecasts: Iterable[Mapping[str, Any]],
    projects: Mapping[str, Mapping[str, Any]],
    region: Region,
    titles: Mapping[str, str] | None = None,
) -> Iterator[MassRow]:
    """
    *forecasts* and their *projects* by id, as the registry tells both, as mass rows.

    Those that are neither offered nor reserved are left out. *titles* are those of organisations by
    token. People are never told: SeutuMassa's contact is for its own user to fill in.
    """
    for forecast in forecasts:
        if forecast.get("status", "offered") in ("offered", "reserved"):
            project = projects.get(forecast["project_id"], {})
            yield _Told(forecast, project, region, titles or {}).row()


def full_csv(rows: Iterable[MassRow]) -> Iterator[str]:
    """*rows* as CSV with every field under its id, a line at a time."""
    yield _line(FIELDS)
    for row in rows:
        yield _line(row.fields[name] for name in FIELDS)


def result_csv(rows: Iterable[MassRow]) -> Iterator[str]:
    """*rows* as the CSV of SeutuMassa's search result: 19 columns, the municipality by its name."""
    columns = [(each["title"], each["field"]) for each in table("seutumassa")["csv_columns"]]
    yield _line(title for title, _ in columns)
    for row in rows:
        yield _line(row.fields[_RESULT.get(title, field)] for title, field in columns)


def lost_in_result(row: MassRow) -> tuple[Loss, ...]:
    """What the 19 columns lose of *row*, beside what every row loses."""
    kept = {"varattu": "false", "vaihe": "ei relevantti tieto"}
    whose = row.fields["forecast_id"]
    return tuple(
        Loss(whose, name, row.fields[name])
        for name in table("seutumassa")["not_in_csv"]
        if row.fields.get(name, "") not in ("", kept.get(name, "")) and name != "maamassatieto_id"
    )


def features(rows: Iterable[MassRow]) -> Iterator[dict[str, Any]]:
    """*rows* as GeoJSON features in EPSG:3879; the collection must say so, else it is degrees."""
    for row in rows:
        geometry = json.loads(row.fields["geom"]) if row.fields["geom"] else None
        properties = {name: row.fields[name] for name in FIELDS if name != "geom"}
        yield {"type": "Feature", "geometry": geometry, "properties": properties}


FIELDS: Final = (
    "maamassakohde_id", "kunta", "hankealue_id", "nimi", "osoite", "kohdetyyppi", "vaihe",
    "henkilo_organisaatio", "alku_pvm", "loppu_pvm", "maamassatieto_id", "maamassan_tila",
    "maamassan_ryhma", "maamassan_laji", "amount_remaining", "amount_unit", "vertical_position",
    "varattu", "planned_begin_date", "planned_end_date", "kelpoisuusluokkaryhma",
    "kelpoisuusluokka", "pilaantuneisuus", "tiedon_luotettavuus", "geom",
)  # fmt: skip
_RESULT: Final = MappingProxyType(
    {"Kohteen id": "maamassakohde_id", "Kunta": "kunta_name", "Hankealue": "hankealue",
     "GeoJSON": "geom"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Told:
    """One forecast on its way to a row."""

    forecast: Mapping[str, Any]
    project: Mapping[str, Any]
    region: Region
    titles: Mapping[str, str]

    def row(self) -> MassRow:
        lost: list[tuple[str, Any]] = [
            (name, self.forecast[name])
            for name, nothing in _UNHELD.items()
            if name in self.forecast and self.forecast[name] not in nothing
        ]
        fields = {
            **dict.fromkeys(("osoite", "henkilo_nimi", "henkilo_email", "henkilo_puhelin"), ""),
            **dict.fromkeys(("hankealue", "forecast_id"), ""),
            **self._site(lost),
            **self._mass(lost),
            **self._amount(lost),
            **self._when(lost),
            **self._classes(lost),
        }
        id = str(self.forecast["forecast_id"])
        fields |= {"forecast_id": id, "maamassatieto_id": self._own_id(id)}
        return MassRow(fields, tuple(Loss(id, name, str(value)) for name, value in lost))

    def _own_id(self, id: str) -> str:
        source = self.forecast.get("source") or {}
        came_from_there = source.get("system") == "seutumassa" and source.get("id")
        own = self.forecast.get("external_id")  # of its reporter alone: read back, it is the same
        return str(source["id"]) if came_from_there else str(own or id)

    def _site(self, lost: list[tuple[str, Any]]) -> dict[str, str]:
        place = self.forecast["place"]
        code = place["municipality"]
        if code not in _codes("kunta"):
            lost.append(("municipality", code))
        kind, phase = self.forecast.get("site_kind", ""), self.forecast.get("phase", "")
        if kind and kind not in _back("kohdetyyppi"):
            lost.append(("site_kind", kind))
        point = ""
        if place.get("precision", "exact") == "exact":
            x, y = from_degrees(place["lon"], place["lat"], EPSG)
            point = json.dumps({"type": "Point", "coordinates": [round(x, 3), round(y, 3)]})
        window = self.project.get("window") or {}
        token = self.forecast["organisation"]
        return {
            "maamassakohde_id": self.project.get("external_id") or self.forecast["project_id"],
            "kunta": code,
            "kunta_name": self.region.place(code).name("fi"),
            "hankealue_id": _NO_AREA,
            "nimi": self.project.get("title", ""),
            "kohdetyyppi": _back("kohdetyyppi").get(kind, ""),
            "vaihe": _back("vaihe").get(phase, ""),
            "henkilo_organisaatio": self.titles.get(token, token),
            "alku_pvm": window.get("first", ""),
            "loppu_pvm": window.get("last", ""),
            "geom": point,
        }

    def _mass(self, lost: list[tuple[str, Any]]) -> dict[str, str]:
        material, subtype = self.forecast["material"], self.forecast.get("material_subtype")
        laji = _lajit().get((material, subtype)) or _lajit().get((material, None), "")
        ryhma = _ryhma(material)
        if subtype and (material, subtype) not in _lajit():
            lost.append(("material_subtype", subtype))
        if not laji and material in MATERIALS["ash_and_slag"].members:
            laji = _lajit()["ash_and_slag", None]
            lost.append(("material", material))
        elif not laji and material not in _groups():
            lost.append(("material", material))
        surplus = self.forecast["direction"] == "surplus"
        if laji == _LOUHE and material != self._rock(surplus):
            lost.append(("material", material))
        return {
            "maamassan_tila": "ylijäämä/kaivettava" if surplus else "alijäämä/tarvittava",
            "maamassan_laji": laji,
            "maamassan_ryhma": ryhma,
        }

    def _rock(self, surplus: bool) -> str:
        """What louhe is read as on a row of this kind."""
        loose = not surplus or self.forecast.get("site_kind") in _STORES
        return "blasted_rock_loose" if loose else "rock_solid"

    def _state(self) -> str:
        """What a cubic metre of SeutuMassa is on a row of this kind."""
        if self.forecast.get("site_kind") in _STORES:
            return "m3itd"
        if self.forecast["direction"] == "need":
            return "m3rtr"
        return "m3itd" if _ryhma(self.forecast["material"]) == _GROUPS["recovered"] else _OWN_STATE

    def _amount(self, lost: list[tuple[str, Any]]) -> dict[str, str]:
        told = self.forecast["quantity"]
        value, unit = float(told["value"]), told["unit"]
        if unit not in ("t", self._state()):
            lost.append(("unit", f"{value:g} {unit}"))
            value, unit = float(told["likely_t"]), "t"
        if not value.is_integer():
            lost.append(("quantity", value))
        level = self.forecast.get("vertical_position_m")
        if level is not None and not float(level).is_integer():
            lost.append(("vertical_position_m", level))
        return {
            "amount_remaining": str(round(value)),
            "amount_unit": "t" if unit == "t" else "m3",
            "vertical_position": "" if level is None else str(round(level)),
            "varattu": "true" if self.forecast.get("status") == "reserved" else "false",
        }

    def _when(self, lost: list[tuple[str, Any]]) -> dict[str, str]:
        first = date.fromisoformat(self.forecast["window"]["first"])
        last = date.fromisoformat(self.forecast["window"]["last"])
        if first.day != 1 or (last + timedelta(days=1)).day != 1:
            lost.append(("window", f"{first}/{last}"))
        return {
            "planned_begin_date": first.replace(day=1).isoformat(),
            "planned_end_date": last.isoformat(),
        }

    def _classes(self, lost: list[tuple[str, Any]]) -> dict[str, str]:
        quality = self.forecast.get("quality", "unknown")
        tier = next((name for name, classes in _TIERS.items() if quality in classes), quality)
        if quality == "any":
            lost.append(("quality", quality))
        need = self.forecast["direction"] == "need"
        name = "max_contamination" if need else "contamination"
        clean = self.forecast.get(name, "P0" if need else "unknown")
        if clean == "P1" or (need and clean not in ("P0", "unknown")):
            lost.append((name, clean))
        held = "P0" if clean == "P1" else clean
        reliability = self.forecast.get("reliability", "unknown")
        return {
            "kelpoisuusluokkaryhma": _back("kelpoisuusluokkaryhma").get(tier, ""),
            "kelpoisuusluokka": quality.lower() if tier != quality else "",
            "pilaantuneisuus": _back("pilaantuneisuus").get(held, ""),
            "tiedon_luotettavuus": "" if reliability == "unknown" else reliability,
        }


@cache
def _back(name: str) -> dict[str, str]:
    """Our code → the register's word, for one of its lists."""
    found: dict[str, str] = {}
    for word, meant in table("seutumassa")["map"][name].items():
        code = meant.get("contamination") if isinstance(meant, dict) else meant
        if not word.startswith("("):
            found[str(code)] = word
    return found


@cache
def _codes(name: str) -> frozenset[str]:
    fields = table("seutumassa")["fields"]
    return frozenset(v["id"] for each in fields if each["id"] == name for v in each["values"])


@cache
def _lajit() -> dict[tuple[str, str | None], str]:
    """Material and subtype → laji."""
    found: dict[tuple[str, str | None], str] = {}
    for laji, meant in table("seutumassa")["map"]["maamassan_laji"].items():
        if laji.startswith("("):
            continue
        found[meant["material"], meant.get("subtype")] = laji
        if "need_material" in meant:
            found[meant["need_material"], None] = laji
    return found


@cache
def _groups() -> dict[str, str]:
    """The material that a group alone stands for → the group."""
    told = table("seutumassa")["map"]["maamassan_ryhma"]
    return {told[group]: group for group in _GROUPS.values()}


def _ryhma(material: str) -> str:
    """The group of a material; empty for made ground, which fits none."""
    alone = _groups().get(material)
    return alone or _GROUPS.get(_KINDS.get(material, ""), "")


_KINDS: Final = MappingProxyType(
    {
        **{each.id: "recovered" for each in MATERIALS.values() if each.group == "recovered"},
        **dict.fromkeys(("peat", "gyttja", "topsoil", "growing_medium"), "organic"),
        **dict.fromkeys(("clay", "silt", "dry_crust_clay", "sulphide_clay"), "cohesive"),
        **dict.fromkeys(("stabilised_clay", "dredged_sediment"), "cohesive"),
        **dict.fromkeys(("sand", "gravel", "stones", "boulders"), "friction"),
        **dict.fromkeys(("crushed_rock", "crushed_gravel"), "friction"),
        **dict.fromkeys(("rock_solid", "blasted_rock_loose"), "friction"),
        "ash_and_slag": "recovered",
    }
)
"""The group of each material that has one beside its laji; made ground has none."""


def _line(cells: Iterable[str]) -> str:
    return csv_of([list(cells)], delimiter=";")
