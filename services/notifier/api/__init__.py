"""A person's inbox and preferences, an organisation's webhooks and what was posted to them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, time
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.notifier import store
from services.notifier.api.told import (
    ADDING,
    CHANGING,
    NO_ENTRY,
    OF_WEBHOOK,
    POSTING,
    POSTING_AGAIN,
    DuplicateNotice,
    Entry,
    InboxCounts,
    MadeWebhook,
    Notice,
    Posting,
    Queued,
    ToldWebhook,
    WasRead,
)
from services.notifier.domain import (
    BadTarget,
    half_told,
    headline,
    match_from,
    near_miss_from,
    pair_from,
    text_of_pair,
    title_of_pair,
    what_would_help,
)
from services.notifier.domain.matches import TABS, Tab
from services.notifier.gateways import new_secret, target_of
from services.notifier.handlers import test_webhook
from shared import trail_api
from shared.access import Asker, NotAllowed
from shared.contracts.base import uuid7
from shared.http import Asking, Problem, Reading, Working, cursor, moment_after, settings_of
from shared.openapi import Listing, answers
from shared.problems import said
from shared.seen import tells_of
from shared.vocabulary.errors import NotFitting
from shared.vocabulary.identifiers import is_token
from shared.vocabulary.materials import MATERIALS, unknown_material
from shared.vocabulary.regions import shipped

router = APIRouter()
router.include_router(trail_api.router)
Limit = Annotated[int, Query(ge=1, le=200)]
PostId = Annotated[UUID, Path(description="the post, as the log names it")]
Name = Literal[
    "match-found",
    "match-changed",
    "near-miss-found",
    "delivery-recorded",
    "project-added",
    "project-updated",
    "project-withdrawn",
    "forecast-updated",
    "area-updated",
    "confirmation-asked",
    "duplicate-suggested",
    "duplicate-changed",
]
Whose = Literal["own", "others"]
Direction = Literal["surplus", "need"]


class Handed(BaseModel):
    """A body: a field that is not known is refused, so that a misspelt one is not lost."""

    model_config = ConfigDict(extra="forbid")


# --- the inbox --------------------------------------------------------------------------------


def _reads(asker: Asker) -> dict[str, Any]:
    """Who reads, for the store; an inbox and preferences are a person's."""
    if asker.kind != "person":
        raise NotAllowed("not_allowed/person_only")
    try:
        person = UUID(asker.subject)
    except ValueError as error:
        raise NotAllowed("not_allowed/no_person", subject=asker.subject) from error
    return {
        "person": person,
        "organisations": list(asker.organisations),
        "regions": list(asker.regions),
    }


@router.get("/inbox", tags=["inbox"], responses=answers(Listing[Entry]))
async def inbox(
    request: Request,
    asker: Asking,
    session: Reading,
    tab: Annotated[Tab | None, Query(description="only those under this tab")] = None,
    after: str | None = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """One's own matches, newest first: those of *tab*, or all."""
    reads = _reads(asker)
    rows = await store.inbox_page(
        session, reads, tab=tab, after=moment_after(after), limit=limit + 1
    )
    page = rows[:limit]
    tells_of(request, _sides(page))
    return {
        "items": [_entry(row, asker) for row in page],
        "next": cursor(page[-1].told_at, page[-1].id) if len(rows) > limit else None,
        "as_of": _iso(await store.newest_news(session)),
    }


@router.get("/inbox/counts", tags=["inbox"], responses=answers(InboxCounts))
async def counts(asker: Asking, session: Reading) -> dict[str, Any]:
    """How many entries lie under each tab, and how many of them are unread."""
    found = {row.tab: row for row in await store.inbox_counts(session, _reads(asker))}
    tabs = {tab: found[tab].entries if tab in found else 0 for tab in TABS}
    unread = {tab: found[tab].unread if tab in found else 0 for tab in TABS}
    return {
        "tabs": tabs,
        "unread": sum(unread.values()),
        "unread_by_tab": unread,
        "as_of": _iso(await store.newest_news(session)),
    }


class Read(Handed):
    unread: bool = False


@router.post("/inbox/{id}/read", tags=["inbox"], responses=answers(WasRead) | NO_ENTRY)
async def read(id: UUID, asker: Asking, begin: Working, told: Read | None = None) -> dict[str, Any]:
    """The entry was read; or, with `unread`, it is to be looked at again."""
    unread = told.unread if told else False
    async with begin() as work:
        row = await store.mark_read(work.session, _reads(asker), id, unread=unread, now=work.now)
        if row is None:
            raise Problem(404, "not_found/entry", id=id)
        work.signal(
            "inbox", row.region, row.organisation, about=row.match_id, revision=row.told_revision
        )
    return {"id": str(row.id), "unread": row.unread}


def _entry(row: Any, asker: Asker) -> dict[str, Any]:
    match = match_from(row.told, row.changed_at, found=row.found)
    return {
        "id": str(row.id),
        "match_id": str(row.match_id),
        "tab": row.tab,
        "unread": row.unread,
        "why": row.why,
        "told_at": _iso(row.told_at),
        "told_revision": row.told_revision,
        "changed_at": _iso(row.changed_at),
        "revision": match.revision,
        "state": match.state,
        "change": match.change,
        "region": match.region,
        "asks_you": bool(set(match.asks) & set(row.organisations)),
        "accepted_by_you": bool(set(match.accepted_by) & set(row.organisations)),
        "surplus": _end(row, match.region, asker, "surplus", named=match.names_are_open),
        "need": _end(row, match.region, asker, "need", named=match.names_are_open),
        "material": match.material,
        "tonnes": row.told["tonnes"],
        "window": row.told["window"],
        "distance_km": match.km,
        "value": row.told["value"],
        "climate": row.told["climate"],
        "sample": match.sample,
    }


def _sides(rows: Sequence[Any]) -> set[str]:
    """The organisations whose lots *rows* tell of, named there or not."""
    return {
        token for row in rows for end in ("surplus", "need")
        if (token := row.told[end].get("organisation"))
    }  # fmt: skip


def _end(row: Any, region: str, asker: Asker, end: str, *, named: bool) -> dict[str, Any]:
    side = row.told[end]
    seen = {
        "material": side["material"],
        "region": side["region"],
        "municipality": side["place"]["municipality"],
    }
    own = side.get("organisation") in row.organisations
    if own or named or asker.coordinates(region):
        seen |= {"organisation": side.get("organisation"), "project_id": side["project_id"]}
    return seen


# --- near misses ------------------------------------------------------------------------------


@router.get("/notices", tags=["inbox"], responses=answers(Listing[Notice]))
async def notices(
    request: Request,
    asker: Asking,
    session: Reading,
    language: Annotated[
        Literal["fi", "sv", "en"] | None, Query(description="of the words; else as one prefers")
    ] = None,
    region: str | None = None,
    after: str | None = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """Near misses on one's own desk that are still open, newest first, in the reader's words."""
    reads = _reads(asker)
    words = language or await _language_of(session, reads["person"])
    rows = await store.notices_page(
        session, reads, region=region, after=moment_after(after), limit=limit + 1
    )
    page = rows[:limit]
    tells_of(request, _sides(page))
    return {
        "items": [_notice(row, asker, words) for row in page],
        "next": cursor(page[-1].told_at, page[-1].id) if len(rows) > limit else None,
        "as_of": _iso(max((row.changed_at for row in page), default=None)),
    }


@router.post("/notices/{id}/read", tags=["inbox"], responses=answers(WasRead) | NO_ENTRY)
async def read_notice(id: UUID, asker: Asking, begin: Working) -> dict[str, Any]:
    """The notice was read."""
    async with begin() as work:
        row = await store.notice_read(work.session, _reads(asker), id)
        if row is None:
            raise Problem(404, "not_found/notice", id=id)
        work.signal("inbox", row.region, row.organisation, about=row.near_miss_id,
                    revision=row.told_revision)  # fmt: skip
    return {"id": str(row.id), "unread": False}


def _notice(row: Any, asker: Asker, language: str) -> dict[str, Any]:
    near = near_miss_from(row.told, row.changed_at)
    return {
        "id": str(row.id),
        "near_miss_id": str(row.near_miss_id),
        "revision": near.revision,
        "unread": row.unread,
        "why": row.why,
        "told_at": _iso(row.told_at),
        "region": near.region,
        "title": headline(near, language, _places((side.region for side in near.sides), language)),
        "text": what_would_help(near, language),
        "remedies": row.told["remedies"],
        "material": near.material,
        "tonnes": row.told["tonnes"],
        "value": row.told["value"],
        "surplus": _end(row, near.region, asker, "surplus", named=False),
        "need": _end(row, near.region, asker, "need", named=False),
        "sample": near.sample,
    }


async def _language_of(session: Reading, person: UUID) -> str:
    chosen = (await store.preferences_of(session, {person})).get(person)
    return (chosen.language if chosen else None) or "fi"


def _places(codes: Iterable[str], language: str) -> dict[str, str]:
    known = shipped()
    regions = [known[code] for code in codes if code in known]
    return {place.code: place.name(language) for region in regions for place in region.places}


# --- duplicates -------------------------------------------------------------------------------


@router.get("/inbox/duplicates", tags=["inbox"], responses=answers(Listing[DuplicateNotice]))
async def duplicates(
    asker: Asking,
    session: Reading,
    language: Annotated[
        Literal["fi", "sv", "en"] | None, Query(description="of the words; else as one prefers")
    ] = None,
    region: str | None = None,
    after: str | None = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """
    One's own forecasts that may be told twice, and that were linked, newest first, in the reader's
    words; of the other forecast nothing, for the registry's `GET /duplicates` knows what is seen.
    """
    reads = _reads(asker)
    words = language or await _language_of(session, reads["person"])
    rows = await store.duplicate_notices_page(
        session, reads, region=region, after=moment_after(after), limit=limit + 1
    )
    page = rows[:limit]
    return {
        "items": [_duplicate(row, words) for row in page],
        "next": cursor(page[-1].told_at, page[-1].id) if len(rows) > limit else None,
        "as_of": _iso(max((row.changed_at for row in page), default=None)),
    }


@router.post("/inbox/duplicates/{id}/read", tags=["inbox"], responses=answers(WasRead) | NO_ENTRY)
async def read_duplicate(id: UUID, asker: Asking, begin: Working) -> dict[str, Any]:
    """The notice of a pair was read; that of a linked one leaves the desk."""
    async with begin() as work:
        row = await store.duplicate_read(work.session, _reads(asker), id)
        if row is None:
            raise Problem(404, "not_found/notice", id=id)
        work.signal("inbox", row.region, row.organisation, about=row.duplicate_id,
                    revision=row.told_revision)  # fmt: skip
    return {"id": str(row.id), "unread": False}


def _duplicate(row: Any, language: str) -> dict[str, Any]:
    pair = pair_from(row.told, row.changed_at)
    places = _places(pair.regions, language)
    return {
        "id": str(row.id),
        "duplicate_id": str(row.duplicate_id),
        "change": pair.change,
        "unread": row.unread,
        "why": row.why,
        "told_at": _iso(row.told_at),
        "region": row.region,
        "title": title_of_pair(pair, row.organisations, language, places),
        "text": text_of_pair(pair, row.organisations, language),
        "material": half_told(pair, row.organisations).material,
        "sample": pair.sample,
    }


# --- preferences ------------------------------------------------------------------------------


def _of_a_clock(told: time) -> time:
    if told.tzinfo is not None or told.microsecond:
        raise NotFitting("field_value_error/clock", value=told.isoformat())
    return told


QuietHour = Annotated[time, AfterValidator(_of_a_clock)]


class Preferences(Handed):
    """What a person may choose; quiet hours are kept and do not act yet."""

    language: Literal["fi", "sv", "en"] | None = None
    mail: bool = True
    quiet_from: QuietHour | None = None
    quiet_to: QuietHour | None = None


@router.get("/preferences", tags=["preferences"])
async def preferences(asker: Asking, session: Reading) -> Preferences:
    """What one chose, or what holds until one does."""
    person = _reads(asker)["person"]
    row = (await store.preferences_of(session, {person})).get(person)
    if row is None:
        return Preferences()
    return Preferences(**row.model_dump(include=set(Preferences.model_fields)))


@router.put("/preferences", tags=["preferences"])
async def choose(told: Preferences, asker: Asking, begin: Working) -> Preferences:
    """Choose anew, whole."""
    person = _reads(asker)["person"]
    async with begin() as work:
        row = store.PreferenceRow(person=person, changed_at=work.now, **told.model_dump())
        await store.keep_preference(work.session, row)
    return told


# --- webhooks ---------------------------------------------------------------------------------


Code = Annotated[str, Field(min_length=1, max_length=64)]
MOST_CODES = 400  # more than any country has municipalities


class NewWebhook(Handed):
    """
    Where an organisation wants to be told, and of what: an empty list of codes is any.

    *whose* `others` are the projects, forecasts and areas that others opened to all. *projects* are
    ids as the receipts tell them; *directions* are one's own side of a match or near miss.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "organisation": "acme",
                    "url": "https://acme.example/hook",
                    "events": ["match-found"],
                    "materials": ["till"],
                }
            ]
        }
    )

    organisation: str
    url: str = Field(max_length=2000)
    events: tuple[Name, ...] = Field(("match-found", "match-changed"), min_length=1)
    whose: tuple[Whose, ...] = Field(("own",), min_length=1)
    regions: tuple[Code, ...] = Field((), max_length=MOST_CODES)
    materials: tuple[Code, ...] = Field((), max_length=MOST_CODES)
    municipalities: tuple[Code, ...] = Field((), max_length=MOST_CODES)
    directions: tuple[Direction, ...] = ()
    projects: tuple[UUID, ...] = Field((), max_length=MOST_CODES)


class ChangedWebhook(Handed):
    """What may be changed; `status: active` enables a disabled one again."""

    url: str | None = Field(None, max_length=2000)
    events: tuple[Name, ...] | None = Field(None, min_length=1)
    whose: tuple[Whose, ...] | None = Field(None, min_length=1)
    regions: tuple[Code, ...] | None = Field(None, max_length=MOST_CODES)
    materials: tuple[Code, ...] | None = Field(None, max_length=MOST_CODES)
    municipalities: tuple[Code, ...] | None = Field(None, max_length=MOST_CODES)
    directions: tuple[Direction, ...] | None = None
    projects: tuple[UUID, ...] | None = Field(None, max_length=MOST_CODES)
    status: Literal["active", "disabled"] | None = None


def _checked(url: str, request: Request) -> str:
    try:
        return str(target_of(url, settings_of(request).notifier_webhook_networks))
    except BadTarget as error:
        reason = {"pointer": "/url", "code": error.code, "text": said(error)}
        raise Problem.of(422, error, more={"reasons": [reason]}) from error


def _filters(told: NewWebhook | ChangedWebhook, known: Any = None) -> dict[str, list[str]]:
    """What *told* wants to be told of, each code once; what it leaves out stays as *known*."""
    for material in told.materials or ():
        if material not in MATERIALS:
            error = unknown_material(material, "materials")
            reason = {"pointer": "/materials", "code": error.code, "text": said(error)}
            raise Problem.of(422, error, more={"reasons": [reason]})
    wanted = {}
    for name in store.FILTERS:
        codes = getattr(told, name)
        chosen = getattr(known, name) if codes is None else map(str, codes)
        wanted[name] = list(dict.fromkeys(chosen))
    return wanted


async def _webhook(session: Any, id: UUID, asker: Asker, *, reads: bool = False) -> Any:
    row = await store.webhook(session, id)
    may = asker.acts_for if reads else asker.speaks_for
    if row is None or not may(row.organisation):
        raise Problem(404, "not_found/webhook", id=id)
    return row


@router.post(
    "/webhooks", status_code=201, tags=["webhooks"], responses=answers(MadeWebhook, 201) | ADDING
)
async def add_webhook(
    told: NewWebhook, request: Request, asker: Asking, begin: Working
) -> dict[str, Any]:
    """A new webhook; its secret is shown here and never again."""
    if not is_token(told.organisation) or not asker.speaks_for(told.organisation):
        raise NotAllowed("not_allowed/speaking", organisation=told.organisation)
    url = _checked(told.url, request)
    secret = new_secret()
    most = settings_of(request).notifier_webhooks_per_organisation
    id = uuid7()
    async with begin() as work:
        await store.hold_alone(work.session, [told.organisation, store.EVERYBODY], [])
        if len(await store.webhooks_of(work.session, [told.organisation], limit=most)) >= most:
            raise Problem(409, "too_many_webhooks", organisation=told.organisation, most=most)
        row = {
            "id": id,
            "organisation": told.organisation,
            "url": url,
            **_filters(told),
            "secret": secret,
            "created_by": asker.subject if asker.kind == "person" else "",
            "created_at": work.now,
        }
        await store.add_webhook(work.session, row)
        kept = await store.webhook(work.session, id)
    return {**_shown(kept), "secret": secret}


@router.get("/webhooks", tags=["webhooks"], responses=answers(Listing[ToldWebhook]))
async def webhooks(
    asker: Asking,
    session: Reading,
    organisation: str | None = None,
    after: str | None = None,
    limit: Limit = 200,
) -> dict[str, Any]:
    """Those of the organisations one acts for, or of one of them, oldest first."""
    mine = [organisation] if organisation else list(asker.organisations)
    for one in mine:
        if not asker.acts_for(one):
            raise NotAllowed("not_allowed/acting", organisation=one)
    rows = await store.webhooks_of(session, mine, after=moment_after(after), limit=limit + 1)
    page = rows[:limit]
    return {
        "items": [_shown(row) for row in page],
        "next": cursor(page[-1].created_at, page[-1].id) if len(rows) > limit else None,
        "as_of": None,
    }


@router.get("/webhooks/{id}", tags=["webhooks"], responses=answers(ToldWebhook) | OF_WEBHOOK)
async def webhook(id: UUID, asker: Asking, session: Reading) -> dict[str, Any]:
    """One webhook, without its secret."""
    return _shown(await _webhook(session, id, asker, reads=True))


@router.patch("/webhooks/{id}", tags=["webhooks"], responses=answers(ToldWebhook) | CHANGING)
async def change_webhook(
    id: UUID, told: ChangedWebhook, request: Request, asker: Asking, begin: Working
) -> dict[str, Any]:
    """Change where or of what is told, disable it, or enable it again."""
    async with begin() as work:
        known = await _webhook(work.session, id, asker)
        url = _checked(told.url, request) if told.url else known.url
        row = {"id": id, "url": url, "status": told.status or known.status}
        row |= _filters(told, known)
        await store.change_webhook(work.session, row)
        await store.queue(work.session, [id], work.now)
        kept = await store.webhook(work.session, id)
        work.wake("webhook")
    return _shown(kept)


@router.delete("/webhooks/{id}", status_code=204, tags=["webhooks"], responses=OF_WEBHOOK)
async def remove_webhook(id: UUID, asker: Asking, begin: Working) -> None:
    """Forget a webhook and its log."""
    async with begin() as work:
        await _webhook(work.session, id, asker)
        await store.remove_webhook(work.session, id)


@router.post(
    "/webhooks/{id}/test",
    status_code=202,
    tags=["webhooks"],
    responses=answers(Queued, 202) | POSTING,
)
async def test(id: UUID, asker: Asking, begin: Working) -> dict[str, Any]:
    """Post `massakoppi.webhook-test.v1`, signed as all is; the log says what came of it."""
    async with begin() as work:
        known = await _webhook(work.session, id, asker)
        if known.status != "active":
            raise Problem(409, "webhook_disabled", id=id)
        delivery = await test_webhook(work, known)
    return {"id": str(delivery), "queued": True}


@router.get(
    "/webhooks/{id}/deliveries", tags=["webhooks"], responses=answers(Listing[Posting]) | OF_WEBHOOK
)
async def deliveries(
    id: UUID,
    request: Request,
    asker: Asking,
    session: Reading,
    after: UUID | None = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """What was posted and what waits, newest first."""
    hook = await _webhook(session, id, asker, reads=True)
    tells_of(request, [hook.organisation])
    rows = await store.posting_log(session, id, after=after, limit=limit + 1)
    page = rows[:limit]
    return {
        "items": [_posting(row) for row in page],
        "next": str(page[-1].id) if len(rows) > limit else None,
        "as_of": None,
    }


@router.post(
    "/webhooks/{id}/deliveries/{delivery}/resend",
    status_code=202,
    tags=["webhooks"],
    responses=answers(Queued, 202) | POSTING_AGAIN,
)
async def resend(id: UUID, delivery: PostId, asker: Asking, begin: Working) -> dict[str, Any]:
    """Post the same body once more, under the same id."""
    async with begin() as work:
        known = await _webhook(work.session, id, asker)
        if known.status != "active":
            raise Problem(409, "webhook_disabled", id=id)
        if not await store.post_again(work.session, id, delivery, work.now):
            raise Problem(404, "not_found/posting", id=delivery)
        await store.queue(work.session, [id], work.now)
        work.wake("webhook")
    return {"id": str(delivery), "queued": True}


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "organisation": row.organisation,
        "url": row.url,
        **{name: list(getattr(row, name)) for name in store.FILTERS},
        "status": row.status,
        "reason": row.reason,
        "failures": row.failures,
        "resting_until": _iso(row.resting_until),
        "created_at": _iso(row.created_at),
    }


def _posting(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "event": row.event,
        "kind": row.subject_kind,
        "subject_id": str(row.subject_id),
        "match_id": str(row.subject_id) if row.subject_kind == "match" else None,
        "revision": row.subject_revision,
        "created_at": _iso(row.created_at),
        "result": row.result or "waiting",
        "tries": row.tries,
        "status": row.status,
        "error": row.error,
        "sent_at": _iso(row.sent_at),
        "next_at": _iso(row.next_at),
    }


# --- times ------------------------------------------------------------------------


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
