"""What the services keep, as values to compare before and after something was refused."""

import asyncio
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from tests.fuzz.roles import Town

CHANGED_BY_ASKING = {
    "registry": ("region", "organisation", "organisation_key", "mandate", "membership",
                 "project", "forecast", "area", "duplicate", "delivery"),
    "matcher": ("decision", "delivery"),
    "notifier": ("webhook", "preference", "notice", "inbox_entry"),
    "indicators": (),
}  # fmt: skip
"""The tables that only a request changes while nothing else happens: a refused one must not."""


class Kept:
    """Reads the databases of *town*'s services beside them."""

    def __init__(self, town: Town) -> None:
        self._server = town.platform.system.postgres_url
        self._loop = asyncio.new_event_loop()
        self._opened: dict[str, asyncpg.Connection[Any]] = {}

    def of(self, service: str, tables: tuple[str, ...] | None = None) -> dict[str, tuple[int, int]]:
        """Rows and the sum of their hashes, by table; `CHANGED_BY_ASKING` for None."""
        names = CHANGED_BY_ASKING[service] if tables is None else tables
        asked = " UNION ALL ".join(
            f"SELECT '{name}', count(*), coalesce(sum(hashtext(t::text)::bigint), 0) "
            f'FROM "{name}" t'
            for name in names
        )
        found = self._fetch(service, asked) if asked else []
        return {str(name): (int(rows), int(whole)) for name, rows, whole in found}

    def tables(self, service: str) -> tuple[str, ...]:
        """Every table of *service*."""
        asked = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        return tuple(str(name) for (name,) in self._fetch(service, asked))

    def _fetch(self, service: str, asked: str) -> list[Any]:
        if service not in self._opened:
            url = f"{self._server}/massakoppi_{service}"
            self._opened[service] = self._loop.run_until_complete(asyncpg.connect(url))
        return self._loop.run_until_complete(self._opened[service].fetch(asked))

    def close(self) -> None:
        """Let go of the databases."""
        for connection in self._opened.values():
            self._loop.run_until_complete(connection.close())
        self._loop.close()


@pytest.fixture(scope="session")
def kept(fuzzed: Town) -> Iterator[Kept]:
    """What stands in the databases of the platform that is fuzzed."""
    made = Kept(fuzzed)
    yield made
    made.close()
