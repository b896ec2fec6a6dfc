"""What an operator may turn about matching, with units and bounds."""

from pydantic import Field

from services.matcher.domain import Rules
from shared.settings import SharedSettings
from shared.vocabulary.distance import SAME_PLACE_KM


class Settings(SharedSettings):
    """The matcher's settings; `MATCHER_REACH_KM=80` and so on."""

    matcher_reach_km: float = Field(60.0, gt=0, le=1000, description="by road, unless by material")
    matcher_reach_km_by_material: dict[str, float] = Field(
        default_factory=dict, description='by material of the surplus, as {"topsoil": 30}'
    )
    matcher_same_place_km: float = Field(
        SAME_PLACE_KM, gt=0, description="straight, between lots known by the same municipality"
    )
    matcher_radius_km: float = Field(14.0, ge=0, le=200, description="of a neighbourhood")
    matcher_neighbourhood_lots: int = Field(
        140,
        ge=0,
        description="up to so many, half surplus, a neighbourhood grows beyond its radius",
    )
    matcher_single_radius_km: float = Field(
        30.0, ge=0, le=200, description="around a change that comes alone: of those it may concern"
    )
    matcher_single_lots: int = Field(60, ge=0, description="the nearest of these, about so many")
    matcher_sweep_radius_km: float = Field(40.0, ge=0, le=400, description="of a sweep's reach")
    matcher_sweep_lots: int = Field(
        600, ge=0, description="up to so many a sweep grows beyond its radius, as far as reach goes"
    )
    matcher_sweep_after_s: float = Field(3.0, gt=0, description="of quiet before a sweep")
    matcher_measure_every_s: float = Field(600.0, gt=0, description="between two full solves")
    matcher_measure_up_to_lots: int = Field(5000, ge=0, description="no full solve beyond")
    matcher_standing_bonus_cents_per_t: int = Field(200, ge=0, description="0: none")
    matcher_sweep_bonus_cents_per_t: int = Field(20, ge=0, description="the same in sweeps")
    matcher_worth_a_change_cents: int = Field(
        5000, ge=0, description="what a settle must bring for each proposal it changes; 0: any"
    )
    matcher_smallest_load_t: int = Field(50, ge=0, description="0: any")
    matcher_worth_cents_per_t: int = Field(0, description="told are values above this")
    matcher_tell_within_s: float = Field(10.0, ge=0, description="when news keeps coming")
    matcher_calendar_every_s: float = Field(
        600.0, gt=0, le=86400, description="between two looks for windows that are over"
    )
    matcher_co2e_cents_per_t: int = Field(0, ge=0, description="the price of a tonne of CO2e")
    matcher_processing_on_site: bool = Field(
        False, description="workings such as crushing are done where the mass is"
    )
    matcher_closes_past_windows: bool = Field(
        True, description="days gone by count as no overlap; off to settle history"
    )
    matcher_routing_url: str | None = Field(
        None, pattern=r"^https?://", description="of an OSRM server; none: ratio by distance"
    )
    matcher_routing_profile: str = Field(
        "driving", pattern=r"^[A-Za-z0-9_-]+$", description="in the address of its table service"
    )
    matcher_routing_timeout_s: float = Field(10.0, gt=0, le=30, description="of one table")
    matcher_routing_table_points: int = Field(
        100, ge=2, le=2000, description="at most, as the engine's own --max-table-size"
    )
    matcher_routing_rest_s: float = Field(
        10.0, gt=0, le=600, description="not asked after it failed; twice as long each time"
    )
    matcher_routing_candidates: int = Field(
        6, ge=0, le=100, description="best partners of a planned lot whose roads are asked for"
    )
    matcher_routing_keep_days: float = Field(
        180.0, gt=0, description="until a road is asked for again"
    )

    matcher_plan_up_to_lots: int = Field(20_000, ge=1, description="open lots in one plan by month")
    matcher_what_if_up_to_lots: int = Field(
        20_000, ge=1, description="lots thought through in one what-if"
    )

    matcher_near_days: int = Field(
        56, ge=0, description="between two windows, for a near miss; 0: none in time"
    )
    matcher_near_beyond_reach: float = Field(
        0.25, ge=0, le=2, description="of the reach, beyond it, for a near miss"
    )
    matcher_near_worth_eur: int = Field(1000, ge=0, description="near misses below are not kept")
    matcher_near_per_lot: int = Field(3, ge=0, description="near misses kept; 0: none")
    matcher_near_after_s: float = Field(4.0, ge=0, description="of quiet before near misses")
    matcher_near_within_s: float = Field(60.0, ge=0, description="when news keeps coming")

    def rules(self) -> Rules:
        """The rules that these settings make."""
        return Rules(
            reach_km=self.matcher_reach_km,
            reach_by_material=tuple(sorted(self.matcher_reach_km_by_material.items())),
            same_place_km=self.matcher_same_place_km,
            worth_cents_per_t=self.matcher_worth_cents_per_t,
            standing_bonus_cents_per_t=self.matcher_standing_bonus_cents_per_t,
            sweep_bonus_cents_per_t=self.matcher_sweep_bonus_cents_per_t,
            worth_a_change_cents=self.matcher_worth_a_change_cents,
            smallest_load_t=self.matcher_smallest_load_t,
            co2e_cents_per_t=self.matcher_co2e_cents_per_t,
            processing_on_site=self.matcher_processing_on_site,
            closes_past_windows=self.matcher_closes_past_windows,
            radius_km=self.matcher_radius_km,
            neighbourhood_lots=self.matcher_neighbourhood_lots,
            single_radius_km=self.matcher_single_radius_km,
            single_lots=self.matcher_single_lots,
            sweep_radius_km=self.matcher_sweep_radius_km,
            sweep_lots=self.matcher_sweep_lots,
            sweep_after_s=self.matcher_sweep_after_s,
            measure_every_s=self.matcher_measure_every_s,
            measure_up_to_lots=self.matcher_measure_up_to_lots,
            tell_within_s=self.matcher_tell_within_s,
            calendar_every_s=self.matcher_calendar_every_s,
            routed=self.matcher_routing_url is not None,
            road_candidates=self.matcher_routing_candidates,
            road_keep_days=self.matcher_routing_keep_days,
            near_days=self.matcher_near_days,
            near_beyond_reach=self.matcher_near_beyond_reach,
            near_worth_cents=self.matcher_near_worth_eur * 100,
            near_per_lot=self.matcher_near_per_lot,
            near_after_s=self.matcher_near_after_s,
            near_within_s=self.matcher_near_within_s,
        )
