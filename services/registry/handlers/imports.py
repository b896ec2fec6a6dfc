"""A table that was handed in: read, checked by the registry's rules, and sent a slice at a time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.registry import store
from services.registry.handlers.intake import Outcome, judge, try_out
from shared.client.said import say
from shared.client.slices import problem as problem_of
from shared.contracts.base import uuid7
from shared.service.card import Knock
from shared.work import Work

MOST_OPEN = 5
MOST_TRIES = 5


class Reads(Protocol):
    """Reads a table by an order, a line at a time."""

    def read(
        self, name: str, content: bytes, own_mapping: str | None, order: dict[str, Any]
    ) -> Any: ...


class TooManyOpen(Exception):
    """So many imports of the organisation are under way, *most*, that it must wait."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most


@dataclass(frozen=True, slots=True)
class Ordered:
    """An import as it was asked for; with *at_once* it is sent once checked, if no row is bad."""

    organisation: str
    actor: str
    language: str
    file_name: str
    content: bytes
    mapping: str
    own_mapping: str | None
    region: str
    sheet: str | None
    at_once: bool
    only_good: bool


async def add_import(work: Work, asked: Ordered) -> store.ImportRow:
    """Keep the table *asked* hands in; it is read after the commit."""
    if await store.imports_open(work.session, asked.organisation) >= MOST_OPEN:
        raise TooManyOpen(MOST_OPEN)
    told = {name: getattr(asked, name) for name in Ordered.__slots__}
    row = store.ImportRow(id=uuid7(), created_at=work.now, updated_at=work.now, **told)
    await store.add_import(work.session, row)
    work.wake("import_due")
    return row


async def commit_import(work: Work, row: store.ImportRow, *, only_good: bool) -> None:
    """Send what a checked import gave."""
    row.state, row.only_good, row.slice = "sending", only_good, 0
    row.updated_at = work.now
    await store.drop_errors(work.session, row.id, ["check", "send"])
    row.rejected = 0
    await store.make_due(work.session, row.id, work.now)
    work.wake("import_due")


async def go_on_with_import(due: Any, work: Work, *, reader: Reads) -> None:
    """
    Do the next step of an import: read its file, or judge its next slice.

    A step and its place are one transaction: one that is killed is done again, and never half. A
    step may take longer than its lease; what another process is at is left to it.
    """
    row = await store.free_import(work.session, due.id)
    if row is None and await store.import_of(work.session, due.id) is not None:
        return
    if row is None or row.state not in ("waiting", "checking", "sending"):
        await store.no_more_due(work.session, due.id)
        return
    if due.attempts >= MOST_TRIES:
        await _end(row, work, "broken", problem_of("import_broken", say("import_broken")))
    elif row.state == "waiting":
        await _read(row, work, reader)
    else:
        await _judge_slice(row, work)
    row.updated_at = work.now


async def _read(row: store.ImportRow, work: Work, reader: Reads) -> None:
    region = (await store.regions(work.session)).get(row.region)
    if region is None:
        why = say("import_region_unknown", region=row.region)
        await _end(row, work, "refused", problem_of("region_unknown", why))
        return
    order = {
        "mapping": row.mapping, "region": region.to_json(), "organisation": row.organisation,
        "edition": str(row.id), "sheet": row.sheet, "language": row.language,
    }  # fmt: skip
    errors: list[Mapping[str, Any]] = []
    async for line in reader.read(row.file_name, row.content or b"", row.own_mapping, order):
        match line:
            case {"reading": _}:
                await store.stay(work.session)
            case {"problem": problem}:
                await _end(row, work, "refused", problem)
                return
            case {"form": form, "sheet": sheet, "places": places, "notes": notes}:
                row.form, row.sheet_read, row.places, row.notes = form, sheet, places, notes
            case {"error": error}:
                errors.append(error)
                if len(errors) >= 1_000:
                    await store.keep_errors(work.session, row.id, "file", errors)
                    errors.clear()
            case {"slice": events}:
                await store.keep_slice(work.session, row.id, row.slices, events)
                row.slices += 1
            case {"end": counts}:
                row.rows = counts["rows"] + counts["bad"] + counts["skipped"]
                row.bad, row.skipped = counts["bad"], counts["skipped"]
                row.events = counts["events"]
    await store.keep_errors(work.session, row.id, "file", errors)
    row.content = None
    row.state = "checking"
    await store.make_due(work.session, row.id, work.now)
    work.wake("import_due")


async def _judge_slice(row: store.ImportRow, work: Work) -> None:
    body = await store.slice_of(work.session, row.id, row.slice)
    if body is not None and row.state == "checking":
        await _check(row, body, work)
    elif body is not None:
        await _send(row, body, work)
    row.slice += 1
    if row.slice < row.slices:
        await store.make_due(work.session, row.id, work.now)
        work.wake("import_due")
    elif row.state == "sending":
        await _end(row, work, "done", None)
    else:
        row.state = "checked"
        await store.no_more_due(work.session, row.id)
        if row.at_once and (row.only_good or not row.bad):
            await commit_import(work, row, only_good=row.only_good)


async def _check(row: store.ImportRow, body: Mapping[str, Any], work: Work) -> None:
    """What the registry would say of a slice, in which nothing is kept or told."""
    told = _Told(row)
    lead = [_knock(row, each) for each in body["lead"]]
    items = [_knock(row, each) for _, each in body["items"]]
    outcomes = await try_out([*lead, *items], work)
    told.add(body["items"], outcomes[len(lead) :])
    row.bad += len(told.rows)
    await store.keep_errors(work.session, row.id, "check", told.errors)


async def _send(row: store.ImportRow, body: Mapping[str, Any], work: Work) -> None:
    told = _Told(row)
    told.add(body["items"], await judge([_knock(row, each) for _, each in body["items"]], work))
    row.accepted += told.accepted
    row.unchanged += told.unchanged
    row.rejected += told.rejected
    await store.keep_errors(work.session, row.id, "send", told.errors)
    await store.drop_slice(work.session, row.id, row.slice)


async def _end(
    row: store.ImportRow, work: Work, state: str, problem: dict[str, Any] | None
) -> None:
    row.state, row.problem = state, problem
    row.content = row.own_mapping = None
    await store.drop_slices(work.session, row.id)
    await store.no_more_due(work.session, row.id)


def _knock(row: store.ImportRow, body: str) -> Knock:
    headers = {"content-type": "application/cloudevents+json", "accept-language": row.language}
    return Knock(row.organisation, "", headers, body.encode())


@dataclass(slots=True)
class _Told:
    """What the registry said of a slice, by cell."""

    row: store.ImportRow
    accepted: int = 0
    unchanged: int = 0
    rejected: int = 0
    rows: set[int] = field(default_factory=set)
    errors: list[dict[str, Any]] = field(default_factory=list)

    def add(self, items: Sequence[Sequence[Any]], outcomes: Sequence[Outcome]) -> None:
        for (number, body), outcome in zip(items, outcomes, strict=True):
            receipt = outcome.receipt
            if receipt is not None and receipt.verdict == "accepted":
                self.accepted += 1
                self.unchanged += receipt.code == "unchanged"
                continue
            self.rejected += 1
            self.rows.add(number)
            name = json.loads(body)["type"].split(".")[1]
            for reason in receipt.reasons if receipt is not None else ():
                self.errors.append(self._error(name, number, reason))

    def _error(self, name: str, number: int, reason: Any) -> dict[str, Any]:
        wanted = reason.pointer.removeprefix("/").partition("/")[0]
        column, letter = self.row.places.get(name, {}).get(wanted, (wanted, ""))
        at = f"{letter}{number}" if letter else f"row {number}"
        sheet = self.row.sheet_read
        return {
            "row": number,
            "column": column,
            "value": "" if reason.value is None else str(reason.value),
            "code": reason.code,
            "text": reason.text,
            "cell": f"{sheet}!{at}" if sheet else at,
        }
