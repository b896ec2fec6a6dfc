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
    matcher_radius_km: float = Field(20.0, ge=0, le=200, description="of a neighbourhood")
    matcher_neighbourhood_lots: int = Field(
        250, ge=0, description="up to so many a neighbourhood grows beyond its radius"
    )
    matcher_sweep_radius_km: float = Field(40.0, ge=0, le=400, description="of a sweep's reach")
    matcher_sweep_after_s: float = Field(3.0, gt=0, description="of quiet before a sweep")
    matcher_measure_every_s: float = Field(600.0, gt=0, description="between two full solves")
    matcher_measure_up_to_lots: int = Field(5000, ge=0, description="no full solve beyond")
    matcher_standing_bonus_cents_per_t: int = Field(200, ge=0, description="0: none")
    matcher_sweep_bonus_cents_per_t: int = Field(20, ge=0, description="the same in sweeps")
    matcher_smallest_load_t: int = Field(50, ge=0, description="0: any")
    matcher_worth_cents_per_t: int = Field(0, description="told are values above this")
    matcher_tell_within_s: float = Field(2.0, ge=0, description="when news keeps coming")
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

    def rules(self) -> Rules:
        """The rules that these settings make."""
        return Rules(
            reach_km=self.matcher_reach_km,
            reach_by_material=tuple(sorted(self.matcher_reach_km_by_material.items())),
            same_place_km=self.matcher_same_place_km,
            worth_cents_per_t=self.matcher_worth_cents_per_t,
            standing_bonus_cents_per_t=self.matcher_standing_bonus_cents_per_t,
            sweep_bonus_cents_per_t=self.matcher_sweep_bonus_cents_per_t,
            smallest_load_t=self.matcher_smallest_load_t,
            co2e_cents_per_t=self.matcher_co2e_cents_per_t,
            processing_on_site=self.matcher_processing_on_site,
            closes_past_windows=self.matcher_closes_past_windows,
            radius_km=self.matcher_radius_km,
            neighbourhood_lots=self.matcher_neighbourhood_lots,
            sweep_radius_km=self.matcher_sweep_radius_km,
            sweep_after_s=self.matcher_sweep_after_s,
            measure_every_s=self.matcher_measure_every_s,
            measure_up_to_lots=self.matcher_measure_up_to_lots,
            tell_within_s=self.matcher_tell_within_s,
            calendar_every_s=self.matcher_calendar_every_s,
        )
