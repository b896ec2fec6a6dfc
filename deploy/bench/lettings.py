"""`bench peers`: real planned earthwork of many projects, by the matcher and by four other ways."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from deploy.asking import Asking
from deploy.bench.driven import Driven, Pair
from deploy.bench.figures import Cell, Report, Sheet, Table
from deploy.bench.ground import Ground, own_ground, until, waiting
from deploy.bench.peers import (
    FilterSearch,
    FullOptimum,
    InMemory,
    NearestFirst,
    ScoredInSql,
    Worth,
    nearest_first_at_once,
)
from deploy.cli.terms import progress
from deploy.handing_in import Handed, send
from deploy.organisations import add_organisation, open_doors
from services.matcher.domain.values import Lot
from shared.client import prepare, read_events, read_mapping, region_from_csv
from shared.contracts import AreaUpdated, ForecastUpdated
from shared.contracts.parts import Place
from shared.service import durable_of

MAPPING: Final = "indot"
COUNTIES: Final = "indiana-counties"
CAPACITY_T: Final = 50_000.0
PATIENCE_S: Final = 1_800.0
COLUMNS: Final = ("way", "tonnes", "mean_haul_km", "value_eur", "share_of_optimum", "note")
_HISTORY: Final = {"MATCHER_CLOSES_PAST_WINDOWS": "false", "MATCHER_MEASURE_UP_TO_LOTS": "0"}
_DIRTY: Final = "SELECT count(*) FROM dirty"


async def measure(data: Path, *, seed: int, areas: int = 20) -> Report:
    """
    The file in the folder *data* through the door of a platform of its own, then settled.

    The peers get the lots that the matcher then has, in the order of their ids. At last so many
    *areas* for waiting are opened where most surplus found no need; *seed* is not used.
    """
    asked = {"data": data.name, "seed": seed, "areas": areas}
    began, clock = datetime.now(UTC), time.perf_counter()
    items, counties = _files(data)
    sheet = Sheet(items.name)
    table = Table("the same lots, matched in each way", COLUMNS)
    async with own_ground() as ground:
        await _brought_in(ground, items, counties, sheet)
        driven = Driven.as_it_is(ground.postgres.url, matcher_closes_past_windows=False)
        try:
            lots = sorted(await driven.lots(), key=lambda lot: lot.id)
            worth = Worth(lots, driven.rules, driven.today)
            with progress("the optimum"):
                optimum = worth.optimum_cents()
            ways = Ways(worth, optimum, sheet, table)
            ways.add("matcher, settled as changes come", await driven.standing())
            with progress("the matcher settles the whole region"):
                await ground.ask_matcher("POST", "/settle", {})
            ways.add("matcher", await driven.standing(), "swept until nothing improves")
            await _peers(ways, lots, ground.postgres.url, driven.today)
            if areas:
                await _with_areas(ways, lots, areas, driven, ground)
        finally:
            await driven.close()
    return Report("peers", asked, sheet.figures, began, time.perf_counter() - clock, [table])


def _files(data: Path) -> tuple[Path, Path]:
    counties = data / "indiana_counties.csv"
    items = sorted(data.glob("earthwork_items*.csv"))
    if not items or not counties.exists():
        raise FileNotFoundError(
            f"--data {data}: name the folder with earthwork_items*.csv and indiana_counties.csv"
        )
    return items[0], counties


async def _brought_in(ground: Ground, items: Path, counties: Path, sheet: Sheet) -> None:
    """Region, organisations and rows through the product's own door, until all is settled."""
    region = region_from_csv(counties, COUNTIES)
    prepared = prepare(read_events(items, read_mapping(MAPPING), region))
    await ground.begin(ground.add("registry"))
    await ground.begin(ground.add("matcher", **_HISTORY))
    organisations = sorted({event.organisation for event in prepared.events})
    async with Asking(ground.system) as ask:
        await ask("registry", "POST", "/regions", region.to_json())
        for token in organisations:
            made = await add_organisation(
                ground.system, ask, token=token, title=token, region=region.code, open_door=False
            )
            made.save(ground.system)
        await open_doors(ground.system, ask)
    done = Handed(prepared)
    with progress(f"{items.name}: handed in", len(prepared.events)) as advance:
        await send(ground.system, done, advance)
    told = done.to_json()
    note = f"{told['rows_refused']} rows refused, {told['rows_skipped']} skipped by the mapping"
    sheet.add("rows taken", told["rows_taken"], note=note)
    sheet.add("handing in", done.seconds, "s", note=f"{told['events']} events with receipts")
    async with ground.operator() as client:
        reader = ForecastUpdated.stream(), durable_of("matcher", ForecastUpdated)

        async def settled() -> bool:
            if await waiting(client, *reader):
                return False
            return bool(await ground.ask("matcher", _DIRTY) == 0)

        with progress("the matcher settles them"):
            await until(settled, seconds=PATIENCE_S, every_s=0.5, what="everything settled")


async def _with_areas(
    ways: "Ways", lots: Sequence[Lot], count: int, driven: Driven, ground: Ground
) -> None:
    """The same lots with *count* areas to wait in, and the optimum with them."""
    opened = _areas(lots, await driven.standing(), count)
    await driven.tell_areas(opened)
    with progress(f"the matcher settles them over {count} areas"):
        told = await ground.ask_matcher("POST", "/settle", {})
    over, tonnes, tonne_km = await driven.over_areas()
    note = (
        f"{over} t of it over {count} areas of {CAPACITY_T:g} t; "
        f"the optimum with them is {told['optimum_cents'] / 100:,.0f} EUR"
    )
    ways.row(f"matcher, {count} areas", await driven.value_cents(), tonnes,
             tonne_km / tonnes if tonnes else None, note)  # fmt: skip


def _areas(lots: Sequence[Lot], flows: Mapping[Pair, int], count: int) -> list[AreaUpdated]:
    """Interim storages at the places where most tonnes of surplus are left, with usual fees."""
    left = {lot.id: lot.likely for lot in lots if lot.is_open and lot.is_surplus}
    for (surplus, _), tonnes in flows.items():
        left[surplus] = left.get(surplus, 0) - tonnes
    places: dict[tuple[float, float], int] = {}
    where = {(lot.lat, lot.lon): lot for lot in lots}
    for lot in lots:
        if lot.id in left:
            places[lot.lat, lot.lon] = places.get((lot.lat, lot.lon), 0) + max(0, left[lot.id])
    best = sorted(places, key=lambda place: (-places[place], place))[:count]
    materials = tuple(sorted({lot.material for lot in lots}))
    return [
        AreaUpdated(
            area_id=uuid5(NAMESPACE_OID, f"{place}"), revision=1, region=where[place].region,
            organisation="bench", reporter="bench", title=f"Area {at}",
            site_kind="interim_storage", materials=materials, capacity_t=CAPACITY_T,
            meets=(where[place].region,),
            place=Place(municipality=where[place].municipality, lat=place[0], lon=place[1]),
        )
        for at, place in enumerate(best, start=1)
    ]  # fmt: skip


class Ways:
    """The table of ways, and the same as figures."""

    def __init__(self, worth: Worth, optimum: int, sheet: Sheet, table: Table) -> None:
        self.worth, self.optimum, self.sheet, self.table = worth, optimum, sheet, table
        pairs = len(worth.arcs.surplus)
        note = (
            f"{len(worth.surpluses)} surpluses, {len(worth.needs)} needs, {pairs} feasible pairs; "
            f"of these {worth.contained:.0%} have one window within the other"
        )
        sheet.add("full optimum", optimum / 100, "EUR", note=note)

    def add(self, way: str, flows: Mapping[Pair, int], note: str = "") -> None:
        """What *flows* move between projects, how far, and what all of it is worth."""
        cents = self.worth.cents(flows)
        tonnes, km = self.worth.hauled(flows)
        self.row(way, cents, tonnes, km, note)

    def row(self, way: str, cents: int, tonnes: int, km: float | None, note: str = "") -> None:
        """One row of the table, and the same as figures."""
        beside = "optimum", self.optimum / 100
        self.sheet.add(f"{way}: value", cents / 100, "EUR", beside, note=note)
        self.sheet.add(f"{way}: moved between projects", tonnes, "t")
        self.sheet.add(f"{way}: mean haul", km, "km")
        row: dict[str, Cell] = {
            "way": way,
            "tonnes": tonnes,
            "mean_haul_km": None if km is None else round(km, 1),
            "value_eur": round(cents / 100),
            "share_of_optimum": round(cents / self.optimum, 4) if self.optimum else None,
            "note": note,
        }
        self.table.rows.append(row)


async def _peers(ways: Ways, lots: list[Lot], postgres_url: str, today: date) -> None:
    rules = ways.worth.rules
    every: list[tuple[str, InMemory]] = [
        ("(a) filter search", FilterSearch(rules, today)),
        ("(b) nearest first", NearestFirst(rules, today)),
    ]
    for name, peer in every:
        with progress(name, len(lots)) as advance:
            for done, lot in enumerate(lots, start=1):
                peer.change(lot)
                advance(done)
        ways.add(name, peer.flows, "first come, first served")
    ways.add(
        "(b) nearest first, at once", nearest_first_at_once(ways.worth), "all lots known before"
    )
    scored = await ScoredInSql.open(postgres_url, lots, rules)
    try:
        with progress("(c) scored in SQL", len(lots)) as advance:
            for done, lot in enumerate(lots, start=1):
                await scored.change(lot)
                if done % 500 == 0:
                    await scored.refresh()
                advance(done)
        ways.add("(c) scored in SQL", await scored.flows(), "first come, first served")
    finally:
        await scored.close()
    ways.add("(d) full optimum", FullOptimum(ways.worth).flows, "by definition")
