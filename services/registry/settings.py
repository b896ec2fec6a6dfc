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
    registry_import_mb: int = Field(20, ge=1, le=50, description="MB of a table handed in, at most")
    registry_import_rows: int = Field(100_000, ge=1, description="rows of a table, at most")
    registry_import_memory_mb: int = Field(
        1_500, ge=400, description="address space of the process that reads a table, MB"
    )
    registry_import_s: float = Field(
        300.0, gt=0, le=330, description="how long reading a table may take, seconds"
    )
