"""Projects as another system's JSON tells them, made into ours."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from math import isfinite
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from deploy.connectors.config import WITHDRAWN, Projects
from deploy.connectors.desk import News, Unread, refusal
from shared.client.cells import BadCell, date_in
from shared.client.crs import WGS84, BadPosition, Swapped, UnknownCrs, epsg_of, read_position
from shared.client.geometry import crs_of
from shared.contracts.intake import (
    Handed,
    HandedProject,
    HandedProjectWithdrawal,
    Refusal,
)
from shared.contracts.parts import Programme

_LONGEST_TITLE: Final = 300
_SECONDS_BELOW: Final = 1e11  # a moment above is in milliseconds


class Ambiguous(Exception):
    """A value that cannot be read; carries its reason."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.text)
        self.reason = reason


def at(told: Any, path: str | None) -> Any:
    """What stands at *path* in *told*; None where it does not lead anywhere."""
    for name in (path or "").split(".") if path else ():
        if isinstance(told, Mapping):
            told = told.get(name)
        elif isinstance(told, list) and name.isdecimal() and int(name) < len(told):
            told = told[int(name)]
        else:
            return None
    return told if path else None


class ProjectReader:
    """Reads one project at a time by the rules of the connector's file."""

    def __init__(self, rules: Projects) -> None:
        self._rules = rules
        self._zone = ZoneInfo(rules.time_zone)
        self._phases = {word.casefold(): meant for word, meant in rules.phases.items()}

    def read(self, told: Any, geometry: Any = None) -> News | Unread:
        """The news that *told* is; *geometry* is GeoJSON in WGS 84, for a point inside its box."""
        fields = self._rules.fields
        said = json.dumps(told, ensure_ascii=False, default=str)[:10_000]
        id = at(told, fields.id)
        if isinstance(id, bool) or not isinstance(id, str | int) or not str(id).strip():
            text = f"The project has no id at {fields.id!r}. Say where it stands: fields.id."
            reason = refusal(f"/{fields.id}", "id_missing", text, _short(id))
            return Unread(f"?{said[:80]}", (reason,), said)
        external_id = f"{self._rules.prefix}{str(id).strip()}"
        reasons: list[Refusal] = []
        values = self._values(told, geometry, reasons)
        if reasons:
            return Unread(external_id, tuple(reasons), said)
        moment = self._moment(at(told, fields.updated))
        revision = values.get("external_revision")
        try:
            if values["phase"] == WITHDRAWN:
                return News(withdrawal(external_id, "withdrawn at its source", revision), moment)
            event: Handed = HandedProject(external_id=external_id, **values)
        except ValidationError as error:
            return Unread(external_id, tuple(map(_invalid, error.errors())), said)
        return News(event, moment)

    def _values(self, told: Any, geometry: Any, reasons: list[Refusal]) -> dict[str, Any]:
        rules, fields = self._rules, self._rules.fields
        values: dict[str, Any] = {
            "title": " ".join(str(at(told, fields.title) or "").split())[:_LONGEST_TITLE],
            "region": rules.region,
            "municipality": _text(at(told, fields.municipality)) or rules.municipality,
            "site_kind": rules.site_kind,
            "visibility": rules.visibility,
        }
        if not values["title"]:
            text = f"The project has no name at {fields.title!r}. Give it one, or say fields.title."
            reasons.append(refusal(f"/{fields.title}", "title_missing", text))
        readings = (
            ("available_from", fields.available_from, self._day),
            ("available_to", fields.available_to, self._day),
            ("phase", fields.phase, self._phase),
            ("external_revision", fields.version, _version),
            ("lat", fields.lat, _number),
            ("lon", fields.lon, _number),
        )
        for name, path, read in readings:
            try:
                values[name] = read(at(told, path), path or "")
            except Ambiguous as error:
                reasons.append(error.reason)
        try:
            values |= self._programme(told)
            if geometry is not None:
                values |= _point(geometry, rules.crs)
            elif values.get("lat") is not None and values.get("lon") is not None and rules.crs:
                values |= _position(values["lon"], values["lat"], epsg_of(rules.crs))
        except Ambiguous as error:
            reasons.append(error.reason)
        if None in (values.get("available_from"), values.get("available_to")):
            values |= {"available_from": None, "available_to": None}  # half a window is none
        values["phase"] = values.get("phase") or "not_applicable"
        return {name: value for name, value in values.items() if value is not None}

    def _programme(self, told: Any) -> dict[str, Any]:
        """Where the project is seen coming from, in the names of the source."""
        rules, fields = self._rules, self._rules.fields
        if rules.programme is None:
            return {}
        first, last = (
            self._day(at(told, path), path or "")
            for path in (fields.planning_from, fields.planning_to)
        )
        if first is not None and last is not None and last < first:
            text = f"The planning ends before it begins, {first}. Check both days."
            pointer = _pointer(fields.planning_to or "")
            raise Ambiguous(refusal(pointer, "window_reversed", text, str(last)))
        said = {
            "reference": _text(at(told, fields.reference)),
            "project_type": _text(at(told, fields.project_type)),
            "area_m2": _number(at(told, fields.area_m2), fields.area_m2 or ""),
            "length_m": _number(at(told, fields.length_m), fields.length_m or ""),
            "planning_from": first,
            "planning_to": last,
        }
        known = {name: value for name, value in said.items() if value not in (None, 0)}
        try:
            return {"programme": Programme(title=rules.programme, **known)}
        except ValidationError as error:
            raise Ambiguous(_invalid(error.errors()[0])) from error

    def _day(self, value: Any, path: str) -> date | None:
        if value is None or value == "":
            return None
        try:
            return date_in(str(value), self._rules.dates, self._zone)
        except BadCell as error:
            raise Ambiguous(refusal(_pointer(path), "not_a_date", str(error), value)) from error

    def _phase(self, value: Any, path: str) -> str | None:
        if value is None or value == "" or not self._phases:
            return None
        meant = self._phases.get(str(value).casefold())
        if meant is None:
            text = f"projects.phases does not say what {value!r} means. Add it."
            raise Ambiguous(refusal(_pointer(path), "code_unknown", text, _short(value)))
        return meant

    def _moment(self, value: Any) -> datetime | None:
        """The source's own time; None where it tells none that can be read."""
        try:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return datetime.fromtimestamp(value / (1 if value < _SECONDS_BELOW else 1000), UTC)
            moment = datetime.fromisoformat(str(value))
        except (ValueError, OverflowError, OSError):
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=self._zone)


def withdrawal(external_id: str, reason: str, revision: int | None = None) -> Handed:
    """A project that its source tells no longer."""
    return HandedProjectWithdrawal(
        external_id=external_id, external_revision=revision, reason=reason
    )


def _point(geometry: Any, crs: str | None) -> dict[str, Any]:
    """
    The middle of the box around *geometry*, east first: in the system that it names, else in *crs*,
    else in degrees.
    """
    corners = list(_positions(geometry))
    if not corners:
        return {}
    lons, lats = [x for x, _ in corners], [y for _, y in corners]
    try:
        named = crs_of(geometry) if isinstance(geometry, dict) else None
        epsg = named or epsg_of(crs or WGS84)
    except UnknownCrs as error:
        value = str(error.told["value"])
        raise Ambiguous(refusal("/geometry", error.code, str(error), value)) from error
    return _position((min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2, epsg)


def _position(x: float, y: float, epsg: int) -> dict[str, Any]:
    try:
        found = read_position(x, y, epsg)
    except (BadPosition, Swapped) as error:
        value = str(error.told["value"])
        raise Ambiguous(refusal("/geometry", error.code, str(error), value)) from error
    return {"lat": round(found.lat, 6), "lon": round(found.lon, 6)}


def _positions(geometry: Any) -> Iterator[tuple[float, float]]:
    """Every position in a geometry, however deep: the source is a stranger."""
    waiting = [geometry]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            waiting += [one.get(name) for name in ("coordinates", "geometries", "geometry")]
            waiting += one.get("features") or []
        elif isinstance(one, list):
            if len(one) >= 2 and all(_is_number(each) for each in one[:2]):
                yield float(one[0]), float(one[1])
            else:
                waiting += one


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any, path: str) -> float | None:
    if value is None or value == "":
        return None
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
        if not isfinite(number):
            raise ValueError
        return number
    except (ValueError, TypeError, OverflowError):
        text = f"{_short(value)!r} is not a number. Write it like 1234.5."
        raise Ambiguous(refusal(_pointer(path), "not_a_number", text, _short(value))) from None


def _version(value: Any, path: str) -> int | None:
    number = _number(value, path)
    if number is None:
        return None
    if number < 0 or number != int(number):
        text = f"{value!r} is not a version. It counts 0, 1, 2 …; else leave fields.version out."
        raise Ambiguous(refusal(_pointer(path), "not_a_version", text, value))
    return int(number)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, bool | dict | list):
        return None
    return str(value).strip() or None


def _pointer(path: str) -> str:
    return "/" + path.replace(".", "/")


def _short(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float) else str(value)[:200]


def _invalid(error: Any) -> Refusal:
    pointer = "".join(f"/{part}" for part in error["loc"])
    if error["type"] == "missing":
        return refusal(pointer, "missing", f"{pointer} is not told: say where it stands.")
    return refusal(pointer, "invalid", f"{error['msg']}.", _short(error["input"]))
