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
    registry_patience_s: float = Field(
        60.0, ge=0, description="how long a forecast that came before its project waits for it"
    )
