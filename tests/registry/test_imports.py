"""Tables handed in over HTTPS: checked first, told by cell, sent once, and bounded."""

import asyncio
import contextlib
import io
import json
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import aiohttp
import psutil
import pytest

from services.registry import handlers, store
from services.registry.gateways import TableReader
from shared.client.template import headings, template
from shared.service.due import Worker
from shared.vocabulary.regions import shipped
from tests.conftest import eventually
from tests.kept import OF_AN_IMPORT, Kept, changes, mark
from tests.registry.conftest import (
    ACME,
    ACMES_COORDINATOR,
    ACMES_READER,
    NORTH,
    OPERATOR,
    Http,
    rows,
)

REGION = shipped()["01"]
GOOD = {
    "Project ID": "P1", "Project name": "Katu", "Municipality": "49", "Mass ID": "a",
    "Surplus or need": "surplus", "Material": "clay", "Quality class": "U2",
    "Contamination": "P0", "Quantity": 1200.5, "Unit": "m3ktr", "From": "5/2031", "Until": "9/2031",
}  # fmt: skip
BAD = GOOD | {"Mass ID": "b", "Quantity": "many"}
ABOVE = GOOD | {"Project ID": "P9", "Lowest": 5000}
READER = TableReader(memory_mb=1_500, seconds=60, most_rows=100_000)


def sheet(*told: dict[str, Any]) -> bytes:
    """The template in Finnish, filled."""
    return template("fi", REGION, told)


@pytest.fixture
def worker(http: Http) -> Worker:
    """What does the next step of imports, as in the running service."""
    due = partial(handlers.go_on_with_import, reader=READER)
    return Worker(http.app.state.database, store.import_due, due)  # type: ignore[attr-defined]


@pytest.fixture
def steps(worker: Worker) -> Callable[..., Awaitable[int]]:
    """Does every step that is due, or *most* of them; how many."""

    async def do(most: int = 1_000) -> int:
        done = 0
        while done < most and (claimed := await worker.claim()):
            await worker.hand_over(claimed)
            done += 1
        return done

    return do


async def add(http: Http, content: bytes, *, by: Any = ACME, **asked: Any) -> dict[str, Any]:
    """Hand *content* in."""
    status, told = await http.ask("POST", "/imports", by=by, data=content, params=asked)
    assert status == 202, told
    found: dict[str, Any] = told
    return found


async def test_a_table_is_checked_then_looked_at_then_sent(http: Http, steps: Any) -> None:
    """Nothing is kept by the check; the sending keeps what the check said it would."""
    made = await add(http, sheet(GOOD, GOOD | {"Mass ID": "b"}), name="massat.xlsx")
    assert made["state"] == "waiting"
    await steps()
    status, looked = await http.ask("GET", f"/imports/{made['id']}", by=ACME)
    assert (status, looked["state"], looked["good"], looked["bad"]) == (200, "checked", 2, 0)
    assert looked["form"].startswith("taulukko 'Massat', otsikot rivillä 1")
    database = http.app.state.database  # type: ignore[attr-defined]
    assert await rows(database, "SELECT id FROM forecast") == []
    assert await rows(database, "SELECT id FROM outbox WHERE name LIKE 'registry.f%'") == []
    assert await rows(database, "SELECT 1 FROM intake") == []

    status, _ = await http.ask("POST", f"/imports/{made['id']}/commit", by=ACME)
    assert status == 202
    await steps()
    _, done = await http.ask("GET", f"/imports/{made['id']}", by=ACME)
    assert (done["state"], done["accepted"], done["rejected"]) == ("done", 3, 0)
    assert len(await rows(database, "SELECT id FROM forecast")) == 2
    assert await rows(database, "SELECT content FROM import WHERE content IS NOT NULL") == []


async def test_faults_of_file_and_rules_are_told_by_cell_and_hold_all_back(
    http: Http, steps: Any
) -> None:
    """What the mapping refuses and what only the registry knows, in one list, in one's language."""
    made = await add(http, sheet(GOOD, BAD, ABOVE), dry_run="false", language="sv")
    await steps()
    _, looked = await http.ask("GET", f"/imports/{made['id']}", by=ACME, params={"language": "sv"})
    assert (looked["state"], looked["good"], looked["bad"]) == ("checked", 1, 2)
    cells = {one["cell"]: one for one in looked["errors"]}
    assert cells["Massat!R3"]["text"].startswith("'many' är inte ett entydigt tal")
    assert {cell[:7] for cell in cells} == {"Massat!"}
    assert any(cell.endswith("4") for cell in cells)

    path = f"/imports/{made['id']}"
    status, problem = await http.ask("POST", f"{path}/commit", by=ACME)
    assert (status, problem["code"]) == (409, "import_has_errors")
    status, _ = await http.ask("POST", f"{path}/commit?only_good=true", by=ACME)
    await steps()
    _, done = await http.ask("GET", path, by=ACME)
    assert (done["state"], done["accepted"]) == ("done", 3)
    assert done["rejected"] >= 1
    async with http.session.get(
        f"{http.url}{path}/errors.csv?language=fi", headers=http.as_(ACME)
    ) as answer:
        text = (await answer.read()).decode("utf-8-sig")
    assert text.splitlines()[0] == "Solu;Rivi;Sarake;Arvo;Koodi;Mitä tehdä"
    assert text.splitlines()[1].startswith("Massat!R3;3;Quantity;many;not_a_number;")


@pytest.fixture
def kept(http: Http, postgres_url: str) -> Iterator[Kept]:
    """What stands in the registry's database, but for what imports write of themselves."""
    with Kept(postgres_url, ["registry"], "t_{}".format, OF_AN_IMPORT) as made:
        yield made


async def _is_given_up(http: Http) -> None:
    database = http.app.state.database  # type: ignore[attr-defined]
    due = SimpleNamespace(id=(await rows(database, "SELECT id FROM import"))[0].id, attempts=5)
    async with database.begin_work() as work:
        await handlers.go_on_with_import(due, work, reader=READER)


@pytest.mark.parametrize(
    ("content", "given_up", "state"),
    [
        (sheet(GOOD, BAD, ABOVE), False, "checked"),
        (b"a;b\n1;2\n", False, "refused"),
        (b"PK\x03\x04 cut short", False, "refused"),
        (sheet(GOOD, BAD), True, "broken"),
    ],
    ids=["dry run", "no column", "no table", "given up"],
)
async def test_what_is_not_sent_changes_nothing_but_its_own_record(
    http: Http, steps: Any, kept: Kept, content: bytes, given_up: bool, state: str
) -> None:
    """Every other table is as before; once it is dropped, its own too."""
    before = kept.whole()
    kept.beside = ["registry.trail"]
    with_imports = kept.whole()
    made = await add(http, content)
    if given_up:
        await steps(1)
        await _is_given_up(http)
    await steps()
    _, told = await http.ask("GET", f"/imports/{made['id']}", by=ACME)
    assert told["state"] == state
    kept.beside = OF_AN_IMPORT
    assert changes(before, kept.whole()) == []

    assert (await http.ask("DELETE", f"/imports/{made['id']}", by=ACME))[0] == 204
    kept.beside = ["registry.trail"]
    assert changes(with_imports, kept.whole()) == []


async def test_of_bad_rows_nothing_is_kept_when_the_good_are_sent(
    http: Http, steps: Any, kept: Kept
) -> None:
    """Not of those that the mapping refuses, nor of those that the rules do; their faults are."""
    told = [GOOD | {"Mass ID": mark(1)}, BAD | {"Mass ID": mark(2)},
            GOOD | {"Mass ID": mark(3), "Lowest": 5000}, GOOD | {"Mass ID": mark(4)}]  # fmt: skip
    made = await add(http, sheet(*told), dry_run="false", only_good="true")
    await steps()
    _, done = await http.ask("GET", f"/imports/{made['id']}", by=ACME)
    assert (done["state"], done["accepted"], done["rejected"], done["bad"]) == ("done", 3, 1, 2)
    found = kept.marked()
    assert "registry.forecast" in found[mark(1)] & found[mark(4)]
    database = http.app.state.database  # type: ignore[attr-defined]
    asked = "SELECT 1 FROM outbox WHERE name LIKE 'registry.forecast%'"
    assert len(await rows(database, asked)) == 2
    for bad in (mark(2), mark(3)):
        assert found.get(bad, set()) <= {"registry.intake", "registry.import_error"}


async def test_a_table_told_again_changes_nothing(http: Http, steps: Any) -> None:
    """By their own ids the rows are known."""
    for unchanged in (0, 2):
        made = await add(http, sheet(GOOD), dry_run="false")
        await steps()
        _, done = await http.ask("GET", f"/imports/{made['id']}", by=ACME)
        assert (done["state"], done["unchanged"]) == ("done", unchanged)
    database = http.app.state.database  # type: ignore[attr-defined]
    assert [each.revision for each in await rows(database, "SELECT revision FROM forecast")] == [1]


async def test_an_import_killed_in_the_middle_goes_on_and_doubles_nothing(
    http: Http, steps: Any, worker: Worker
) -> None:
    """A step and its place commit together: what broke off is done again as if it never began."""
    told = [GOOD | {"Project ID": f"P{n // 3}", "Mass ID": f"m{n}"} for n in range(400)]
    made = await add(http, sheet(*told), dry_run="false")
    assert await steps(5) == 5  # read, three slices checked, one sent
    database = http.app.state.database  # type: ignore[attr-defined]
    (due,) = await worker.claim()
    with pytest.raises(asyncio.CancelledError):
        async with database.begin_work() as work:
            await handlers.go_on_with_import(due, work, reader=READER)
            raise asyncio.CancelledError
    before = await rows(database, "SELECT count(*) AS n FROM forecast")
    async with database.begin_work() as work:
        await store.make_due(work.session, due.id, work.now)  # as when the lease has run out
    await steps()
    _, done = await http.ask("GET", f"/imports/{made['id']}", by=ACME)
    assert before[0].n < 400
    assert (done["state"], done["rejected"]) == ("done", 0)
    assert done["accepted"] == done["events"] == 400 + 134
    kept = await rows(database, "SELECT count(*) AS n, max(revision) AS last FROM forecast")
    assert (kept[0].n, kept[0].last) == (400, 1)


async def test_a_step_that_another_process_is_at_is_left_to_it(
    http: Http, steps: Any, worker: Worker
) -> None:
    """Its lease ran out, and it goes on: who looks next neither waits for it nor takes it."""
    made = await add(http, sheet(GOOD))
    database = http.app.state.database  # type: ignore[attr-defined]
    (due,) = await worker.claim()
    async with database.begin_work() as first, database.begin_work() as second:
        await handlers.go_on_with_import(due, first, reader=READER)
        await handlers.go_on_with_import(due, second, reader=READER)
    await steps()
    _, told = await http.ask("GET", f"/imports/{made['id']}", by=ACME)
    assert (told["state"], told["events"], told["of"]) == ("checked", 2, 1)


async def test_a_reading_process_that_is_killed_ends_its_import_and_nothing_else(
    http: Http, steps: Any
) -> None:
    """The organisation is told, and may hand the same table in again."""
    columns = headings("en")
    told = [GOOD | {"Mass ID": f"m{number}"} for number in range(3_000)]
    lines = [";".join(str(row.get(column, "")) for column in columns) for row in told]
    content = "\n".join([";".join(columns), *lines]).encode()
    made = await add(http, content)
    reading = asyncio.create_task(steps())

    async def killed() -> bool:
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "shared.client.slices" in child.cmdline():
                    child.kill()
                    return True
        return False

    await eventually(killed, every_s=0.01)
    await reading
    _, broken = await http.ask("GET", f"/imports/{made['id']}", by=ACME)
    assert (broken["state"], broken["problem"]["code"]) == ("refused", "table_too_large")
    database = http.app.state.database  # type: ignore[attr-defined]
    assert await rows(database, "SELECT 1 FROM import_slice") == []

    again = await add(http, content)
    await steps(1)
    _, read = await http.ask("GET", f"/imports/{again['id']}", by=ACME)
    assert (read["state"], read["good"]) == ("checking", 3_000)


async def test_what_fails_again_and_again_is_told_as_broken_off(http: Http, steps: Any) -> None:
    """Nobody waits for it for ever."""
    made = await add(http, sheet(GOOD))
    await _is_given_up(http)
    _, told = await http.ask("GET", f"/imports/{made['id']}", by=ACME)
    assert (told["state"], told["problem"]["code"]) == ("broken", "import_broken")
    assert await steps() == 0


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"PK\x03\x04 cut short", "table_unreadable"),
        (b"a;b\n1;2\n", "columns_missing"),
        (b"%PDF-1.7", "table_unreadable"),
        (b"\x00" * 10_000, "table_unreadable"),
    ],
)
async def test_what_is_no_table_is_refused_with_what_to_do(
    http: Http, steps: Any, content: bytes, code: str
) -> None:
    """The import says so; nothing else happened."""
    made = await add(http, content)
    await steps()
    _, told = await http.ask("GET", f"/imports/{made['id']}", by=ACME)
    assert (told["state"], told["problem"]["code"]) == ("refused", code)
    assert told["problem"]["text"]


@pytest.mark.parametrize(
    ("reader", "code"),
    [
        (TableReader(memory_mb=60, seconds=60, most_rows=9_999), "table_too_large"),
        (TableReader(memory_mb=1_500, seconds=0.01, most_rows=10), "table_too_slow"),
        (TableReader(memory_mb=1_500, seconds=60, most_rows=1), "table_unreadable"),
    ],
    ids=["memory", "time", "rows"],
)
async def test_reading_is_bounded_in_a_process_of_its_own(reader: TableReader, code: str) -> None:
    """Memory, time and rows: what goes beyond is ended and told."""
    order = {"mapping": "template", "region": REGION.to_json(), "organisation": "acme",
             "edition": "1"}  # fmt: skip
    columns = headings("en")
    told_rows = [GOOD | {"Mass ID": n, "Quantity": "1200,5"} for n in range(5_000)]
    lines = [";".join(str(row.get(column, "")) for column in columns) for row in told_rows]
    content = "\n".join([";".join(columns), *lines]).encode()
    told = [line async for line in reader.read("m.csv", content, None, order)]
    assert told[-1]["problem"]["code"] == code


@pytest.mark.parametrize("held", ["\\u0000", "\\ud800"], ids=["NUL", "half a character"])
async def test_what_no_text_holds_is_told_by_its_cell_and_kept_nowhere(
    http: Http, steps: Any, held: str
) -> None:
    """A database keeps neither: the check goes on, and the cell is told."""
    properties = dict.fromkeys(headings("en"), "") | GOOD
    features = [{"type": "Feature", "geometry": None, "properties": properties | more}
                for more in ({}, {"Mass ID": "b", "Quantity": "HELD"})]  # fmt: skip
    told = json.dumps({"type": "FeatureCollection", "features": features})
    made = await add(http, told.replace("HELD", held).encode())
    await steps()
    _, looked = await http.ask("GET", f"/imports/{made['id']}", by=ACME)
    assert (looked["state"], looked["good"], looked["bad"]) == ("checked", 1, 1)
    assert [one["cell"] for one in looked["errors"]] == ["feature 2, Quantity"]


async def test_a_mapping_of_ones_own_comes_with_a_form(http: Http, steps: Any) -> None:
    """As `file` and `mapping` of a multipart form; its faults are told at once."""
    own = """
name: own
project: {external_id: {column: Nimi}, title: {column: Nimi}, place: {name: {column: Kunta}}}
forecast:
  external_id: {column: Nimi}
  direction: surplus
  material: {column: Maa, table: vocabulary}
  quantity: {column: Tonnia}
  unit: t
  available_from: 2031-01-01
  available_to: 2031-12-31
"""
    for mapping, state in ((own, "done"), ("name: x", "refused")):
        form = aiohttp.FormData()
        form.add_field("file", "Nimi;Kunta;Maa;Tonnia\nA;Esbo;lera;1 200,5\n".encode("cp1252"),
                       filename="omat.csv")  # fmt: skip
        form.add_field("mapping", mapping.encode(), filename="own.yaml")
        async with http.session.post(
            f"{http.url}/imports?dry_run=false", data=form, headers=http.as_(ACME)
        ) as answer:
            assert answer.status == 202
            made = await answer.json()
        await steps()
        _, told = await http.ask("GET", f"/imports/{made['id']}", by=ACME)
        assert (told["state"], told["file_name"]) == (state, "omat.csv")


async def test_only_who_reports_for_it_hands_in_and_only_its_own_see_it(
    http: Http, steps: Any
) -> None:
    """Another organisation's import is as one that is not there."""
    made = await add(http, sheet(GOOD), by=ACMES_COORDINATOR)
    await steps()
    path = f"/imports/{made['id']}"
    for asker, seen in ((ACME, 200), (ACMES_READER, 200), (OPERATOR, 200), (NORTH, 404)):
        assert (await http.ask("GET", path, by=asker))[0] == seen
    assert (await http.ask("GET", f"{path}/errors.csv", by=NORTH))[0] == 404
    for asker, status in ((NORTH, 404), (ACMES_READER, 403), (OPERATOR, 403)):
        assert (await http.ask("POST", f"{path}/commit", by=asker))[0] == status
        assert (await http.ask("DELETE", path, by=asker))[0] == status
    status, _ = await http.ask("POST", "/imports?organisation=acme", by=NORTH, data=b"x")
    assert status == 403
    _, listed = await http.ask("GET", "/imports", by=NORTH)
    assert listed["items"] == []
    assert (await http.ask("DELETE", path, by=ACME))[0] == 204
    assert (await http.ask("GET", path, by=ACME))[0] == 404


async def test_uploads_are_capped_in_size_and_number(http: Http) -> None:
    """20 MB, five at a time, and no file of the server as a mapping."""
    status, told = await http.ask("POST", "/imports", by=ACME, data=io.BytesIO(b"x" * (21 << 20)))
    assert (status, told["code"]) == (413, "body_too_large")
    for mapping in ("../../etc/passwd", "pyproject.toml", "indiana-counties"):
        status, told = await http.ask("POST", f"/imports?mapping={mapping}", by=ACME, data=b"x")
        assert (status, told["code"]) == (422, "mapping_unknown")
    assert (await http.ask("POST", "/imports", by=ACME, data=b""))[0] == 422
    for _ in range(5):
        await add(http, b"x")
    status, told = await http.ask("POST", "/imports", by=ACME, data=b"x")
    assert (status, told["code"]) == (409, "imports_open")
