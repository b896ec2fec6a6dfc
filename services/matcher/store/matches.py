"""Matches and the decisions on them."""

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.matcher.domain import PROPOSED, Concern, Lot, Match, Stands
from services.matcher.store.lots import AROUND, LOT, kinds_of
from shared.plain import plain_rows

MATCH = ", ".join(Match._fields)
_TYPES = """
    id uuid, revision int, surplus_id uuid, need_id uuid, state text, route text, standing int,
    tonnes bigint, cents_per_t int, km float8, first date, last date, surplus_terms bigint,
    need_terms bigint, surplus_organisation text, need_organisation text, region text,
    accepted_by text, declined_by text, decline_reason text, change text, alternatives int,
    next_best_cents int, alarm text, told_revision int, born_at timestamptz,
    changed_at timestamptz, judged text, via uuid, permille int, stays_from date, stays_to date,
    distance_method text, distance_version text, delivered_kg bigint, closed_by text, barred text,
    facts bigint
"""
_STANDS = ", ".join(Stands._fields)
_TOUCHING = f"""
    SELECT {_STANDS} FROM match
    WHERE standing > 0 AND (surplus_id = ANY($1::uuid[]) OR need_id = ANY($1::uuid[]))
"""
_STANDING = f"SELECT {_STANDS} FROM match WHERE standing > 0"
_ONE = text(f"SELECT {MATCH} FROM match WHERE id = :id")
_SOME = f"SELECT {MATCH} FROM match WHERE id = ANY($1::uuid[])"


async def what_stands_of(session: AsyncSession, ids: Iterable[UUID]) -> list[Stands]:
    """What stands of the lots *ids*, and the pairs with them that are excluded."""
    return [Stands._make(row) for row in await plain_rows(session, _TOUCHING, list(ids))]


_AT_SITES = """
    SELECT need.project_id, surplus.kind, sum(match.tonnes)::bigint
    FROM lot need
    JOIN match ON match.need_id = need.id AND match.standing = 1
    JOIN lot surplus ON surplus.id = match.surplus_id
    WHERE need.cell = ANY($1::int[]) AND need.project_id = ANY($2::uuid[])
      AND NOT (need.id = ANY($3::uuid[]) AND surplus.id = ANY($3::uuid[]))
    GROUP BY 1, 2
"""


async def at_sites(
    session: AsyncSession, cells: Iterable[int], projects: Iterable[UUID], but: Iterable[UUID]
) -> list[tuple[UUID, str, int]]:
    """
    The tonnes that needs of *projects* in *cells* hold, by project and kind of surplus, by matches
    that are not between two of the lots *but*.
    """
    found = await plain_rows(session, _AT_SITES, list(cells), list(projects), list(but))
    return [(project, kind, tonnes) for project, kind, tonnes in found]


_ORDER = (*Stands._fields, *(name for name in Match._fields if name not in Stands._fields))
_PLACES = [_ORDER.index(name) for name in Match._fields]
# what was agreed on is long, and no plan changes it
_WHOLE = ", ".join(_ORDER).replace("judged", f"CASE WHEN state = '{PROPOSED}' THEN judged END")
_AROUND = f"""
    WITH {AROUND}
    SELECT {LOT}, {", ".join("NULL" for _ in _ORDER)} FROM around
    UNION ALL
    SELECT {", ".join("NULL" for _ in Lot._fields)}, {_WHOLE} FROM match
    WHERE standing > 0 AND (surplus_id = ANY(ARRAY(SELECT id FROM around))
                            OR need_id = ANY(ARRAY(SELECT id FROM around)))
"""


class Around(NamedTuple):
    """Lots by id, what stands of them, and the matches among these that are proposed, as read."""

    lots: dict[UUID, Lot]
    stands: list[Stands]
    proposed: dict[UUID, Any]

    def whole(self, ids: Iterable[UUID]) -> list[Match]:
        """The matches of *ids* that are proposed."""
        rows = [self.proposed[id] for id in ids if id in self.proposed]
        return [Match._make([row[at] for at in _PLACES]) for row in rows]


async def what_is_around(
    session: AsyncSession, cells: Iterable[int], about: Concern | None = None
) -> Around:
    """
    The lots in *cells* (of the kinds *about*), those anywhere that they hold tonnes with, and what
    stands of all these.
    """
    found = Around({}, [], {})
    width, end = len(Lot._fields), len(Lot._fields) + len(Stands._fields)
    for row in await plain_rows(session, _AROUND, list(cells), *kinds_of(about)):
        if row[0] is not None:
            found.lots[row[0]] = Lot._make(row[:width])
            continue
        stands = Stands._make(row[width:end])
        found.stands.append(stands)
        if stands.state == PROPOSED:
            found.proposed[stands.id] = row[width:]
    return found


async def what_stands(session: AsyncSession) -> list[Stands]:
    """Everything that holds tonnes or excludes a pair."""
    return [Stands._make(row) for row in await plain_rows(session, _STANDING)]


async def match_of(session: AsyncSession, id: UUID) -> Match | None:
    """The match *id*, or None."""
    row = (await session.execute(_ONE, {"id": id})).one_or_none()
    return Match._make(row) if row else None


async def matches_of(session: AsyncSession, ids: Iterable[UUID]) -> list[Match]:
    """The matches of *ids* that there are."""
    return [Match._make(row) for row in await plain_rows(session, _SOME, list(ids))]


# the parts of a statement that write matches
KEEPING = f"""
    changed AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset($1::jsonb) AS changed({_TYPES})
    ), ended AS (
        UPDATE match SET
            {", ".join(f"{name} = changed.{name}" for name in Match._fields if name != "id")}
        FROM changed WHERE match.id = changed.id
        RETURNING match.id
    ), begun AS (
        INSERT INTO match ({MATCH})
        SELECT {MATCH} FROM changed
        WHERE NOT EXISTS (SELECT FROM match WHERE match.id = changed.id)
        ORDER BY id
        RETURNING id
    ), past AS (
        INSERT INTO match_past (match_id, revision, state, tonnes, cents_per_t, first, last,
                                accepted_by)
        SELECT id, revision, state, tonnes, cents_per_t, first, last, accepted_by
        FROM changed WHERE told_revision = revision
        ON CONFLICT DO NOTHING
    )
"""
_KEEP = f"WITH {KEEPING} SELECT (SELECT count(*) FROM ended) + (SELECT count(*) FROM begun)"


async def keep_matches(session: AsyncSession, matches: Sequence[Match]) -> None:
    """Write *matches* as they now are; who calls holds the cells of their lots."""
    if matches:
        await plain_rows(session, _KEEP, as_rows(matches))


def as_rows(matches: Iterable[Match]) -> str:
    """*matches* as the JSON that `KEEPING` reads."""
    return json.dumps([one._asdict() for one in matches], default=str)


_PAST = text(
    """
    SELECT revision, state, tonnes, cents_per_t, first, last, accepted_by FROM match_past
    WHERE match_id = :id AND revision <= :revision ORDER BY revision DESC LIMIT 1
    """
)


async def match_at(session: AsyncSession, id: UUID, revision: int) -> dict[str, Any] | None:
    """The match *id* as it was told at *revision* or last before; None when it was not."""
    row = (await session.execute(_PAST, {"id": id, "revision": revision})).one_or_none()
    return dict(row._mapping) if row else None


_LIST = """
    SELECT {match} FROM match
    WHERE (:all OR region = ANY(CAST(:regions AS text[]))
           OR surplus_organisation = ANY(CAST(:organisations AS text[]))
           OR need_organisation = ANY(CAST(:organisations AS text[])))
      AND (CAST(:region AS text) IS NULL OR region = :region)
      AND (CAST(:organisation AS text) IS NULL OR surplus_organisation = :organisation
           OR need_organisation = :organisation)
      AND (CAST(:states AS text[]) IS NULL OR state = ANY(CAST(:states AS text[])))
      AND (CAST(:since AS timestamptz) IS NULL OR changed_at >= :since)
      AND (CAST(:after_at AS timestamptz) IS NULL
           OR (changed_at, id) {beyond} (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid)))
    ORDER BY changed_at {way}, id {way} LIMIT :limit
"""
_LISTED = {
    "oldest": text(_LIST.format(match=MATCH, beyond=">", way="ASC")),
    "newest": text(_LIST.format(match=MATCH, beyond="<", way="DESC")),
}


async def matches_seen_by(
    session: AsyncSession,
    *,
    sees_all: bool,
    regions: Sequence[str],
    organisations: Sequence[str],
    region: str | None,
    organisation: str | None,
    states: Sequence[str] | None,
    since: datetime | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
    order: str = "oldest",
) -> list[Match]:
    """Up to *limit* matches that the asker may see, by when they changed."""
    found = await session.execute(
        _LISTED[order],
        {
            "all": sees_all,
            "regions": list(regions),
            "organisations": list(organisations),
            "region": region,
            "organisation": organisation,
            "states": list(states) if states else None,
            "since": since,
            "after_at": after[0] if after else None,
            "after_id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [Match._make(row) for row in found]


_PAIR = text("SELECT count(*) FROM match WHERE surplus_id = :surplus AND need_id = :need "
             "AND told_revision > 0")  # fmt: skip


async def was_told(session: AsyncSession, surplus: UUID, need: UUID) -> bool:
    """Whether a match of this pair was ever told to its two sides."""
    told = await session.execute(_PAIR, {"surplus": surplus, "need": need})
    return bool(told.scalar_one())


_DECIDE = text(
    """
    INSERT INTO decision (id, match_id, organisation, subject, decision, reason, note,
                          revision_seen, revision_made, key, at, tonnes, first, last)
    VALUES (:id, :match_id, :organisation, :subject, :decision, :reason, :note,
            :revision_seen, :revision_made, :key, :at, :tonnes, :first, :last)
    """
)
_BY_KEY = text("SELECT match_id FROM decision WHERE subject = :subject AND key = :key")
_SAME = text(
    """
    SELECT count(*) FROM decision WHERE match_id = :match AND organisation = :organisation
        AND decision = :decision AND revision_seen = :seen
        AND (tonnes, first, last) IS NOT DISTINCT FROM
            (CAST(:tonnes AS bigint), CAST(:first AS date), CAST(:last AS date))
    """
)
_MADE = text(
    """
    SELECT organisation, decision, reason, note, tonnes, first, last, revision_made AS revision, at
    FROM decision WHERE match_id = :id AND revision_made > :after
        AND (CAST(:own AS text[]) IS NULL OR organisation = ANY(CAST(:own AS text[])))
    ORDER BY revision_made LIMIT :limit
    """
)
_OVER = text(
    """
    SELECT match.id FROM match JOIN lot AS need ON need.id = need_id
    WHERE standing = 1 AND match.last < :today
        AND (state IN ('proposed', 'accepted') OR route = 'onsite'
             OR ((via IS NULL OR need.last < :today)
                 AND position('window:' || match.last IN alarm) = 0))
    ORDER BY match.last, match.id LIMIT :limit
    """
)
_OF_SIDES = """
    (CAST(:own AS text[]) IS NULL OR surplus_organisation = ANY(CAST(:own AS text[]))
     OR need_organisation = ANY(CAST(:own AS text[])))
"""
_DECLINES = text(
    f"""
    SELECT coalesce(decline_reason, 'other') AS reason, count(*) AS count FROM match
    WHERE region = :region AND state = 'declined' AND {_OF_SIDES} GROUP BY 1 ORDER BY 2 DESC, 1
    """
)


async def keep_decision(session: AsyncSession, **decision: Any) -> None:
    """Write one decision down for good."""
    await session.execute(_DECIDE, decision)


async def decided_under(session: AsyncSession, subject: str, key: str) -> UUID | None:
    """The match that *subject* decided on under the idempotency *key*."""
    found = await session.execute(_BY_KEY, {"subject": subject, "key": key})
    return found.scalar_one_or_none()


async def was_decided(
    session: AsyncSession,
    match: UUID,
    organisation: str,
    decision: str,
    seen: int,
    offer: tuple[int | None, date | None, date | None],
) -> bool:
    """Whether *organisation* said the same about the same revision before."""
    told = {"match": match, "organisation": organisation, "decision": decision, "seen": seen,
            **dict(zip(("tonnes", "first", "last"), offer, strict=True))}  # fmt: skip
    return bool((await session.execute(_SAME, told)).scalar_one())


async def decisions_on(
    session: AsyncSession, id: UUID, *, own: Sequence[str] | None, after: int, limit: int
) -> list[dict[str, Any]]:
    """Up to *limit* decisions on match *id* after a revision: of both sides, or of *own* alone."""
    told = {"id": id, "own": own, "after": after, "limit": limit}
    return [dict(row._mapping) for row in await session.execute(_MADE, told)]


async def matches_over(session: AsyncSession, today: date, limit: int) -> list[UUID]:
    """Up to *limit* matches whose window is over, and of which nobody was told that."""
    found = await session.execute(_OVER, {"today": today, "limit": limit})
    return [row.id for row in found]


async def declines_in(
    session: AsyncSession, region: str, organisations: Sequence[str] | None
) -> dict[str, int]:
    """How many matches of *region* were declined, by reason; of *organisations*, or (None) all."""
    found = await session.execute(_DECLINES, {"region": region, "own": organisations})
    return {str(row[0]): int(row[1]) for row in found}


_FIGURES = text(
    """
    SELECT coalesce(sum(tonnes * cents_per_t) FILTER (WHERE route <> 'onsite'), 0)::bigint,
           coalesce(sum(tonnes * cents_per_t) FILTER (WHERE route = 'onsite'), 0)::bigint,
           coalesce(sum(tonnes), 0)::bigint, count(*)
    FROM match WHERE standing = 1
    """
)


async def standing_figures(session: AsyncSession) -> tuple[int, int, int, int]:
    """Of what stands: cents of direct movements, cents on own sites, tonnes, matches."""
    direct, onsite, tonnes, count = (await session.execute(_FIGURES)).one()
    return direct, onsite, tonnes, count


_COUNTS = text(
    """
    SELECT
        (SELECT count(*) FROM lot WHERE region = :region AND is_open
             AND (CAST(:own AS text[]) IS NULL OR organisation = ANY(CAST(:own AS text[]))
                  OR visibility IN ('forum', 'public'))) AS open_lots,
        count(*) FILTER (WHERE state IN ('proposed', 'accepted')) AS proposed,
        coalesce(sum(tonnes) FILTER (WHERE state IN ('proposed', 'accepted')), 0) AS proposed_t,
        count(*) FILTER (WHERE state IN ('agreed', 'moving', 'done')) AS agreed,
        coalesce(sum(tonnes) FILTER (WHERE state IN ('agreed', 'moving', 'done')), 0) AS agreed_t
    FROM match WHERE region = :region AND route <> 'onsite' AND """
    + _OF_SIDES
)


_ORGANISATIONS = text(
    "SELECT count(DISTINCT organisation) FROM lot WHERE region = :region AND is_open"
)


async def organisations_in(session: AsyncSession, region: str) -> int:
    """How many organisations have open lots in *region*."""
    return int((await session.execute(_ORGANISATIONS, {"region": region})).scalar_one())


async def counts_of(
    session: AsyncSession, region: str, organisations: Sequence[str] | None
) -> dict[str, int]:
    """
    Open lots, and what is proposed and agreed between projects, in *region*; tonnes likely.

    Of all, or of what *organisations* may see.
    """
    row = (await session.execute(_COUNTS, {"region": region, "own": organisations})).one()
    return {name: int(value) for name, value in row._mapping.items()}
