"""The world beyond: a routing engine, asked for whole tables of road distances."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

import aiohttp
from prometheus_client import Counter, Gauge, Histogram
from yarl import URL

from services.matcher.domain.roads import Pair, place_of, tables_of
from shared import telemetry

requests = Counter("matcher_routing_requests_total", "tables asked for", ["result"])
request_seconds = Histogram(
    "matcher_routing_seconds", "one table, asked and answered",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)  # fmt: skip
away = Gauge("matcher_routing_away", "1 while the routing engine is not asked because it failed")

LARGEST_ANSWER: Final = 16 * 1024 * 1024  # bytes
LONGEST_REST_S: Final = 600.0
LONGEST_ASKING_S: Final = 30.0  # half of the lease of what is asked for
_LESS_MAY_HELP: Final = ("NoSegment", "NoTable", "TooBig")  # of OSRM: a part of it has an answer


class EngineFailed(Exception):
    """The routing engine is away, too slow, or answers what is no table."""


class TableRefused(Exception):
    """The routing engine knows no such table; a smaller one it may."""


@dataclass(frozen=True)
class Answered:
    """
    Metres of each pair that was answered, None where no road leads; *version* of the engine's data.

    What is not in *metres* is to be asked again after *rest_s* seconds.
    """

    metres: Mapping[Pair, float | None]
    version: str = ""
    rest_s: float = 0.0


@dataclass
class RoutingEngine:
    """
    An engine that speaks OSRM's table service at *url*; *points* is the most that a table may have.

    One that fails is left in peace for *rest_s* seconds, twice as long each time it fails again.
    """

    url: str
    profile: str
    timeout_s: float
    points: int
    rest_s: float
    _rest_s: float = field(default=0.0, init=False)
    _until: float = field(default=0.0, init=False)

    async def metres(self, pairs: Sequence[Pair]) -> Answered:
        """
        The distances of *pairs* by road, as far as the engine tells them now.

        Raises nothing that has to do with the engine: it is remembered, counted and logged once.
        """
        until = time.monotonic() + LONGEST_ASKING_S
        resting = self._until - time.monotonic()
        if resting > 0:
            return Answered({}, rest_s=resting)
        found: dict[Pair, float | None] = {}
        version = ""
        timeout = aiohttp.ClientTimeout(total=self.timeout_s)
        try:
            async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
                for table in tables_of(pairs, self.points):
                    if time.monotonic() > until:
                        break  # others may claim these pairs by now; the rest comes again
                    told, version = await self._parts(session, table)
                    found |= told
        except EngineFailed as error:
            self._fails(error)
        else:
            self._works()
        return Answered(found, version, max(0.0, self._until - time.monotonic()))

    async def _parts(
        self, session: aiohttp.ClientSession, pairs: Sequence[Pair]
    ) -> tuple[dict[Pair, float | None], str]:
        """The table of *pairs*; in halves where the whole is refused, a pair alone has no road."""
        try:
            return await self._table(session, pairs)
        except TableRefused:
            if len(pairs) == 1:
                return {pairs[0]: None}, ""
        half = len(pairs) // 2
        first, version = await self._parts(session, pairs[:half])
        second, later = await self._parts(session, pairs[half:])
        return first | second, later or version

    async def _table(
        self, session: aiohttp.ClientSession, pairs: Sequence[Pair]
    ) -> tuple[dict[Pair, float | None], str]:
        origins = sorted({origin for origin, _ in pairs})
        destinations = sorted({destination for _, destination in pairs})
        begun = time.perf_counter()
        try:
            status, body = await self._get(session, self._address(origins, destinations))
            told = _read(status, body)
            rows = _rows(told, len(origins), len(destinations))
        except TableRefused:
            requests.labels("refused").inc()
            raise
        except EngineFailed:
            requests.labels("failed").inc()
            raise
        requests.labels("answered").inc()
        request_seconds.observe(time.perf_counter() - begun)
        row_of = {point: at for at, point in enumerate(origins)}
        column_of = {point: at for at, point in enumerate(destinations)}
        found = {pair: rows[row_of[pair[0]]][column_of[pair[1]]] for pair in pairs}
        return found, str(told.get("data_version") or "")

    def _address(self, origins: Sequence[int], destinations: Sequence[int]) -> URL:
        places = (place_of(point) for point in (*origins, *destinations))
        where = ";".join(f"{lon:.4f},{lat:.4f}" for lat, lon in places)
        end = len(origins) + len(destinations)
        first, second = _numbers(range(len(origins))), _numbers(range(len(origins), end))
        return URL(
            f"{self.url.rstrip('/')}/table/v1/{self.profile}/{where}"
            f"?annotations=distance&sources={first}&destinations={second}",
            encoded=True,
        )

    async def _get(self, session: aiohttp.ClientSession, url: URL) -> tuple[int, bytes]:
        try:
            async with session.get(url, allow_redirects=False) as answer:
                body = bytearray()
                async for part in answer.content.iter_chunked(65536):
                    body += part
                    if len(body) > LARGEST_ANSWER:
                        raise EngineFailed(f"an answer of more than {LARGEST_ANSWER} bytes")
                return answer.status, bytes(body)
        except TimeoutError as error:
            raise EngineFailed(f"no answer within {self.timeout_s} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise EngineFailed(f"{type(error).__name__}: {error}") from error

    def _fails(self, error: EngineFailed) -> None:
        if self._rest_s == 0:
            telemetry.log().warning("routing_away", error=str(error)[:300])
        self._rest_s = min(LONGEST_REST_S, self._rest_s * 2 or self.rest_s)
        self._until = time.monotonic() + self._rest_s
        away.set(1)

    def _works(self) -> None:
        if self._rest_s:
            telemetry.log().info("routing_is_back")
        self._rest_s = 0.0
        away.set(0)


def _numbers(found: Iterable[int]) -> str:
    return ";".join(map(str, found))


def _read(status: int, body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError as error:
        raise EngineFailed(f"HTTP {status}, and no JSON") from error
    if not isinstance(told, dict):
        raise EngineFailed(f"HTTP {status}, and no object")
    if status == 400 and told.get("code") in _LESS_MAY_HELP:
        raise TableRefused(told["code"])
    if status != 200 or told.get("code") != "Ok":
        raise EngineFailed(f"HTTP {status}, code {str(told.get('code'))[:40]}")
    return told


def _rows(told: Mapping[str, Any], height: int, width: int) -> list[list[float | None]]:
    rows = told.get("distances")
    if not isinstance(rows, list) or len(rows) != height:
        raise EngineFailed(f"`distances` is no table of {height} rows")
    for row in rows:
        if not isinstance(row, list) or len(row) != width or not all(map(_is_distance, row)):
            raise EngineFailed(f"a row of `distances` is not {width} numbers")
    return rows


def _is_distance(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
