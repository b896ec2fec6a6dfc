"""Two worlds that differ by lots of one organisation: what others are told of sums is the same."""

from datetime import date, timedelta
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.indicators import store
from shared.access import Asker
from shared.contracts import Event
from shared.work import Database
from tests.indicators.telling import a_delivery, a_forecast, a_match, hear, named
from tests.indicators.test_api import COORDINATOR, STRANGER, site  # noqa: F401
from tests.paired import differences

PAIRS = settings(
    max_examples=3,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
OTHERS = {
    "a company of the region": Asker("kaivanto", "organisation", {"kaivanto": ()}),
    "a company of elsewhere": STRANGER,
    "a person who only reads": Asker("eila", "person", {"hiekkala": ("reader",)}),
    "a coordinator of another region": Asker("neighbour", "person", {}, ("02",)),
}
MATERIALS = ("till", "clay", "sand")
TOWNS = ("049", "091", "092")
PLACES = (
    "region=01", "scope=sub_region&region=01&code=011", "scope=municipality&region=01&code=091",
    "scope=country",
)  # fmt: skip


def a_region(draw: Random) -> list[list[Event]]:
    """Lots of five organisations, some matched and moved: parts of three or more, and of fewer."""
    lots = [
        _a_lot(draw, organisation, number, draw.choice(MATERIALS[:2]))
        for organisation in ("kaivanto", "hiekkala", "murske", "louhos", "sora")
        for number in range(3)
    ]
    # matched with nobody: with its partner and one of the hidden there would be three in its month
    rare = _a_lot(draw, "murske", "rare", "clay", month=3)
    return [[*lots, rare], *_moved(draw, lots, "seen")]


def of_the_hidden(draw: Random) -> list[list[Event]]:
    """
    One organisation's lots for coordinators alone, of what fewer than three then have: of a
    material or a month of its own or of one other; matched and moved among themselves.
    """
    lots = [
        _a_lot(draw, "piilo", number, material, month=month, visibility="region")
        for number, (material, month) in enumerate(
            (("sand", 6), *draw.choices((("till", 11), ("clay", 12), ("clay", 3)), k=5))
        )
    ]
    return [lots, *_moved(draw, lots, "unseen")]


def _a_lot(
    draw: Random, organisation: str, number: object, material: str, month: int = 0, **told: Any
) -> Any:
    first = date(2026, month or draw.choice((5, 6, 7)), 1)
    name = f"{organisation}-{number}"
    return a_forecast(
        name, organisation=organisation, reporter=organisation, project_id=named(organisation),
        material=material, direction=draw.choice(("surplus", "need")),
        tonnes=draw.randint(10, 900), municipality=draw.choice(TOWNS),
        window=(first, first + timedelta(days=27)), **told,
    )  # fmt: skip


def _moved(draw: Random, lots: list[Any], name: str) -> list[list[Event]]:
    """Some of *lots* matched with each other, and loads of some of these."""
    matches: list[Event] = []
    loads: list[Event] = []
    surpluses = [one for one in lots if one.direction == "surplus"]
    needs = [one for one in lots if one.direction == "need"]
    for number, (surplus, need) in enumerate(zip(surpluses, needs, strict=False)):
        if surplus.material != need.material:
            continue
        state = draw.choice(("proposed", "agreed"))
        tonnes = draw.randint(1, 10)
        window = surplus.window
        matches.append(a_match(f"{name}{number}", surplus, need, tonnes=tonnes, state=state,
                               window=window))  # fmt: skip
        if state == "agreed":
            moved_on = str(window.first + timedelta(days=3))
            loads.append(a_delivery(f"{name}{number}", surplus, need, tonnes=tonnes / 2,
                                    moved_on=moved_on))  # fmt: skip
    return [one for one in (matches, loads) if one]


async def told_to_others(database: Database, site: Any, world: list[list[Event]]) -> Any:  # noqa: F811
    """Every answer of sums, of themselves and of what is another's, to everybody in `OTHERS`."""
    tables = ", ".join(table.name for table in store.ledger.metadata.sorted_tables)
    async with database.engine.begin() as connection:
        await connection.execute(text(f"TRUNCATE {tables}"))
    await hear(database, *world)
    paths = [
        f"{route}?{place}{more}"
        for place in PLACES
        for route, mores in (
            ("/balance", ("", "&grain=year", "&material=sand", "&limit=2", "&from=2026-11",
                          "&bounded=true")),
            ("/balance.csv", ("", "&grain=quarter")),
            ("/figures", ("", "&period=2026-11", "&period=2026", "&material=sand",
                          "&state=delivered", "&indicator=M5")),
        )
        for more in mores
    ]  # fmt: skip
    paths += [
        f"{route}?{scope}"
        for route in ("/balance", "/balance.csv", "/figures")
        for scope in ("scope=organisation&code=kaivanto", "scope=organisation&code=piilo",
                      "scope=organisation&code=nobody", f"scope=project&code={named('kaivanto')}",
                      f"scope=project&code={named('piilo')}")
    ]  # fmt: skip
    return {
        (who, path): await site.ask(path, asker) for who, asker in OTHERS.items() for path in paths
    }


@PAIRS
@given(seed=st.integers(0, 2**32))
async def test_nobody_is_told_other_sums_for_lots_of_a_few(
    database: Database,
    site: Any,  # noqa: F811
    seed: int,
) -> None:
    """Whole or by part, as JSON or CSV, of what stands, moves or was moved, refused or answered."""
    draw = Random(seed)
    visible = a_region(draw)
    hidden = of_the_hidden(draw)
    without = await told_to_others(database, site, visible)
    with_them = await told_to_others(database, site, [*visible, *hidden])
    assert differences(without, with_them) == []
    answered = [told for (_, path), (status, told) in without.items() if status == 200]
    assert any(told["items"] for told in answered if isinstance(told, dict))
    _, all_of_it = await site.ask("/balance?region=01", COORDINATOR)
    assert "sand" in {row["material"] for row in all_of_it["items"]}
