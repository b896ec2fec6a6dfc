"""
The floor of latency: the hops and commits of the matcher with no work between.

A service of the same mechanism: its handler writes a row and marks it due, its due handler takes
the mark off and announces one event. Run as a process: `python -m deploy.bench.floor`.
"""

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from sqlalchemy import Column, Index, Integer, Table, Text, Uuid, text

from shared.contracts import ForecastUpdated
from shared.service import Due, Service, batch
from shared.service.run import run
from shared.settings import SharedSettings
from shared.work import MOMENT, Ledger, Work

teller = Ledger("teller")
ledger = Ledger("floor")


class FloorTold(ForecastUpdated):
    """What the floor hears: as large as what the matcher does."""

    name: ClassVar[str] = "teller.forecast-updated.v1"


class FloorEcho(ForecastUpdated):
    """What the floor announces."""

    name: ClassVar[str] = "floor.forecast-echoed.v1"


Table(
    "kept",
    ledger.metadata,
    Column("id", Uuid, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("told", Text, nullable=False),
)
Table(
    "errand",
    ledger.metadata,
    Column("id", Uuid, primary_key=True),
    Column("correlation", Text),
    Column("due_at", MOMENT, nullable=False),
    Column("claimed_by", Uuid),
    Column("claimed_until", MOMENT),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Index("ix_errand_due", "due_at"),
)
errand = Due("errand", ("id",), size=4, lease_s=30)

_KEEP = text(
    """
    INSERT INTO kept (id, revision, told)
    SELECT id, revision, told FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS told(id uuid, revision int, told text)
    ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, told = excluded.told
    """
)
_MARK = text(
    """
    INSERT INTO errand (id, due_at, correlation)
    SELECT id, now(), :correlation FROM unnest(CAST(:ids AS uuid[])) AS told(id)
    ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at
    """
)
_READ = text("SELECT told FROM kept WHERE id = :id")
_DONE = text("DELETE FROM errand WHERE id = :id")


async def keep(events: Sequence[FloorTold], work: Work) -> None:
    """One row, one mark."""
    rows = [
        {"id": str(one.forecast_id), "revision": one.revision, "told": one.body().decode()}
        for one in events
    ]
    await work.session.execute(_KEEP, {"rows": json.dumps(rows)})
    ids = [one.forecast_id for one in events]
    await work.session.execute(_MARK, {"ids": ids, "correlation": work.correlation})
    work.wake("errand")


async def echo(row: Any, work: Work) -> None:
    """Take the mark off, announce one event."""
    work.correlation = row.correlation
    told = (await work.session.execute(_READ, {"id": row.id})).scalar_one()
    await work.session.execute(_DONE, {"id": row.id})
    work.announce(FloorEcho.model_validate_json(told))


def teller_card(settings: SharedSettings) -> Service:
    """Who tells the floor; it runs in the bench itself."""
    return Service(name="teller", settings=settings, ledger=teller, announces=(FloorTold,))


def build(settings: SharedSettings) -> Service:
    """The floor's card."""
    return Service(
        name="floor",
        settings=settings,
        ledger=ledger,
        reacts_to={FloorTold: batch(keep, size=250)},
        works_off={errand: echo},
        announces=(FloorEcho,),
    )


if __name__ == "__main__":
    run(build(SharedSettings()))
