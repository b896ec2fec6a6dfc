"""Projects, forecasts, areas and deliveries: read and written many at a time."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.domain import Freshness, Kind, Thing, cell_of, municipal_cell

KINDS: tuple[Kind, ...] = ("project", "forecast", "area", "delivery")
MOST_PAGE = 200

_COLUMNS = {
    "id": "uuid",
    "organisation": "text",
    "reporter": "text",
    "external_id": "text",
    "external_revision": "bigint",
    "told_at": "timestamptz",
    "region": "text",
    "revision": "integer",
    "visibility": "text",
    "told": "jsonb",
    "state": "jsonb",
    "updated_at": "timestamptz",
}
_MORE: dict[Kind, dict[str, str]] = {
    "project": {"withdrawn": "boolean"},
    "forecast": {
        "project_id": "uuid",
        "anchor": "jsonb",
        "confirmed_at": "timestamptz",
        "asked_at": "timestamptz",
        "lapsed": "integer",
        "duplicate_of": "uuid",
        "cell": "text",
        "municipal_cell": "text",
        "likely_t": "float8",
        "told_by": "text",
    },
    "area": {},
    "delivery": {},
}


def _keep(kind: Kind) -> Any:
    columns = _COLUMNS | _MORE[kind]
    names = ", ".join(columns)
    shape = ", ".join(f"{name} {form}" for name, form in columns.items())
    news = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "id")
    return text(
        f"""
        INSERT INTO {kind} ({names})
        SELECT {names} FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS told({shape}) ORDER BY id
        ON CONFLICT (id) DO UPDATE SET {news}
        """
    )


_KEEP = {kind: _keep(kind) for kind in KINDS}


async def hold(session: AsyncSession, ids: Iterable[UUID]) -> None:
    """
    Let nobody else change the things *ids* until the work ends, also those that are not yet known.

    Locks are taken in one order, so that works never wait for each other in a ring.
    """
    keys = sorted({int.from_bytes(each.bytes[:8], signed=True) for each in ids})
    if keys:
        await session.execute(
            text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key"),
            {"keys": keys},
        )


async def things(session: AsyncSession, kind: Kind, ids: Iterable[UUID]) -> list[Thing]:
    """Those of *ids* that are known, as *kind*."""
    told = list(ids)
    if not told:
        return []
    question = text(f"SELECT * FROM {kind} WHERE id = ANY(CAST(:ids AS uuid[]))")
    rows = await session.execute(question, {"ids": told})
    return [_thing(kind, row) for row in rows.mappings()]


async def forecasts_of(session: AsyncSession, projects: Iterable[UUID]) -> list[Thing]:
    """Every forecast of *projects*."""
    told = list(projects)
    if not told:
        return []
    question = text("SELECT * FROM forecast WHERE project_id = ANY(CAST(:ids AS uuid[]))")
    rows = await session.execute(question, {"ids": told})
    return [_thing("forecast", row) for row in rows.mappings()]


async def forecasts_after(session: AsyncSession, after: UUID | None, limit: int) -> list[UUID]:
    """Up to *limit* forecasts in the order of their ids, from the first one after *after*."""
    question = text(
        "SELECT id FROM forecast WHERE CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid) "
        "ORDER BY id LIMIT :limit"
    )
    return list((await session.execute(question, {"after": after, "limit": limit})).scalars())


async def keep_things(session: AsyncSession, changed: Sequence[Thing], now: datetime) -> None:
    """Write *changed* as they now are; whoever calls holds them."""
    for kind in KINDS:  # projects first: forecasts refer to them
        rows = [_row(each, now) for each in changed if each.kind == kind]
        if rows:
            await session.execute(_KEEP[kind], {"rows": json.dumps(rows)})


def _row(thing: Thing, now: datetime) -> dict[str, Any]:
    return {
        "id": str(thing.id),
        "organisation": thing.organisation,
        "reporter": thing.reporter,
        "external_id": thing.external_id,
        "external_revision": thing.external_revision,
        "told_at": thing.told_at and thing.told_at.isoformat(),
        "region": thing.region,
        "revision": thing.revision,
        "visibility": thing.state.get("visibility", "parties"),
        "told": thing.told,
        "state": thing.state,
        "updated_at": now.isoformat(),
        "withdrawn": thing.withdrawn,
        "project_id": str(thing.project_id) if thing.project_id else None,
        "anchor": thing.anchor,
        **_fresh_row(thing.fresh),
        **(_beside_row(thing) if thing.kind == "forecast" else {}),
    }


def _fresh_row(fresh: Freshness | None) -> dict[str, Any]:
    if fresh is None:
        return {}
    return {
        "confirmed_at": fresh.confirmed_at.isoformat(),
        "asked_at": fresh.asked_at and fresh.asked_at.isoformat(),
        "lapsed": fresh.lapsed,
    }


def _beside_row(forecast: Thing) -> dict[str, Any]:
    return {
        "duplicate_of": str(forecast.duplicate_of) if forecast.duplicate_of else None,
        "cell": cell_of(forecast.state),
        "municipal_cell": municipal_cell(forecast.state),
        "likely_t": forecast.state["quantity"]["likely_t"],
        "told_by": told_by(forecast),
    }


def told_by(forecast: Thing) -> str:
    """Who reported *forecast*, and out of which system: who tells twice is somebody else."""
    return f"{forecast.reporter} {forecast.state.get('source', {}).get('system') or ''}"


def _thing(kind: Kind, row: Mapping[Any, Any]) -> Thing:
    return Thing(
        id=row["id"],
        kind=kind,
        organisation=row["organisation"],
        reporter=row["reporter"],
        external_id=row["external_id"],
        external_revision=row["external_revision"],
        told_at=row["told_at"],
        region=row["region"],
        revision=row["revision"],
        told=from_json(row["told"]),
        state=from_json(row["state"]),
        project_id=row.get("project_id"),
        withdrawn=row.get("withdrawn", False),
        anchor=from_json(row.get("anchor")),
        fresh=(
            Freshness(row["confirmed_at"], row["asked_at"], row["lapsed"])
            if kind == "forecast"
            else None
        ),
        duplicate_of=row.get("duplicate_of"),
    )


def from_json(value: Any) -> Any:
    """*value* of a column of jsonb."""
    # raw SQL gives jsonb as the driver does: as text
    return json.loads(value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Scope:
    """
    What an asker may see: everything, or its own, its regions' and what is told to all members.
    """

    everything: bool = False
    organisations: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


_LISTED = "id, reporter, external_id, revision, state, updated_at"
VISIBLE = """
    (:everything OR organisation = ANY(CAST(:own AS text[]))
     OR reporter = ANY(CAST(:own AS text[])) OR region = ANY(CAST(:regions AS text[]))
     OR visibility IN ('forum', 'public'))
"""


_OWN = "(organisation = ANY(CAST(:own AS text[])) OR reporter = ANY(CAST(:own AS text[])))"
_WITHOUT_FORECASTS = f"""
    NOT withdrawn AND NOT EXISTS (
        SELECT FROM forecast WHERE forecast.project_id = project.id AND {VISIBLE})
"""
"""A forecast out of the asker's sight must not tell that it is there."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A thing in a list: whose it is, its state with its revision, and where a page could go on."""

    id: UUID
    reporter: str
    external_id: str
    revision: int
    state: dict[str, Any]
    updated_at: datetime


async def listed(
    session: AsyncSession,
    kind: Kind,
    scope: Scope,
    *,
    region: str | None = None,
    organisation: str | None = None,
    project: UUID | None = None,
    asked: bool = False,
    without_forecasts: bool = False,
    own: bool = False,
    public: bool = False,
    after: tuple[datetime, UUID] | None = None,
    limit: int = MOST_PAGE,
) -> list[Listed]:
    """
    A page of what *scope* may see of *kind*, oldest change first, going on after *after*; *own* is
    what its organisations own or report.
    """
    wanted = ["visibility = 'public' AND state->>'status' <> 'draft'" if public else VISIBLE]
    if region is not None:
        wanted.append("region = :region")
    if organisation is not None:
        wanted.append("organisation = :organisation")
    if project is not None and kind == "forecast":
        wanted.append("project_id = :project")
    if without_forecasts:
        wanted.append(_WITHOUT_FORECASTS)
    if asked:
        wanted.append("asked_at IS NOT NULL")
    if own:
        wanted.append(_OWN)
    if after is not None:
        wanted.append("(updated_at, id) > (:at, :id)")
    at, last = after or (None, None)
    question = text(
        f"""
        SELECT {_LISTED} FROM {kind} WHERE {" AND ".join(wanted)}
        ORDER BY updated_at, id LIMIT :limit
        """
    )
    told = {"region": region, "organisation": organisation, "project": project, "at": at,
            "id": last, "limit": min(limit, MOST_PAGE), **scoped(scope)}  # fmt: skip
    used = {name: value for name, value in told.items() if f":{name}" in question.text}
    rows = await session.execute(question, used)
    return [_listed(row) for row in rows.mappings()]


_WAITING = text(
    f"""
    SELECT (SELECT count(*) FROM forecast
            WHERE {VISIBLE} AND region = :region AND asked_at IS NOT NULL) AS to_confirm,
           (SELECT count(*) FROM project
            WHERE {VISIBLE} AND region = :region AND {_WITHOUT_FORECASTS}) AS to_call
    """
)


async def waiting(session: AsyncSession, scope: Scope, region: str) -> tuple[int, int]:
    """
    How many forecasts of *region* their owners were asked about, and how many of its projects
    have none, of what *scope* may see.
    """
    found = await session.execute(_WAITING, {"region": region, **scoped(scope)})
    row = found.one()
    return row.to_confirm, row.to_call


async def seen(session: AsyncSession, kind: Kind, scope: Scope, id: UUID) -> Listed | None:
    """The one thing, when *scope* may see it."""
    question = text(f"SELECT {_LISTED} FROM {kind} WHERE id = :id AND {VISIBLE}")
    row = (await session.execute(question, {"id": id, **scoped(scope)})).mappings().first()
    return _listed(row) if row else None


def scoped(scope: Scope) -> dict[str, Any]:
    """What `VISIBLE` asks for."""
    return {
        "everything": scope.everything,
        "own": list(scope.organisations),
        "regions": list(scope.regions),
    }


def _listed(row: Mapping[Any, Any]) -> Listed:
    return Listed(**{**row, "state": from_json(row["state"])})
