"""Handing events in as one organisation or several, and what came of each."""

import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from deploy.system import System
from shared.client import (
    Credentials,
    Outcome,
    Prepared,
    RowError,
    Sender,
    events_from_jsonl,
    prepare,
    send_all,
)
from shared.client.sending import Progress

FORECAST: Final = "forecast-updated"


@dataclass
class Handed:
    """What a file gave and what the door said."""

    prepared: Prepared
    outcome: Outcome = field(default_factory=Outcome)
    seconds: float = 0.0

    def refused(self) -> list[RowError]:
        """Each refusal: by the mapping with its cell, or by the registry with its reasons."""
        told = list(self.prepared.errors)
        for event, verdict in self.outcome.refused:
            told += [
                RowError(event.row or 0, reason.pointer, _text(reason.value), reason.code,
                         reason.text)
                for reason in verdict.reasons
            ]  # fmt: skip
        return told

    def to_json(self) -> dict[str, Any]:
        outcome, prepared = self.outcome, self.prepared
        skipped = sum(prepared.skipped.values())
        read = prepared.counts[FORECAST]
        refused = len({event.row for event, _ in outcome.refused if event.name == FORECAST})
        return {
            "rows": read + prepared.rejected_rows + skipped,
            "rows_taken": read - refused,
            "rows_skipped": skipped,
            "rows_refused": refused + prepared.rejected_rows,
            "events": prepared.counts.total(),
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
            "refused": [asdict(one) for one in self.refused()],
            "seconds": round(self.seconds, 2),
        }


def _codes(prepared: Prepared) -> dict[str, int]:
    found: dict[str, int] = {}
    for error in prepared.errors:
        found[error.code] = found.get(error.code, 0) + 1
    return found


async def hand_in_events(
    system: System, file: Path, organisation: str, *, progress: Progress
) -> Handed:
    """Hand in the events of a JSONL *file* as *organisation*."""
    done = Handed(prepare(events_from_jsonl(file, organisation)))
    await send(system, done, progress)
    return done


async def send(system: System, done: Handed, progress: Progress | None = None) -> None:
    """Send what *done* has prepared, each event as its organisation."""
    begun = time.perf_counter()
    async with AsyncExitStack() as stack:
        tokens = {event.organisation for event in done.prepared.events}
        senders = await senders_of(system, tokens, stack)
        done.outcome = await send_all(done.prepared.events, senders, progress)
    done.seconds = time.perf_counter() - begun


async def senders_of(
    system: System, organisations: Iterable[str], stack: AsyncExitStack
) -> dict[str, Sender]:
    """A sender for each of *organisations* from its saved credentials, open until *stack* ends."""
    found: dict[str, Sender] = {}
    for token in sorted(organisations):
        path = system.organisations / f"{token}.json"
        sender = Credentials.read(path).sender()
        found[token] = await stack.enter_async_context(sender)
    return found


def _text(value: object) -> str:
    return "" if value is None else str(value)
