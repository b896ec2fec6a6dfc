"""
A table read in a process of its own, told a line of JSON at a time, ready for the door.

    python -m shared.client.slices FILE < order.json

A file from outside may take long or much: its process is bounded and ended, and nothing else is.
"""

import json
import resource
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from shared.client.cells import BadTable, as_text
from shared.client.https_door import structured
from shared.client.mapping import FileMapping, read_mapping
from shared.client.outgoing import Note, Outgoing, RowError, Skipped
from shared.client.reading import events_of, form_told, table_of
from shared.client.said import Said, in_each, said, say, spoken
from shared.client.tables import Table
from shared.vocabulary.errors import Refused
from shared.vocabulary.regions import region_from

SLICE: Final = 200  # events
_LONGEST_VALUE: Final = 200


def lines(path: Path, order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """
    What the table at *path* gives by *order*: how it was read (`form`), then every `error` and
    `slice` of events, then the `end` with its counts; or the `problem` that it cannot be read for.

    A slice has the `lead`, projects of its forecasts that an earlier slice told, and `items`, each
    the row and the CloudEvent.
    """
    try:
        mapping = read_mapping(order["mapping"])
        if order.get("sheet"):
            mapping = replace(mapping, form=replace(mapping.form, sheet=order["sheet"]))
        table = table_of(path, mapping)
        yield {
            "form": spoken(form_told(table), order.get("language", "en")),
            "sheet": table.sheet,
            "places": _places(table, mapping),
            "notes": [in_each(text) for _, text in table.notes],
        }
        yield from _told(table, mapping, order)
    except Refused as error:
        yield {"problem": problem(error.code, said(error))}
    except MemoryError:
        yield {"problem": problem("table_too_large", say("table_memory"))}


def problem(code: str, text: Said) -> dict[str, Any]:
    """Why a table is not read, in each language: who will read it is not known yet."""
    texts = {language: as_text(each) for language, each in in_each(text).items()}
    return {"code": code, "text": texts}


def _told(table: Table, mapping: FileMapping, order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    slices = _Slices()
    bad: set[int] = set()
    rows = skipped = notes = 0
    items = events_of(
        table, mapping, region_from(order["region"]), order["edition"],
        organisation=order["organisation"],
    )  # fmt: skip
    for item in items:
        match item:
            case Outgoing():
                rows += item.name == "forecast-updated"
                yield from slices.add(item)
            case RowError():
                bad.add(item.row)
                short = replace(item, value=item.value[:_LONGEST_VALUE])
                yield {"error": asdict(short)}
            case Skipped():
                skipped += 1
            case Note():
                notes += 1
        if rows + len(bad) + skipped > order["most_rows"]:
            remedy = say("table_many_rows", most=order["most_rows"])
            raise BadTable(value=table.sheet or "table", remedy=remedy)
    yield from slices.rest()
    yield {"end": {"rows": rows, "bad": len(bad), "skipped": skipped, "events": slices.events}}


class _Slices:
    """Gathers events into slices; a forecast's project is in its slice or leads it."""

    def __init__(self) -> None:
        self.events = 0
        self._items: list[tuple[int, str]] = []
        self._own: set[str] = set()
        self._lead: dict[str, str] = {}
        self._projects: dict[str, str] = {}

    def add(self, event: Outgoing) -> Iterator[dict[str, Any]]:
        body = structured(event).decode()
        if event.name == "project-added":
            self._projects[event.event.external_id] = body
            self._own.add(event.event.external_id)
        elif event.project is not None and event.project not in self._own:
            self._lead[event.project] = self._projects[event.project]
        self._items.append((event.row or 0, body))
        self.events += 1
        # not between a project and its first forecast, so that a slice ends with a row
        if len(self._items) >= SLICE and event.name != "project-added":
            yield from self.rest()

    def rest(self) -> Iterator[dict[str, Any]]:
        """What is gathered, as a slice; nothing when there is none."""
        if self._items:
            yield {"slice": {"lead": list(self._lead.values()), "items": self._items}}
        self._items, self._own, self._lead = [], set(), {}


def _places(table: Table, mapping: FileMapping) -> dict[str, dict[str, list[str]]]:
    """The column of each field, and its letter, by event: where to point for a refusal."""
    shapes = {"forecast-updated": mapping.forecast, "project-added": mapping.project}
    found: dict[str, dict[str, list[str]]] = {}
    for name, shape in shapes.items():
        fields = found.setdefault(name, {})
        for field, rule in shape.fields.items():
            column = next(rule.columns(), "")
            if column in table.columns:
                fields[field] = [column, table.columns[column]]
    return found


def main() -> None:
    """Read the file named by the first argument as the order on standard input says."""
    order = json.load(sys.stdin)
    most = int(order["memory_mb"]) << 20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for line in lines(Path(sys.argv[1]), order):
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
