"""Server-sent events: «look again» to the pages that are open, and nothing else."""

from fastapi import APIRouter, FastAPI, Request, Response

from services.portal.api.desk import Desk, desk_of
from services.portal.api.route import PageRoute
from services.portal.api.streams import Client, EventStream
from services.portal.api.visitor import Visiting, Visitor
from services.portal.gateways import Away, Ended
from shared import signals, telemetry
from shared.http import Problem

router = APIRouter(route_class=PageRoute)
RESYNC = "resync"


async def listens(app: FastAPI, subject: str, body: bytes) -> None:
    """One message of `signals.>`; the subject `resync` when some may have been lost."""
    desk: Desk = app.state.desk
    if subject == RESYNC:
        desk.streams.resync()
        return
    try:
        service, signal = signals.read(subject, body)
    except (ValueError, KeyError, TypeError):
        telemetry.log().warning("signal_unreadable", subject=subject)
        return
    desk.streams.publish(service, signal)


@router.get("/events")
async def events(
    request: Request, visitor: Visiting, region: str = "", drawn: float | None = None
) -> Response:
    """The stream of one page; *drawn* is when the page was begun, in seconds since 1970."""
    desk = desk_of(request)
    if desk.streams.full:
        raise Problem(503, "streams_full")
    shown = await desk.region(region)
    client = Client(shown.code, visitor.seen)
    if drawn is not None:
        desk.streams.catch_up(client, drawn)

    async def still_known() -> bool:
        return await known(desk, visitor, client)

    return EventStream(desk.streams, client, still_known)


async def known(desk: Desk, visitor: Visitor, client: Client) -> bool:
    """Whether the reader is still vouched for; what they may hear follows the registry's word."""
    if visitor.seen is None:
        return True
    try:
        client.seen = await desk.sessions.seen(visitor.id_token)
    except Ended:
        return False
    except Away:
        return True
    return client.seen.session == visitor.seen.session
