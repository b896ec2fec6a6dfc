"""What the matcher announces: matches and what becomes of them, and near misses."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.base import Event, Part
from shared.contracts.parts import Place, Tonnes, Window

MatchState = Literal[
    "proposed", "accepted", "agreed", "moving", "done", "declined", "withdrawn", "expired"
]
Verdict = Literal["pass", "conditional", "unknown", "fail"]


class Side(Part):
    """One end of a match: the lot as it was judged."""

    forecast_id: UUID
    forecast_revision: int
    project_id: UUID
    organisation: str | None = None
    region: str
    material: str
    place: Place
    contacts: tuple[UUID, ...] = ()


class Via(Part):
    """
    The area where a mass waits or is worked between surplus and need.

    *arriving_t* are whole tonnes that reach the need, `yield_permille` of what came in.
    """

    area_id: UUID
    title: str
    organisation: str
    place: Place
    arrives: Window
    leaves: Window
    waits_days: int = Field(ge=0)
    processing: tuple[str, ...] = ()
    yield_permille: int = 1000
    arriving_t: int = Field(ge=0)
    there_km: float
    onward_km: float


class Value(Part):
    """
    What a match is worth against its counterfactual, in cents per tonne and in cents.

    `cents_per_t` = disposal avoided + purchase avoided − haul − processing − storage. The areas
    named are those that the counterfactual rests on; without one its fallback holds. A positive
    *compensation* goes from the taker to the giver and makes both sides gain; a negative one the
    other way.
    """

    cents_per_t: int
    total_cents: int
    disposal_avoided_cents_per_t: int
    purchase_avoided_cents_per_t: int
    haul_cents_per_t: int
    processing_cents_per_t: int = 0
    storage_cents_per_t: int = 0
    giver_gain_cents_per_t: int
    taker_gain_cents_per_t: int
    compensation_cents_per_t: int = 0
    counterfactual: str = "CF-1"
    reception_area: UUID | None = None
    quarry_area: UUID | None = None
    tag: str = "unverified"


class Climate(Part):
    """Grams of CO2e per tonne against the same counterfactual; never mixed with euros."""

    saved_g_per_t: int
    counterfactual_g_per_t: int
    proposed_g_per_t: int
    tag: str = "unverified"


class Reason(Part):
    """
    One gate's verdict, with the two values it compared.

    *needed* says in English what must be shown, tested or decided; *papers* are the ids of that in
    the vocabulary, which names them in three languages.
    """

    gate: str
    verdict: Verdict
    offered: str
    wanted: str
    needed: str | None = None
    papers: tuple[str, ...] = ()


class Alternatives(Part):
    """How many other partners the two lots have, and what the next best is worth."""

    count: int = 0
    next_best_cents_per_t: int | None = None


class _MatchState(Event):
    """
    *distance_method* is `ratio` (by straight distance) or `route` (told by a routing engine);
    *distance_version* that of the table of ratios, or of the engine and its map.
    """

    match_id: UUID
    revision: int = Field(ge=1)
    state: MatchState
    route: Literal["direct", "onsite", "area"] = "direct"
    via: Via | None = None
    surplus: Side
    need: Side
    tonnes: Tonnes
    likelihood: float | None = None
    window: Window
    distance_km: float
    distance_method: str
    distance_version: str = ""
    value: Value
    climate: Climate
    tonne_km: float
    reasons: tuple[Reason, ...] = ()
    papers: tuple[str, ...] = ()
    alternatives: Alternatives = Alternatives()
    accepted_by: tuple[str, ...] = ()
    declined_by: str | None = None
    decline_reason: str | None = None
    change: str = ""
    asks: tuple[str, ...] = ()
    delivered_t: float = Field(default=0.0, ge=0)
    left_t: float | None = None
    closed_by: str | None = None
    definition: str = "1"
    rules: str = ""
    factors: str = ""
    sample: bool = False


class MatchFound(_MatchState):
    """
    A proposal that is new for this pair of lots and worth telling.

    *region* is the surplus's. *asks* names the organisations whose move it is.
    """

    name: ClassVar[str] = "matcher.match-found.v1"


class MatchChanged(_MatchState):
    """
    A match is now as told here, whole; *change* says in one word what moved.

    Once agreed, *delivered_t* + *left_t* = the tonnes agreed; *left_t* below 0 is delivered beyond
    them. *closed_by* ended it: what is left is nobody's any more.
    """

    name: ClassVar[str] = "matcher.match-changed.v1"


class _OwnMatch(_MatchState):
    """A match as one of its two organisations may see it, on `matches.<organisation>.>`."""

    organisation: str

    @classmethod
    def stream(cls) -> str:
        return "matches"

    @property
    def subject(self) -> str:
        return f"matches.{self.organisation}.{self.event_name()}"

    @classmethod
    def owner(cls) -> str:
        return "matcher"


class OwnMatchFound(_OwnMatch):
    """A new proposal, as this organisation may see it; names come with an acceptance."""

    name: ClassVar[str] = "matches.match-found.v1"


class OwnMatchChanged(_OwnMatch):
    """A match of this organisation is now as told here."""

    name: ClassVar[str] = "matches.match-changed.v1"


class Remedy(Part):
    """
    One thing that would make a near miss fit: who could change it, what, and by how much.

    *days* that a window moves, *km* beyond the reach, or the *code* of a class, a missing fact or
    a processing. `region` is neither side.
    """

    who: Literal["surplus", "need", "region"]
    what: str
    days: int | None = None
    km: float | None = None
    code: str | None = None


class NearMissFound(Event):
    """
    Two lots that fail exactly one gate by little, and what would have to change.

    Told when it is new or differs substantially, and as `closed` when it is gone. *region* is the
    surplus's. *tonnes* are what both have unmatched, *value* what they are worth if one of
    *remedies* comes true; *change_needed* says these in codes and numbers, with ` | ` for «or».
    """

    name: ClassVar[str] = "matcher.near-miss-found.v1"

    near_miss_id: UUID
    revision: int = Field(ge=1)
    state: Literal["open", "closed"] = "open"
    surplus: Side
    need: Side
    gate: str
    offered: str
    wanted: str
    change_needed: str
    who_could: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    tonnes: Tonnes
    value: Value
    distance_km: float | None = None
    sample: bool = False


class DeliveredEnd(Part):
    """Where loads left or arrived: the lot, its project, owner and place at that time."""

    forecast_id: UUID
    project_id: UUID
    organisation: str
    region: str
    municipality: str
    sub_region: str = ""
    material: str


class Baseline(Part):
    """
    What a tonne would have met without the platform: distances by road, cents and g CO2e per tonne.

    The first three for leaving a surplus, the others for buying virgin material for a need.
    """

    reception_km: float
    gate_fee_cents_per_t: float
    gate_work_g_per_t: float
    quarry_km: float
    virgin_cents_per_t: float
    virgin_g_per_t: float
    counterfactual: str = "CF-1"
    tag: str = "unverified"


class DeliveryRecorded(Event):
    """
    Loads recorded against a match or a lot; readers keep the highest *revision*.

    Under an agreed match *match_id* names it, and *left_t* closes its balance: delivered + left =
    agreed, below 0 beyond it. Corrected to 0 t it moved nothing. *into_storage* loads wait in
    *area_id*. *haul_measured* is false where *haul_km* is that of the match.
    """

    name: ClassVar[str] = "matcher.delivery-recorded.v1"

    delivery_id: UUID
    revision: int = Field(ge=1)
    match_id: UUID | None = None
    surplus_forecast_id: UUID | None = None
    need_forecast_id: UUID | None = None
    area_id: UUID | None = None
    surplus: DeliveredEnd | None = None
    need: DeliveredEnd | None = None
    outlet: str
    origin: Literal["lot", "virgin"] = "lot"
    into_storage: bool = False
    material: str
    tonnes: float = Field(ge=0)
    left_t: float | None = None
    method: str = "estimate"
    tag: str = "told"
    moved_on: str
    haul_km: float | None = None
    haul_measured: bool = True
    vehicle: str | None = None
    energy: str | None = None
    baseline: Baseline | None = None
    sample: bool = False
