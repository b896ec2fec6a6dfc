"""What a company may tell of each thing, field by field, and the checks of one field alone."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from math import isfinite
from typing import Any, Literal
from uuid import UUID

from services.registry.domain.values import Kind, Reason, field_of, pointer_to
from shared.vocabulary.contamination import SUBSTANCES
from shared.vocabulary.enumerations import codes
from shared.vocabulary.estimates import METHODS, project_types
from shared.vocabulary.materials import INVASIVE_SPECIES, MATERIALS
from shared.vocabulary.soils import SYSTEMS, told_readings
from shared.vocabulary.tables import table

Form = Literal[
    "text", "id", "note", "number", "integer", "boolean", "date", "uuid", "waste_code", "link",
    "soil_code",
]  # fmt: skip

EARLIEST, LATEST = date(2000, 1, 1), date(2100, 12, 31)
LONGEST_LIST = 100
MOST_QUANTITY = 1e9
"""Above any project on Earth: a value beyond is a mistaken unit."""

_WASTE_CODE = re.compile(r"\d{2} \d{2} \d{2}\*?", re.ASCII)
_LINK = re.compile(r"https?://[^\s\"'<>]+", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """
    One field: its form, whether it must be told, and what it may say.

    *codes* with *list* (what the list is called) for a closed list; *least* and *most* for numbers,
    *above* for what must be more than 0; *longest* in characters; *many* for a list of such values.
    *parts* makes it an object of such fields, *by_code* one of such values, each under a code.
    """

    form: Form = "text"
    required: bool = False
    default: Any = None
    codes: tuple[str, ...] = ()
    list: str = ""
    least: float | None = None
    most: float = MOST_QUANTITY
    above: bool = False
    longest: int = 200
    many: bool = False
    parts: "Mapping[str, Field] | None" = None
    by_code: bool = False


def _one_of(name: str, default: str | None = None, *, required: bool = False,
            many: bool = False) -> Field:  # fmt: skip
    return Field(codes=codes(name), list=name, default=default, required=required, many=many)


MATERIAL_CODES = tuple(MATERIALS)
QUALITY = ("any", *codes("suitability_tier"), *codes("suitability_class"))
ORIGINS = ("lot", "virgin")
STATUS = ("draft", "offered", "reserved", "cancelled")
STRUCTURES = tuple(each["id"] for each in table("mara")["structures"])
SUBSTANCE_CODES = tuple(SUBSTANCES)
SPECIES_CODES = tuple(INVASIVE_SPECIES)
MOST_MG_PER_KG = 1e6

_CONCENTRATIONS = Field("number", codes=SUBSTANCE_CODES, list="substance", least=0,
                        most=MOST_MG_PER_KG, by_code=True)  # fmt: skip
_PERCENT = Field("number", least=0, most=100)
_PROBABILITY = Field("number", least=0, most=1)

_IDENTITY = {
    "external_id": Field("id", required=True),
    "external_revision": Field("integer", least=0, most=2**53),
    "owner": Field(longest=32),
}
_PLACE = {
    "municipality": Field(longest=32),
    "lat": Field("number", most=1e300),
    "lon": Field("number", most=1e300),
}
_PRICE = {
    "price_eur_per_t": Field("number", least=-10_000, most=10_000),
}

PROJECT: Mapping[str, Field] = {
    **_IDENTITY,
    "title": Field(required=True, longest=300),
    "region": Field(longest=16),
    **_PLACE,
    "municipality": Field(required=True, longest=32),
    "precision": _one_of("place_precision"),
    "site_kind": _one_of("site_kind", "construction_site"),
    "phase": _one_of("phase", "not_applicable"),
    "probability": _PROBABILITY,
    "programme": Field(
        parts={
            "title": Field(required=True, longest=200),
            "reference": Field(longest=200),
            "project_type": Field(codes=tuple(project_types()), list="project_type"),
            "area_m2": Field("number", above=True),
            "length_m": Field("number", above=True),
            "planning_from": Field("date"),
            "planning_to": Field("date"),
        }
    ),
    "available_from": Field("date"),
    "available_to": Field("date"),
    "contacts": Field("uuid", many=True),
    "visibility": _one_of("visibility", "parties"),
}
WITHDRAWAL: Mapping[str, Field] = {
    **_IDENTITY,
    "reason": Field("note", longest=500),
}
FORECAST: Mapping[str, Field] = {
    **_IDENTITY,
    "project": Field("id", required=True),
    "direction": _one_of("direction", required=True),
    "material": Field(codes=MATERIAL_CODES, list="material", required=True),
    "material_subtype": Field(),
    "soil_code": Field(
        "soil_code",
        parts={
            "system": Field(codes=tuple(SYSTEMS), list="soil_system", required=True),
            "code": Field(required=True, longest=20),
        },
    ),
    "use": _one_of("use"),
    "quality": Field(codes=QUALITY, list="suitability_class", default="unknown"),
    "accepts_unknown_quality": Field("boolean", default=False),
    "frost_class": _one_of("frost_class"),
    "max_frost_class": _one_of("frost_class"),
    "max_particle_mm": Field("number", above=True, most=100_000),
    "stones_percent": _PERCENT,
    "moisture_percent": Field("number", least=0, most=1000),
    "waste_content_percent": _PERCENT,
    "vertical_position_m": Field("number", least=-1000, most=9000),
    "contamination": _one_of("contamination", "unknown"),
    "contamination_basis": _one_of("contamination_basis", "none"),
    "suspected_place": Field("boolean"),
    "lab_report": Field(
        parts={
            "number": Field(required=True, longest=100),
            "date": Field("date"),
            "link": Field("link", longest=500),
        }
    ),
    "lab_results": _CONCENTRATIONS,
    "background_values": _CONCENTRATIONS,
    "suspected_substances": Field(codes=SUBSTANCE_CODES, list="substance", many=True),
    "max_contamination": _one_of("contamination", "P0"),
    "max_contamination_basis": _one_of("acceptance_basis"),
    "acid_sulphate": _one_of("acid_sulphate", "unknown"),
    "accepts_acid_sulphate": Field("boolean", default=False),
    "total_S_percent": _PERCENT,
    "nag_ph": Field("number", least=0, most=14),
    "lime_need_kg_per_t": Field("number", least=0, most=1000),
    "invasive_status": _one_of("invasive_status", "unknown"),
    "invasive_species": Field(codes=SPECIES_CODES, list="invasive_species", many=True),
    "invasive_surveyed_on": Field("date"),
    "deep_cover": Field("boolean"),
    "waste_status": _one_of("waste_status", "unknown"),
    "waste_code": Field("waste_code"),
    "legal_route": _one_of("legal_route"),
    "structure": Field(codes=STRUCTURES, list="structure"),
    "layer_m": Field("number", above=True, most=1000),
    "groundwater_area": Field("boolean"),
    "groundwater_class": _one_of("groundwater_class"),
    "play_area": Field("boolean"),
    "housing_area": Field("boolean"),
    "cover": _one_of("cover"),
    "above_groundwater_m": Field("number", least=0, most=1000),
    "well_distance_m": Field("number", least=0, most=1_000_000),
    "made_at_demolition_site": Field("boolean"),
    "storage_site": Field(),
    "stored_since": Field("date"),
    "storage_purpose": _one_of("storage_purpose"),
    "quantity": Field("number", required=True, least=0),
    "unit": Field(required=True, longest=32),
    "method": _one_of("method", "estimate"),
    "low": Field("number", least=0),
    "high": Field("number", least=0),
    "estimate": Field(
        parts={
            "method": Field(codes=tuple(METHODS), list="estimate_method", required=True),
            **{
                name: Field("number", above=True, most=MOST_QUANTITY)
                for name in ("area_m2", "depth_m", "length_m", "section_m2")
            },
            "project_type": Field(codes=tuple(project_types()), list="project_type"),
        }
    ),
    "amount_as_of": Field("date"),
    "reliability": _one_of("reliability", "unknown"),
    "net_of_own_use": Field("boolean", default=False),
    "available_from": Field("date", required=True),
    "available_to": Field("date", required=True),
    "weekly_rate_t": Field("number", above=True),
    **_PLACE,
    "site_kind": _one_of("site_kind"),
    "phase": _one_of("phase"),
    "probability": _PROBABILITY,
    "transport_payer": _one_of("transport_payer"),
    **_PRICE,
    "visibility": _one_of("visibility"),
    "status": Field(codes=STATUS, list="lot_status", default="offered"),
    "source_system": Field(),
    "source_id": Field(),
    "assumptions": Field(many=True, longest=500),
    "note": Field("note", longest=2000),
}
_PROCESSING_TERMS = {
    "processing": _one_of("processing", required=True),
    "cost_eur_per_t": Field("number", least=0, most=10_000),
    "yield_share": Field("number", above=True, most=1),
}

AREA: Mapping[str, Field] = {
    **_IDENTITY,
    "title": Field(required=True, longest=300),
    "region": Field(longest=16),
    **_PLACE,
    "municipality": Field(required=True, longest=32),
    "site_kind": _one_of("site_kind", required=True),
    "status": Field(codes=("open", "closed"), list="status", default="open"),
    "materials": Field(codes=MATERIAL_CODES, list="material", many=True),
    "max_contamination": _one_of("contamination", "P0"),
    "max_contamination_basis": _one_of("acceptance_basis"),
    "accepts_acid_sulphate": Field("boolean", default=False),
    "processing": _one_of("processing", many=True),
    "processing_terms": Field(parts=_PROCESSING_TERMS, many=True),
    "capacity_t": Field("number", least=0),
    "stock_t": Field("number", least=0),
    "weekly_rate_t": Field("number", above=True),
    "available_from": Field("date"),
    "available_to": Field("date"),
    "permit_until": Field("date"),
    "handling_eur_per_t": Field("number", least=0, most=10_000),
    "storage_eur_per_t_month": Field("number", least=0, most=10_000),
    "gate_fee_eur_per_t": Field("number", least=-10_000, most=10_000),
    **_PRICE,
    "visibility": _one_of("visibility", "forum"),
}
DELIVERY: Mapping[str, Field] = {
    **_IDENTITY,
    "forecast": Field("id"),
    "match_id": Field("uuid"),
    "area": Field("id"),
    "outlet": _one_of("outlet", required=True),
    "origin": Field(codes=ORIGINS, list="origin", default="lot"),
    "material": Field(codes=MATERIAL_CODES, list="material", required=True),
    "quantity": Field("number", required=True, least=0),
    "unit": Field(default="t", longest=32),
    "method": _one_of("method", "weighed"),
    "moved_on": Field("date", required=True),
    "haul_km": Field("number", least=0, most=100_000),
    "vehicle": Field(),
    "energy": _one_of("energy"),
    "waybill": Field(longest=100),
}

FIELDS: Mapping[str, Mapping[str, Field]] = {
    "project-added": PROJECT,
    "project-updated": PROJECT,
    "project-withdrawn": WITHDRAWAL,
    "forecast-updated": FORECAST,
    "area-updated": AREA,
    "delivery-reported": DELIVERY,
}
KIND_OF: Mapping[str, Kind] = {
    "project-added": "project",
    "project-updated": "project",
    "project-withdrawn": "project",
    "forecast-updated": "forecast",
    "area-updated": "area",
    "delivery-reported": "delivery",
}


def read_fields(event: str, told: Mapping[str, Any]) -> tuple[dict[str, Any], list[Reason]]:
    """
    What *told* says of *event*, cleaned, with defaults; and every reason against a single field.

    Dates and ids stay text, checked. A field told as null counts as not told; one that was refused
    is left out.
    """
    fields = FIELDS[event]
    said: dict[str, Any] = {}
    reasons = [_unknown(name, fields, event) for name in told if name not in fields]
    for name, field in fields.items():
        value = told.get(name)
        if value is None:
            if field.required:
                wanted = _wanted(field)
                reasons.append(Reason("field_missing", f"/{name}", None, {"wanted": wanted}))
            elif field.default is not None:
                said[name] = field.default
            continue
        clean, against = _read(field, value, f"/{name}")
        if against:
            reasons.extend(against)
        else:
            said[name] = clean
    return said, reasons


MOST_OFFERED = 30


def closest(value: Any, among: tuple[str, ...]) -> tuple[str, list[str]]:
    """What to offer in place of *value*: the closest of *among*, else some of them."""
    close = get_close_matches(str(value)[:64], among, n=3, cutoff=0.6) if value else []
    if close:
        return ("close", close)
    return ("one_of", list(among) if len(among) <= MOST_OFFERED else [*among[:MOST_OFFERED], "…"])


def _unknown(name: str, fields: Mapping[str, Field], event: str) -> Reason:
    close = get_close_matches(name[:64], tuple(fields), n=2, cutoff=0.6)
    says = {"event": event, "close": ("close", close)}
    return Reason("field_unknown", pointer_to(name), None, says)


def _wanted(field: Field) -> str:
    if field.many:
        return "list"
    if field.parts or field.by_code:
        return "object"
    return {"number": "number", "integer": "integer", "boolean": "boolean", "date": "date"}.get(
        field.form, "text"
    )


def _read(field: Field, value: Any, pointer: str) -> tuple[Any, list[Reason]]:
    if not field.many:
        return _read_one(field, value, pointer)
    if not isinstance(value, list):
        return None, [Reason("type_wrong", pointer, value, {"wanted": "list"})]
    if len(value) > LONGEST_LIST:
        return None, [Reason("list_too_long", pointer, len(value), {"most": LONGEST_LIST})]
    read = [_read_one(field, each, f"{pointer}/{at}") for at, each in enumerate(value)]
    return [clean for clean, _ in read], [one for _, against in read for one in against]


def _read_one(field: Field, value: Any, pointer: str) -> tuple[Any, list[Reason]]:
    if field.parts is not None:
        bare = _bare_soil_code(value, pointer) if field.form == "soil_code" else None
        return (None, [bare]) if bare else _read_parts(field.parts, value, pointer)
    if field.by_code:
        return _read_by_code(field, value, pointer)
    clean, against = _FORMS[field.form](field, value, pointer)
    return clean, [against] if against else []


def _read_parts(parts: Mapping[str, Field], value: Any, pointer: str) -> tuple[Any, list[Reason]]:
    if not isinstance(value, dict):
        return None, [Reason("type_wrong", pointer, value, {"wanted": "object"})]
    says = {"event": field_of(pointer)}
    reasons = [Reason("field_unknown", f"{pointer}{pointer_to(name)}", None,
                      {**says, "close": closest(name, tuple(parts))})
               for name in value if name not in parts]  # fmt: skip
    said: dict[str, Any] = {}
    for name, part in parts.items():
        if value.get(name) is None:
            if part.required:
                told = {"wanted": _wanted(part)}
                reasons.append(Reason("field_missing", f"{pointer}/{name}", None, told))
            continue
        clean, against = _FORMS[part.form](part, value[name], f"{pointer}/{name}")
        said[name] = clean
        reasons += [against] if against else []
    return said, reasons


def _read_by_code(field: Field, value: Any, pointer: str) -> tuple[Any, list[Reason]]:
    if not isinstance(value, dict):
        return None, [Reason("type_wrong", pointer, value, {"wanted": "object"})]
    if len(value) > LONGEST_LIST:
        return None, [Reason("list_too_long", pointer, len(value), {"most": LONGEST_LIST})]
    said: dict[str, Any] = {}
    reasons: list[Reason] = []
    for code, each in value.items():
        at = f"{pointer}{pointer_to(code)}"
        if code not in field.codes:
            says = {"list": field.list, "close": closest(code, field.codes)}
            reasons.append(Reason("code_unknown", at, code, says))
            continue
        clean, against = _FORMS[field.form](field, each, at)
        if against is None:
            said[code] = clean
        else:
            reasons.append(against)
    return said, reasons


def _bare_soil_code(value: Any, pointer: str) -> Reason | None:
    """The refusal of a code that does not say its system."""
    code = value.get("code") if isinstance(value, dict) else value
    if not isinstance(code, str) or (isinstance(value, dict) and value.get("system") is not None):
        return None
    says = {"readings": told_readings(code[:20])}
    return Reason("soil_code_without_system", pointer, code, says)


Read = tuple[Any, Reason | None]


def _text(field: Field, value: Any, pointer: str) -> Read:
    if not isinstance(value, str):
        return None, Reason("type_wrong", pointer, value, {"wanted": "text"})
    if not is_clean(value, lines=field.form == "note"):
        return None, Reason("text_not_clean", pointer, value)
    clean = value.strip()
    if not clean.isascii():
        clean = unicodedata.normalize("NFC", clean)
    if not clean:
        return None, Reason("text_empty", pointer, value)
    if len(clean) > field.longest:
        return None, Reason("text_too_long", pointer, len(clean), {"most": field.longest})
    if field.codes and clean not in field.codes:
        code = "material_unknown" if field.list == "material" else "code_unknown"
        says = {"list": field.list, "close": closest(clean, field.codes)}
        return None, Reason(code, pointer, clean, says)
    return clean, None


def _number(field: Field, value: Any, pointer: str) -> Read:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, Reason("type_wrong", pointer, value, {"wanted": "number"})
    if isinstance(value, float) and not isfinite(value):
        return None, Reason("number_not_finite", pointer, value)
    against = _out_of_bounds(field, value, pointer)
    if against is not None:
        return None, against
    return (value if field.form == "integer" else float(value) + 0.0), None  # -0.0 becomes 0.0


def _out_of_bounds(field: Field, value: float, pointer: str) -> Reason | None:
    least = 0 if field.above else field.least
    if least == 0 and value < 0:
        return Reason("number_negative", pointer, value)
    if field.above and value == 0:
        return Reason("number_not_positive", pointer, value)
    if least is not None and value < least:
        return Reason("number_too_small", pointer, value, {"least": least})
    if value > field.most:
        return Reason("number_too_large", pointer, value, {"most": f"{field.most:g}"})
    return None


def _integer(field: Field, value: Any, pointer: str) -> Read:
    if isinstance(value, bool) or not isinstance(value, int):
        return None, Reason("type_wrong", pointer, value, {"wanted": "integer"})
    return _number(field, value, pointer)


def _boolean(_: Field, value: Any, pointer: str) -> Read:
    if not isinstance(value, bool):
        return None, Reason("type_wrong", pointer, value, {"wanted": "boolean"})
    return value, None


def _date(_: Field, value: Any, pointer: str) -> Read:
    if not isinstance(value, str):
        return None, Reason("type_wrong", pointer, value, {"wanted": "date"})
    try:
        day = date.fromisoformat(value) if _DAY.fullmatch(value) else None
    except ValueError:
        day = None
    if day is None:
        return None, Reason("date_invalid", pointer, value)
    if not EARLIEST <= day <= LATEST:
        return None, Reason("date_out_of_range", pointer, value)
    return value, None


def _uuid(_: Field, value: Any, pointer: str) -> Read:
    try:
        return str(UUID(value)), None
    except (ValueError, TypeError, AttributeError):
        return None, Reason("uuid_invalid", pointer, value)


def _waste_code(field: Field, value: Any, pointer: str) -> Read:
    if not isinstance(value, str) or not _WASTE_CODE.fullmatch(value):
        return None, Reason("waste_code_invalid", pointer, value)
    return value, None


def _link(field: Field, value: Any, pointer: str) -> Read:
    clean, against = _text(field, value, pointer)
    if against is None and not _LINK.fullmatch(clean):
        return None, Reason("link_invalid", pointer, clean)
    return clean, against


def is_clean(text: str, *, lines: bool = False) -> bool:
    """
    Whether every character of *text* can be kept and shown as it is: no control, half or direction
    characters. *lines* allows line ends and tabs.
    """
    if text.isprintable():  # true of most; false also of separators, so look closer below
        return True
    return all(
        each.isprintable() or each in " \u00a0\u202f\u2009" or (lines and each in "\n\r\t")
        for each in text
    )


_FORMS: Mapping[Form, Callable[[Field, Any, str], Read]] = {
    "text": _text,
    "id": _text,
    "note": _text,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "date": _date,
    "uuid": _uuid,
    "waste_code": _waste_code,
    "link": _link,
}
