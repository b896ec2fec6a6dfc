"""The systems beyond, as servers here that speak their formats; and a connector's run."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from deploy.servers import free_port
from tests.conftest import ROOT
from tests.platform import Company


@dataclass
class City:
    """
    A programme's API: a list of projects in pages, and a stream of their news with ids.

    *troubles* are had one a connection: `error`, `page` (no stream), `gone` (204), `cut` (an event
    half told, then the end), `silent`, `again` (everything from the beginning, twice).
    """

    projects: dict[str, dict[str, Any]] = field(default_factory=dict)
    news: list[dict[str, Any]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    asked_after: list[str | None] = field(default_factory=list)
    url: str = ""
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, *projects: dict[str, Any]) -> None:
        """The projects as they now are, told to whoever listens."""
        for one in projects:
            self.projects[one["id"]] = one
            self.news.append(one)
        self._more.set()

    async def listed(self, request: web.Request) -> web.Response:
        at, size = int(request.query.get("offset", 0)), 2
        found = list(self.projects.values())
        after = f"/projects/?offset={at + size}" if at + size < len(found) else None
        return web.json_response(
            {"count": len(found), "next": after, "results": found[at : at + size]}
        )

    async def stream(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        with suppress(ConnectionError):  # the connector was killed
            return await self._stream(request, answer)
        return answer

    async def _stream(self, request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
        after = request.headers.get("Last-Event-ID")
        self.asked_after.append(after)
        trouble = self.troubles.pop(0) if self.troubles else ""
        if trouble in ("error", "gone"):
            return web.Response(status=502 if trouble == "error" else 204)
        if trouble == "page":
            return web.Response(text="<h1>Sign in</h1>", content_type="text/html")
        await answer.prepare(request)
        await answer.write(b"\xef\xbb\xbfevent: stream-open\ndata:\n\nretry: 50\n\n")
        at = int(after.rpartition(":")[2]) if after and trouble != "again" else 0
        if trouble == "silent":
            await asyncio.sleep(60)
        if trouble == "again":
            for number in range(1, len(self.news) + 1):
                await answer.write(self._event(number))
        if trouble == "cut":
            await answer.write(self._event(at + 1)[:-20])
            return answer
        while True:
            self._more.clear()
            while at < len(self.news):
                at += 1
                told = self._event(at)
                await answer.write(told[:7])  # a network cuts where it likes
                await answer.write(told[7:])
            await self._more.wait()

    def _event(self, number: int) -> bytes:
        text = json.dumps({"project": self.news[number - 1]}, ensure_ascii=False, indent=1)
        lines = "\r\n".join(f"data: {line}" for line in text.split("\n"))
        head = f": beat\nid: projects:{number}\r\nevent: project-update\n"
        return f"{head}{lines}\r\n\r\n".encode()


@dataclass
class WorksList:
    """A public list of street works in GeoJSON pages, which says whether it has changed."""

    features: list[dict[str, Any]] = field(default_factory=list)
    page: int = 100
    troubles: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    url: str = ""

    async def listed(self, request: web.Request) -> web.Response:
        trouble = self.troubles.pop(0) if self.troubles else ""
        tag = f'"{hash(json.dumps(self.features))}"'
        if trouble == "error":
            return self._counted(web.Response(status=503))
        if trouble == "garbage":
            return self._counted(web.Response(body=b'{"type": "FeatureColl\xff', status=200))
        if trouble == "empty":
            return self._counted(web.json_response({"type": "FeatureCollection", "features": []}))
        if request.headers.get("If-None-Match") == tag:
            return self._counted(web.Response(status=304))
        at = int(request.query.get("startIndex", 0))
        told: dict[str, Any] = {
            "type": "FeatureCollection",
            "features": self.features[at : at + self.page],
        }
        if at + self.page < len(self.features):
            href = f"?startIndex={at + self.page}"
            told["links"] = [{"rel": "self", "href": "?"}, {"rel": "next", "href": href}]
        return self._counted(
            web.json_response(told, headers={"ETag": tag}, content_type="application/geo+json")
        )

    def _counted(self, answer: web.Response) -> web.Response:
        self.answers.append(answer.status)
        return answer


@asynccontextmanager
async def serving(routes: list[web.RouteDef]) -> AsyncIterator[str]:
    """A server of *routes* on a free port; its address."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def a_city() -> AsyncIterator[City]:
    city = City()
    routes = [web.get("/projects/", city.listed), web.get("/events/", city.stream)]
    async with serving(routes) as url:
        city.url = url
        yield city


@asynccontextmanager
async def a_works_list() -> AsyncIterator[WorksList]:
    works = WorksList()
    async with serving([web.get("/works", works.listed)]) as url:
        works.url = f"{url}/works"
        yield works


@dataclass
class Running:
    """`massakoppi connect` of one kind, as a process."""

    kind: str
    file: Path
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "deploy.cli", "connect", self.kind, "--config",
                str(self.file), cwd=ROOT, stdout=log, stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(how)
        return await self.process.wait()


def config_file(folder: Path, kind: str, who: Company, **told: Any) -> Path:
    """A connector's file in *folder*, handing in as *who*; quick to try again."""
    common = {
        "organisation": who.token,
        "credentials": str(who.platform.system.organisations / f"{who.token}.json"),
        "cursor": "cursor.sqlite",
        "source": f"{kind}:{who.token}",
        "pause_s": 0.1,
        "longest_pause_s": 1.0,
    }
    file = folder / f"{kind}.yaml"
    file.write_text(yaml.safe_dump({**common, **told}), "utf-8")
    return file


@asynccontextmanager
async def running(kind: str, file: Path) -> AsyncIterator[Running]:
    """The connector of *file* as a process; killed at the end if it has not ended itself."""
    one = Running(kind, file, file.with_suffix(".log"))
    await one.start()
    try:
        yield one
    finally:
        if one.process is not None and one.process.returncode is None:
            await one.stop(signal.SIGKILL)


async def projects_of(who: Company) -> dict[str, dict[str, Any]]:
    """What the registry knows of the projects of *who*, by title: what was told, not when."""
    status, told = await who.ask("registry", "GET", "/projects", organisation=who.token, limit=200)
    assert status == 200, told
    return {one["title"]: one for one in told["items"]}


async def standing(who: Company, title: str) -> bool:
    """Whether the project is there, and its withdrawal is not the last that was taken of it."""
    known = await projects_of(who)
    if title not in known:
        return False
    _, told = await who.ask("registry", "GET", "/receipts", limit=200)
    last = [
        one["about"]
        for one in told["items"]
        if one["code"] == "taken" and one["canonical"]["id"] == known[title]["project_id"]
    ]
    return last[-1] != "project-withdrawn"
