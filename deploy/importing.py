"""Bringing a table in: looked through whole, then sent a slice at a time, and told by its cells."""

import time
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from deploy.asking import Asking
from deploy.handing_in import Handed, senders_of
from deploy.system import System
from shared.client import (
    Credentials,
    HttpSender,
    Outgoing,
    Prepared,
    RowError,
    Verdict,
    prepare,
    read_mapping,
    send_all,
)
from shared.client.mapping import FileMapping
from shared.client.outgoing import Item
from shared.client.reading import events_of, form_told, refusals_of, table_of
from shared.client.said import say
from shared.client.sending import Progress
from shared.client.tables import Table
from shared.vocabulary.regions import Region, region_from

Each = TypeVar("Each")
SLICE: Final = 2_000  # events held at a time


@dataclass
class Imported(Handed):
    """What a table gave and what the door said; *form* is how it writes, as found."""

    form: str = ""
    held_back: bool = False
    by_registry: list[RowError] = field(default_factory=list)
    turned_away: set[tuple[str, str]] = field(default_factory=set)

    def refused(self) -> list[RowError]:
        return [*self.prepared.errors, *self.by_registry]

    def to_json(self) -> dict[str, Any]:
        told = super().to_json()
        rate = round(told["rows"] / self.seconds) if self.seconds else 0
        return {**told, "form": self.form, "held_back": self.held_back, "rows_per_s": rate}


async def region_of(system: System, code: str) -> Region:
    """The region *code* as the registry has it."""
    async with Asking(system) as ask:
        return region_from(await ask("registry", "GET", f"/regions/{code}"))


async def import_file(
    system: System,
    file: Path,
    mapping_name: str,
    *,
    organisation: str | None,
    region: str | None,
    sheet: str | None,
    dry_run: bool,
    only_good: bool,
    progress: Progress,
    language: str = "en",
) -> Imported:
    """
    Read *file* by its mapping and hand its rows in.

    It is read twice: once to know every fault, those that the registry would find too, once to
    send. With a fault nothing is sent, unless *only_good*. Told again it changes nothing, so an
    import that broke off is begun anew.
    """
    mapping = read_mapping(mapping_name)
    if sheet is not None:
        mapping = replace(mapping, form=replace(mapping.form, sheet=sheet))
    code = region or mapping.region
    if code is None:
        raise ValueError(say("mapping_no_region", mapping=mapping_name))
    reading = _Reading(
        table_of(file, mapping),
        mapping,
        await region_of(system, code),
        str(file.stat().st_mtime_ns),
        organisation,
        await _titles(system) if mapping.by_title else {},
    )
    begun = time.perf_counter()
    done = await _looked_through(system, reading, language)
    if not dry_run and (only_good or not done.held_back):
        done.held_back = False
        await _send(system, reading, done, progress)
    done.seconds = time.perf_counter() - begun
    return done


@dataclass(frozen=True, slots=True)
class _Reading:
    """A table by a mapping, read as often as asked, always to the same events."""

    table: Table
    mapping: FileMapping
    region: Region
    edition: str
    organisation: str | None
    titles: dict[str, str]

    def items(self) -> Iterator[Item]:
        return events_of(
            self.table, self.mapping, self.region, self.edition,
            organisation=self.organisation, organisations=self.titles,
        )  # fmt: skip

    def events(self) -> Iterator[Outgoing]:
        return (item for item in self.items() if isinstance(item, Outgoing))

    def faults(self, refused: Iterable[tuple[Outgoing, Verdict]]) -> Iterator[RowError]:
        """What the registry said of *refused*, by cell."""
        for event, verdict in refused:
            yield from refusals_of(self.table, self.mapping, event, verdict.reasons)


async def _looked_through(system: System, reading: _Reading, language: str) -> Imported:
    """Every fault of the table: what the mapping finds, and what the registry would refuse."""
    found = Prepared()
    done = Imported(found)
    doors: dict[str, HttpSender] = {}
    async with AsyncExitStack() as stack:
        for items in _slices(reading.items()):
            part = prepare(items)
            for token, events in part.by_organisation().items():
                if token not in doors:
                    door = _door_of(system, token, language)
                    doors[token] = await stack.enter_async_context(door)
                refused = await doors[token].try_out(events)
                part.errors += reading.faults(refused)
                part.counts.subtract(event.name for event, _ in refused)
                done.turned_away |= {event.key for event, _ in refused}
            found.add(part)
    found.errors.sort(key=lambda error: error.row)
    done.form = form_told(reading.table)
    done.held_back = bool(found.errors)
    return done


def _door_of(system: System, token: str, language: str) -> HttpSender:
    key = Credentials.read(system.organisations / f"{token}.json")
    return HttpSender(*key.over_https("checking rows"), token, language=language)


async def _send(system: System, reading: _Reading, done: Imported, progress: Progress) -> None:
    """Send the events a slice at a time: a project stands in the slice of its first forecast."""
    total = done.prepared.counts.total()
    answered = 0
    async with AsyncExitStack() as stack:
        senders = await senders_of(system, done.prepared.organisations, stack)
        good = (event for event in reading.events() if event.key not in done.turned_away)
        for events in _slices(good):
            outcome = await send_all(events, senders)
            done.by_registry += reading.faults(outcome.refused)
            outcome.verdicts.clear()
            done.outcome.add(outcome)
            answered += len(events)
            progress(answered, total)


def _slices(items: Iterable[Each]) -> Iterator[list[Each]]:
    left = iter(items)
    while found := list(islice(left, SLICE)):
        yield found


async def _titles(system: System) -> dict[str, str]:
    async with Asking(system) as ask:
        found = await ask.every("registry", "/organisations")
    return {one["title"]: one["token"] for one in found}
