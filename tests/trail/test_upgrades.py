"""A database that an earlier release filled comes to the newest tables with all its rows."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
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


def value(column: sa.Column[Any], number: int) -> Any:
    """A value that *column* can hold; another for each *number*."""
    kind = column.type
    if isinstance(kind, pg.ARRAY):
        return []
    if isinstance(kind, sa.Uuid):
        return UUID(int=number + 1)
    if isinstance(kind, pg.JSONB | pg.JSON):
        return {}
    if isinstance(kind, sa.Boolean):
        return False
    if isinstance(kind, sa.DateTime):
        return datetime(2026, 5, 16 + number, 22, 30, tzinfo=UTC)
    if isinstance(kind, sa.Date):
        return date(2026, 5, 16 + number)
    if isinstance(kind, sa.Time):
        return None
    if isinstance(kind, sa.LargeBinary):
        return b"{}"
    if isinstance(kind, sa.Numeric | sa.Integer):
        return number + 1
    return str(number + 1)


def filled(connection: sa.Connection) -> dict[str, int]:
    """Put `ROWS` rows in each table that there is; table → rows."""
    there = sa.MetaData()
    there.reflect(connection)
    tables = [one for one in there.sorted_tables if one.name != "alembic_version"]
    for table in tables:
        columns = [one for one in table.columns if one.computed is None and not one.identity]
        rows = [{one.name: value(one, number) for one in columns} for number in range(ROWS)]
        connection.execute(table.insert(), rows)
    return {table.name: ROWS for table in tables}


def counted(connection: sa.Connection, tables: Iterator[str] | list[str]) -> dict[str, int]:
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
    assert kept == {one: ROWS for one in before if one in tables}


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
