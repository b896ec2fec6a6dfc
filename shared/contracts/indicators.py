"""What the indicators service announces."""

from typing import ClassVar, Literal

from pydantic import Field

from shared.contracts.base import Event


class IndicatorUpdated(Event):
    """
    One figure of one scope is now this; at most one a figure and second.

    *value* is null where the denominator is 0. In the states `forecast`, `proposed` and `agreed`
    the figure is a projection (*projection* is true): what it would be if that were carried out.
    *beside* are the numbers without which it misleads, such as the share that is not known.
    """

    name: ClassVar[str] = "indicators.indicator-updated.v1"

    indicator: str
    revision: int = Field(ge=1)
    scope: Literal["region", "sub_region", "municipality", "organisation", "project"]
    scope_code: str
    period: str
    state: Literal["forecast", "proposed", "agreed", "delivered"]
    projection: bool
    value: float | None = None
    unit: str
    numerator: float | None = None
    denominator: float | None = None
    definition: str
    counterfactual: str | None = None
    unverified_share: float | None = None
    beside: dict[str, float] = Field(default_factory=dict)
    sample: bool = False
