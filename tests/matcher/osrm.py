"""A server that speaks OSRM's table service on loopback, and can be as bad as any."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from shared.vocabulary.distance import straight_km

Place = tuple[float, float]


@dataclass
class Osrm:
    """
    Roads of *times* the straight line, but where *metres* tells otherwise by (from, to) places.

    *mood*: `well`, `slow`, `broken` (500), `garbage`, `short` (a row too few), `refuses` (400 of
    another code), `lost` (no place is near a road). *off_road* places are refused in any table.
    """

    port: int = 0
    times: float = 1.5
    mood: str = "well"
    data_version: str = "2026-11-01"
    largest: int = 100
    metres: dict[tuple[Place, Place], Any] = field(default_factory=dict)
    off_road: set[Place] = field(default_factory=set)
    asked: list[web.BaseRequest] = field(default_factory=list)
    pairs: list[tuple[Place, Place]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request)
        if self.mood == "slow":
            await asyncio.sleep(2)
        if self.mood == "broken":
            return web.Response(status=500, text="no")
        if self.mood == "garbage":
            return web.Response(text="<html>Sign in to this network</html>")
        if self.mood == "refuses":
            return self._no("InvalidQuery")
        return self._table(request)

    def _table(self, request: web.BaseRequest) -> web.StreamResponse:
        where = request.path.removeprefix("/table/v1/driving/")
        assert request.query["annotations"] == "distance"
        places: list[Place] = []
        for told in where.split(";"):
            lon, lat = told.split(",")
            places.append((float(lat), float(lon)))
        if len(places) > self.largest:
            return self._no("TooBig")
        if self.mood == "lost" or self.off_road & set(places):
            return self._no("NoSegment")
        starts, ends = (
            [places[int(at)] for at in request.query[name].split(";")]
            for name in ("sources", "destinations")
        )
        self.pairs += [(start, end) for start in starts for end in ends]
        rows = [[self._between(start, end) for end in ends] for start in starts]
        if self.mood == "short":
            rows = rows[1:]
        return web.json_response(
            {"code": "Ok", "distances": rows, "data_version": self.data_version}
        )

    def _between(self, start: Place, end: Place) -> Any:
        if (start, end) in self.metres:
            return self.metres[start, end]
        return round(straight_km(*start, *end) * 1000 * self.times, 1)

    def _no(self, code: str) -> web.StreamResponse:
        return web.json_response({"code": code, "message": "no such table"}, status=400)


def nobody_listens() -> int:
    """A port of loopback on which nobody listens yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@asynccontextmanager
async def serving(osrm: Osrm) -> AsyncIterator[Osrm]:
    """*osrm* on its port, or on a free one."""
    runner = web.ServerRunner(web.Server(osrm.handle), shutdown_timeout=0.1)
    await runner.setup()
    osrm.port = osrm.port or nobody_listens()
    await web.TCPSite(runner, "127.0.0.1", osrm.port).start()
    try:
        yield osrm
    finally:
        await runner.cleanup()
