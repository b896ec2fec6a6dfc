"""Roads beside settling: which are known, which are wanted, and what an engine tells of them."""

from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import Counter

from services.matcher import store
from services.matcher.domain import Lot, Plan, Rules, cell_of
from services.matcher.domain.roads import Road, Roads, differs, place_of, point_of, usable_km
from services.matcher.gateways import RoutingEngine
from shared.work import Work

roads_told = Counter("matcher_roads_total", "roads that the engine told", ["result"])

_LEAST_REST_S = 1.0


async def known_roads(lots: Iterable[Lot], session: Any, rules: Rules) -> Roads | None:
    """The roads known between *lots*; None where no engine is asked, and no question either."""
    if not rules.routed:
        return None
    ends: tuple[list[int], list[int]] = [], []
    for lot in lots:
        ends[not lot.is_surplus].append(point_of(lot.lat, lot.lon))
    return await store.roads_between(session, *ends, keep_days=rules.road_keep_days)


async def want_roads(plan: Plan, work: Work) -> None:
    """Let the roads that *plan* would like to know be asked for, after this work."""
    if plan.roads_wanted:
        await store.want_roads(work.session, plan.roads_wanted)
        work.wake("road_wanted")


async def ask_roads(rows: Sequence[Any], work: Work, *, engine: RoutingEngine) -> None:
    """
    Ask *engine* for the roads of *rows*, and settle again where they differ from what was counted.

    Nothing is read before, so that no connection and no lock is held while the engine thinks.
    """
    pairs = [(row.origin, row.destination) for row in rows]
    answer = await engine.metres(pairs)
    version = f"{engine.profile} {answer.version or work.today.isoformat()}"
    roads = [Road(pair, usable_km(told, pair), version) for pair, told in answer.metres.items()]

    unanswered = [pair for pair in pairs if pair not in answer.metres]
    if unanswered:
        await store.ask_later(work.session, unanswered, max(_LEAST_REST_S, answer.rest_s))
    if roads:
        before = await store.keep_roads(work.session, roads)
        ends = {end for one in roads if differs(one.pair, before[one.pair], one.km)
                for end in one.pair}  # fmt: skip
        if ends:
            await store.mark_dirty(work.session, {cell_of(*place_of(end)) for end in ends})
            work.wake("dirty")
    for one in roads:
        roads_told.labels("unusable" if one.km is None else "route").inc()
