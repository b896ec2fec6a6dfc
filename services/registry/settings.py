"""What an operator may turn in the registry."""

from pathlib import Path

from pydantic import Field

from shared.settings import SharedSettings


class Settings(SharedSettings):
    """The registry's settings."""

    registry_signing_key_file: Path | None = Field(
        None, description="private JWK that signs tokens; written by provision"
    )
    registry_platform_keys_file: Path | None = Field(
        None, description="JSON of name → SHA-256 of the key: the operator and the services"
    )
    registry_oidc_issuer: str | None = Field(
        None, description="the OIDC provider that says who a person is"
    )
    registry_oidc_audience: str = Field(
        "massakoppi", description="the client id its tokens are made for"
    )
    registry_confirm_after_days: int = Field(
        90, ge=1, description="of silence, after which an owner is asked whether a forecast holds"
    )
    registry_confirm_before_days: int = Field(
        56, ge=0, description="before the window opens, when the owner is asked at the latest"
    )
    registry_confirm_within_days: int = Field(
        14, ge=1, description="for an answer; then the grade drops, and as long after the offer"
    )
    registry_calendar_every_s: float = Field(
        600.0, gt=0, description="between two looks at who is to be asked"
    )
    registry_patience_s: float = Field(
        60.0, ge=0, description="how long a forecast that came before its project waits for it"
    )
