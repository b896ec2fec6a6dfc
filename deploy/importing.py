"""Bringing a table in: looked through whole, then sent a slice at a time, and told by its cells."""

import time
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from deploy.asking import Asking
from deploy.handing_in import Handed, senders_of
from deploy.system import System
from shared.client import Outgoing, RowError, prepare, read_mapping, send_all
from shared.client.mapping import FileMapping
from shared.client.outgoing import Item
from shared.client.reading import events_of, form_told, refusals_of, table_of
from shared.client.said import say
from shared.client.sending import Progress
from shared.client.tables import Table
from shared.vocabulary.regions import Region, region_from

SLICE: Final = 2_000  # events held at a time


@dataclass
class Imported(Handed):
    """What a table gave and what the door said; *form* is how it writes, as found."""

    form: str = ""
    held_back: bool = False
    by_registry: list[RowError] = field(default_factory=list)

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
) -> Imported:
    """
    Read *file* by its mapping and hand its rows in.

    It is read twice: once to know every fault, once to send. With a fault nothing is sent, unless
    *only_good*. Told again it changes nothing, so an import that broke off is begun anew.
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
    found = prepare(reading.items(), keep=False)
    done = Imported(found, form=form_told(reading.table), held_back=bool(found.errors))
    if not dry_run and (only_good or not found.errors):
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


async def _send(system: System, reading: _Reading, done: Imported, progress: Progress) -> None:
    """Send the events a slice at a time: a project stands in the slice of its first forecast."""
    total = done.prepared.counts.total()
    answered = 0
    async with AsyncExitStack() as stack:
        senders = await senders_of(system, done.prepared.organisations, stack)
        for events in _slices(reading.events()):
            outcome = await send_all(events, senders)
            for event, verdict in outcome.refused:
                done.by_registry += refusals_of(
                    reading.table, reading.mapping, event, verdict.reasons
                )
            outcome.verdicts.clear()
            done.outcome.add(outcome)
            answered += len(events)
            progress(answered, total)


def _slices(events: Iterable[Outgoing]) -> Iterator[list[Outgoing]]:
    left = iter(events)
    while found := list(islice(left, SLICE)):
        yield found


async def _titles(system: System) -> dict[str, str]:
    async with Asking(system) as ask:
        found = await ask.every("registry", "/organisations")
    return {one["title"]: one["token"] for one in found}
