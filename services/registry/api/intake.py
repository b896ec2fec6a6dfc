"""The companies' door over HTTPS: the same CloudEvents and verdicts, the receipt as answer."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from services.registry import handlers, store
from services.registry.api.answers import (
    Paging,
    may_report,
    page,
)
from services.registry.api.told import HANDING, ToldReceipt, Unjudged
from services.registry.domain import LARGEST_BODY, BadBatch, items_of
from services.registry.handlers import Outcome, receipt_of
from shared.access import Asker, NotAllowed
from shared.contracts.base import notice_headers
from shared.contracts.intake import HANDED, Receipt
from shared.http import LARGEST_BODY as LARGEST_BATCH
from shared.http import (
    Asking,
    BeginWork,
    Problem,
    Reading,
    Working,
    moment_after,
    problem_answer,
)
from shared.openapi import Listing, about_events, answers
from shared.service.card import Knock

router = APIRouter(tags=["intake"])
BATCH = "application/cloudevents-batch+json"
MOST_EVENTS = 1000
AT_ONCE = 100


@router.post(
    "/intake",
    status_code=202,
    openapi_extra=about_events(HANDED),
    response_model=None,
    responses={
        200: {
            "model": list[Receipt | Unjudged],
            "description": "of a batch: a receipt for each event, in its order",
        },
        **answers(Receipt, 202, "Deprecation", "Sunset"),
        **HANDING,
    },
)
async def hand_in(
    request: Request,
    asker: Asking,
    begin: Working,
    organisation: Annotated[
        str | None, Query(max_length=32, description="which of your organisations speaks")
    ] = None,
    trial: Annotated[
        bool, Query(description="only say what would be said; nothing is kept or told")
    ] = False,
) -> JSONResponse:
    """
    One CloudEvent (binary or structured), or a batch of up to 1,000.

    202 with the receipt once it is committed; 422 with every reason when rejected; 409 when the
    same id is being handled at this moment. A batch is answered 200 with a receipt for each. With
    *trial* the answers are the same, and all is as it was: a batch is then tried as one.
    """
    token = reporter_of(asker, organisation)
    is_batch = request.headers.get("content-type", "").lower().startswith(BATCH)
    body = await body_of(request, LARGEST_BATCH if is_batch else LARGEST_BODY)
    if not is_batch:
        knock = Knock(token, "", dict(request.headers), body)
        return answer_of((await _judged([knock], begin, trial=trial))[0])
    outcomes: list[Outcome] = []
    knocks = _knocks(request, token, body)
    at_once = MOST_EVENTS if trial else AT_ONCE  # what is taken back is not there for the next
    for at in range(0, len(knocks), at_once):
        outcomes += await _judged(knocks[at : at + at_once], begin, trial=trial)
    return JSONResponse([_item(outcome) for outcome in outcomes])


@router.get("/receipts", responses=answers(Listing[ToldReceipt]))
async def receipts(
    asker: Asking,
    session: Reading,
    paging: Paging,
    source: Annotated[
        str | None, Query(max_length=300, description="the ce-source of one event, with its id")
    ] = None,
    id: Annotated[str | None, Query(max_length=300, description="the ce-id of one event")] = None,
) -> dict[str, Any]:
    """The receipts of the asker's organisations: of one event, or all in the order given."""
    own = None if asker.sees_all else list(asker.organisations)
    if source is not None and id is not None:
        found = await store.receipt_of(session, own, source, id)
        following = None
    else:
        found = await store.receipts_after(session, own, moment_after(paging.after), paging.limit)
        last = found[-1] if len(found) == paging.limit else None
        following = (
            (last.judged_at, last.receipt_id)
            if last and last.judged_at and last.receipt_id
            else None
        )
    return page([_entry(each) for each in found], following, datetime.now(UTC))


def reporter_of(asker: Asker, told: str | None) -> str:
    """The organisation that speaks: by the credential, never by the event."""
    may = [token for token in asker.organisations if may_report(asker, token)]
    token = told or (may[0] if len(may) == 1 else None)
    if token is None and not may:
        raise NotAllowed("not_allowed/no_reporting")
    if token is None:
        raise NotAllowed("not_allowed/organisation_missing", offered=may)
    if token not in may:
        raise NotAllowed("not_allowed/reporting", organisation=token)
    return token


async def body_of(request: Request, most: int) -> bytes:
    """The body, read no further than *most* bytes."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise Problem(413, "body_too_large", most=most)
        parts.append(part)
    return b"".join(parts)


def _knocks(request: Request, token: str, body: bytes) -> list[Knock]:
    try:
        items = items_of(body)
    except BadBatch as error:
        raise Problem.of(422, error) from error
    if len(items) > MOST_EVENTS:
        raise Problem(413, "batch_too_long", entries=len(items), most=MOST_EVENTS)
    headers = {
        "content-type": "application/cloudevents+json",
        "accept-language": request.headers.get("accept-language", ""),
    }
    return [Knock(token, "", headers, item) for item in items]


async def _judged(
    knocks: Sequence[Knock], begin: BeginWork, *, trial: bool = False
) -> list[Outcome]:
    async with begin() as work:
        if trial:
            return await handlers.try_out(knocks, work)
        return await handlers.judge(knocks, work, skip_busy=True)


def answer_of(outcome: Outcome) -> JSONResponse:
    if outcome.busy:
        return problem_answer(Problem(409, "being_handled", headers={"Retry-After": "1"}))
    if outcome.receipt is None:
        return problem_answer(Problem(422, "envelope_unreadable"))
    told = _receipt(outcome.receipt)
    given = outcome.receipt.notice
    notice = notice_headers(given.deprecated_on) if given else {}
    if outcome.receipt.verdict == "accepted":
        return JSONResponse(told, 202, notice)
    code = str(told.pop("code"))
    return problem_answer(Problem(422, "rejected", headers=notice, more=told), code)


def _item(outcome: Outcome) -> dict[str, Any]:
    if outcome.receipt is None:
        return {"verdict": "none", "code": "being_handled" if outcome.busy else "not_an_event"}
    return _receipt(outcome.receipt)


def _receipt(receipt: Receipt) -> dict[str, Any]:
    return receipt.model_dump(mode="json", exclude_none=True)


def _entry(entry: store.Entry) -> dict[str, Any]:
    told = _receipt(receipt_of(entry, "-"))
    told.pop("region")
    return {**told, "at": entry.judged_at.isoformat() if entry.judged_at else None}
