"""Loads: reported against a match or off a forecast alone, corrected, and listed."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field

from services.portal.api.decisions import changed_parts
from services.portal.api.desk import desk_of
from services.portal.api.fragments import ENERGIES, METHODS, Typed, drawn_all
from services.portal.api.match import match_html
from services.portal.api.parts import View, view_of
from services.portal.api.route import PageRoute
from services.portal.api.shell import NONE, Looking, Trouble, shell
from services.portal.api.visitor import Visiting
from services.portal.api.words import Words
from services.portal.domain import formats
from services.portal.domain.rows import OwnForecast
from services.portal.domain.whole import LoadRow
from services.portal.gateways import Away, Denied, Seen

router = APIRouter(route_class=PageRoute)
REPORTS = {"coordinator", "reporter"}
OUTLETS = ("need_direct", "need_via_storage", "onsite", "landfill_structure", "treatment",
           "disposal")  # fmt: skip
VIRGIN = "virgin"
TOLD = ("reported", "corrected", "taken_back", "handed_in")
NAMED = {"quantity": "tonnes"}
"""Fields of the form by what the registry calls them, where that differs."""
EVENT = "intake.delivery-reported.v1"
Own = Sequence[tuple[str, Sequence[OwnForecast]]]


class Load(BaseModel):
    """What a form says of loads: as it was typed, but for what the page itself put there."""

    tonnes: str = Field("", max_length=40)
    moved_on: str = Field("", max_length=40)
    waybill: str = Field("", max_length=100)
    method: str = Field("weighed", max_length=20)
    haul_km: str = Field("", max_length=40)
    energy: str = Field("", max_length=20)
    vehicle: str = Field("", max_length=200)
    region: str = Field("", max_length=40)

    @property
    def typed(self) -> dict[str, str]:
        """What a person typed, by field."""
        return {name: str(value) for name, value in self.model_dump().items()}


class MatchLoad(Load):
    """Loads of a match; *corrects* names those told before."""

    revision: int = Field(ge=1)
    organisation: str = Field(max_length=80)
    outlet: str = Field("need_direct", max_length=40)
    area: UUID | None = None
    corrects: UUID | None = None


class Correction(MatchLoad):
    """Loads told before, as they now are; *revision* is theirs, *match* the one they name."""

    match: UUID | None = None


class FreeLoad(Load):
    """Loads of a forecast; *form* is the page's mark, so that a form sent twice is one report."""

    forecast: str = Field("", max_length=40)
    to: str = Field("", max_length=40)
    form: str = Field(max_length=40)


@router.post("/matches/{match}/deliveries")
async def report(
    match: UUID, request: Request, visitor: Visiting, told: Annotated[MatchLoad, Form()]
) -> Response:
    """Hand loads of a match to the matcher; answers as a decision does."""
    view = await view_of(desk_of(request), visitor, told.region, str(match))
    back = f"/matches/{match}"
    if visitor.seen is None:
        return RedirectResponse(f"/login?{urlencode({'then': back})}", 303)
    form = f"load-{told.corrects}" if told.corrects else "load"
    did, problem, status = await _handed(view, visitor.seen, match, told, form, request)
    if request.headers.get("x-live"):
        notice = Words(visitor.language)(f"did.{did}") if did else ""
        return await changed_parts(view, ("match", "loads"), notice, problem, status)
    if did:
        return RedirectResponse(f"{back}?did={did}", 303)
    typed = Typed(form, problem.field, told.typed)
    return HTMLResponse(await match_html(view, problem=problem, typed=typed), status)


async def _handed(
    view: View, seen: Seen, match: UUID | None, told: MatchLoad, form: str, request: Request
) -> tuple[str, Trouble, int]:
    """What was done, or the trouble and its status."""
    t = Words(view.visitor.language)
    load, problem = read_load(t, told, form, view.today(), correcting=told.corrects is not None)
    if problem:
        return "", problem, 422
    try:
        if told.corrects is not None and await _told_again(view, seen, told.corrects, load):
            return "handed_in", NONE, 200
        if match is None:
            return "", Trouble(t("problem.not_your_load")), 404
        kept = await _told_of_match(view, seen, match, told, load, request)
    except (Denied, Away) as error:
        return "", *_refused(t, error, form)
    if kept.refused:
        known = t.knows(f"refused.{kept.refused}")
        why = t(f"refused.{kept.refused}") if known else kept.refused
        return "", Trouble(t("problem.load_counts_not", why=why), f"{form}-waybill"), 409
    did = "load" if told.corrects is None else "corrected" if kept.tonnes else "taken_back"
    return did, NONE, 200


async def _told_of_match(
    view: View, seen: Seen, match: UUID, told: MatchLoad, load: dict[str, Any], request: Request
) -> LoadRow:
    load |= {"organisation": told.organisation, "outlet": told.outlet}
    if told.area is not None and told.outlet == "need_via_storage":
        load["area"] = str(told.area)
    if told.corrects is not None:
        load["delivery_id"] = str(told.corrects)
    whole = f"{seen.subject}|{match}|{told.revision}|{sorted(load.items())}"
    key = hashlib.sha256(whole.encode()).hexdigest()[:32]
    tab = request.headers.get("x-tab", "")[:64]
    return await view.desk.matcher.report(
        str(match), seen.token, load, key=key, tab=tab, language=view.visitor.language
    )


async def _told_again(view: View, seen: Seen, delivery: UUID, load: dict[str, Any]) -> bool:
    """
    Loads that came in at the registry's door are corrected there: told again under their own id.

    False where they did not, and are the matcher's to correct.
    """
    known = await view.desk.registry.told_load(str(delivery), seen.token)
    if known is None:
        return False
    whole = f"{seen.subject}|{delivery}|{known.revision}|{sorted(load.items())}"
    id = f"desk-{hashlib.sha256(whole.encode()).hexdigest()[:24]}"
    await view.desk.registry.hand_in(
        EVENT, id, known.corrected(load), seen.token, organisation=known.reporter,
        language=view.visitor.language,
    )  # fmt: skip
    return True


def _field_of(error: Denied, form: str) -> str:
    """The id of the field of *form* to mend, where what the services say is about a value."""
    if error.status != 422:
        return ""
    named = [str(one.get("pointer", ""))[1:] for one in error.told.get("reasons") or ()]
    typed = [NAMED.get(one, one) for one in named]
    return f"{form}-{next((one for one in typed if one in Load.model_fields), 'tonnes')}"


def read_load(
    t: Words, told: Load, form: str, today: str, *, correcting: bool = False
) -> tuple[dict[str, Any], Trouble]:
    """What *told* says, as the services take it; or what has to be mended first."""
    tonnes = formats.read_number(told.tonnes)
    if tonnes is None or tonnes < 0 or (tonnes == 0 and not correcting):
        return {}, Trouble(t("problem.tonnes", value=told.tonnes), f"{form}-tonnes")
    day = formats.read_day(told.moved_on)
    if day is None:
        return {}, Trouble(t("problem.day", value=told.moved_on), f"{form}-moved_on")
    if day.isoformat() > today:
        return {}, Trouble(t("problem.moved_in_the_future"), f"{form}-moved_on")
    load: dict[str, Any] = {"tonnes": tonnes, "moved_on": day.isoformat()}
    if told.haul_km.strip():
        km = formats.read_number(told.haul_km)
        if km is None or km < 0:
            return {}, Trouble(t("problem.km", value=told.haul_km), f"{form}-haul_km")
        load["haul_km"] = km
    if told.method in METHODS:
        load["method"] = told.method
    if told.energy in ENERGIES:
        load["energy"] = told.energy
    load |= {
        name: value.strip()
        for name, value in (("waybill", told.waybill), ("vehicle", told.vehicle))
        if value.strip()
    }
    return load, NONE


@router.get("/deliveries")
async def deliveries(
    view: Looking,
    show: str = "",
    after: Annotated[str | None, Query(max_length=200)] = None,
    did: str = "",
) -> Response:
    """Every load that the reader may see, and the form for those that go under no match."""
    view = replace(view, about="refused" if show == "refused" else "", after=after)
    notice = Words(view.visitor.language)(f"did.{did}") if did in TOLD else ""
    return HTMLResponse(await deliveries_html(view, notice=notice))


@router.post("/deliveries")
async def report_free(view: Looking, told: Annotated[FreeLoad, Form()]) -> Response:
    """Hand loads of a forecast in at the registry's door, as the organisation that reports it."""
    view = replace(view, region=await view.desk.region(told.region))
    problem, status = await _handed_in(view, view.seen, told)
    if problem:
        typed = Typed("free", problem.field, told.typed)
        return HTMLResponse(await deliveries_html(view, problem=problem, typed=typed), status)
    back = urlencode({"region": view.region.code, "did": "reported"})
    return RedirectResponse(f"/deliveries?{back}", 303)


@router.post("/deliveries/{delivery}")
async def correct(
    delivery: UUID, request: Request, view: Looking, told: Annotated[Correction, Form()]
) -> Response:
    """Correct loads told before, or take them back with 0 t, by the way on which they were told."""
    view = replace(view, region=await view.desk.region(told.region))
    form = f"load-{delivery}"
    of_it = told.model_copy(update={"corrects": delivery})
    did, problem, status = await _handed(view, view.seen, told.match, of_it, form, request)
    if request.headers.get("x-live"):
        notice = Words(view.visitor.language)(f"did.{did}") if did else ""
        return await changed_parts(view, ("reported",), notice, problem, status)
    if did:
        back = urlencode({"region": view.region.code, "did": did})
        return RedirectResponse(f"/deliveries?{back}", 303)
    typed = Typed(form, problem.field, told.typed)
    return HTMLResponse(await deliveries_html(view, problem=problem, typed=typed), status)


def _refused(t: Words, error: Denied | Away, form: str) -> tuple[Trouble, int]:
    """
    Why it was not taken, and the status; the services' reasons are in the reader's language.
    """
    if isinstance(error, Away):
        return Trouble(t("problem.away")), 503
    if t.knows(f"problem.{error.code}"):
        text = t(f"problem.{error.code}", left="", first="", last="")
        return Trouble(text, _field_of(error, form)), error.status
    reasons = [str(one.get("text", "")) for one in error.told.get("reasons") or ()]
    text = " ".join(filter(None, reasons)) or t("problem.refused_load")
    return Trouble(text, _field_of(error, form)), error.status


async def _handed_in(view: View, seen: Seen, told: FreeLoad) -> tuple[Trouble, int]:
    t = Words(view.visitor.language)
    load, problem = read_load(t, told, "free", view.today())
    if problem:
        return problem, 422
    try:
        organisation, body, problem = _of_forecast(t, told, load, await own_forecasts(view))
        if problem:
            return problem, 422
        whole = f"{seen.subject}|{organisation}|{told.form}"
        id = f"desk-{hashlib.sha256(whole.encode()).hexdigest()[:24]}"
        await view.desk.registry.hand_in(
            EVENT, id, {"external_id": id, **body}, seen.token, organisation=organisation,
            language=view.visitor.language,
        )  # fmt: skip
    except (Denied, Away) as error:
        return _refused(t, error, "free")
    return NONE, 200


def _of_forecast(
    t: Words, told: FreeLoad, load: dict[str, Any], own: Own
) -> tuple[str, dict[str, Any], Trouble]:
    """Who reports, and *load* as the registry takes it; or what has to be mended."""
    found = [(name, one) for name, every in own for one in every if one.id == told.forecast]
    if not found:
        return "", {}, Trouble(t("problem.forecast"), "free-forecast")
    organisation, forecast = found[0]
    virgin = told.to == VIRGIN
    if virgin and forecast.direction != "need":
        return "", {}, Trouble(t("problem.virgin"), "free-to")
    if not virgin and told.to not in OUTLETS:
        return "", {}, Trouble(t("problem.to"), "free-to")
    rest = {name: value for name, value in load.items() if name != "tonnes"}
    body = {
        **rest,
        "quantity": load["tonnes"],
        "unit": "t",
        "material": forecast.material,
        "forecast": forecast.external_id,
        "outlet": "need_direct" if virgin else told.to,
        "origin": VIRGIN if virgin else "lot",
    }
    return organisation, body, NONE


async def own_forecasts(view: View) -> Own:
    """Organisations that the reader reports for, each with the forecasts that it reports."""
    seen = view.seen
    may = [name for name, roles in seen.organisations.items() if REPORTS & set(roles)]
    found = await view.desk.registry.forecasts(view.region.code, seen.token)
    return [(name, found.get(name, ())) for name in may]


async def deliveries_html(
    view: View, *, notice: str = "", problem: Trouble = NONE, typed: Typed | None = None
) -> str:
    """The page whole; without the form where the registry does not answer."""
    parts = await drawn_all(view, ("reported",), typed)
    try:
        forecasts: Own | None = await own_forecasts(view)
    except (Away, Denied):
        forecasts = None
    query = {"region": view.region.code, **({"show": view.about} if view.about else {})}
    return shell(
        "deliveries.html", view, parts=parts, notice=notice, problem=problem,
        here=f"/deliveries?{urlencode(query)}", forecasts=forecasts, titles=await view.titles(),
        typed=typed or Typed(), today=view.today(), form=uuid.uuid4().hex, outlets=OUTLETS,
        methods=METHODS, energies=ENERGIES,
    )  # fmt: skip
