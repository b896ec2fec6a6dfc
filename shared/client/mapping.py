"""A mapping file: what the columns of a table mean, and the events that its rows become."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

import yaml

from shared.client.cells import BadCell, Form, date_pattern, folded
from shared.client.crs import UnknownCrs, epsg_of
from shared.client.grammar import Compiler
from shared.client.places import PlaceRule
from shared.client.rules import Condition, Rule
from shared.client.said import said, say, say_all
from shared.client.values import Kind
from shared.contracts.intake import Handed, HandedArea, HandedForecast, HandedProject
from shared.vocabulary.errors import Refused

SHIPPED: Final = files(__package__).joinpath("mappings")

_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(("lat", "lon", "quantity", "low", "high", "max_particle_mm"), "number"),
    **dict.fromkeys(("layer_m", "weekly_rate_t", "price_eur_per_t", "capacity_t"), "number"),
    **dict.fromkeys(("gate_fee_eur_per_t", "stones_percent", "moisture_percent"), "number"),
    **dict.fromkeys(("waste_content_percent", "vertical_position_m"), "number"),
    **dict.fromkeys(("total_S_percent", "nag_ph", "lime_need_kg_per_t"), "number"),
    **dict.fromkeys(("above_groundwater_m", "well_distance_m", "probability"), "number"),
    **dict.fromkeys(("available_from", "available_to", "permit_until"), "date"),
    **dict.fromkeys(("invasive_surveyed_on", "stored_since"), "date"),
    **dict.fromkeys(("accepts_unknown_quality", "accepts_acid_sulphate"), "flag"),
    **dict.fromkeys(("net_of_own_use", "groundwater_area", "play_area"), "flag"),
    **dict.fromkeys(("housing_area", "made_at_demolition_site", "suspected_place"), "flag"),
    **dict.fromkeys(("deep_cover",), "flag"),
    **dict.fromkeys(("contamination", "max_contamination"), "contamination"),
    **dict.fromkeys(("frost_class", "max_frost_class"), "frost_class"),
    **{name: name for name in ("material", "unit", "measure", "quality", "use", "direction")},
    **{name: name for name in ("contamination_basis", "acid_sulphate", "invasive_status")},
    **{name: name for name in ("waste_status", "legal_route", "method", "reliability")},
    **{name: name for name in ("site_kind", "phase", "transport_payer", "visibility")},
}
_SET_BY_US: Final = frozenset({"project", "assumptions", "owner", "contacts", "external_revision"})
_NOT_IN_A_CELL: Final = frozenset(
    {"soil_code", "lab_report", "lab_results", "background_values", "suspected_substances",
     "invasive_species", "estimate", "programme"}
)  # fmt: skip
"""What a cell of a table cannot say: values of several parts."""
_TOP: Final = (
    "name", "about", "region", "file", "skip", "organisation", "project", "area", "forecast",
    "assumptions", "same_identity", "unread", "headings", "optional",
)  # fmt: skip


class BadMapping(Refused):
    """The mapping {value!r} cannot be used. {remedy}"""

    code: ClassVar[str] = "mapping_invalid"


class Skip(NamedTuple):
    """Rows to leave out, and why."""

    because: str
    condition: Condition


class Assumption(NamedTuple):
    """What is assumed of every row, or of those where *condition* holds."""

    text: str
    condition: Condition | None


@dataclass(frozen=True, slots=True)
class Shape:
    """The rules of one kind of event, by field; *condition* says which rows tell one."""

    fields: Mapping[str, Rule]
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class FileMapping:
    """
    A mapping that was read and understood; `read_events` turns a file into events by it.
    """

    name: str
    about: str
    region: str | None
    form: Form
    skip: tuple[Skip, ...]
    organisation: Rule | None
    by_title: bool
    place: PlaceRule
    project: Shape
    area: Shape | None
    forecast: Shape
    assumptions: tuple[Assumption, ...]
    same_identity: Literal["refuse", "number"]
    unread: Mapping[str, str]
    headings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column the mapping reads: a table must have them all."""
        found: dict[str, None] = {}
        for rule in self.rules():
            found.update(dict.fromkeys(rule.columns()))
        return tuple(found)

    def columns_of(self, kind: Kind) -> tuple[str, ...]:
        """The columns that are read as *kind*."""
        found: dict[str, None] = {}
        for rule in self.rules():
            if isinstance(rule, Rule):
                found.update(dict.fromkeys(rule.columns_of(kind)))
        return tuple(found)

    def rules(self) -> Iterator[Rule | Condition]:
        """Every rule and condition of it."""
        for _, condition in self.skip:
            yield condition
        if self.organisation is not None:
            yield self.organisation
        yield from self.place.rules
        for shape in (self.project, self.area, self.forecast):
            if shape is not None:
                yield from shape.fields.values()
                if shape.condition is not None:
                    yield shape.condition
        yield from (each.condition for each in self.assumptions if each.condition is not None)


def shipped_mappings() -> tuple[str, ...]:
    """The names of the mappings that come with the platform."""
    names = (each.name for each in SHIPPED.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def read_mapping(told: str | Path) -> FileMapping:
    """
    The mapping in the YAML or JSON file *told*, or the shipped one of that name.

    Raises `BadMapping` with every fault of it at once, each with its place.
    """
    told_file = read_yaml(told)
    compiler = Compiler()
    mapping = _mapping(told_file, compiler)
    if compiler.faults:
        raise BadMapping(value=str(told), remedy=say_all(compiler.faults))
    return mapping


def read_yaml(told: str | Path) -> dict[str, Any]:
    """What the YAML file *told* holds, or the shipped one of that name; raises `BadMapping`."""
    path = Path(told)
    try:
        if path.is_file():
            text = path.read_text("utf-8-sig")
        else:
            text = SHIPPED.joinpath(f"{told}.yaml").read_text("utf-8")
    except FileNotFoundError:
        remedy = say("mapping_no_file", shipped=", ".join(shipped_mappings()))
        raise BadMapping(value=str(told), remedy=remedy) from None
    except UnicodeDecodeError as error:
        raise BadMapping(value=str(told), remedy=say("mapping_utf8", why=error)) from error
    try:
        found = yaml.load(text, _Strict)
    except yaml.YAMLError as error:
        raise BadMapping(value=str(told), remedy=say("mapping_yaml", why=error)) from error
    if not isinstance(found, dict):
        raise BadMapping(value=str(told), remedy=say("mapping_names"))
    return found


class _Strict(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error: the second would win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in keys and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} stands twice", key_node.start_mark
                )
            keys.add(key)
        return super().construct_mapping(node, deep)


def _mapping(told: dict[str, Any], compiler: Compiler) -> FileMapping:
    compiler.only(told, "mapping", set(_TOP))
    for name in ("name", "project", "forecast"):
        if not told.get(name):
            compiler.faults.append(say("mapping_say", where=name))
    whose = told.get("organisation")
    by_title = isinstance(whose, dict) and whose.get("by") == "title"
    if isinstance(whose, dict):
        whose = {key: value for key, value in whose.items() if key != "by"}
    project = dict(told.get("project") or {})
    place = project.pop("place", None) or {}
    same = told.get("same_identity", "refuse")
    if same not in ("refuse", "number"):
        compiler.fault("mapping_choice", "same_identity", words="refuse / number")
    area = told.get("area")
    return FileMapping(
        name=str(told.get("name", "")),
        about=str(told.get("about", "")),
        region=None if told.get("region") is None else str(told["region"]),
        form=form_from(told.get("file") or {}, compiler),
        skip=tuple(_skips(told.get("skip") or [], compiler)),
        organisation=None
        if whose is None
        else compiler.rule(whose, "text" if by_title else "token", "organisation"),
        by_title=by_title,
        place=_place(place, compiler),
        project=_shape(project, HandedProject, "project", compiler),
        area=None if area is None else _shape(dict(area), HandedArea, "area", compiler),
        forecast=_shape(dict(told.get("forecast") or {}), HandedForecast, "forecast", compiler),
        assumptions=tuple(_assumptions(told.get("assumptions") or [], compiler)),
        same_identity="number" if same == "number" else "refuse",
        unread={str(column): str(why) for column, why in (told.get("unread") or {}).items()},
        headings=dict(_headings(told.get("headings") or {}, compiler)),
        optional=frozenset(str(column) for column in told.get("optional") or ()),
    )


def _headings(told: Any, compiler: Compiler) -> Iterator[tuple[str, tuple[str, ...]]]:
    for column, names in told.items() if isinstance(told, dict) else ():
        words = list(names.values()) if isinstance(names, dict) else names
        if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
            compiler.faults.append(say("mapping_headings", column=column))
            continue
        yield str(column), tuple(words)


def form_from(told: dict[str, Any], compiler: Compiler) -> Form:
    """How a file writes, by the words under `file`; faults are noted with *compiler*."""
    compiler.only(told, "file", {*Form.__slots__})
    dates = told.get("dates", Form().dates)
    values = {**told, "dates": tuple([dates] if isinstance(dates, str) else dates)}
    form = Form(**{name: value for name, value in values.items() if name in Form.__slots__})
    try:
        ZoneInfo(form.time_zone)
    except (ValueError, OSError, KeyError):
        compiler.faults.append(say("mapping_zone", zone=form.time_zone))
    if form.decimal not in ("auto", ",", "."):
        compiler.fault("mapping_choice", "file.decimal", words="auto / ',' / '.'")
    if form.delimiter != "auto" and len(form.delimiter) != 1:
        compiler.faults.append(say("mapping_delimiter"))
    if form.header != "auto" and (not isinstance(form.header, int) or form.header < 1):
        compiler.faults.append(say("mapping_header"))
    if not isinstance(form.sheet, str):
        compiler.faults.append(say("mapping_sheet"))
    for each in form.dates:
        try:
            if each not in ("auto", "instant", "milliseconds"):
                date_pattern(each)
        except BadCell as error:
            compiler.fault("mapping_why", "file.dates", why=said(error))
    return form


def _skips(told: Any, compiler: Compiler) -> Iterator[Skip]:
    for number, each in enumerate(told, start=1):
        where = f"skip[{number}]"
        if not (isinstance(each, dict) and set(each) == {"if", "because"}):
            compiler.fault("mapping_choice", where, words="if + because")
            continue
        yield Skip(str(each["because"]), compiler.condition(each["if"], f"{where}.if"))


def _assumptions(told: Any, compiler: Compiler) -> Iterator[Assumption]:
    for number, each in enumerate(told, start=1):
        where = f"assumptions[{number}]"
        if isinstance(each, str):
            yield Assumption(" ".join(each.split()), None)
        elif isinstance(each, dict) and set(each) == {"if", "text"}:
            condition = compiler.condition(each["if"], f"{where}.if")
            yield Assumption(" ".join(str(each["text"]).split()), condition)
        else:
            compiler.fault("mapping_sentence", where)


def _place(told: dict[str, Any], compiler: Compiler) -> PlaceRule:
    kinds = {"code": "text", "name": "text", "lat": "number", "lon": "number"}
    compiler.only(told, "project.place", {*kinds, "separator", "nowhere", "geometry", "crs"})
    rules = {
        name: compiler.rule(told[name], kind, f"project.place.{name}")
        for name, kind in kinds.items()
        if name in told
    }
    if not {"code", "name"} & set(rules):
        compiler.faults.append(say("mapping_place"))
    separator = told.get("separator")
    nowhere = told.get("nowhere") or []
    return PlaceRule(
        **rules,
        geometry=None if told.get("geometry") is None else str(told["geometry"]),
        crs=_crs(told.get("crs"), compiler),
        separator=None if separator is None else str(separator),
        nowhere=frozenset(folded(str(word)) for word in nowhere),
    )


def _crs(told: Any, compiler: Compiler) -> str | None:
    try:
        return None if told is None else f"EPSG:{epsg_of(told)}"
    except UnknownCrs as error:
        compiler.fault("mapping_why", "project.place.crs", why=said(error))
        return None


def _shape(told: dict[str, Any], contract: type[Handed], where: str, compiler: Compiler) -> Shape:
    condition = None
    if contract is HandedArea:
        condition = compiler.condition(told.pop("if", None), f"{where}.if")
    known = set(contract.model_fields) - _SET_BY_US - _NOT_IN_A_CELL
    if contract is HandedForecast:
        known |= {"measure"}
    else:
        known -= {"region", "municipality", "lat", "lon", "precision"}
    compiler.only(told, where, known)
    required = {name for name in known if _required(contract, name)}
    for name in sorted(required - set(told)):
        compiler.fault("mapping_say", f"{where}.{name}")
    fields = {
        name: compiler.rule(rule, _KINDS.get(name, "text"), f"{where}.{name}")
        for name, rule in told.items()
        if name in known
    }
    return Shape(fields, condition)


def _required(contract: type[Handed], name: str) -> bool:
    found = contract.model_fields.get(name)
    return found is not None and found.is_required()
