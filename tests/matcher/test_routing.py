"""A routing engine beside the matcher: asked after settling, believed where it makes sense."""

import asyncio
import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
import pytest
from prometheus_client import REGISTRY

from services.matcher import handlers, store
from services.matcher.app import build
from services.matcher.domain.roads import place_of, point_of
from services.matcher.gateways import RoutingEngine
from services.matcher.settings import Settings
from shared.service.due import Worker
from shared.settings import SharedSettings
from shared.vocabulary.distance import RATIO_VERSION, road_km, straight_km
from shared.work import Database
from tests.conftest import eventually
from tests.matcher.builders import a_need, a_surplus
from tests.matcher.conftest import Matcher, over_committed
from tests.matcher.osrm import Osrm, nobody_listens, serving
from tests.matcher.test_api import COORDINATOR, desk  # noqa: F401  (a fixture)
from tests.matcher.test_handlers import amount, some_forecasts

ROUTE = {"distance_method": "route", "distance_version": "driving 2026-11-01"}


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def an_engine(osrm: Osrm, **told: Any) -> RoutingEngine:
    """The engine at *osrm*, patient for half a second and resting for next to no time."""
    return RoutingEngine(
        **{"url": osrm.url, "profile": "driving", "timeout_s": 0.5, "points": 100,
           "rest_s": 0.05, **told}
    )  # fmt: skip


@dataclass
class Routed:
    """A matcher with an engine: what it hears is settled, and roads are asked for when told."""

    matcher: Matcher
    engine: RoutingEngine
    database: Database = field(init=False)

    def __post_init__(self) -> None:
        self.matcher = self.matcher.beside(routed=True, tell_within_s=0.0)
        # as another process has it: the same tables, a token of its own
        engine = self.matcher.database.engine
        self.database = Database(store.ledger, engine, SharedSettings())

    async def asks(self) -> int:
        """One claim of what is due to be asked; how many roads it held."""
        handler = partial(handlers.ask_roads, engine=self.engine)
        worker = Worker(self.database, store.road_wanted, handler)
        rows = await worker.claim()
        await worker.hand_over(rows)
        return len(rows)

    async def rests(self) -> None:
        """Ask, settle, ask … until nothing is due, as the workers of a process do."""
        while await self.asks() or await self.matcher.works_off("dirty", "tell"):
            pass

    async def waiting(self) -> int:
        (found,) = await self.matcher.rows("SELECT count(*) FROM road_wanted")
        return int(found[0])

    async def roads(self) -> dict[Any, float | None]:
        rows = await self.matcher.rows("SELECT origin, destination, km FROM road")
        return {(place_of(row.origin), place_of(row.destination)): row.km for row in rows}

    async def due_now(self) -> None:
        await self.matcher.changes("UPDATE road_wanted SET due_at = now()")


@pytest.fixture
async def osrm():
    async with serving(Osrm()) as running:
        yield running


@pytest.fixture
def routed(matcher, osrm) -> Routed:
    return Routed(matcher, an_engine(osrm))


async def told(matcher: Matcher) -> list[tuple[str, str, float]]:
    """How the distance of each telling was measured, in order."""
    return [(one["distance_method"], one["distance_version"], one["distance_km"])
            for one in await matcher.told("matcher.match")]  # fmt: skip


async def test_a_proposal_is_told_at_once_by_ratio_and_again_by_the_road(routed, osrm):
    """Settling asks nobody; the road that comes later changes distance, value and revision."""
    surplus, need = a_surplus(tonnes=500), a_need(tonnes=500, north_km=10)
    await routed.matcher.hears_and_settles(surplus, need)
    assert osrm.asked == []
    assert await routed.waiting() == 1

    osrm.times = 2.0
    await routed.rests()

    first, second = await routed.matcher.told("matcher.match")
    assert (first["distance_method"], first["distance_version"]) == ("ratio", RATIO_VERSION)
    assert {name: second[name] for name in ROUTE} == ROUTE
    assert second["distance_km"] == pytest.approx(20.0, abs=0.03)
    assert second["tonne_km"] == pytest.approx(500 * second["distance_km"])
    assert (second["change"], second["revision"]) == ("terms", 2)
    assert second["value"]["haul_cents_per_t"] > first["value"]["haul_cents_per_t"]
    place = next(one for one in second["reasons"] if one["gate"] == "place")
    assert place["offered"] == f"{second['distance_km']:.1f} km by road"
    assert await routed.waiting() == 0
    own = await routed.matcher.told("matches.match-changed")
    assert [one["distance_method"] for one in own] == ["route", "route"]


async def test_a_road_as_long_as_the_ratio_says_disturbs_nobody(routed, osrm):
    """It is kept, and used from the next change on."""
    surplus, need = a_surplus(tonnes=500), a_need(tonnes=500, north_km=10)
    osrm.times = road_km(10) / 10 + 0.01
    await routed.matcher.hears_and_settles(surplus, need)
    await routed.rests()
    assert [method for method, _, _ in await told(routed.matcher)] == ["ratio"]
    await routed.matcher.hears_and_settles(amount(surplus, 400))
    assert [method for method, _, _ in await told(routed.matcher)] == ["ratio", "route"]


async def test_matches_change_to_what_is_nearer_by_road(routed, osrm):
    """Across the water 5 km are 24; the proposal goes to the need that is nearer on this side."""
    surplus = a_surplus(tonnes=100)
    across, here = a_need(tonnes=100, north_km=5), a_need(tonnes=100, north_km=-7)
    await routed.matcher.hears_and_settles(surplus, across, here)
    assert [one.need_id for one in await routed.matcher.standing()] == [across.forecast_id]
    ends = [place_of(point_of(one.place.lat, one.place.lon)) for one in (surplus, across)]
    osrm.metres[ends[0], ends[1]] = 24_000

    await routed.rests()

    assert [one.need_id for one in await routed.matcher.standing()] == [here.forecast_id]
    names = [(one["change"], one["distance_method"]) for one in
             await routed.matcher.told("matcher.match")]  # fmt: skip
    assert names[0] == ("proposed", "ratio")
    assert set(names[1:]) == {("withdrawn", "ratio"), ("proposed", "route")}


async def test_explain_says_the_same_as_the_match(routed, osrm, matcher, desk):  # noqa: F811
    """Distance, method and version; without an engine set, the desk explains by ratio."""
    surplus, need = a_surplus(), a_need(north_km=10)
    await routed.matcher.hears_and_settles(surplus, need)
    await routed.rests()
    query = {"surplus": str(surplus.forecast_id), "need": str(need.forecast_id)}
    status, by_ratio = await desk.get("/explain", COORDINATOR, **query)
    assert (status, by_ratio["distance_method"]) == (200, "ratio")
    assert by_ratio["distance_version"] == RATIO_VERSION
    async with matcher.database.session() as session:
        lots = await store.lots_of(session, [surplus.forecast_id, need.forecast_id])
        roads = await handlers.known_roads(lots.values(), session, routed.matcher.rules)
    measured = roads.measured(lots[surplus.forecast_id], lots[need.forecast_id])
    assert measured._asdict() == {"method": "route", "version": ROUTE["distance_version"]}


async def test_without_an_engine_nothing_is_asked_for(matcher):
    """No row, no wish, and a match by ratio."""
    await matcher.hears_and_settles(a_surplus(), a_need(north_km=5))
    assert await matcher.rows("SELECT * FROM road_wanted") == []
    assert store.road_wanted not in build(Settings()).works_off
    assert store.road_wanted in build(Settings(matcher_routing_url="http://osrm:5000")).works_off
    with pytest.raises(ValueError, match="matcher_routing_url"):
        Settings(matcher_routing_url="osrm:5000")


@pytest.mark.parametrize("mood", ["slow", "broken", "garbage", "short", "refuses"])
async def test_an_engine_in_a_bad_mood_leaves_the_ratio_and_is_left_in_peace(routed, osrm, mood):
    """Nothing fails, nothing is kept, nothing is lost; once it is well its roads are taken."""
    before = counted("matcher_routing_requests_total", result="failed")
    routed.engine = an_engine(osrm, rest_s=60, timeout_s=0.3)
    osrm.mood = mood
    await routed.matcher.hears_and_settles(a_surplus(), a_need(north_km=10))
    assert await routed.asks() == 1
    asked = len(osrm.asked)

    await routed.due_now()
    await routed.asks()  # still resting: it is not asked

    assert (len(osrm.asked), asked) == (1, 1)
    assert counted("matcher_routing_requests_total", result="failed") == before + 1
    assert counted("matcher_routing_away") == 1
    assert (await routed.roads(), await routed.waiting()) == ({}, 1)
    assert [method for method, _, _ in await told(routed.matcher)] == ["ratio"]
    assert await routed.matcher.rows("SELECT * FROM dirty") == []
    (row,) = await routed.matcher.rows("SELECT due_at > now() + '50 s' AS later FROM road_wanted")
    assert row.later

    osrm.mood, osrm.times = "well", 2.0
    routed.engine = an_engine(osrm)
    await routed.due_now()
    await routed.rests()
    assert [method for method, _, _ in await told(routed.matcher)] == ["ratio", "route"]
    assert counted("matcher_routing_away") == 0


async def test_an_engine_that_appears_later_is_asked_for_what_waited(matcher):
    """Away from the start: proposals stand by ratio, and change when it is there."""
    later = Osrm(port=nobody_listens(), times=2.0)
    routed = Routed(matcher, an_engine(later, rest_s=0.01))
    events = [a_surplus(tonnes=500), a_need(tonnes=500, north_km=10)]
    await routed.matcher.hears_and_settles(*events)
    for _ in range(3):
        await routed.due_now()
        await routed.asks()
        await asyncio.sleep(0.05)
    assert [method for method, _, _ in await told(matcher)] == ["ratio"]

    async with serving(later):
        await routed.due_now()
        await routed.rests()

    assert [method for method, _, _ in await told(matcher)] == ["ratio", "route"]
    assert routed.engine._rest_s == 0


async def test_it_rests_twice_as_long_each_time_it_fails_again_and_says_so_once(capsys):
    """One line in the log when it goes away, one when it is back."""
    osrm = Osrm(port=nobody_listens())
    engine = an_engine(osrm, rest_s=0.02)
    pair = (point_of(60, 25), point_of(60.1, 25))
    rests = []
    for _ in range(3):
        rests.append((await engine.metres([pair])).rest_s)
        await asyncio.sleep(rests[-1] + 0.02)
    assert 0 < rests[0] <= 0.02 < rests[1] <= 0.04 < rests[2] <= 0.08
    async with serving(osrm):
        assert (await engine.metres([pair])).metres[pair] > 0
    lines = "".join(capsys.readouterr())
    assert lines.count("routing_away") == 1
    assert lines.count("routing_is_back") == 1


@pytest.mark.parametrize("metres", [None, 100, 90_000])
async def test_an_absurd_answer_is_kept_as_not_usable_and_not_asked_again(routed, osrm, metres):
    """No road, a tenth of the straight line, nine times that: the ratio stays, and is told so."""
    surplus, need = a_surplus(), a_need(north_km=10)
    ends = [place_of(point_of(one.place.lat, one.place.lon)) for one in (surplus, need)]
    osrm.metres[ends[0], ends[1]] = metres
    await routed.matcher.hears_and_settles(surplus, need)
    await routed.rests()
    await routed.matcher.hears_and_settles(amount(surplus, 700))
    await routed.rests()
    assert await routed.roads() == {(ends[0], ends[1]): None}
    assert [method for method, _, _ in await told(routed.matcher)] == ["ratio", "ratio"]
    assert len(osrm.asked) == 1


async def test_one_place_off_the_roads_spoils_no_table(routed, osrm):
    """The table is asked for in halves until only that place has no road."""
    surplus = a_surplus(tonnes=3000)
    needs = [a_need(tonnes=300, north_km=at) for at in range(2, 8)]
    lost = place_of(point_of(needs[2].place.lat, needs[2].place.lon))
    osrm.off_road.add(lost)
    await routed.matcher.hears_and_settles(surplus, *needs)
    await routed.rests()
    roads = await routed.roads()
    assert {end for (_, end), km in roads.items() if km is None} == {lost}
    assert len(roads) == 6
    assert len(osrm.asked) <= 1 + 2 * math.ceil(math.log2(6)) + 6


async def test_an_engine_with_smaller_tables_is_asked_for_smaller_ones(routed, osrm):
    """Told too big, it is asked again in halves; told its size, never too big."""
    osrm.largest = 5
    await routed.matcher.hears_and_settles(
        a_surplus(tonnes=3000), *(a_need(tonnes=300, north_km=at) for at in range(2, 10))
    )
    await routed.rests()
    assert len(await routed.roads()) == 8
    assert await routed.waiting() == 0


async def test_a_region_where_no_place_is_near_a_road_stays_with_the_ratio(routed, osrm):
    """The engine has another country's roads: everything is answered, nothing usable."""
    osrm.mood = "lost"
    await routed.matcher.hears_and_settles(*some_forecasts(20, span_km=20))
    await routed.rests()
    assert set((await routed.roads()).values()) == {None}
    assert {method for method, _, _ in await told(routed.matcher)} == {"ratio"}


async def test_two_matchers_ask_for_each_road_once_and_settle_to_what_one_knows(matcher, osrm):
    """Claimed by lease: what one asks for the other does not; nothing is over-committed."""
    one, other = (Routed(matcher, an_engine(osrm)) for _ in range(2))
    await one.matcher.hears(*some_forecasts(60, seed=3, span_km=50))

    claimed = [0, 0]

    async def works(mine: Routed, at: int) -> None:
        while True:
            claimed[at] += (asked := await mine.asks())
            if not asked and not await mine.matcher.works_off("dirty", "tell"):
                return

    await asyncio.gather(works(one, 0), works(other, 1))
    await works(one, 0)

    assert sum(claimed) == len(await one.roads()) > 20
    assert await over_committed(matcher) == []
    for _ in range(10):
        figures = await one.matcher.settles_all(standing_bonus=0, smallest_load=0)
        assert figures["value_cents"] == figures["optimum_cents"]
        if not await one.waiting():
            break
        await one.asks()
    standing = await one.matcher.rows("SELECT * FROM match WHERE standing = 1 AND route = 'direct'")
    assert {row.distance_method for row in standing} == {"route"}


async def test_what_stands_agrees_with_the_roads_that_are_kept(routed, osrm):
    """After asking, a full sweep leaves each proposal at the kilometres that the engine told."""
    osrm.times = 1.9
    await routed.matcher.hears_and_settles(*some_forecasts(40, seed=6, span_km=30))
    await routed.rests()
    await routed.matcher.settles_all()
    await routed.rests()
    await routed.matcher.settles_all()
    rows = await routed.matcher.rows(
        """
        SELECT match.km, distance_method, s.lat AS lat, s.lon AS lon, n.lat AS to_lat,
            n.lon AS to_lon
        FROM match JOIN lot s ON s.id = surplus_id JOIN lot n ON n.id = need_id
        WHERE standing = 1 AND route = 'direct'
        """
    )
    assert rows
    for row in rows:
        ends = [place_of(point_of(*place)) for place in
                ((row.lat, row.lon), (row.to_lat, row.to_lon))]  # fmt: skip
        assert row.distance_method == "route"
        assert row.km == pytest.approx(1.9 * straight_km(*ends[0], *ends[1]), abs=0.002)


async def test_an_old_answer_is_used_and_asked_for_again(routed, osrm):
    """After half a year the road is asked for anew; one that is longer now changes the match."""
    surplus, need = a_surplus(), a_need(north_km=10)
    await routed.matcher.hears_and_settles(surplus, need)
    osrm.times = 1.8
    await routed.rests()
    await routed.matcher.changes("UPDATE road SET at = now() - interval '181 days'")
    osrm.times, osrm.data_version = 2.5, "2027-05-01"

    await routed.matcher.hears_and_settles(amount(surplus, 700))
    assert await routed.waiting() == 1
    assert (await told(routed.matcher))[-1][2] == pytest.approx(18, abs=0.05)
    await routed.rests()

    method, version, km = (await told(routed.matcher))[-1]
    assert (method, version) == ("route", "driving 2027-05-01")
    assert km == pytest.approx(25, abs=0.05)


async def test_a_settle_waits_for_no_engine(routed, osrm):
    """While the engine thinks, lots are heard and settled on the same ground, to the end."""
    osrm.mood = "slow"
    routed.engine = an_engine(osrm, timeout_s=30)
    await routed.matcher.hears_and_settles(a_surplus(tonnes=500), a_need(tonnes=500, north_km=10))
    asking = asyncio.create_task(routed.asks())

    async def is_asked() -> bool:
        return bool(osrm.asked)

    await eventually(is_asked)
    standing = await routed.matcher.hears_and_settles(
        a_surplus(tonnes=300), a_need(tonnes=300, north_km=10)
    )
    assert len(standing) == 2
    assert not asking.done()
    await asking


async def test_what_is_asked_is_a_table_and_says_nothing_but_places(routed, osrm):
    """A GET of coordinates rounded to four decimals; no name, no material, no tonnes."""
    await routed.matcher.hears_and_settles(
        a_surplus(lat=60.123456, lon=24.987654), a_need(lat=60.2, lon=24.9)
    )
    await routed.rests()
    (request,) = osrm.asked
    assert request.method == "GET"
    assert request.path_qs == (
        "/table/v1/driving/24.9877,60.1235;24.9000,60.2000"
        "?annotations=distance&sources=0&destinations=1"
    )
    assert "authorization" not in request.headers


async def test_an_engine_behind_a_redirect_or_with_endless_answers_is_a_failed_one(matcher):
    """No redirect is followed, and no more is read than an answer may be."""
    osrm = Osrm()

    async def sends_away(request: Any) -> Any:
        raise aiohttp.web.HTTPFound("http://127.0.0.1:1/")

    osrm.handle = sends_away  # type: ignore[method-assign]
    async with serving(osrm):
        answer = await an_engine(osrm).metres([(point_of(60, 25), point_of(60.1, 25))])
    assert answer.metres == {}
    assert answer.rest_s > 0
