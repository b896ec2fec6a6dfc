"""Handing a file in as one organisation or several, and what came of every row."""

import csv
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.asking import Asking
from deploy.system import System
from shared.client import (
    Credentials,
    Outcome,
    Outgoing,
    Prepared,
    Sender,
    events_from_jsonl,
    prepare,
    read_events,
    read_mapping,
    send_all,
)
from shared.client.sending import Progress
from shared.vocabulary.regions import Region, region_from


@dataclass
class Handed:
    """What a file gave and what the door said."""

    prepared: Prepared
    outcome: Outcome = field(default_factory=Outcome)
    seconds: float = 0.0

    def refused(self) -> list[dict[str, Any]]:
        """Each refusal: by the mapping with its cell, or by the registry with its reasons."""
        told = [
            {"row": e.row, "column": e.column, "value": e.value, "code": e.code, "text": e.text}
            for e in self.prepared.errors
        ]
        for event, verdict in self.outcome.refused:
            told += [
                {"row": event.row, "column": reason.pointer, "value": reason.value,
                 "code": reason.code, "text": reason.text}
                for reason in verdict.reasons
            ]  # fmt: skip
        return told

    def write_errors(self, path: Path) -> None:
        """Write `refused` as CSV; a value that looks like a formula stays text."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["row", "column", "value", "code", "text"])
            writer.writeheader()
            for one in self.refused():
                value = str(one["value"] if one["value"] is not None else "")
                writer.writerow({**one, "value": "'" + value if value[:1] in "=+-@\t\r" else value})

    def to_json(self) -> dict[str, Any]:
        outcome, prepared = self.outcome, self.prepared
        skipped = sum(prepared.skipped.values())
        refused_rows = {e.row for e in prepared.errors} | {
            event.row for event, _ in outcome.refused if event.name == "forecast-updated"
        }
        forecasts = {event.row for event in prepared.events if event.name == "forecast-updated"}
        return {
            "rows": len(forecasts | refused_rows) + skipped,
            "rows_taken": len(forecasts - refused_rows),
            "rows_skipped": skipped,
            "rows_refused": len(refused_rows),
            "events": len(prepared.events),
            "accepted": outcome.accepted,
            "unchanged": outcome.unchanged,
            "superseded": outcome.superseded,
            "known": outcome.known,
            "rejected": outcome.rejected,
            "no_receipt": outcome.no_receipt,
            "reasons": dict(outcome.reasons) | _codes(prepared),
            "tonnes": [
                {"direction": direction, "material": material, "tonnes": round(tonnes, 3)}
                for (direction, material), tonnes in sorted(outcome.tonnes.items())
            ],
            "notes": len(prepared.notes),
            "refused": self.refused(),
            "seconds": round(self.seconds, 2),
        }


def _codes(prepared: Prepared) -> dict[str, int]:
    found: dict[str, int] = {}
    for error in prepared.errors:
        found[error.code] = found.get(error.code, 0) + 1
    return found


async def region_of(system: System, code: str) -> Region:
    """The region *code* as the registry has it."""
    async with Asking(system) as ask:
        return region_from(await ask("registry", "GET", f"/regions/{code}"))


async def hand_in_file(
    system: System,
    file: Path,
    mapping_name: str,
    *,
    organisation: str | None,
    region: str | None,
    dry_run: bool,
    progress: Progress,
) -> Handed:
    """Read *file* by its mapping and hand its rows in."""
    mapping = read_mapping(mapping_name)
    code = region or mapping.region
    if code is None:
        raise ValueError(f"the mapping {mapping_name!r} names no region: say one with --region")
    place = await region_of(system, code)
    titles = await _titles(system)
    done = Handed(
        prepare(read_events(file, mapping, place, organisation=organisation, organisations=titles))
    )
    if not dry_run:
        await send(system, done, progress)
    return done


async def hand_in_events(
    system: System, file: Path, organisation: str, *, progress: Progress
) -> Handed:
    """Hand in the events of a JSONL *file* as *organisation*."""
    done = Handed(prepare(events_from_jsonl(file, organisation)))
    await send(system, done, progress)
    return done


async def _titles(system: System) -> dict[str, str]:
    async with Asking(system) as ask:
        found = await ask("registry", "GET", "/organisations", limit=200)
    return {one["title"]: one["token"] for one in found["items"]}


async def send(system: System, done: Handed, progress: Progress | None = None) -> None:
    """Send what *done* has prepared, each event as its organisation."""
    begun = time.perf_counter()
    async with AsyncExitStack() as stack:
        senders = await _senders(system, done.prepared.events, stack)
        done.outcome = await send_all(done.prepared.events, senders, progress)
    done.seconds = time.perf_counter() - begun


async def _senders(
    system: System, events: list[Outgoing], stack: AsyncExitStack
) -> dict[str, Sender]:
    found: dict[str, Sender] = {}
    for token in sorted({event.organisation for event in events}):
        path = system.organisations / f"{token}.json"
        sender = Credentials.read(path).sender()
        found[token] = await stack.enter_async_context(sender)
    return found
