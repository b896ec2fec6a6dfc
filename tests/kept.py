"""
Every table of every service, as values to compare before and after something was refused.

What is compared is asked of the databases themselves, so a new table is in it by itself. Left out
is only what a refusal is meant to write (`MEANT`) and what happens by the clock (`BY_ITSELF`).
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, Self

import asyncpg

RECEIPT = "receipts.receipt.v1"
MEANT = {
    "*.trail": "who was told no of another has looked, and who knocked at the door has knocked",
    "registry.outbox": f"the receipt is on its way: all else than {RECEIPT} is compared",
    "registry.intake": "the verdict at the door, and how often it was asked for",
}
"""What a refusal writes, and why; `*` is each service that has the table."""
AT_THE_DOOR = "^(POST /intake|(PUT|DELETE) /(projects|forecasts|areas)/)"
COMPARED = {
    "trail": f"NOT what ? 'mentions' AND action !~ '{AT_THE_DOOR}'",
    "outbox": f"name <> '{RECEIPT}'",
}
"""The rows of these that are compared still."""
OF_AN_IMPORT = {
    "registry.trail": "that it was handed in",
    "registry.import": "how far it is, and what came of it",
    "registry.import_error": "what is wrong with it, by cell",
    "registry.import_slice": "what was read and is not sent yet",
    "registry.import_due": "that it goes on",
}
"""What an import writes beside, whatever becomes of it."""
BY_ITSELF = {
    "*.*.claimed_by": "a worker's lease",
    "*.*.claimed_until": "a worker's lease",
    "*.*.attempts": "how often a worker tried",
    "*.outbox.published_at": "the relay sent it",
    "*.outbox.stream_seq": "the relay sent it",
    "*.trail_seal": "a day is over",
    "*.calendar": "when the calendar is looked at again",
}
"""What changes by the clock while nobody asks for anything."""
MARK = "merkki"
QUIET_S = (0.5, 2.0, 8.0)
"""Longer each time: between two steps of an import its reader may be starting."""
WITHIN_S = 60.0
COLUMNS = """
    SELECT table_name, column_name FROM information_schema.columns
    JOIN pg_tables ON tablename = table_name AND schemaname = table_schema
    WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position
"""
Whole = dict[str, tuple[int, int]]
"""Rows and the sum of their hashes, by `service.table`."""


def _is(pattern: str, name: str) -> bool:
    told, found = pattern.split("."), name.split(".")
    return len(told) == len(found) and all(
        each in ("*", part) for each, part in zip(told, found, strict=True)
    )


def said(name: str, exclusions: Iterable[str]) -> bool:
    """Whether one of *exclusions* is about *name*: `service.table`, or with a column."""
    return any(_is(each, name) for each in exclusions)


def whole_of(service: str, columns: Iterable[tuple[str, str]], beside: Iterable[str] = ()) -> str:
    """
    The question whose rows are table, rows, hash, of all that *columns* names.

    Left out is what a refusal is meant to write, what happens by itself, and *beside*.
    """
    left_out = (*MEANT, *BY_ITSELF)
    tables: dict[str, list[str]] = {}
    for table, column in columns:
        kept = tables.setdefault(table, [])
        if not said(f"{service}.{table}.{column}", BY_ITSELF):
            kept.append(f't."{column}"')
    asked = []
    for table, kept in tables.items():
        name = f"{service}.{table}"
        if said(name, beside) or (said(name, left_out) and table not in COMPARED):
            continue
        where = f"WHERE {COMPARED[table]}" if table in COMPARED else ""
        asked.append(
            f"SELECT '{name}', count(*), "
            f"coalesce(sum(hashtextextended(ROW({', '.join(kept)})::text, 0)), 0) "
            f'FROM "{table}" t {where}'
        )
    return " UNION ALL ".join(asked)


def marks_of(service: str, columns: Iterable[tuple[str, str]]) -> str:
    """The question whose rows are table and mark, of each `mark` that a row of *service* says."""
    told = f"{MARK}([0-9]{{8}})"
    coded = f"{MARK.encode().hex()}((?:3[0-9]){{8}})"
    asked = []
    for table in dict.fromkeys(table for table, _ in columns):
        where = f"WHERE {COMPARED[table]}" if table in COMPARED else ""
        asked.append(
            f"SELECT DISTINCT '{service}.{table}', "
            "coalesce(said[1], convert_from(decode(said[2], 'hex'), 'UTF8')) "
            f'FROM (SELECT t::text AS row FROM "{table}" t {where}) AS rows, '
            f"regexp_matches(row, '{told}|{coded}', 'g') AS said"
        )
    return " UNION ALL ".join(asked)


def mark(number: int) -> str:
    """A text that nothing else says, and that is found again wherever it was kept."""
    return f"{MARK}{number:08}"


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The tables that differ."""
    return sorted(name for name in before | after if before.get(name) != after.get(name))


@dataclass
class Kept:
    """
    The databases of *services* on one *server*, read beside them while it is entered.

    *called* makes a database's name of a service's; *beside* is left out too. A thread of its own
    lets tests with a loop and tests without ask alike.
    """

    server: str
    services: Sequence[str]
    called: Callable[[str], str] = "massakoppi_{}".format
    beside: Iterable[str] = ()
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: Thread = field(init=False)
    _opened: dict[str, "asyncpg.Connection[Any]"] = field(default_factory=dict)
    _columns: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    _last: tuple[tuple[int, tuple[str, ...]], Whole] | None = None

    def __post_init__(self) -> None:
        self._thread = Thread(target=self._loop.run_forever, daemon=True)

    def columns(self, service: str) -> list[tuple[str, str]]:
        """Every table of *service* with each of its columns."""
        if service not in self._columns:
            self._columns[service] = [(a, b) for a, b in self.ask(service, COLUMNS)]
        return self._columns[service]

    def moment(self) -> int:
        """A number that grows with whatever anybody writes, in all the databases."""
        asked = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
        return int(self.ask(self.services[0], asked)[0][0])

    def whole(self) -> Whole:
        """All that is compared; read anew only when something was written since."""
        moment = self.moment(), tuple(self.beside)
        if self._last is None or self._last[0] != moment:
            found: Whole = {}
            for service in self.services:
                asked = whole_of(service, self.columns(service), self.beside)
                found |= {name: (rows, int(sum)) for name, rows, sum in self.ask(service, asked)}
            self._last = moment, found
        return self._last[1]

    def marked(self) -> dict[str, set[str]]:
        """The tables, as `service.table`, in which a row says each `mark`."""
        found: dict[str, set[str]] = {}
        for service in self.services:
            for table, number in self.ask(service, marks_of(service, self.columns(service))):
                found.setdefault(mark(int(number)), set()).add(table)
        return found

    def left_by(self, ask: Callable[[], bool]) -> list[str]:
        """
        The tables in which *ask*, which answers whether it was refused, left anything.

        What something else wrote meanwhile is told apart by asking again when all is quiet.
        """
        before = self.whole()
        left = changes(before, self.whole()) if ask() else []
        for for_s in QUIET_S:
            if not left:
                break
            before = self.quiet(for_s)
            left = changes(before, self.whole()) if ask() else []
        return left

    def quiet(self, for_s: float, within_s: float = 120.0) -> Whole:
        """All that is compared, after nothing was written for *for_s* seconds."""
        until = time.monotonic() + within_s
        since, seen = time.monotonic(), self.moment()
        while time.monotonic() - since < for_s and time.monotonic() < until:
            time.sleep(0.02)
            if (now := self.moment()) != seen:
                since, seen = time.monotonic(), now
        return self.whole()

    def ask(self, service: str, asked: str) -> list[Any]:
        """The rows that answer *asked* in the database of *service*."""
        if service not in self._opened:
            opening = asyncpg.connect(f"{self.server}/{self.called(service)}")
            self._opened[service] = self._done(opening)
        return list(self._done(self._opened[service].fetch(asked)))

    def _done(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(WITHIN_S)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._opened.values():
            self._done(connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
