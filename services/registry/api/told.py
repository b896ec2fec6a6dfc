"""What the answers look like, for the OpenAPI document: nothing is checked or copied by them."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts import AreaUpdated, ForecastUpdated, ProjectAdded, Receipt
from shared.contracts.parts import Direction, Place, Quantity, Source, Window
from shared.openapi import MEMBERS, PROBLEM, Answer, left_out, refusals, schema_of

Language = Literal["fi", "sv", "en"]


class EarlyEstimate(Quantity):
    """What a project may bring, by its type and size, before anybody knows."""

    direction: Direction
    material: str


class ToldProject(ProjectAdded):
    """A project as the asker may see it; `early_estimate` where it is asked whom to call."""

    updated_at: datetime
    early_estimate: list[EarlyEstimate] = left_out()


class ToldForecast(ForecastUpdated):
    """A forecast as the asker may see it; its own id for who reports it."""

    external_id: str | None = None
    updated_at: datetime


class ToldArea(AreaUpdated):
    """An area as the asker may see it; its own id for who reports it."""

    external_id: str | None = None
    updated_at: datetime


class ToldCounts(Answer):
    """How much waits in a region: exactly, of what the asker may see."""

    region: str
    to_confirm: int
    """Forecasts whose owner is asked whether they hold."""
    duplicates: int
    """Suggested pairs that the asker may decide."""
    to_call: int
    """Projects that nobody has told any masses of."""


class ToldDelivery(Answer):
    """Loads as their reporter told them last; told again under *external_id* they are corrected."""

    delivery_id: UUID
    external_id: str
    """Of the loads, in the reporter's own system."""
    reporter: str
    revision: int
    told: dict[str, Any]
    """As it was handed in; hand it in again with what is to be corrected."""


# -- the door


class ToldReceipt(Receipt):
    """A receipt in a list, with the moment `at` which it was given, and without its region."""

    region: str = left_out()
    at: datetime


class Unjudged(Answer):
    """A line of a batch that has no verdict: say it again, or mend it."""

    verdict: Literal["none"]
    code: Literal["being_handled", "not_an_event"]


class Confirmed(Answer):
    forecast_id: UUID
    revision: int


class Confirmation(Answer):
    confirmed: list[Confirmed]
    left_out: list[UUID]
    """Those that the asker may not report for, or that are not known."""


# -- who asks


class ToldAsker(Answer):
    """Who asks, as every service will know it."""

    subject: str
    """The token of an organisation, the id of a person, or the name of a service."""
    kind: Literal["organisation", "person", "service", "operator"]
    organisations: dict[str, list[str]]
    """The roles in each, by its token."""
    regions: list[str]
    """Those that a person coordinates."""
    session: int
    """A person's version: a token of an earlier one ends sooner."""
    language: str


class GivenToken(Answer):
    token: str
    """For `Authorization: Bearer`, at every service."""
    expires_in: int
    """Seconds."""
    asker: ToldAsker


class PublicKeys(Answer):
    """A JWK set (RFC 7517)."""

    keys: list[dict[str, Any]]


# -- organisations


class ToldOrganisation(Answer):
    token: str
    title: str
    region: str
    actor_type: str
    business_id: str | None
    status: Literal["active", "suspended"]
    revision: int


class MadeOrganisation(Answer):
    """A new organisation with its first key for HTTPS."""

    organisation: ToldOrganisation
    key: str
    """Shown here and never again."""
    key_id: UUID


class ToldKey(Answer):
    """A key, without what opens anything."""

    id: UUID
    kind: Literal["https", "nats"]
    public_key: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class MadeKey(Answer):
    """A new key: of HTTPS shown once, of NATS the public half that was told."""

    id: UUID
    key: str = left_out()
    """Of HTTPS; shown here and never again."""
    expires_at: datetime | None = Field(default=None)
    """Of HTTPS; null where it does not lapse."""
    public_key: str = left_out()
    """Of NATS."""


class NatsUser(Answer):
    """A key that may connect now."""

    organisation: str
    public_key: str


class MadeMandate(Answer):
    owner: str
    reporter: str


class ToldMandate(MadeMandate):
    since: datetime


class MadeMember(Answer):
    person: UUID


class ToldPerson(Answer):
    person: UUID
    name: str
    email: str
    language: Language


class ToldMember(ToldPerson):
    roles: list[str]
    """In this organisation."""
    regions: list[str]
    """Those that the person coordinates."""


class KnownPerson(ToldMember):
    """A person with what it is in every organisation of its own."""

    organisations: list[str]


# -- regions


class RegionPlace(Answer):
    """A municipality, or another place of a region."""

    code: str
    names: dict[str, str]
    """By language."""
    lat: float
    lon: float
    subregion: str | None


class AnyRegion(Answer):
    code: str
    names: dict[str, str]
    """By language."""
    bounding_box: list[float] = Field(min_length=4, max_length=4)
    """West, south, east, north; degrees of WGS 84."""
    metric_crs: str
    """For maps and imports, as `EPSG:3067`."""
    sample: bool
    meets: list[str]
    """The regions whose masses its own may meet; empty is any."""
    source: str
    licence: str


class ToldRegion(AnyRegion):
    """A region with the number of its places."""

    places: int


class WholeRegion(AnyRegion):
    """A region with its places, in the form of a region file."""

    places: list[RegionPlace]


# -- duplicates


class PairedForecast(Answer):
    """What is told of a forecast that may be another's duplicate."""

    forecast_id: UUID
    project_id: UUID
    region: str
    organisation: str
    reporter: str
    external_id: str = left_out()
    """Its reporter's own id."""
    direction: Direction
    material: str
    status: str
    quantity: Quantity
    window: Window
    place: Place
    source: Source | None = None


class Likeness(Answer):
    """What two forecasts have in common, as far as it was looked at."""

    distance_m: int = left_out()
    """Where both places are exact."""
    municipality: str = left_out()
    """Where one of them is not: the one that both lie in."""
    material: Literal["same", "related"] = left_out()
    days_apart: int = left_out()
    """Between their windows; 0 where they meet."""
    tonnes_ratio: float = left_out()
    """The lesser likely tonnes over the greater."""
    named_by: str = left_out()
    """Who named a pair that nobody suggested."""


class ToldPair(Answer):
    """Two forecasts that may be about the same mass."""

    forecasts: list[PairedForecast] = Field(min_length=2, max_length=2)
    score: float
    """How alike they are, 0..1."""
    reasons: Likeness
    state: Literal["suggested", "linked", "refused"]
    suggested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    counts: UUID | None
    """The one that counts, once they are linked."""


class LookedSoFar(Answer):
    next: UUID | None
    """Give it as `after` to look on; null when all were looked at."""


# -- maps


class Point(Answer):
    type: Literal["Point"]
    coordinates: list[float] = Field(min_length=2, max_length=2)
    """Longitude, then latitude; degrees of WGS 84."""


class Feature(Answer):
    type: Literal["Feature"]
    id: UUID
    geometry: Point
    properties: dict[str, Any]
    """The forecast as `GET /forecasts` tells it, and its place and amount once more, flat."""


class FeatureCollection(Answer):
    """RFC 7946, with `next` as in any list."""

    type: Literal["FeatureCollection"]
    features: list[Feature]
    next: str | None
    """Give it as `after` for the next page; null on the last."""
    as_of: datetime | None


# -- imports


class ImportProblem(Answer):
    """Why a file as a whole was not taken."""

    code: str
    text: str


class ToldImport(Answer):
    """A table handed in, how far it is and what came of it; counts are of rows unless they say."""

    id: UUID
    state: Literal["waiting", "checking", "checked", "sending", "done", "refused", "broken"]
    organisation: str
    file_name: str
    mapping: str
    region: str
    form: str
    """What the file turned out to be; empty until it is known."""
    rows: int
    good: int
    bad: int
    skipped: int
    """Left out on purpose, as the mapping says."""
    events: int
    """What the good rows make."""
    accepted: int
    """Events taken."""
    unchanged: int
    """Events that said what was known already."""
    rejected: int
    """Events refused."""
    notes: list[str]
    problem: ImportProblem | None
    done: int
    """Parts of the step that is going on that are done, of `of`."""
    of: int
    created_at: datetime
    updated_at: datetime


class ImportFault(Answer):
    """A fault, by its cell."""

    row: int
    column: str
    value: str
    code: str
    text: str
    """With its remedy."""
    cell: str
    """As a spreadsheet says it: `Taul1!C17`, or `C17`; empty where it is in none."""


class ImportWithFaults(ToldImport):
    errors: list[ImportFault]
    """The first 100; all of them are in `/imports/{id}/errors.csv`."""


# -- knowledge


class ToldDefault(Answer):
    """One number that results rest on."""

    id: str
    value: float | None
    """In `unit`; null is not known, never zero."""
    unit: str
    low: float | None
    high: float | None
    tag: str
    """To show beside it: unverified, sourced, set_here and others."""
    confidence: str | None
    source: str
    settable: bool
    """An installation may set another in its factors file."""
    version: str
    """Of its table."""


class ToldRule(Answer):
    """One version of a rule that can change."""

    id: str
    version: str
    names: dict[str, str]
    """By language."""
    in_force_from: date | None
    """The first day; null is since before anything here."""
    in_force_until: date | None
    """The last day, included."""
    slot: bool
    """It is awaited, and not in force."""
    note: str | None
    source: str
    tag: str
    confidence: str | None


class ToldPaperField(Answer):
    """What a paper must hold."""

    id: str
    names: dict[str, str]
    told_in: str | None
    """The forecast's field that gives it."""
    asked: str
    """`always`, `if possible`, or `hazardous`: of hazardous waste only."""


class ToldPaper(Answer):
    """What a match may ask to be shown, tested or decided."""

    id: str
    kind: str
    names: dict[str, str]
    """By language."""
    rule: str | None
    """The id of the rule that asks for it."""
    kept_years: int | None
    fields: list[ToldPaperField]


# -- refusals

NO_ORGANISATION = (404, "organisation_unknown", "there is no such organisation here")
OF_ORGANISATION = refusals(NO_ORGANISATION)
NO_DELIVERY = refusals((404, "delivery_unknown", "there are no such loads that you told here"))
ADDING_ORGANISATION = refusals(
    (409, "organisation_exists", "choose another token"),
    (422, "token_invalid", "use 2 to 32 of a-z, 0-9 and hyphen"),
    (422, "actor_type_unknown", "use one of those that are named"),
    (422, "region_unknown", "add the region first"),
    (422, "business_id_invalid", "write it as its scheme asks"),
    (422, "expiry_past", "give a later day"),
)
ADDING_KEY = refusals(
    NO_ORGANISATION,
    (409, "key_exists", "make a new one: this one is registered already"),
    (422, "expiry_past", "give a later day"),
)
DROPPING_KEY = refusals(NO_ORGANISATION, (404, "key_unknown", "list its keys: no such one lives"))
ADDING_MANDATE = refusals(
    NO_ORGANISATION,
    (422, "mandate_to_itself", "name another reporter"),
    (422, "organisation_unknown", "the reporter is no organisation here"),
)
DROPPING_MANDATE = refusals(
    NO_ORGANISATION, (404, "mandate_unknown", "list its mandates: there is no such one")
)
ADDING_MEMBER = refusals(
    NO_ORGANISATION,
    (409, "person_differs", "the address and the subject are of two people: mend one"),
    (422, "role_refused", "give roles and regions that you may give"),
    (422, "region_unknown", "add the region first"),
)
DROPPING_MEMBER = refusals(
    NO_ORGANISATION, (404, "member_unknown", "list its members: the person is none")
)
OF_PEOPLE = refusals((422, "ids_invalid", "write ids as UUIDs joined by commas"))
ADDING_REGION = refusals(
    (409, "region_exists", "another region has the code: choose another"),
    (422, "region_invalid", "mend the field that is named"),
)
OF_REGION = refusals((404, "region_unknown", "list the regions: there is no such one"))
GIVING_TOKEN = refusals(
    (401, "not_known", "nobody is known by this"),
    (422, "credential_invalid", "tell key or id_token, one of them"),
    (422, "no_sign_in", "this installation has no sign-in; use a key"),
    (503, "provider_away", "the sign-in provider does not answer"),
    (503, "no_signing_key", "let the operator run provision"),
)
TELLING_KEYS = refusals((503, "no_signing_key", "let the operator run provision"))
DECIDING_DUPLICATE = refusals(
    (404, "duplicate_unknown", "they are no suggested pair that you may see"),
    (409, "counts_nothing", "the one that is to count is itself a duplicate: unlink it first"),
    (409, "linked_already", "the duplicate is linked to another: unlink it first"),
    (422, "duplicate_impossible", "name two forecasts of one direction, neither or both a sample"),
)
NO_IMPORT = (404, "import_unknown", "there is no such import here")
OF_IMPORT = refusals(NO_IMPORT)
ADDING_IMPORT = refusals(
    NO_ORGANISATION,
    (409, "imports_open", "wait until those that are going on are done"),
    (413, "body_too_large", "part the table, or send a shorter mapping"),
    (422, "mapping_unknown", "use one of those that are named, or send your own"),
    (422, "mapping_invalid", "send the mapping as UTF-8"),
    (422, "table_missing", "send the file as the body, or as `file` of a form"),
)
COMMITTING = refusals(
    NO_IMPORT,
    (409, "import_not_checked", "wait until it is checked; what is done is not sent again"),
    (409, "import_has_errors", "mend the rows, or send the others with only_good=true"),
)
DROPPING_IMPORT = refusals(NO_IMPORT, (409, "import_sending", "wait until it is done"))

_VERDICT = schema_of(Receipt)["properties"]
REJECTION: dict[str, Any] = {
    name: told
    for name, told in _VERDICT.items()
    if name not in PROBLEM["properties"] and name not in ("id", "at")  # these two stay inside
}
REJECTED = (
    (422, "rejected", "see reasons; where there is but one, this code is that reason's"),
    (422, "event_id_reused", "give other words another id, or another Idempotency-Key"),
    (422, "envelope_unreadable", "send a CloudEvent: this is none"),
)
BUSY = (409, "being_handled", "the same id is being handled; ask again")
HANDING = refusals(
    *REJECTED,
    BUSY,
    (413, "body_too_large", "send less at once"),
    (413, "batch_too_long", "send at most 1000 events at once"),
    (422, "batch_invalid", "send a batch as a JSON array"),
    named="Rejection",
    members=REJECTION,
)
CHANGED = (412, "changed_meanwhile", "read the thing as it is now, then write again")


SAYING = refusals(
    *REJECTED,
    BUSY,
    CHANGED,
    (413, "body_too_large", "send less at once"),
    (422, "external_id_differs", "leave external_id out of the body: the address has it"),
    named="WriteRefused",
    members={**REJECTION, "etag": MEMBERS["etag"]},
)


def ending(kind: str) -> dict[int | str, dict[str, Any]]:
    """What an end of a thing of *kind* is refused with."""
    never = (404, f"{kind}_unknown", f"you have told no such {kind}")
    return refusals(
        *REJECTED,
        BUSY,
        CHANGED,
        never,
        named="WriteRefused",
        members={**REJECTION, "etag": MEMBERS["etag"]},
    )
