"""What the answers look like, for the OpenAPI document: nothing is checked or copied by them."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.matcher import (
    Alternatives,
    Climate,
    MatchState,
    Reason,
    Remedy,
    Side,
    Value,
    Verdict,
    Via,
)
from shared.contracts.parts import Direction, Tonnes, Window
from shared.openapi import MEMBERS, REFERENCE, Answer, Items, left_out, refusals

Route = Literal["direct", "onsite", "area"]
ENUMERATED = (
    "use", "contamination", "contamination_basis", "max_contamination", "acid_sulphate",
    "invasive_status", "waste_status", "legal_route", "frost_class", "max_frost_class",
    "site_kind", "reliability", "phase",
)  # fmt: skip
"""The fields of a forecast that might be told whose values are codes of the vocabulary."""


class ToldMatch(Answer):
    """
    A match as the asker may see it: whole, or as its side does.

    To a side, the other's name and contacts are null and empty until an acceptance, its place that
    of the municipality until they agree, and `alternatives` empty.
    """

    match_id: UUID
    revision: int = Field(ge=1)
    """Counts every change; the ETag of `GET /matches/{id}`, asked for as If-Match."""
    region: str
    """The surplus's."""
    state: MatchState
    route: Route
    """`onsite` within one project; `area` by way of `via`."""
    via: Via | None
    surplus: Side
    need: Side
    tonnes: Tonnes
    """Whole tonnes; `likely` is what the match is about."""
    likelihood: float = Field(ge=0, le=1)
    """How likely both sides are to come about."""
    window: Window
    """The days on which it can move, both included."""
    distance_km: float
    distance_method: str
    """`ratio`, by straight distance, or `route`, told by a routing engine."""
    distance_version: str
    """Of the table of ratios, or of the engine and its map."""
    value: Value
    climate: Climate
    tonne_km: float
    reasons: list[Reason]
    """Every gate with its verdict."""
    papers: list[str]
    """What must be shown, tested or decided before it is agreed, in English."""
    alternatives: Alternatives
    accepted_by: list[str]
    declined_by: str | None
    decline_reason: str | None
    change: str
    """One word for what moved at this revision."""
    asks: list[str]
    """The organisations whose move it is."""
    delivered_t: float = Field(ge=0)
    """Tonnes moved under it."""
    left_t: float | None
    """Agreed less delivered, t; below 0 is delivered beyond it; null before it is agreed."""
    closed_by: str | None
    definition: str
    """The version of what the figures mean."""
    rules: str
    """The versions of the rules that it was judged by."""
    factors: str
    """The version of the factors in its values."""
    sample: bool
    """It is of the sample region and in nobody's figures."""
    born_at: datetime
    changed_at: datetime


class ToldCounts(Answer):
    """Of what the asker may see of a region, own sites left out."""

    region: str
    open_lots: int
    proposed: int
    """Matches proposed, or accepted by one side."""
    proposed_t: int
    """Their whole tonnes."""
    agreed: int
    """Matches agreed, moving or done."""
    agreed_t: int
    """Their whole tonnes."""
    as_of: datetime


class ToldDecision(Answer):
    """What one side said of a match."""

    organisation: str
    decision: Literal["accept", "decline", "undo", "counter", "close"]
    reason: str | None
    note: str | None
    tonnes: int | None
    """Of a counter-offer, whole tonnes; null where it kept them."""
    first: date | None
    """Of a counter-offer, the first day; null where it kept the window."""
    last: date | None
    revision: int
    """The revision of the match that it made."""
    at: datetime


class ToldLoads(Answer):
    """Loads as they were last told."""

    delivery_id: UUID
    revision: int
    tonnes: float = Field(ge=0)
    organisation: str
    """Whose they are."""
    reporter: str
    region: str
    match_id: UUID | None
    area_id: UUID | None
    """Where they wait or are worked."""
    surplus_id: UUID | None
    """The forecast that they are taken off."""
    need_id: UUID | None
    """The forecast that they came to."""
    outlet: str
    """Where they went, as delivery-reported says it."""
    origin: str
    """`lot`, or `virgin` material that was bought."""
    material: str
    tag: str
    """On what the tonnes rest."""
    method: str
    """How they were measured: weighed, measured, model or estimate."""
    moved_on: date
    haul_km: float | None
    """As told, one way; null where nobody told it."""
    vehicle: str | None
    energy: str | None
    waybill: str | None
    under_match: bool
    """They count against what the match agreed."""
    refused: str | None
    """Why they count for nothing; null where they count."""
    at: datetime
    """When they were told."""
    permille: int = Field(ge=0)
    """What of 1 000 t reaches the need; the rest is lost in a working."""


class Left(Answer):
    """What a match has left."""

    state: MatchState
    agreed_t: int | None
    """Whole tonnes; null before it is agreed."""
    delivered_t: float
    left_t: float | None
    """Agreed less delivered, t; below 0 is delivered beyond it."""


class ToldReport(Left, ToldLoads):
    """The loads that were reported, and what the match has left."""


class ToldDeliveries(Left, Items[ToldLoads]):
    """A page of the loads of a match by day, and what it has left, of all its loads."""


class ToldDeclines(Answer):
    region: str
    by_reason: dict[str, int]
    """How many matches, by the code of the reason."""


class PairValue(Answer):
    """
    A tonne of a pair against its counterfactual, in cents and in grams of CO2e.

    A positive compensation goes from the taker to the giver.
    """

    cents: int
    """What it is worth: disposal and purchase avoided less haul, processing and storage."""
    disposal_cents: int
    purchase_cents: int
    haul_cents: int
    giver_cents: int
    """What the giver gains."""
    taker_cents: int
    compensation_cents: int
    saved_g: int
    counterfactual_g: int
    proposed_g: int
    processing_cents: int
    storage_cents: int


class ToldExplanation(Answer):
    """Every gate of a pair, whether there is a match of it or not."""

    surplus: UUID
    need: UUID
    area: UUID = left_out()
    """The area asked for."""
    verdict: Verdict
    """The worst of its gates."""
    feasible: bool
    reasons: list[Reason]
    papers: list[str]
    """What must be shown, tested or decided, in English."""
    distance_km: float | None
    """By road; null where there is no way over the area."""
    distance_method: str
    distance_version: str
    waits_days: int | None = Field(default=None)
    """How long it waits in the area: told with `area` alone, null where there is no way over it."""
    value: PairValue | None
    """Null where there is no way over the area."""
    tag: str


class ToldSettled(Answer):
    """What stands against the optimum, in cents against the counterfactual."""

    value_cents: int
    """Of all that stands, own sites with it."""
    onsite_cents: int
    """Of what stays on its own site."""
    matches: int
    tonnes: int


class ToldSettling(ToldSettled):
    """What stands after a settling of the whole region."""

    optimum_cents: int
    """With nothing for what stands already, and no smallest load."""
    share: float | None
    """Value over optimum, 0..1; null where the optimum is 0."""
    rounds: int
    seconds: float


class ToldStanding(ToldSettled):
    """What stands now."""

    optimum_cents: int | None
    """At the last full solve; null before there was one."""
    share: float | None
    """Value over optimum at the last full solve, 0..1."""
    measured_at: datetime | None
    lots: int
    settles: int
    """How often this process has settled since it started."""
    dirty: int
    """Cells that wait to be settled."""
    sweeps: int
    """Tiles that wait to be swept."""


class ToldNearMiss(Answer):
    """Two lots that fail one gate by little, as the asker may see them."""

    near_miss_id: UUID
    revision: int = Field(ge=1)
    region: str
    """The surplus's."""
    state: Literal["open", "closed"]
    surplus: Side
    need: Side
    gate: str
    offered: str
    """What the surplus has at that gate."""
    wanted: str
    change_needed: str
    """In codes and numbers, with ` | ` for «or»."""
    who_could: list[str]
    """The organisations that could change it, as far as they are known to the asker."""
    remedies: list[Remedy]
    """Any one of them would do."""
    tonnes: Tonnes
    """What both have unmatched, whole tonnes."""
    value: Value
    """What they are worth if a remedy comes true."""
    distance_km: float | None
    sample: bool
    born_at: datetime
    changed_at: datetime


class ToldOpening(Answer):
    """What a forecast would gain by one change."""

    change: Remedy
    change_needed: str
    """The same in codes and numbers, as `need window_later 21 d`."""
    tonnes: int
    """Whole tonnes that would find a partner."""
    total_cents: int
    partners: int
    tag: str


class ToldOpenings(Answer):
    """What a forecast would gain by one change, best first."""

    forecast: UUID
    revision: int
    """Of the forecast."""
    items: list[ToldOpening]
    as_of: datetime


# -- the plan


class PlanTonnes(Tonnes):
    """Whole tonnes; *expected* are the likely ones by how likely they are to come about."""

    expected: int = Field(ge=0)


class PlanAmounts(Answer):
    tonnes: PlanTonnes
    tonne_km: float
    value_cents: int
    """Against the counterfactual, for all of the tonnes."""
    saved_kg: float
    """kg of CO2e against the same."""


class PlanRow(PlanAmounts):
    """What moves in one month from one municipality to another."""

    month: str
    """YYYY-MM"""
    material: str
    from_: str = Field(alias="from")
    """The code of the municipality."""
    to: str
    route: Route
    via: UUID | None
    """The area that it goes over, among `areas`."""
    state: str
    matches: int


class PlanUnmatched(Answer):
    """What finds no partner in one month."""

    month: str
    """YYYY-MM"""
    direction: Direction
    material: str
    lots: int
    tonnes: PlanTonnes


class UnmatchedSides(Answer):
    surplus: PlanTonnes
    need: PlanTonnes


class PlanSums(Answer):
    moved: PlanAmounts
    """Between projects."""
    onsite: PlanAmounts
    """Within one project."""
    unmatched: UnmatchedSides


class PlanMonth(PlanSums):
    month: str
    """YYYY-MM"""


class NamedArea(Answer):
    title: str
    municipality: str
    """Its code."""


class LikelihoodBasis(Answer):
    """On what the expected tonnes rest."""

    version: str
    tag: str


class ToldPlan(Answer):
    """What moves where and when, and what is left; rows, months and totals add up."""

    region: str | None
    by: Literal["month"]
    from_: str | None = Field(alias="from")
    """The first month asked for, YYYY-MM."""
    to: str | None
    rows: list[PlanRow]
    unmatched: list[PlanUnmatched]
    months: list[PlanMonth]
    totals: PlanSums
    areas: dict[UUID, NamedArea]
    """Those that rows go over, by id."""
    likelihood: LikelihoodBasis
    tag: str
    sample: bool
    as_of: datetime


# -- what would happen if


class ToldRules(Answer):
    """The rules of this answer."""

    standing_bonus_cents_per_t: int
    """What counts for what stands already."""
    smallest_load_t: int
    co2e_cents_per_t: int
    """The price of a tonne of CO2e."""


class ToldTotals(Answer):
    """Of what the asker may see; in `difference`, after less before."""

    matches: int
    value_cents: int
    tonnes: int
    onsite_tonnes: int
    tonne_km: float
    saved_kg: float
    """kg of CO2e against the counterfactual."""


class ToldEffects(Answer):
    """How many matches would be new, changed, gone or, of the agreed ones, broken."""

    new: int
    changed: int
    gone: int
    broken: int


class SupposedSide(Answer):
    """One end of a match in an answer; the other's name is null while it is but proposed."""

    forecast_id: UUID | None
    """Null for one that the question added."""
    added: bool
    project_id: UUID
    organisation: str | None
    region: str
    municipality: str
    material: str


class SupposedMatch(Answer):
    match_id: UUID | None
    """Null where there is none yet."""
    route: Route
    via: UUID | None
    """The area that it would go over, among `areas`."""
    state: MatchState
    surplus: SupposedSide
    need: SupposedSide
    window: Window
    distance_km: float
    cents_per_t: int
    likelihood: float = Field(ge=0, le=1)
    sample: bool


class BeforeAndAfter(Answer):
    """Whole tonnes."""

    before: int
    after: int


class SupposedEffect(SupposedMatch):
    """A match that would be otherwise."""

    what: Literal["new", "changed", "gone"]
    tonnes: BeforeAndAfter
    worth_cents: int
    """How much more it would be worth."""


class SupposedBreak(SupposedMatch):
    """An agreement that would not hold."""

    reason: str
    forecast: UUID
    """The one that would not keep it."""
    forecast_tonnes: int
    forecast_window: Window
    tonnes: int
    """What was agreed, whole tonnes."""


class ToldWhatIf(Answer):
    """What the matcher would do; nothing is changed."""

    scope: Literal["near", "region"]
    rules: ToldRules
    before: ToldTotals
    after: ToldTotals
    difference: ToldTotals
    counts: ToldEffects
    matches: list[SupposedEffect]
    """Those of most worth first."""
    areas: dict[UUID, NamedArea]
    left_off: int
    """How many matches more would be otherwise than `matches` tells."""
    broken: list[SupposedBreak]
    tag: str
    as_of: datetime


# -- refusals

NO_MATCH = (404, "match_not_found", "there is no such match that you may see")
NO_LOT = (404, "lot_not_found", "there is no such forecast that you may see")
NOT_YOURS = (403, "not_your_match", "say which of your organisations speaks: one of the two sides")
FEW = (403, "too_few_organisations", "sign in: sums of so few organisations are for these alone")
SINCE = (422, "since_without_zone", "write since with its zone, as 2026-11-24T08:00Z")
MATCH_NOW: dict[str, Any] = {
    "match": {"$ref": REFERENCE.format(model=ToldMatch.__name__)},
    "changed": {
        "type": "array",
        "description": "what is not as it was at the revision that If-Match named",
        "items": {
            "type": "object",
            "required": ["field", "was", "now"],
            "properties": {"field": {"type": "string"}, "was": {}, "now": {}},
        },
    },
    "first": {"type": "string", "format": "date", "description": "the first day that would do"},
    "last": {"type": "string", "format": "date", "description": "the last day that would do"},
    "tonnes_left": {"type": "integer", "description": "the most that would do, whole tonnes"},
}
DECIDING = refusals(
    NO_MATCH,
    NOT_YOURS,
    (409, "match_changed", "look at `match` as it is now, then decide on that"),
    (409, "decided_already", "look at the match again, then decide"),
    (409, "own_site", "nobody is asked about a movement on the own site"),
    (409, "same_terms", "accept them instead"),
    (409, "tonnes_missing", "offer 1 t or more"),
    (409, "window_reversed", "turn the window around"),
    (409, "window_over", "name a later last day"),
    (409, "window_beyond", "name days from `first` to `last`"),
    (409, "window_too_short", "offer more days, or `tonnes_left`"),
    (409, "counter_over_area", "offer other tonnes, or decline with the reason timing"),
    (409, "too_many_tonnes", "offer `tonnes_left` or less"),
    (409, "reason_missing", "name a reason with the decline"),
    (409, "done_already", "nothing is left to close"),
    (409, "not_agreed", "only an agreed match can be closed"),
    (409, "nothing_to_undo", "you have not accepted this match"),
    (409, "agreed_already", "both have accepted: agree with the other side instead"),
    (422, "terms_not_asked", "tonnes and window belong to a counter alone"),
    (422, "terms_missing", "a counter names other tonnes or another window"),
    (428, "revision_missing", "say which revision you saw, as If-Match"),
    named="DecisionRefused",
    members=MATCH_NOW,
)
DELIVERING = refusals(
    NO_MATCH,
    NOT_YOURS,
    (404, "delivery_not_found", "there are no such loads of yours under this match"),
    (409, "not_agreed", "loads are told of an agreed match"),
    (409, "key_used", "give loads of another match another Idempotency-Key"),
    (422, "moved_in_the_future", "tell loads when they have moved"),
    (428, "idempotency_key_missing", "give each report a key of its own"),
)
SUPPOSING = refusals(
    (404, "forecast_not_found", "there is no such forecast that you may change"),
    (404, "project_not_found", "there is no such project with forecasts that you may change"),
    (404, "area_not_found", "there is no such area that you may change"),
    (413, "what_if_too_large", "ask with scope near, or with fewer changes at once"),
    (422, "area_not_in_plans", "only an open interim storage or processing site takes part"),
    (422, "area_without_capacity", "it was told without a limit, so there is none to change"),
    (422, "capacity_below_zero", "take off less"),
    (422, "tonnes_below_zero", "take off less, or say withdrawn"),
    (422, "days_out_of_range", "shift by fewer days"),
    (422, "forecast_invalid", "mend the field that is named"),
    (422, "organisation_missing", "say for which organisation the forecast is added"),
    (422, "material_unknown", "use one of the materials"),
    *((422, f"{field}_unknown", "use one of the codes that are named") for field in ENUMERATED),
    named="TooLarge",
    members={"limit": MEMBERS["limit"]},
)
PLANNING = refusals(
    (413, "plan_too_large", "ask for one region"),
    (422, "months_backwards", "tell the earlier month first"),
    named="TooLarge",
    members={"limit": MEMBERS["limit"]},
)
