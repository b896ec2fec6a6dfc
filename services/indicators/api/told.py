"""What the answers look like, for the OpenAPI document: nothing is checked or copied by them."""

from typing import Literal

from shared.openapi import Answer, Listing, left_out, refusals

Scope = Literal["country", "region", "sub_region", "municipality", "organisation", "project"]
Grain = Literal["month", "quarter", "year"]
State = Literal["forecast", "proposed", "agreed", "delivered"]


class About(Answer):
    """What an answer is about."""

    scope: Scope
    code: str
    """Of the place, the token of the organisation, or the id of the project; `all` of a country."""
    region: str | None
    title: str | None
    """Of an organisation or a project, where it is known."""
    withheld: int
    """How many materials and months are left out, because too few organisations take part."""
    period: str
    """The months asked for; `all` where none were."""


class Sides(Answer):
    """Both sides in tonnes; never added together."""

    surplus_t: float
    surplus_low_t: float
    surplus_high_t: float
    need_t: float
    need_low_t: float
    need_high_t: float
    net_t: float
    """Needed beyond what is left over."""
    net_low_t: float
    net_high_t: float
    onsite_t: float
    """What of the surplus stays on its own site."""


class SidesInState(Sides):
    projection: bool
    """Not delivered yet."""


class States(Answer):
    """A tonne stands in one state, so that they add up to the whole."""

    forecast: SidesInState
    proposed: SidesInState
    agreed: SidesInState
    delivered: SidesInState


class BalanceRow(Sides):
    """One period and material."""

    period: str
    """YYYY-MM, YYYY-Qn or YYYY, as the grain is."""
    month: str = left_out()
    """The period once more, where the grain is a month."""
    material: str
    unverified_share: float | None
    """The share of both masses, 0..1, that rests on unverified defaults; null where both are 0."""
    states: States
    sample: bool
    """It is of the sample region."""


class ToldBalance(About, Listing[BalanceRow]):
    """A page of the mass balance, by period and material."""

    grain: Grain


class ToldFigure(Answer):
    """One figure of one state."""

    indicator: str
    """Its id in `/figures/definitions`."""
    key: str
    value: float | None
    """In `unit`; null where it is not known, and `why` says why."""
    low: float | None
    """A bound that the lots tell, in `unit`; not a probability."""
    high: float | None
    unit: str
    """`share` is 0..1."""
    numerator: float | None
    denominator: float | None
    state: State
    projection: bool
    """What it would be if what stands there were carried out: of all states but delivered."""
    period: str
    definition: str
    """The id of the indicator and the version of its definition."""
    counterfactual: str | None
    """The id of what it is held against."""
    unverified_share: float | None
    """The share of its mass, 0..1, that rests on unverified defaults."""
    why: str | None
    beside: dict[str, float]
    """The numbers without which it misleads; a name that ends in `_t` is in tonnes."""
    sample: bool


class ToldFigures(About, Listing[ToldFigure]):
    """The figures of one scope and period: all of them, so `next` is null."""


class ToldDefinition(Answer):
    """What an indicator means."""

    indicator: str
    key: str
    names: dict[str, str]
    """By language."""
    formula: str
    unit: str
    numerator: str
    denominator: str | None
    trap: str
    """What is easily misread."""
    counterfactual: str | None
    version: str
    definition: str
    """The id with the version, as each figure bears it."""


class Fallback(Answer):
    """What holds where no sites were told."""

    d_ref_km: float
    """How far a surplus would be hauled."""
    d_virgin_km: float
    """How far virgin material would be hauled."""
    source: str
    tag: str
    confidence: str
    rule: str


class ToldCounterfactual(Answer):
    """What figures are held against."""

    id: str
    text: str
    names: dict[str, str]
    """By language."""
    fallback: Fallback


class ToldDefinitions(Listing[ToldDefinition]):
    """Every indicator, on one page."""

    counterfactuals: list[ToldCounterfactual]


# -- refusals

ASKED = (
    (403, "too_few_organisations", "ask for a wider place, or as its coordinator"),
    (404, "project_unknown", "there is no such project that you may see"),
    (422, "code_missing", "say code=…: every scope but country needs one"),
    (422, "code_invalid", "give the project's id; of a region, the same code and region, or one"),
    (422, "region_missing", "say region=…: a place in a region needs it"),
)
FIGURES = refusals(
    *ASKED,
    (422, "period_invalid", "write all, YYYY, YYYY-Qn, YYYY-MM, or two months with .. between"),
    (422, "indicator_unknown", "use one of those in /figures/definitions"),
)
MONTHS = (
    *ASKED,
    (422, "from_invalid", "write YYYY-MM"),
    (422, "to_invalid", "write YYYY-MM"),
    (422, "period_reversed", "change from and to"),
)
BALANCE = refusals(*MONTHS)
