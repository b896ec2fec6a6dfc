"""Writes a migration for a service: `python -m deploy.migration SERVICE "what changes"`."""

import asyncio
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.cards import card
from deploy.provision import alembic_of, migrations_of, provision_databases
from deploy.servers import Postgres
from shared.service import Service


def next_number(service: Service) -> str:
    """The number of the next migration of *service*: `0002` after `0001_….py`."""
    known = [
        int(path.name[:4])
        for path in migrations_of(service.name).glob("[0-9]*.py")
        if re.match(r"\d{4}_", path.name)
    ]
    return f"{max(known, default=0) + 1:04d}"


def write(connection: Any, service: Service, message: str) -> None:
    """Compare the database behind *connection* with the tables of *service* and write it down."""
    config = alembic_of(service)
    config.attributes["connection"] = connection
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    command.revision(
        config,
        message,
        autogenerate=True,
        rev_id=next_number(service),
        version_path=str(migrations_of(service.name)),
    )


async def run(name: str, message: str) -> None:
    """Bring an empty database to the last migration, then write what is missing."""
    service = card(name)
    migrations_of(name).mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="massakoppi-migration-") as folder:
        Path(folder).chmod(0o711)
        server = Postgres(Path(folder) / "postgres")
        server.start()
        try:
            if next_number(service) == "0001":
                url = f"{server.url}/postgres"
            else:
                await provision_databases(server.url, [service])
                url = f"{server.url}/massakoppi_{name}"
            engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
            async with engine.begin() as connection:
                await connection.run_sync(write, service, message)
            await engine.dispose()
        finally:
            server.stop()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2]))
