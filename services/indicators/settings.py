"""What an operator may turn in the indicators."""

from pydantic import Field

from shared.settings import SharedSettings


class Settings(SharedSettings):
    """The settings of the indicators, beside the shared ones."""

    indicators_batch_events: int = Field(
        200, ge=1, le=1000, description="events applied in one transaction at most"
    )
    indicators_pause_s: float = Field(
        1.0, ge=0, le=3600, description="least time between two announcements of one figure"
    )
