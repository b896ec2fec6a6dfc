"""One thing said, changed or ended under the reporter's own id: the door, without an envelope."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse

from services.registry import handlers, store
from services.registry.api.intake import answer_of, body_of, reporter_of
from services.registry.api.told import SAYING, ending
from services.registry.domain import LARGEST_BODY, Kind, Thing, canonical_id
from services.registry.handlers import Outcome
from shared.contracts.base import CONTENT_TYPE, encoded, uuid7
from shared.contracts.intake import HandedArea, HandedForecast, HandedProject, Receipt
from shared.http import Asking, BeginWork, Problem, Working
from shared.openapi import LANGUAGE_ASKED, about_body, answers
from shared.service.card import Knock

router = APIRouter(tags=["things"])
SOURCE = "/https"
SAYS: Mapping[Kind, str] = {
    "project": "project-added",
    "forecast": "forecast-updated",
    "area": "area-updated",
}
"""What a PUT of each kind hands in; a project that is known already is told as updated."""

ENDS: Mapping[Kind, Mapping[str, str]] = {
    "forecast": {"status": "cancelled"},
    "area": {"status": "closed"},
}
"""What a DELETE says of each kind that stays; a project is withdrawn by an event of its own."""

PROJECT = {"title": "Ring road ditch", "region": "01", "municipality": "049"}
FORECAST = {
    "project": "P-1",
    "direction": "surplus",
    "material": "till",
    "quality": "S3",
    "contamination": "P0",
    "contamination_basis": "site_survey",
    "waste_status": "not_waste",
    "quantity": 2400,
    "unit": "m3ktr",
    "available_from": "2027-03-01",
    "available_to": "2027-09-30",
}
AREA = {
    "title": "Interim storage by the ring road",
    "site_kind": "interim_storage",
    "region": "01",
    "municipality": "049",
    "lat": 60.2,
    "lon": 24.66,
    "capacity_t": 20000,
    "available_from": "2027-01-01",
    "available_to": "2028-12-31",
}
IN_WORDS = {"parameters": [LANGUAGE_ASKED]}
SAID = ("ETag", "Location", "Deprecation", "Sunset")
KNOWN = answers(Receipt, 200, *SAID)
NEW = {201: {**KNOWN[200], "description": "it was not known before"}, **KNOWN}
Reporter = Annotated[
    str | None, Query(max_length=32, description="which of your organisations speaks")
]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        description="the same key and words again change nothing; with other words: 422",
    ),
]
Match = Annotated[
    str | None, Header(alias="If-Match", description="write only if this ETag still holds")
]
NoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", description="`*`: write only what is not there yet")
]


@dataclass(frozen=True, slots=True)
class Saying:
    """What every route here is told beside the thing: who says it, and on which condition."""

    external_id: str
    request: Request
    asker: Asking
    begin: Working
    organisation: Reporter = None
    key: Key = None
    if_match: Match = None

    async def put(self, kind: Kind, if_none_match: str | None) -> JSONResponse:
        """The thing is now as the body says."""
        return await self._said(kind).put(self.request, self.begin, self.if_match, if_none_match)

    async def end(self, kind: Kind) -> JSONResponse:
        """The thing is no more."""
        return await self._said(kind).end(self.request, self.begin, self.if_match)

    def _said(self, kind: Kind) -> "_Said":
        speaks = reporter_of(self.asker, self.organisation)
        return _Said(kind, speaks, self.external_id, self.key)


Says = Annotated[Saying, Depends()]


@router.put(
    "/projects/{external_id:path}",
    responses=NEW | SAYING,
    openapi_extra=about_body(HandedProject, **PROJECT),
)
async def say_project(saying: Says, if_none_match: NoneMatch = None) -> JSONResponse:
    """A project as it now is: 201 when it is new, else 200, with its receipt and its ETag."""
    return await saying.put("project", if_none_match)


@router.put(
    "/forecasts/{external_id:path}",
    responses=NEW | SAYING,
    openapi_extra=about_body(HandedForecast, **FORECAST),
)
async def say_forecast(saying: Says, if_none_match: NoneMatch = None) -> JSONResponse:
    """A forecast as it now is: 201 when it is new, else 200, with its receipt and its ETag."""
    return await saying.put("forecast", if_none_match)


@router.put(
    "/areas/{external_id:path}",
    responses=NEW | SAYING,
    openapi_extra=about_body(HandedArea, **AREA),
)
async def say_area(saying: Says, if_none_match: NoneMatch = None) -> JSONResponse:
    """An area as it now is: 201 when it is new, else 200, with its receipt and its ETag."""
    return await saying.put("area", if_none_match)


@router.delete(
    "/projects/{external_id:path}", responses=KNOWN | ending("project"), openapi_extra=IN_WORDS
)
async def withdraw_project(saying: Says) -> JSONResponse:
    """The project will not happen, nor will its forecasts. 404 where it was never told."""
    return await saying.end("project")


@router.delete(
    "/forecasts/{external_id:path}", responses=KNOWN | ending("forecast"), openapi_extra=IN_WORDS
)
async def cancel_forecast(saying: Says) -> JSONResponse:
    """The forecast is cancelled, everything else of it as last told. 404 where never told."""
    return await saying.end("forecast")


@router.delete(
    "/areas/{external_id:path}", responses=KNOWN | ending("area"), openapi_extra=IN_WORDS
)
async def close_area(saying: Says) -> JSONResponse:
    """The area is closed, everything else of it as last told. 404 where it was never told."""
    return await saying.end("area")


class _Said:
    """What *speaks* says of one thing under its own id, told by *key* from any other saying."""

    def __init__(self, kind: Kind, speaks: str, external_id: str, key: str | None) -> None:
        self.kind: Kind = kind
        self.reporter = speaks
        self.external_id = external_id
        self.event_id = (key or "").strip().strip('"') or str(uuid7())

    @property
    def id(self) -> UUID:
        return canonical_id(self.reporter, self.kind, self.external_id)

    async def put(
        self, request: Request, begin: BeginWork, if_match: str | None, if_none_match: str | None
    ) -> JSONResponse:
        """Hand in the body of *request* as the thing now is."""
        body = await body_of(request, LARGEST_BODY)
        told = _object(body)
        if told is not None:
            if told.get("external_id", self.external_id) != self.external_id:
                raise Problem(
                    422, "external_id_differs", value=told["external_id"], id=self.external_id
                )
            body = _with(body, self.external_id, told)
        knock = self._knock(request, SAYS[self.kind], body)
        async with begin() as work:
            if if_match is not None or if_none_match is not None:
                known = await self._held(work.session, self._project_in(told or {}))
                if not await self._is_answered(work.session):
                    _checked(known, if_match, if_none_match)
            (outcome,) = await handlers.judge([knock], work, skip_busy=True)
        return self._answer(outcome)

    async def end(self, request: Request, begin: BeginWork, if_match: str | None) -> JSONResponse:
        """Hand in that the thing is no more, else as it was last told."""
        async with begin() as work:
            known = await self._known(work.session)
            known = await self._held(work.session, known.project_id if known else None)
            if known is None:
                raise Problem(
                    404,
                    f"{self.kind}_unknown/of_reporter",
                    organisation=self.reporter,
                    value=self.external_id,
                )
            if not await self._is_answered(work.session):
                _checked(known, if_match, None)
            ends = ENDS.get(self.kind)
            name = "project-withdrawn" if ends is None else SAYS[self.kind]
            told = {"external_id": self.external_id} if ends is None else {**known.told, **ends}
            knock = self._knock(request, name, json.dumps(told).encode())
            (outcome,) = await handlers.judge([knock], work, skip_busy=True)
        return self._answer(outcome)

    def _project_in(self, told: Mapping[str, Any]) -> UUID | None:
        project = told.get("project")
        if self.kind != "forecast" or not isinstance(project, str):
            return None
        return canonical_id(self.reporter, "project", project)

    async def _held(self, session: Any, project: UUID | None) -> Thing | None:
        """
        The thing as it is known; nobody else changes it until the work ends.

        With its *project*, which is held too when it is judged: all are taken in one order.
        """
        await store.hold(session, [one for one in (self.id, project) if one])
        return await self._known(session)

    async def _known(self, session: Any) -> Thing | None:
        return next(iter(await store.things(session, self.kind, [self.id])), None)

    async def _is_answered(self, session: Any) -> bool:
        """Whether this saying has its verdict already: again, it changes nothing."""
        return bool(await store.receipt_of(session, [self.reporter], SOURCE, self.event_id))

    def _knock(self, request: Request, event: str, body: bytes) -> Knock:
        headers = {
            "ce-specversion": "1.0",
            "ce-id": encoded(self.event_id),
            "ce-source": SOURCE,
            "ce-type": f"intake.{event}.v1",
            "content-type": CONTENT_TYPE,
            "accept-language": request.headers.get("accept-language", ""),
        }
        return Knock(self.reporter, event, headers, body)

    def _answer(self, outcome: Outcome) -> JSONResponse:
        answer = answer_of(outcome)
        canonical = outcome.receipt.canonical if outcome.receipt else None
        if canonical is not None and outcome.receipt is not None:
            fresh = outcome.receipt.code == "taken" and canonical.revision == 1
            answer.status_code = 201 if fresh else 200
            answer.headers["ETag"] = f'"{canonical.revision}"'
            answer.headers["Location"] = f"/{self.kind}s/{canonical.id}"
        return answer


def _object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in *body*; None for anything else, which the door refuses with its reason."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _with(body: bytes, external_id: str, told: Mapping[str, Any]) -> bytes:
    """*body* with the external id in front, else byte for byte: what stands twice is refused."""
    if "external_id" in told:
        return body
    rest = body.decode("utf-8-sig").lstrip()[1:].lstrip()
    comma = "" if rest.startswith("}") else ","
    return f'{{"external_id":{json.dumps(external_id)}{comma}{rest}'.encode()


def _checked(known: Thing | None, if_match: str | None, if_none_match: str | None) -> None:
    """Raise the problem 412, with the ETag that holds, when the thing is not as was expected."""
    etag = f'"{known.revision}"' if known else None
    met = True
    if if_match is not None:
        met = etag is not None and _names(if_match, etag)
    if met and if_none_match is not None and etag is not None:
        met = not _names(if_none_match, etag)
    if not met:
        if etag is None:
            raise Problem(412, "changed_meanwhile/not_there", more={"etag": None})
        raise Problem(
            412, "changed_meanwhile", headers={"ETag": etag}, more={"etag": etag}, etag=etag
        )


def _names(condition: str, etag: str) -> bool:
    return condition.strip() == "*" or etag in [each.strip() for each in condition.split(",")]
