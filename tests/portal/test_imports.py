"""A table brought in from a page without a script: uploaded, faults by cell, then sent."""

import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from shared.client import Form, open_table
from tests.conftest import free_port
from tests.portal.conftest import Portal, Services, a_portal, sign_in

FAULT = {"row": 3, "column": "Quantity", "value": "=<b>many</b>", "code": "not_a_number",
         "text": "Kirjoita luku.", "cell": "Massat!R3"}  # fmt: skip


@dataclass
class Registry:
    """A small registry that takes tables in: one bad row of three, sent when asked."""

    services: Services
    url: str = ""
    imports: dict[str, dict[str, Any]] = field(default_factory=dict)
    uploads: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    state: str = "checked"

    async def add(self, request: web.Request) -> web.Response:
        assert self.services.asker(request).kind == "person"
        self.uploads.append((dict(request.query), await request.read()))
        id = str(uuid.uuid4())
        self.imports[id] = {
            "id": id, "state": self.state, "organisation": "kiviset", "mapping": "template",
            "file_name": request.query["name"], "region": "99", "form": "sheet 'Massat'",
            "notes": [], "problem": None, "rows": 3, "good": 2, "bad": 1, "skipped": 0,
            "events": 3, "accepted": 0, "unchanged": 0, "rejected": 0, "done": 1, "of": 2,
            "created_at": "2026-05-04T07:42:00+00:00", "updated_at": "2026-05-04T07:42:00+00:00",
        }  # fmt: skip
        return web.json_response(self.imports[id], status=202)

    async def newest(self, _request: web.Request) -> web.Response:
        return web.json_response({"items": list(self.imports.values())})

    async def one(self, request: web.Request) -> web.Response:
        found = self.imports.get(request.match_info["id"])
        if found is None:
            return web.json_response({"code": "import_unknown"}, status=404)
        return web.json_response({**found, "errors": [FAULT]})

    async def commit(self, request: web.Request) -> web.Response:
        found = self.imports[request.match_info["id"]]
        if found["state"] != "checked":
            return web.json_response({"code": "import_not_checked"}, status=409)
        assert request.query["only_good"] == "true"
        found |= {"state": "done", "accepted": 3}
        return web.json_response(found, status=202)

    async def errors(self, request: web.Request) -> web.Response:
        return web.Response(text=f"Solu ({request.query['language']})", content_type="text/csv")


@pytest.fixture
async def registry(services: Services) -> AsyncIterator[Registry]:
    """The small services' registry, which takes tables in as well."""
    made = Registry(services)
    app = web.Application(client_max_size=64 << 20)
    app.add_routes(
        [
            web.post("/tokens", services.tokens),
            web.get("/regions", services.regions),
            web.get("/regions/{code}", services.region),
            web.post("/imports", made.add),
            web.get("/imports", made.newest),
            web.get("/imports/{id}", made.one),
            web.get("/imports/{id}/errors.csv", made.errors),
            web.post("/imports/{id}/commit", made.commit),
        ]
    )
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    made.url = services.urls["registry"] = f"http://127.0.0.1:{port}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def desk(registry: Registry, tmp_path: Path) -> AsyncIterator[Portal]:
    """The portal over them."""
    port = free_port()
    registry.services.provider.redirect_uris = [f"http://127.0.0.1:{port}/callback"]
    async with a_portal(registry.services, tmp_path, port) as running:
        yield running


def a_form(content: bytes = b"a table") -> aiohttp.FormData:
    """The form as a browser sends it."""
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", content, filename="massat <1>.xlsx")
    form.add_field("organisation", "kiviset")
    form.add_field("mapping", "template")
    form.add_field("sheet", "")
    return form


def own(desk: Portal) -> dict[str, str]:
    return {"Origin": desk.url, "Sec-Fetch-Site": "same-origin"}


async def test_a_table_is_uploaded_its_faults_seen_and_the_good_rows_sent(
    desk: Portal, registry: Registry, browser: aiohttp.ClientSession
) -> None:
    """Form, redirect, page: every step is an address, and hostile cells are text."""
    await sign_in(browser, desk)
    async with browser.get(f"{desk.url}/imports") as answer:
        page = await answer.text()
    assert 'enctype="multipart/form-data"' in page
    assert '<option value="kiviset">' in page
    for label in re.findall(r'<(?:input|select)[^>]* id="([\w-]+)"', page):
        assert f'<label for="{label}">' in page

    async with browser.post(f"{desk.url}/imports", data=a_form(), headers=own(desk)) as answer:
        shown = await answer.text()
        assert answer.status == 200
    query, content = registry.uploads[0]
    assert content == b"a table"
    assert query == {"name": "massat <1>.xlsx", "language": "fi", "organisation": "kiviset",
                     "mapping": "template"}  # fmt: skip
    assert "massat &lt;1&gt;.xlsx" in shown
    assert '<th scope="row">Massat!R3</th>' in shown
    assert "&lt;b&gt;many" in shown
    assert "http-equiv" not in shown
    (id,) = registry.imports
    path = f"{desk.url}/imports/{id}"
    async with browser.get(f"{path}/errors.csv") as answer:
        assert (await answer.text(), answer.headers["Content-Type"][:8]) == (
            "Solu (fi)",
            "text/csv",
        )

    for _ in range(2):  # pressed twice, it is sent once
        async with browser.post(
            f"{path}/commit", data={"only_good": "true"}, headers=own(desk)
        ) as answer:
            assert answer.status == 200
            assert "Valmis" in await answer.text()


async def test_while_it_runs_the_page_comes_again_by_itself(
    desk: Portal, registry: Registry, browser: aiohttp.ClientSession
) -> None:
    """Without a script: the page asks anew, and shows how far it is."""
    registry.state = "checking"
    await sign_in(browser, desk)
    async with browser.post(f"{desk.url}/imports", data=a_form(), headers=own(desk)) as answer:
        shown = await answer.text()
    assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in shown
    assert re.search(r'<progress [^>]*max="2" value="1">', shown)


async def test_an_upload_asks_for_a_person_a_file_and_our_own_page(
    desk: Portal, registry: Registry, browser: aiohttp.ClientSession
) -> None:
    """Anybody is sent to sign in; another site's form is refused; nothing chosen is told."""
    async with browser.get(f"{desk.url}/imports", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/login?then=%2Fimports")
    await sign_in(browser, desk)
    async with browser.post(
        f"{desk.url}/imports", data=a_form(), headers={"Sec-Fetch-Site": "cross-site"}
    ) as answer:
        assert answer.status == 403
    async with browser.post(f"{desk.url}/imports", data=a_form(b""), headers=own(desk)) as answer:
        assert (answer.status, registry.uploads) == (422, [])
        assert 'role="alert"' in await answer.text()
    async with browser.get(f"{desk.url}/imports/{uuid.uuid4()}") as answer:
        assert answer.status == 404


async def test_the_template_is_given_in_the_readers_language(
    desk: Portal, browser: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """A workbook that opens."""
    async with browser.get(
        f"{desk.url}/imports/template.xlsx", headers={"Accept-Language": "sv"}
    ) as answer:
        assert answer.status == 200
        (tmp_path / "mall.xlsx").write_bytes(await answer.read())
    table = open_table(tmp_path / "mall.xlsx", Form(), columns=["Projektets id", "Mängd"])
    assert table.sheet == "Massor"
