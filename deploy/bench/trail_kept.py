"""The second half of `bench trail`: what a long trail costs to seal, read, verify and prune."""

import asyncio
import sys
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import aiohttp
import psutil
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from deploy.bench.figures import Figure, Sheet, milliseconds
from deploy.bench.ground import Ground
from deploy.cards import card
from deploy.cli.terms import progress
from shared.access import Asker, read_key, sign
from shared.settings import SharedSettings
from shared.trail import prune, seal_days
from shared.work import Database

_DAYS: Final = 1_000
_MIB: Final = 1024 * 1024
_OFTEN, _SELDOM = "often-7", "seldom"
_FILL = text("""
    INSERT INTO trail (id, at, day, subject, acting_for, action, object, about, correlation, what)
    SELECT gen_random_uuid(), at, at::date, 'person/' || number % 500, '{client}',
           'GET /matches', 'matches',
           CASE WHEN number % 250000 = 7 THEN '{seldom}'::text[]
                ELSE ARRAY['often-' || number % 40, 'often-' || number % 37 ] END,
           NULL, '{"query": ["limit"], "mentions": 20, "unnamed": ["often-7"]}'
    FROM generate_series(1, :rows) AS told(number),
         LATERAL (
             SELECT CAST(:first AS date) + CAST(number::bigint * :days / (:rows + 1) AS integer)
                    + time '12:00'
         ) AS on_day(at)
""")


async def kept(ground: Ground, rows: int) -> list[Figure]:
    """*rows* rows over 1 000 days in the indicators' database, whose process does not run yet."""
    sheet = Sheet(f"{rows} rows over {_DAYS} days")
    ledger = card("indicators").ledger
    assert ledger is not None
    settings = SharedSettings(postgres_url=ground.postgres.url, pool_connections=2)
    database = Database.open(ledger, settings)
    today = datetime.now(database.zone).date()
    with progress(f"{rows} rows of a trail"):
        async with database.engine.begin() as connection:
            await _filled(connection, rows, today - timedelta(days=_DAYS))
    begun = time.perf_counter()
    with progress("sealing"):
        sealed = await seal_days(database.engine, database.zone, datetime.now(UTC))
    sheet.add("every day sealed", time.perf_counter() - begun, "s", note=f"{len(sealed)} days")
    await ground.begin(ground.add("indicators"))  # not before: it would seal, too
    for whose in (_OFTEN, _SELDOM):
        seconds = await _read(ground, whose)
        sheet.add(f"GET /trail of {whose}, p50", milliseconds(seconds, 0.5), "ms")
    with progress("verifying"):
        took, peak = await _verified(ground)
    sheet.add("trail verify", took, "s")
    sheet.add("trail verify, resident, most", peak / _MIB, "MiB")
    begun = time.perf_counter()
    with progress("pruning"):
        gone = await prune(
            database.engine, database.ledger.trail, database.zone,
            before=today - timedelta(days=_DAYS // 2), keep_years=0, by="operator/operator",
        )  # fmt: skip
    sheet.add("half of it pruned", time.perf_counter() - begun, "s", note=f"{gone} rows")
    await database.close()
    return sheet.figures


async def _filled(connection: AsyncConnection, rows: int, first: date) -> None:
    await connection.execute(text("SET LOCAL statement_timeout = 0"))
    # as a table that grew empty: no seal of the days before the service began
    await connection.execute(text("SET LOCAL session_replication_role = replica"))
    await connection.execute(text("TRUNCATE trail, trail_seal"))
    await connection.execute(_FILL, {"rows": rows, "days": _DAYS, "first": first})
    await connection.execute(text("ANALYZE trail"))


async def _read(ground: Ground, whose: str, times: int = 20) -> list[float]:
    """The seconds of each first page about *whose*, as its coordinator asks for it."""
    asker = Asker("p-bench", "person", {whose: ("coordinator",)})
    token = sign(asker, read_key(ground.ring.signing))
    url = f"{ground.processes['indicators'].url}/trail"
    took = []
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {token}"}, raise_for_status=True
    ) as session:
        for _ in range(times):
            begun = time.perf_counter()
            async with session.get(url) as answer:
                assert (await answer.json())["items"]
            took.append(time.perf_counter() - begun)
    return took


async def _verified(ground: Ground) -> tuple[float, int]:
    """The seconds of `massakoppi trail verify` as a process, and its most resident bytes."""
    begun, peak = time.perf_counter(), 0
    process: Any = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli", "trail", "verify", "--service", "indicators",
        "--data", str(ground.data), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told = asyncio.create_task(process.communicate())
    worker = psutil.Process(process.pid)
    while not (await asyncio.wait([told], timeout=0.05))[0]:
        try:
            peak = max(peak, worker.memory_info().rss)
        except psutil.NoSuchProcess:
            break
    out, _ = await told
    assert process.returncode == 0, out.decode()
    return time.perf_counter() - begun, peak
