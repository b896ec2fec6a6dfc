"""A weighed load as a haulage system writes it, in a row or in JSON, made into a delivery."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from deploy.connectors.config import BadConfig
from deploy.connectors.cursor import Cursor
from deploy.connectors.desk import News, Unread, refusal
from shared.client import Form
from shared.client.cells import Row
from shared.client.grammar import Compiler
from shared.client.mapping import form_from
from shared.client.rules import CellError, Condition, Rule
from shared.client.said import say, say_all
from shared.client.values import Kind
from shared.contracts.intake import HandedDelivery, Refusal
from shared.vocabulary.units import BadUnit, si

_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(("external_id", "forecast", "match_id", "area", "vehicle", "waybill"), "text"),
    **dict.fromkeys(("external_revision", "quantity", "haul_km"), "number"),
    **{name: name for name in ("outlet", "material", "method", "energy", "measure", "unit")},
    "moved_on": "date",
    "changed_at": "text",
}
_NEEDED: Final = ("external_id", "outlet", "material", "quantity", "moved_on")


@dataclass(frozen=True, slots=True)
class LoadMapping:
    """How a row becomes a load; *cancelled* says which rows take one back."""

    form: Form
    fields: Mapping[str, Rule]
    cancelled: Condition | None

    @property
    def columns(self) -> tuple[str, ...]:
        found = [column for rule in self.fields.values() for column in rule.columns()]
        found += self.cancelled.columns() if self.cancelled else ()
        return tuple(dict.fromkeys(found))


def load_mapping(told: Mapping[str, Any]) -> LoadMapping:
    """
    The mapping in a connector's file: `file`, `fields`, and `cancelled` (a condition).

    Raises `BadConfig` with every fault at once.
    """
    compiler = Compiler()
    compiler.only(dict(told), "mapping", {"file", "fields", "cancelled"})
    form = form_from(told.get("file") or {}, compiler)
    fields = told.get("fields")
    fields = fields if isinstance(fields, dict) else {}
    compiler.only(fields, "mapping.fields", set(_KINDS))
    for name in _NEEDED:
        if name not in fields:
            compiler.fault("mapping_say", f"mapping.fields.{name}")
    if not {"forecast", "match_id", "area"} & set(fields):
        compiler.faults.append(say("mapping_moved"))
    rules = {
        name: compiler.rule(rule, _KINDS[name], f"mapping.fields.{name}")
        for name, rule in fields.items()
        if name in _KINDS
    }
    cancelled = None
    if told.get("cancelled") is not None:
        cancelled = compiler.condition(told["cancelled"], "mapping.cancelled")
    if compiler.faults:
        raise BadConfig(value="mapping", remedy=say_all(compiler.faults))
    return LoadMapping(form, rules, cancelled)


class LoadReader:
    """Reads one row at a time; a bare cancellation is filled up from what was told before."""

    def __init__(self, mapping: LoadMapping, cursor: Cursor) -> None:
        self._mapping = mapping
        self._cursor = cursor
        self._zone = ZoneInfo(mapping.form.time_zone)
        self._bodies: dict[str, str] = {}

    def from_json(self, number: int, told: Any) -> News | Unread:
        """The load that a JSON object tells; names of objects inside are joined by points."""
        if not isinstance(told, dict):
            text = "A load is an object: write {…}."
            said = json.dumps(told, ensure_ascii=False)[:1000]
            return Unread(f"?{number}", (refusal("", "not_an_object", text),), said)
        columns = dict.fromkeys(self._mapping.columns, "")
        row = Row(number, columns | dict(_flat(told)))
        return self.read(row, replace(self._mapping.form, decimal="."))

    def read(self, row: Row, form: Form) -> News | Unread:
        """The load that *row* tells by *form*, or every reason against it."""
        values: dict[str, Any] = {}
        reasons: list[Refusal] = []
        for name, rule in self._mapping.fields.items():
            try:
                found = rule.find(row, form)
            except CellError as error:
                reasons.append(refusal(error.column, error.code, error.text, error.value))
                continue
            if found.value is not None:
                values[name] = found.value
        said = json.dumps(dict(row.cells), ensure_ascii=False)[:10_000]
        external_id = str(values.get("external_id") or f"?row {row.number}")
        if row.beyond:
            text = "The row has more cells than the header: is a delimiter in a cell not quoted?"
            reasons.append(refusal("", "row_too_long", text, "; ".join(row.beyond)[:200]))
        moment = self._moment(values.pop("changed_at", None), reasons)
        if self._mapping.cancelled is not None and self._mapping.cancelled.holds(row):
            return self._cancellation(external_id, values, moment, reasons, said)
        _measured(values, reasons)
        if reasons:
            return Unread(external_id, tuple(reasons), said)
        return self._told(_load(external_id, values, moment, said))

    def _told(self, read: News | Unread) -> News | Unread:
        """Remember a load that was read, though it is not told yet."""
        if isinstance(read, News):
            self._bodies[read.event.external_id] = read.event.body().decode()
        return read

    def _cancellation(
        self, external_id: str, values: dict[str, Any], moment: datetime | None,
        reasons: Sequence[Refusal], said: str,
    ) -> News | Unread:  # fmt: skip
        """A load taken back: as it was told last, with nothing left of it."""
        body = self._bodies.get(external_id)
        if body is None and (before := self._cursor.told([external_id]).get(external_id)):
            body = before.body
        if body is None:
            return Unread(external_id, (*reasons, _unknown(external_id)), said)
        last = json.loads(body)
        last |= {"quantity": 0.0, "unit": "t"}
        last.pop("external_revision", None)
        if "external_revision" in values:
            last["external_revision"] = values["external_revision"]
        return self._told(_load(external_id, last, moment, said))

    def _moment(self, told: Any, reasons: list[Refusal]) -> datetime | None:
        if told is None:
            return None
        try:
            moment = datetime.fromisoformat(str(told))
        except ValueError:
            text = f"{told!r} is not a time. Write it like 2027-05-31T12:00:00+03:00."
            reasons.append(refusal("changed_at", "not_a_time", text, told))
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=self._zone)


def _load(
    external_id: str, values: dict[str, Any], moment: datetime | None, said: str
) -> News | Unread:
    try:
        return News(HandedDelivery(**{**values, "external_id": external_id}), moment)
    except ValidationError as error:
        reasons = tuple(
            refusal(
                "".join(f"/{part}" for part in each["loc"]),
                "missing" if each["type"] == "missing" else "invalid",
                f"{each['msg']}.",
                None if each["type"] == "missing" else str(each["input"])[:200],
            )
            for each in error.errors()
        )  # fmt: skip
        return Unread(external_id, reasons, said)


def _measured(values: dict[str, Any], reasons: list[Refusal]) -> None:
    """Kilograms become tonnes; another unit stays as it is told."""
    measure = values.pop("measure", None)
    if measure is None or "quantity" not in values:
        return
    quantity, unit = si(values["quantity"], measure)
    if unit != "t":
        error = BadUnit(value=measure, remedy="A load is weighed: say kg or t, else use unit.")
        reasons.append(refusal("measure", error.code, str(error), measure))
        return
    values |= {"quantity": round(quantity, 6), "unit": unit}


def _unknown(external_id: str) -> Refusal:
    text = f"No load {external_id!r} was told before, so that it cannot be taken back."
    return refusal("/external_id", "load_unknown", text, external_id)


def _flat(told: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """What a JSON object tells, as the cells of a row; lists are left out."""
    for name, value in told.items():
        if isinstance(value, dict) and before.count(".") < 8:
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, bool):
            yield f"{before}{name}", "true" if value else "false"
        elif isinstance(value, str | int | float):
            yield f"{before}{name}", str(value).strip()
