"""A database that an earlier release filled comes to the newest tables with all its rows."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy import text
from sqlalchemy.dialects import postgresql as pg

from deploy.provision import alembic_of, head_of, migrations_of, upgrade
from shared.service import Service
from shared.work import Database
from tests.trail.conftest import KEEPING, Made

ROWS = 3
EARLIER = [
    (service, path.name[:4])
    for service in KEEPING
    for path in sorted(migrations_of(service.name).glob("0*.py"))
    if path.name[:4] != head_of(service)
]
by_version = pytest.mark.parametrize(
    ("service", "version"), EARLIER, ids=[f"{one.name}-{version}" for one, version in EARLIER]
)


def to(connection: Any, service: Service, version: str) -> None:
    """Bring the database behind *connection* to *version*."""
    config = alembic_of(service)
    config.attributes["connection"] = connection
    command.upgrade(config, version)


OF_KIND: tuple[tuple[Any, Callable[[int], Any]], ...] = (
    (pg.ARRAY, lambda number: []),
    (pg.JSONB, lambda number: {}),
    (sa.Uuid, lambda number: UUID(int=number)),
    (sa.Boolean, lambda number: False),
    (sa.DateTime, lambda number: datetime(2026, 5, number, 22, 30, tzinfo=UTC)),
    (sa.Date, lambda number: date(2026, 5, number)),
    (sa.Time, time),
    (sa.LargeBinary, lambda number: b"{}"),
    ((sa.Numeric, sa.Float, sa.Integer), lambda number: number),
    (sa.String, lambda number: f"a{number}"),
)
"""A value that a column of that kind can hold; another for each number."""


OF_ITS_OWN: dict[str, Callable[[int], Any]] = {
    "mandate.reporter": lambda number: f"a{number % ROWS + 1}",
    "organisation_key.public_key": lambda number: None,
    "duplicate.one": lambda number: UUID(int=1),
    "duplicate.other": lambda number: UUID(int=number % 2 + 2),
}
"""What a check wants of columns together."""


def value(column: sa.Column[Any], number: int, allowed: dict[str, str]) -> Any:
    if column.name in allowed:
        return allowed[column.name]
    (made,) = [made for kind, made in OF_KIND if isinstance(column.type, kind)]
    return OF_ITS_OWN.get(str(column), made)(number)


def allowed_in(connection: sa.Connection, table: str) -> dict[str, str]:
    """The first of the codes that a check lets a column of *table* have, by its name."""
    checks = sa.inspect(connection).get_check_constraints(table)
    found = (re.match(r"\(?(\w+)\W[^']*'(\w*)'", one["sqltext"].strip("(")) for one in checks)
    return {one[1]: one[2] for one in found if one}


def filled(connection: sa.Connection) -> dict[str, int]:
    """Put `ROWS` rows in each table that there is, or the one that it can have; table → rows."""
    there = sa.MetaData()
    there.reflect(connection)
    tables = [one for one in there.sorted_tables if one.name != "alembic_version"]
    for table in tables:
        allowed = allowed_in(connection, table.name)
        columns = [one for one in table.columns if one.computed is None and not one.identity]
        rows = [
            {one.name: value(one, number, allowed) for one in columns}
            for number in range(1, ROWS + 1)
        ]
        connection.execute(pg.insert(table).on_conflict_do_nothing(), rows)
    return counted(connection, [table.name for table in tables])


def counted(connection: sa.Connection, tables: Iterable[str]) -> dict[str, int]:
    return {
        table: connection.execute(text(f'SELECT count(*) FROM "{table}"')).scalar_one()
        for table in tables
    }


@by_version
async def test_no_row_of_an_earlier_release_is_lost(bare: Made, service: Service, version: str):
    """From every version there was; the tables are then those that the code knows."""
    assert service.ledger is not None
    database: Database = await bare(service.ledger)
    async with database.engine.begin() as connection:
        await connection.run_sync(to, service, version)
        before = await connection.run_sync(filled)
    async with database.engine.begin() as connection:
        await connection.run_sync(upgrade, service)
        tables = set(await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names()))
        assert set(service.ledger.metadata.tables) == tables - {"alembic_version"}
        kept = await connection.run_sync(counted, [one for one in before if one in tables])
    assert min(before.values()) > 0
    assert kept == {one: before[one] for one in kept}


async def test_a_trail_of_before_knows_its_days_and_whose_data_each_row_is_about(bare: Made):
    """Rows of the registry's first trail: by its object, or what was told beside."""
    registry = next(one for one in KEEPING if one.name == "registry")
    assert registry.ledger is not None
    database: Database = await bare(registry.ledger)
    async with database.engine.begin() as connection:
        await connection.run_sync(to, registry, "0004")
        await connection.execute(text(
            "INSERT INTO trail (id, at, actor, action, object, detail) VALUES "
            "(gen_random_uuid(), '2026-05-16T22:30Z', 'operator/operator', 'mandate-given', "
            "'organisation/acme', '{\"reporter\": \"beta\"}')"
        ))  # fmt: skip
        await connection.run_sync(upgrade, registry)
        row = (await connection.execute(text("SELECT * FROM trail"))).one()
    assert (row.subject, row.day, row.about) == (
        "operator/operator", date(2026, 5, 17), ["acme", "beta"],
    )  # fmt: skip
    assert (row.acting_for, row.what) == ([], {"reporter": "beta"})
