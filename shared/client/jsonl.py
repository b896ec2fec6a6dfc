"""Events written one a line, as a company's system writes them."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.client.outgoing import Item, Outgoing, RowError, event_id
from shared.contracts.base import now
from shared.contracts.intake import HANDED


def events_from_jsonl(
    path: str | Path, organisation: str, *, source: str | None = None, edition: str | None = None
) -> Iterator[Item]:
    """
    The events in the file *path*, one JSON object a line:
    `{"event": "forecast-updated", "data": {…}}` and, where told, `id`, `source` and `time`.

    A line that is no event gives a `RowError` with its number for each fault. Where no id is told
    it is made of the line, its number and *edition*, else the time the file was last written: the
    same file sent twice is told once. Empty lines are left out.
    """
    file = Path(path)
    told = edition if edition is not None else str(file.stat().st_mtime_ns)
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield from _items(line, number, organisation, source or f"emit:{file.name}", told)


def _items(line: str, number: int, organisation: str, source: str, edition: str) -> Iterator[Item]:
    try:
        told = json.loads(line)
    except ValueError as error:
        yield RowError(number, "", line[:80].strip(), "not_json", f"The line is not JSON: {error}.")
        return
    if not isinstance(told, dict):
        yield RowError(number, "", line[:80].strip(), "not_an_object", "Write {…} on each line.")
        return
    name = str(told.get("event") or told.get("type") or "")
    contract = HANDED.get(name.removeprefix("intake.").removesuffix(".v1"))
    if contract is None:
        text = f"Use one of: {', '.join(HANDED)}."
        yield RowError(number, "event", name, "event_unknown", text)
        return
    try:
        event = contract.model_validate(told.get("data"))
        at = datetime.fromisoformat(told["time"]) if "time" in told else now()
    except ValidationError as error:
        yield from (_fault(number, each) for each in error.errors())
        return
    except (TypeError, ValueError):
        text = "Write it like 2026-11-24T12:00:00+02:00."
        yield RowError(number, "time", str(told["time"]), "not_a_time", text)
        return
    id = str(told.get("id") or event_id(edition, event, number))
    yield Outgoing(organisation, event, str(told.get("source") or source), id, number, at)


def _fault(number: int, error: Any) -> RowError:
    pointer = "".join(f"/{part}" for part in ("data", *error["loc"]))
    value = "" if error["type"] == "missing" else str(error["input"])[:200]
    return RowError(number, pointer, value, str(error["type"]), f"{error['msg']}.")
