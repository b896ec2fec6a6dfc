"""What a person chose to be told of and how, and the webhooks of the organisations they act for."""

from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from services.portal.api.parts import View
from services.portal.api.route import PageRoute
from services.portal.api.shell import NONE, Looking, Trouble, shell
from services.portal.api.words import Words
from services.portal.gateways import Away, Denied

router = APIRouter(route_class=PageRoute)
NOTIFICATIONS, CONNECTIONS = "/settings/notifications", "/settings/connections"
DID = ("saved", "enabled")


@router.get(NOTIFICATIONS)
async def notifications(view: Looking, did: str = "") -> Response:
    """Whether a person gets mail, and in which language; every letter leads here."""
    return HTMLResponse(await _notifications_html(view, did=did))


@router.post(NOTIFICATIONS)
async def choose(
    view: Looking,
    language: Annotated[Literal["", "fi", "sv", "en"], Form()] = "",
    mail: Annotated[bool, Form()] = False,
) -> Response:
    """Keep what was chosen; what this page does not show stays as it was."""
    try:
        chosen = await view.desk.notifier.preferences(view.seen.token)
        told = {**chosen, "language": language or None, "mail": mail}
        await view.desk.notifier.choose(told, view.seen.token)
    except Away:
        problem = Trouble(Words(view.visitor.language)("problem.away"))
        return HTMLResponse(await _notifications_html(view, problem=problem), 503)
    return _back(NOTIFICATIONS, view, "saved")


@router.get(CONNECTIONS)
async def connections(view: Looking, did: str = "") -> Response:
    """The webhooks of one's organisations, and which of them are disabled and why."""
    return HTMLResponse(await _connections_html(view, did=did))


@router.post(CONNECTIONS)
async def enable(view: Looking, webhook: Annotated[UUID, Form()]) -> Response:
    """Take a disabled webhook into use again."""
    t = Words(view.visitor.language)
    try:
        await view.desk.notifier.enable(str(webhook), view.seen.token)
    except Denied as error:
        problem = Trouble(t("problem.webhook_refused"))
        return HTMLResponse(await _connections_html(view, problem=problem), error.status)
    except Away:
        problem = Trouble(t("problem.away"))
        return HTMLResponse(await _connections_html(view, problem=problem), 503)
    return _back(CONNECTIONS, view, "enabled")


async def _notifications_html(view: View, *, did: str = "", problem: Trouble = NONE) -> str:
    try:
        chosen = await view.desk.notifier.preferences(view.seen.token)
    except (Away, Denied):
        chosen = None
    return shell(
        "notifications.html", view, here=f"{NOTIFICATIONS}?region={view.region.code}",
        notice=_notice(view, did), problem=problem, chosen=chosen,
    )  # fmt: skip


async def _connections_html(view: View, *, did: str = "", problem: Trouble = NONE) -> str:
    try:
        found = await view.desk.notifier.webhooks(view.seen.token)
    except (Away, Denied):
        found = None
    return shell(
        "connections.html", view, here=f"{CONNECTIONS}?region={view.region.code}",
        notice=_notice(view, did), problem=problem, webhooks=found, titles=await view.titles(),
    )  # fmt: skip


def _notice(view: View, did: str) -> str:
    return Words(view.visitor.language)(f"did.{did}") if did in DID else ""


def _back(path: str, view: View, did: str) -> Response:
    return RedirectResponse(f"{path}?{urlencode({'region': view.region.code, 'did': did})}", 303)
