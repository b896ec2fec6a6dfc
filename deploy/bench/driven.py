"""The matcher's card taken step by step in this process: what is told, then what is due."""

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from typing import Any, Self
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from deploy.bench.ground import empty
from deploy.provision import provision_databases
from services.matcher.app import build
from services.matcher.domain.values import HOLDS, Lot, Rules
from services.matcher.settings import Settings
from shared.contracts import AreaUpdated, DeliveryReported, ForecastUpdated
from shared.service import Service
from shared.service.consume import hand_over
from shared.service.due import Worker
from shared.work import Database, Work

Pair = tuple[UUID, UUID]

_LOTS = text(f"SELECT {', '.join(Lot._fields)} FROM lot")
_STANDING = text(f"SELECT surplus_id, need_id, tonnes FROM match WHERE standing = {HOLDS}")
_OVER_AREAS = text(
    """
    SELECT coalesce(sum(tonnes) FILTER (WHERE via IS NOT NULL), 0), coalesce(sum(tonnes), 0),
           coalesce(sum(tonnes * km), 0)
    FROM match WHERE standing = 1 AND route <> 'onsite'
    """
)
_VALUE = text(
    f"SELECT coalesce(sum(tonnes * cents_per_t), 0)::bigint FROM match WHERE standing = {HOLDS}"
)
_SWEEP_NOW = text("UPDATE sweep SET due_at = now()")
_TELL_NOW = text("UPDATE tell SET due_at = now()")
_LOOK_NOW = text(
    "INSERT INTO calendar (id, due_at) VALUES (1, now()) "
    "ON CONFLICT (id) DO UPDATE SET due_at = now()"
)
_DIRTY = text("SELECT EXISTS (SELECT FROM dirty)")
_FAILED = text(
    "SELECT (SELECT count(*) FROM dirty WHERE attempts > 0) "
    "+ (SELECT count(*) FROM sweep WHERE attempts > 0)"
)

_ROUNDS_IN_VAIN = 10
_WORTH_A_ROUND = 1.000_01


class NotMeasured(Exception):
    """The bench could not measure; what is measured failed."""


class Dated(Database):
    """A database whose works all begin on one *day*, at eight in the morning, once it is set."""

    day: date | None = None

    def work_in(
        self, session: AsyncSession, *, correlation: str | None = None, origin: str = ""
    ) -> Work:
        work = super().work_in(session, correlation=correlation, origin=origin)
        if self.day is not None:
            work.today = self.day
            work.now = datetime.combine(self.day, time_of_day(8), self.zone).astimezone(UTC)
        return work


class Driven:
    """
    A matcher with a database of its own and real commits, but no process and no bus.

    What it announces stays in its outbox. Sweeps happen when `sweep` is called, and only then. It
    lives in the present until it is given a day.
    """

    def __init__(self, service: Service, settings: Settings) -> None:
        if service.ledger is None:
            raise NotMeasured("the matcher's card keeps nothing")
        self.service = service
        self.settings = settings
        self.rules: Rules = settings.rules()
        self.database = Dated(
            service.ledger, Database.open(service.ledger, settings).engine, settings
        )
        self.workers = {
            due.table: Worker(self.database, due, handler)
            for due, handler in service.works_off.items()
        }

    @classmethod
    async def open(cls, postgres_url: str, **turned: Any) -> Self:
        """
        An empty one on the server at *postgres_url*; its database is made, or emptied.

        *turned* are settings of the matcher by name.
        """
        return await cls._opened(postgres_url, "", turned)

    @classmethod
    async def with_lots_kept(cls, postgres_url: str) -> Self:
        """One that still has the lots its database holds, and nothing else."""
        return await cls._opened(postgres_url, "lot", {})

    @classmethod
    def as_it_is(cls, postgres_url: str, **turned: Any) -> Self:
        """One on the database that is there, with all that it holds."""
        settings = _settings(postgres_url, turned)
        return cls(build(settings), settings)

    @classmethod
    async def _opened(cls, postgres_url: str, keep: str, turned: dict[str, Any]) -> Self:
        settings = _settings(postgres_url, turned)
        service = build(settings)
        await provision_databases(postgres_url, [service])
        made = cls(service, settings)
        known = made.service.ledger.metadata.tables if made.service.ledger else ()
        async with made.database.engine.begin() as connection:
            await empty(connection, (name for name in known if name != keep))
        return made

    async def close(self) -> None:
        await self.database.close()

    @property
    def today(self) -> date:
        """The day it lives in."""
        return self.database.day or datetime.now(self.database.zone).date()

    def live_on(self, day: date) -> None:
        """From now on it is *day*, for all that it judges, keeps and tells."""
        self.database.day = day

    async def tell(self, events: Sequence[ForecastUpdated]) -> None:
        """Hand *events* to the card's handler, in one transaction."""
        async with self.database.begin_work(correlation=str(events[0].id)) as work:
            await hand_over(work, self.service.reacts_to[ForecastUpdated], events)

    async def tell_areas(self, events: Sequence[AreaUpdated]) -> None:
        """Hand areas to the card's handler, in one transaction."""
        async with self.database.begin_work(correlation=str(events[0].id)) as work:
            await hand_over(work, self.service.reacts_to[AreaUpdated], events)

    async def tell_deliveries(self, events: Sequence[DeliveryReported]) -> None:
        """Hand loads to the card's handler, in one transaction."""
        async with self.database.begin_work(correlation=str(events[0].id)) as work:
            await hand_over(work, self.service.reacts_to[DeliveryReported], events)

    async def look_at_calendar(self) -> bool:
        """End the proposals whose window is over; whether something is to be settled for it."""
        async with self.database.engine.begin() as connection:
            await connection.execute(_LOOK_NOW)
        await self._work_off("calendar")
        async with self.database.engine.connect() as connection:
            return bool((await connection.execute(_DIRTY)).scalar_one())

    async def settle(self) -> list[float]:
        """Settle every neighbourhood that is dirty; the seconds each took, claim and all."""
        return await self._work_off("dirty")

    async def sweep(self, rounds_in_vain: int = _ROUNDS_IN_VAIN) -> list[float]:
        """
        Sweep until no tile is left, or round after round brings nothing more; the seconds of each.
        """
        seconds: list[float] = []
        best, in_vain = await self.value_cents(), 0
        while in_vain < rounds_in_vain:
            async with self.database.engine.begin() as connection:
                await connection.execute(_SWEEP_NOW)
            found = await self._work_off("sweep")
            if not found:
                break
            seconds += found
            value = await self.value_cents()
            in_vain = 0 if value > best * _WORTH_A_ROUND else in_vain + 1
            best = max(best, value)
        return seconds

    async def announce(self) -> None:
        """Announce now what waits to be told a little later, as it does where news keeps coming."""
        async with self.database.engine.begin() as connection:
            await connection.execute(_TELL_NOW)
        await self._work_off("tell")

    async def _work_off(self, table: str) -> list[float]:
        worker, seconds = self.workers[table], []
        while True:
            begun = time.perf_counter()
            rows = await worker.claim(1)
            if not rows:
                break
            await worker.hand_over(rows)
            seconds.append(time.perf_counter() - begun)
        async with self.database.engine.connect() as connection:
            failed = (await connection.execute(_FAILED)).scalar_one()
        if failed:
            raise NotMeasured(f"{failed} neighbourhoods could not be settled; see the log above")
        return seconds

    async def lots(self) -> list[Lot]:
        """The lots as the matcher keeps them."""
        async with self.database.engine.connect() as connection:
            return [Lot._make(row) for row in await connection.execute(_LOTS)]

    async def standing(self) -> dict[Pair, int]:
        """The tonnes that stand on each pair."""
        async with self.database.engine.connect() as connection:
            found = await connection.execute(_STANDING)
            return {(row.surplus_id, row.need_id): row.tonnes for row in found}

    async def over_areas(self) -> tuple[int, int, float]:
        """Tonnes that stand over areas, all that leave their site, and tonne-kilometres."""
        async with self.database.engine.connect() as connection:
            over, every, tonne_km = (await connection.execute(_OVER_AREAS)).one()
        return int(over), int(every), float(tonne_km)

    async def value_cents(self) -> int:
        """What stands, in cents."""
        async with self.database.engine.connect() as connection:
            return int((await connection.execute(_VALUE)).scalar_one())


def _settings(postgres_url: str, turned: dict[str, Any]) -> Settings:
    """A matcher's settings in which sweeps and full solves happen when they are asked for."""
    return Settings(
        postgres_url=postgres_url,
        matcher_sweep_after_s=86_400,
        matcher_near_after_s=86_400,
        matcher_measure_up_to_lots=0,
        **turned,
    )


def changed_pairs(before: dict[Pair, int], after: dict[Pair, int]) -> int:
    """How many pairs carry other tonnes than before."""
    return sum(before.get(pair) != after.get(pair) for pair in before.keys() | after.keys())
