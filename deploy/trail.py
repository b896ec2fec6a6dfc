"""The trail of every service: read in one list, worked out anew, and let go of after its years."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.letters import OPERATOR, databases
from deploy.system import System
from shared.trail import Verified, last_seal, prune, verify, years_before

_TRAIL = """
    SELECT at, subject, acting_for, action, object, about, correlation, what FROM trail
    WHERE day BETWEEN :since AND :until
"""
_INTAKE = """
    SELECT judged_at AS at, 'organisation/' || organisation AS subject,
           ARRAY[organisation] AS acting_for, 'event-' || verdict AS action, about AS object,
           ARRAY[organisation] AS about, NULL::text AS correlation,
           jsonb_build_object('event', event_id, 'code', code, 'digest', digest) AS what
    FROM intake WHERE verdict IS NOT NULL
"""
_DECISIONS = """
    SELECT at, subject, ARRAY[organisation] AS acting_for,
           'match-' || decision AS action, 'matches/' || match_id AS object,
           ARRAY[organisation] AS about, NULL::text AS correlation,
           jsonb_build_object('reason', reason, 'revision', revision_made) AS what
    FROM decision WHERE true
"""
SOURCES = {
    "registry": {"trail": _TRAIL, "intake": _INTAKE},
    "matcher": {"trail": _TRAIL, "decision": _DECISIONS},
    "indicators": {"trail": _TRAIL},
    "notifier": {"trail": _TRAIL},
}
_CHOSEN = """
    SELECT * FROM ({source}) AS told
    WHERE at >= :begin AND at < :over
      AND (CAST(:subject AS text) IS NULL OR subject = :subject)
      AND (CAST(:organisation AS text) IS NULL OR :organisation = ANY(about || acting_for))
      AND (CAST(:object AS text) IS NULL OR strpos(object, :object) > 0)
    ORDER BY at DESC LIMIT :most
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of the trail: first and last day, who, whose, what; at most so many rows."""

    since: date
    until: date
    subject: str | None = None
    organisation: str | None = None
    object: str | None = None
    most: int | None = None


async def read_trail(system: System, wanted: Wanted) -> list[dict[str, Any]]:
    """Rows of all services, newest first, each with its *service* and *source*."""
    found: list[dict[str, Any]] = []
    async with databases(system) as opened:
        for name, (_, database) in opened.items():
            for source, question in SOURCES[name].items():
                rows = await _rows(database.engine, question, wanted, database.zone)
                found += ({"service": name, "source": source, **row} for row in rows)
    found.sort(key=lambda row: row["at"], reverse=True)
    return found[: wanted.most]


async def _rows(
    engine: AsyncEngine, question: str, wanted: Wanted, zone: Any
) -> Iterator[dict[str, Any]]:
    midnight = datetime.min.time()
    told = {
        "since": wanted.since,
        "until": wanted.until,
        "begin": datetime.combine(wanted.since, midnight, zone).astimezone(UTC),
        "over": datetime.combine(wanted.until + timedelta(days=1), midnight, zone).astimezone(UTC),
        "subject": wanted.subject,
        "organisation": wanted.organisation,
        "object": wanted.object,
        "most": wanted.most,
    }
    asked = text(_CHOSEN.format(source=question))
    async with engine.connect() as connection:
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        chosen = {name: told[name] for name in asked.compile().params}
        rows = (await connection.execute(asked, chosen)).all()
    return (dict(row._mapping) for row in rows)


async def note_command(
    system: System, action: str, object: str, *about: str, service: str = "registry", **what: Any
) -> None:
    """Put on the trail of *service* what an operator's command changed outside of a database."""
    async with databases(system, service) as opened:
        _, database = opened[service]
        async with database.begin_work() as work:
            work.note(OPERATOR, action, object, *about, **what)


class NotASeal(ValueError):
    """What was to be a seal kept outside is none."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A seal that was kept outside; *service* and *day* are known where it was kept with them."""

    seal: str
    service: str | None = None
    day: date | None = None


def read_kept(told: str) -> list[Kept]:
    """
    The seal *told*, or those in the file of that name; raises `NotASeal`.

    A file has lines as `trail seal` prints them; a service's log (`trail_sealed`) will do.
    """
    if re.fullmatch("[0-9a-f]{64}", told):
        return [Kept(told)]
    path = Path(told)
    if not path.is_file():
        raise NotASeal(f"--seal {told}: give a seal of 64 digits, or a file with seals")
    found = [kept for line in path.read_text().splitlines() if (kept := _kept_in(line))]
    if not found:
        raise NotASeal(f"--seal {told}: no line as `massakoppi trail seal` prints it")
    return found


def _kept_in(line: str) -> Kept | None:
    try:
        told = json.loads(line)
        return Kept(told["seal"], told["service"], date.fromisoformat(told["day"]))
    except (ValueError, KeyError, TypeError):
        return None


def compared(found: Mapping[str, Verified], kept: Iterable[Kept]) -> list[str]:
    """What of *kept* is not in the chains that were *found*, in words; nothing when all is."""
    wrong = []
    for one in kept:
        if one.service is None:
            if not any(one.seal in each.seals.values() for each in found.values()):
                wrong.append(f"the seal {one.seal} is that of no day")
        elif one.service in found and one.day is not None:
            now = found[one.service].seals.get(one.day)
            if now != one.seal:
                why = f"is now {now}" if now else "is gone"
                wrong.append(f"{one.service}: the seal of {one.day} was {one.seal} and {why}")
    return wrong


async def last_seals(system: System, service: str | None = None) -> list[dict[str, str]]:
    """The newest seal of each service's trail, to be kept outside; none before its first day."""
    async with databases(system, service) as opened:
        found = {name: await last_seal(database.engine) for name, (_, database) in opened.items()}
    return [
        {"service": name, "day": str(one[0]), "seal": one[1]} for name, one in found.items() if one
    ]


async def verify_trails(system: System, service: str | None = None) -> dict[str, Verified]:
    """What a check of each service's trail found."""
    async with databases(system, service) as opened:
        return {name: await verify(database.engine) for name, (_, database) in opened.items()}


async def prune_trails(system: System, *, before: date | None) -> dict[str, int]:
    """
    Remove the rows of days before *before*, or else of what is older than the years to keep; how
    many of each service. Raises `shared.trail.NotPruned`.
    """
    done = {}
    async with databases(system) as opened:
        for name, (service, database) in opened.items():
            years = service.settings.trail_keep_years
            oldest = years_before(datetime.now(database.zone).date(), years)
            done[name] = await prune(
                database.engine, database.ledger.trail, database.zone,
                before=before or oldest, keep_years=years, by=OPERATOR,
            )  # fmt: skip
    return done
