"""How near misses, and what one forecast could change, are asked for."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request

from services.matcher import handlers, store
from services.matcher.api.matches import answer_of
from services.matcher.api.told import NO_LOT, ToldNearMiss, ToldOpenings
from services.matcher.domain import KnownNearMiss, Lot
from shared.access import Asker
from shared.contracts.base import now
from shared.http import Asking, Problem, Reading, cursor, number_after, settings_of
from shared.openapi import Listing, answers, refusals
from shared.seen import tells_of

router = APIRouter(tags=["near misses"])
Told = Annotated[Any, Depends(settings_of)]


@router.get("/near-misses", responses=answers(Listing[ToldNearMiss]))
async def near_misses(
    request: Request,
    asker: Asking,
    session: Reading,
    settings: Told,
    region: str | None = None,
    organisation: str | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """Open near misses that the asker may see, worth most first; follow `next` to the end."""
    found = await store.near_misses_seen_by(
        session,
        sees_all=asker.sees_all,
        regions=asker.regions,
        organisations=list(asker.organisations),
        region=region,
        organisation=organisation,
        after=number_after(after or None),
        limit=limit,
    )
    lots = await store.lots_of(session, {id for one in found for id in one.pair})
    tells_of(request, (lot.organisation for lot in lots.values()))
    told = [_seen(one, lots, asker, settings) for one in found]
    more = cursor(found[-1].worth_cents, found[-1].id) if len(found) == limit else None
    return {"items": told, "next": more, "as_of": now().isoformat()}


@router.get("/openings/{forecast}", responses=answers(ToldOpenings) | refusals(NO_LOT))
async def openings(
    forecast: Annotated[UUID, Path(description="its canonical id")],
    request: Request,
    asker: Asking,
    session: Reading,
    settings: Told,
) -> dict[str, Any]:
    """What this forecast would gain by one change, best first; for its own side alone."""
    lot = (await store.lots_of(session, {forecast})).get(forecast)
    mine = lot is not None and (
        asker.sees_all or asker.coordinates(lot.region) or lot.organisation in asker.organisations
    )
    if lot is None or not mine:
        raise Problem(404, "lot_not_found", id=forecast)
    tells_of(request, [lot.organisation])
    today = now().astimezone(settings.zone).date()
    found = await handlers.openings_of(lot, session, settings.rules(), today)
    return {
        "forecast": forecast,
        "revision": lot.revision,
        "items": [
            {
                "change": one.remedy._asdict(),
                "change_needed": one.remedy.text,
                "tonnes": one.tonnes,
                "total_cents": one.cents,
                "partners": one.partners,
                "tag": "unverified",
            }
            for one in found
        ],
        "as_of": now().isoformat(),
    }


def _seen(
    near: KnownNearMiss, lots: dict[UUID, Lot] | Any, asker: Asker, settings: Any
) -> dict[str, Any]:
    """*near* as *asker* may see it: whole, or as its side does."""
    body = handlers.near_body(near, lots, settings.rules())
    body |= {"changed_at": near.changed_at, "born_at": near.born_at}
    side = handlers.sees_as(asker, near)
    return answer_of(body if side is None else handlers.near_as_seen(body, side))
